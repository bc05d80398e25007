import {type Instrument, notionalMicros} from '../domain/instrument.ts'
import type {ExecutionReport} from '../domain/order.ts'
import {lots as toLots, micros as toMicros, ticks as toTicks, tsUs as toTsUs} from '../domain/units.ts'
import type {ShownLevel, ShownMarket} from './shown-market.ts'
import type {VenueOptions} from './venue.ts'
import type {WorkingOrder} from './working-order.ts'

// Columns are indexed by instrument numbers that the table has handed out, so they are read under `!`.

export type Outcome = {readonly kind: 'cancelled'; readonly reason: string} | {readonly kind: 'expired'}

/** What follows from executions, decided by whoever keeps the orders. */
export interface ExecutionHooks {
  readonly report: (report: ExecutionReport, atUs: number) => void
  /** The order's numbers have moved; it may be complete. */
  readonly filled: (working: WorkingOrder, lots: number, atUs: number) => void
  readonly end: (working: WorkingOrder, outcome: Outcome, atUs: number) => void
  /** Our own orders have taken from what an instrument shows. */
  readonly consumed: (instrument: number) => void
}

/** Turns liquidity into fills: at which price, how many lots, for what fee. */
export class Execution {
  readonly #options: VenueOptions
  readonly #shown: ShownMarket
  readonly #hooks: ExecutionHooks
  /** Signed lots held, for reduce-only. */
  readonly #held: Float64Array

  constructor(options: VenueOptions, shown: ShownMarket, hooks: ExecutionHooks) {
    this.#options = options
    this.#shown = shown
    this.#hooks = hooks
    this.#held = Float64Array.from({length: options.instruments.size}, (_, i) => options.initialLots?.(i) ?? 0)
  }

  hold(instrument: number, lots: number): void {
    this.#held[instrument] = lots
  }

  /** Takes what the market shows within the limit, level by level. */
  take(working: WorkingOrder, atUs: number): void {
    let wanted = this.#firstPart(working)
    const missing = this.#shown.missingLots(working, atUs)
    const untouched = missing > 0 ? this.#shown.levels(working, atUs, 0) : undefined
    this.#shown.walk(
      working,
      atUs,
      (ticks, available, shown) => {
        const lots = Math.min(available, wanted)
        const taken = this.fillTaker(working, lots, ticks, atUs, {shown, ...(untouched && {untouched})})
        if (taken > 0 && this.#options.respectSize) this.#consume(working, ticks, shown, taken)
        wanted -= taken
        return taken > 0 && wanted > 0 && working.state === 'live'
      },
      missing,
    )
  }

  /** Fills a taker at a displayed price, made worse by our own weight; returns the lots filled. */
  fillTaker(
    working: WorkingOrder,
    lots: number,
    ticks: number,
    atUs: number,
    {shown = 0, untouched}: {readonly shown?: number; readonly untouched?: ShownLevel[]} = {},
  ): number {
    const {impact} = this.#options
    if (impact === undefined || !(lots > 0)) return this.fill(working, lots, ticks, 'taker', atUs)
    const {instrument: i, isBuy} = working
    const paid = this.#withImpact(working, ticks, shown, lots, atUs)
    const taken = this.fill(working, lots, paid, 'taker', atUs, filled => {
      const undisturbed = untouched === undefined ? ticks : meanTicks(untouched, filled)
      return (isBuy ? 1 : -1) * (paid - undisturbed)
    })
    if (taken > 0) impact.onTaken?.(i, isBuy, taken, atUs)
    return taken
  }

  /** The market came to a resting order: it is filled as the maker, at its own price. */
  meetCrossing(working: WorkingOrder, atUs: number): void {
    this.#shown.walk(working, atUs, (ticks, available, shown) => {
      const taken = this.fill(working, Math.min(available, working.leavesLots), working.limitTicks, 'maker', atUs)
      if (taken > 0 && this.#options.respectSize) this.#consume(working, ticks, shown, taken)
      return taken > 0 && working.state === 'live'
    })
  }

  /** How much a marketable order may take at its first try; all of it, unless chance says partial. */
  #firstPart(working: WorkingOrder): number {
    const {partialFillProbability, rng} = this.#options
    const firstTry = !working.partialDrawn
    working.partialDrawn = true
    if (partialFillProbability <= 0 || !firstTry || working.leavesLots < 2 || working.order.timeInForce === 'fok')
      return working.leavesLots
    if (rng.uniform() >= partialFillProbability) return working.leavesLots
    return 1 + rng.below(working.leavesLots - 1)
  }

  #withImpact(working: WorkingOrder, ticks: number, shownLots: number, lots: number, atUs: number): number {
    const {instrument, isBuy, limitTicks} = working
    const impact = Math.round(
      this.#options.impact?.ticks({instrument, isBuy, lots, shownLots, priceTicks: ticks, atUs}) ?? 0,
    )
    // Our own weight moves the price to its limit up or down, not past it.
    const {lowerTicks, upperTicks} = this.#options.market
    const upper = upperTicks[instrument]! || Infinity
    return isBuy
      ? Math.min(ticks + impact, limitTicks, Math.max(ticks, upper))
      : Math.max(ticks - impact, limitTicks, Math.min(ticks, Math.max(1, lowerTicks[instrument]!)))
  }

  /** One leg's part of a fill of a multi-leg order; `leavesLots` are the units open after it. */
  fillLeg(
    working: WorkingOrder,
    {
      leg,
      lots,
      ticks,
      shown,
    }: {readonly leg: WorkingOrder; readonly lots: number; readonly ticks: number; readonly shown: number},
    leavesLots: number,
    atUs: number,
  ): void {
    const {instrument: i, isBuy} = leg
    this.#held[i]! += isBuy ? lots : -lots
    if (this.#options.respectSize) this.#consume(leg, ticks, shown, lots)
    this.#options.impact?.onTaken?.(i, isBuy, lots, atUs)
    const {feeMicros} = this.#feeOf(leg, this.#options.instruments.at(i), lots, ticks, 'taker', atUs)
    const tsUs = toTsUs(atUs)
    const fill = {
      fillId: `${working.venueOrderId}-${++working.fills}`,
      clientOrderId: working.clientOrderId,
      instrument: i,
      side: leg.order.side,
      lots: toLots(lots),
      priceTicks: toTicks(ticks),
      feeMicros: toMicros(feeMicros),
      liquidity: 'taker' as const,
      tsUs,
    }
    this.#hooks.report({kind: 'fill', fill, venueOrderId: working.venueOrderId, leavesLots, tsUs}, atUs)
  }
  /** All legs of so many units have been filled. */
  legsFilled(working: WorkingOrder, units: number, atUs: number): void {
    this.#hooks.filled(working, units, atUs)
  }

  /** Returns the lots filled: fewer than asked for when reduce-only shrinks the order. */
  fill(
    working: WorkingOrder,
    wantedLots: number,
    ticks: number,
    liquidity: 'maker' | 'taker',
    atUs: number,
    impactTicksOf?: (filled: number) => number,
  ): number {
    const {instrument: i, order, isBuy} = working
    if (!this.#shown.isAllowed(i, isBuy, ticks)) return 0
    let filled = wantedLots
    if (order.reduceOnly === true) {
      const room = isBuy ? Math.max(0, -this.#held[i]!) : Math.max(0, this.#held[i]!)
      filled = Math.min(filled, room)
      if (room === 0) {
        this.#hooks.end(working, {kind: 'cancelled', reason: 'reduce-only with nothing left to reduce'}, atUs)
        return 0
      }
    }
    if (!(filled > 0)) return 0
    working.leavesLots -= filled
    working.filledLots += filled
    this.#held[i]! += isBuy ? filled : -filled
    const fee = this.#feeOf(working, this.#options.instruments.at(i), filled, ticks, liquidity, atUs)
    const impactTicks = impactTicksOf?.(filled) ?? 0
    const fill = {
      fillId: `${working.venueOrderId}-${++working.fills}`,
      clientOrderId: order.clientOrderId,
      instrument: i,
      side: order.side,
      lots: toLots(filled),
      priceTicks: toTicks(ticks),
      feeMicros: toMicros(fee.feeMicros),
      ...(fee.feeLots === undefined || fee.feeLots === 0 ? {} : {feeLots: toLots(fee.feeLots)}),
      ...(impactTicks === 0 ? {} : {impactTicks}),
      liquidity,
      tsUs: toTsUs(atUs),
    }
    if (fee.feeLots !== undefined) this.#held[i]! -= isBuy ? fee.feeLots : 0
    this.#hooks.report(
      {kind: 'fill', fill, venueOrderId: working.venueOrderId, leavesLots: working.leavesLots, tsUs: toTsUs(atUs)},
      atUs,
    )
    this.#hooks.filled(working, filled, atUs)
    return filled
  }

  #feeOf(
    working: WorkingOrder,
    instrument: Instrument,
    lots: number,
    ticks: number,
    liquidity: 'maker' | 'taker',
    atUs: number,
  ) {
    return this.#options.fees.feeOf({
      instrument: working.instrument,
      side: working.order.side,
      lots,
      priceTicks: ticks,
      notionalMicros: notionalMicros(instrument, ticks, lots),
      liquidity,
      tsUs: atUs,
    })
  }

  #consume(working: WorkingOrder, ticks: number, shown: number, lots: number): void {
    this.#shown.consume(working, ticks, shown, lots)
    this.#hooks.consumed(working.instrument)
  }
}

/** Mean price of so many lots of levels, best first, which are used up by it. */
const meanTicks = (levels: ShownLevel[], lots: number): number => {
  let sum = 0
  for (let left = lots; left > 0; ) {
    const [best] = levels
    if (best === undefined) throw new Error('more was taken than the market shows')
    const part = Math.min(left, best.available)
    sum += best.ticks * part
    best.available -= part
    left -= part
    if (best.available === 0) levels.shift()
  }
  return sum / lots
}
