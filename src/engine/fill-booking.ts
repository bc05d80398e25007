import type {InstrumentTable} from '../domain/instrument.ts'
import type {Fill} from '../domain/order.ts'
import type {RiskGate} from '../risk/gate.ts'
import type {FillEffect, Ledger} from './ledger.ts'
import type {LiveOrder} from './live-order.ts'
import type {RunRecord} from './run-record.ts'

// Columns are sized from the run's instruments and strategies, so they are read under `!`.

export interface FillBookingOptions {
  readonly instruments: InstrumentTable
  readonly ledger: Ledger
  readonly risk: RiskGate
  readonly record: RunRecord
}

/** Carries executions into the ledger, the record of the run and what risk knows of shorts. */
export class FillBooking {
  readonly #o: FillBookingOptions
  readonly #n: number
  /** Whether any coin is held under another instrument's number. */
  readonly #hasPairs: boolean

  constructor(options: FillBookingOptions) {
    this.#o = options
    this.#n = options.instruments.size
    this.#hasPairs = options.ledger.settlement.home.some((home, i) => home !== i)
  }

  /** Books a fill of a strategy (-1: nobody's); undefined when its id was booked before. */
  book(fill: Fill, strategy: number, order: LiveOrder | undefined, nowUs: number): FillEffect | undefined {
    const {ledger, record} = this.#o
    const {instrument} = fill
    const {own} = ledger
    const slot = strategy * this.#n + ledger.settlement.home[instrument]!
    const quoteHome = ledger.settlement.quoteHome[instrument]!
    const quoteSlot = quoteHome < 0 ? -1 : strategy * this.#n + quoteHome
    const lots = strategy < 0 ? 0 : own.lots[slot]!
    const realized = strategy < 0 ? 0 : own.realizedMicros[slot]!
    const quoteLots = strategy < 0 || quoteSlot < 0 ? 0 : own.lots[quoteSlot]!
    const quoteRealized = strategy < 0 || quoteSlot < 0 ? 0 : own.realizedMicros[quoteSlot]!
    const effect = ledger.apply(fill, strategy)
    if (effect === undefined) return undefined
    if (strategy >= 0) {
      record.onMove(own, slot, lots, realized, effect.valueMicros, effect.feesMicros, nowUs)
      if (quoteSlot >= 0) record.onMove(own, quoteSlot, quoteLots, quoteRealized, effect.valueMicros, 0, nowUs)
    }
    this.#limitShorts(instrument)
    if (order !== undefined) this.#costs(order, fill)
    return effect
  }

  cross(instrument: number, lots: number, priceTicks: number, buyer: number, seller: number, nowUs: number): void {
    const {ledger, record} = this.#o
    const slots = [buyer, seller].map(strategy => strategy * this.#n + ledger.settlement.home[instrument]!)
    const before = slots.map(slot => [ledger.own.lots[slot]!, ledger.own.realizedMicros[slot]!] as const)
    ledger.cross(instrument, lots, priceTicks, buyer, seller)
    for (const [k, slot] of slots.entries()) record.onMove(ledger.own, slot, before[k]![0], before[k]![1], 0, 0, nowUs)
  }

  /** A pair may sell what is held of its coin, whichever pair holds it. */
  #limitShorts(instrument: number): void {
    if (!this.#hasPairs) return
    const {ledger, risk, instruments} = this.#o
    if (instruments.at(instrument).kind !== 'crypto') return
    const {home} = ledger.settlement
    for (let i = 0; i < this.#n; i++)
      if (home[i] !== i) risk.snapshot.shortableLots[i] = Math.max(0, ledger.account.lots[home[i]!]!)
  }

  #costs(order: LiveOrder, fill: Fill): void {
    const {record, risk} = this.#o
    const leg = order.intent.legs?.findIndex(({instrument}) => instrument === fill.instrument)
    const {mid, hoped} =
      leg === undefined
        ? {mid: order.decidedMid, hoped: order.hopedTicks}
        : (order.legPrices?.[leg] ?? {mid: 0, hoped: 0})
    if (mid <= 0) return
    const perTick = (fill.side === 'buy' ? 1 : -1) * fill.lots * risk.snapshot.microsPerTickLot[fill.instrument]!
    record.spreadMicros += (hoped - mid) * perTick
    const impactMicros = (fill.impactTicks ?? 0) * Math.abs(perTick)
    record.slippageMicros += (fill.priceTicks - hoped) * perTick - impactMicros
    record.impactMicros += impactMicros
  }
}
