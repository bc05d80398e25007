import type {Journal} from '../broker/journal.ts'
import {openLatch} from '../broker/kill-latch.ts'
import {applyRow, createMarketState, type MarketState} from '../data/market-state.ts'
import {EventKind, type TapeChunk} from '../data/tape.ts'
import type {InstrumentTable} from '../domain/instrument.ts'
import {createRng} from '../domain/rng.ts'
import type {BackOffice, BackOfficeTerms} from '../engine/back-office.ts'
import {Engine, type EngineListener} from '../engine/engine.ts'
import {exchangeSessions} from '../engine/exchange-sessions.ts'
import type {Allocator} from '../engine/ports.ts'
import {DEFAULT_HALF_LIFE_US, type ImpactModelName, type ImpactOptions, impactModel} from '../exchange/impact.ts'
import {createVenue} from '../exchange/matching.ts'
import type {BarMatching, FeeModel, LatencyModel, QueueModelName, Venue} from '../exchange/venue.ts'
import {createRiskGate} from '../risk/gate.ts'
import type {RiskLimits} from '../risk/limits.ts'
import type {ExitRules} from '../risk/position-exit.ts'
import type {RiskRule} from '../risk/risk.ts'
import type {Strategy} from '../strategies/strategy.ts'

export interface SimulationOptions {
  readonly runId: string
  readonly seed: number
  readonly configHash: string
  readonly instruments: InstrumentTable
  readonly strategies: readonly Strategy[]
  readonly allocator: Allocator
  readonly limits: RiskLimits
  /** Instead of the standard rules of `limits`. */
  readonly rules?: readonly RiskRule[]
  readonly exits?: ExitRules
  readonly journal: Journal
  readonly cashMicros: number
  readonly latency: LatencyModel
  readonly fees: FeeModel
  readonly queue: QueueModelName
  readonly respectSize?: boolean
  readonly partialFillProbability?: number
  /** None by default. */
  readonly impact?: {readonly model: ImpactModelName} & Omit<ImpactOptions, 'instruments' | 'market'>
  readonly bars?: BarMatching
  readonly listener?: EngineListener
  /** As a venue that keeps the sides apart would have it; see `Broker`. */
  readonly separatesSides?: boolean
  readonly sampleUs?: number
  /** False leaves every instrument open round the clock. */
  readonly sessions?: boolean
  /** Borrow rates and other terms of the account. */
  readonly backOffice?: BackOfficeTerms
  /** Until this time strategies watch and may want things, but nothing is sent. */
  readonly tradeFromUs?: number
}

/**
 * The engine and the matching core on one tape: the back-test's clock is the tape itself. Rows go in, everything else
 * happens inside, in (time, phase, sequence) order: what the venue had due, the row, the venue's reaction, the strategies.
 */
export class Simulation {
  readonly market: MarketState
  readonly engine: Engine
  readonly venue: Venue
  #started = false
  /** When trading is let loose; Infinity once it is. */
  #tradeFromUs = Infinity

  constructor(options: SimulationOptions) {
    const {instruments, seed, cashMicros} = options
    const rng = createRng(seed, 'backtest')
    const market = createMarketState(instruments.size)
    const sessions = options.sessions ?? true
    const {model = 'none', ...terms} = options.impact ?? {}
    const impact = impactModel(model, {halfLifeUs: DEFAULT_HALF_LIFE_US, ...terms, instruments, market})
    this.market = market
    this.venue = createVenue({
      instruments,
      market,
      rng: rng.fork('venue'),
      latency: options.latency,
      fees: options.fees,
      queue: options.queue,
      respectSize: options.respectSize ?? true,
      partialFillProbability: options.partialFillProbability ?? 0,
      onReport: report => this.engine.onReport(report, this.#nowUs),
      ...(impact === undefined ? {} : {impact}),
      ...(options.bars === undefined ? {} : {bars: options.bars}),
      ...(sessions ? {sessions: exchangeSessions(instruments)} : {}),
    })
    this.engine = new Engine({
      runId: options.runId,
      seed,
      configHash: options.configHash,
      instruments,
      market,
      strategies: options.strategies,
      allocator: options.allocator,
      risk: createRiskGate({
        limits: options.limits,
        instruments,
        market,
        equityMicros: cashMicros,
        ...(options.rules === undefined ? {} : {rules: options.rules}),
      }),
      journal: options.journal,
      latch: openLatch,
      separatesSides: options.separatesSides ?? false,
      outbox: {
        submit: (order, nowUs) => this.venue.submit(order, nowUs),
        cancel: (clientOrderId, nowUs) => this.venue.cancel(clientOrderId, nowUs),
      },
      rng,
      cashMicros,
      sessions,
      venueHours: 'exchange',
      rememberedFills: 4_096,
      backOffice: {
        ...(options.fees.ofDelivery === undefined ? {} : {deliveryFee: options.fees.ofDelivery}),
        ...options.backOffice,
      },
      ...(options.exits === undefined ? {} : {exits: options.exits}),
      ...(options.listener === undefined ? {} : {listener: options.listener}),
      ...(options.sampleUs === undefined ? {} : {sampleUs: options.sampleUs}),
    })
    if (options.tradeFromUs === undefined) return
    this.#tradeFromUs = options.tradeFromUs
    this.engine.desk.admits = 'none'
  }

  /** Replays rows `from` (0 by default) to `to` of a chunk. */
  play(chunk: TapeChunk, from = 0, to = chunk.count): void {
    const {venue, engine, market} = this
    const {tsUs, kind} = chunk
    if (!this.#started && to > from) {
      this.#nowUs = tsUs[from] as number
      engine.start(this.#nowUs)
      this.#started = true
    }
    const office = engine.backOffice as BackOffice // always given one
    let officeDueUs = office.dueUs
    for (let row = from; row < to; row++) {
      const atUs = tsUs[row] as number
      if (officeDueUs < atUs) {
        this.#settleBefore(atUs)
        officeDueUs = office.dueUs
      }
      if (venue.nextDueUs() <= atUs) this.#advance(atUs)
      this.#nowUs = atUs
      if (atUs >= this.#tradeFromUs) this.#letLoose()
      if (kind[row] === EventKind.notice) {
        this.#onNotice(chunk, row)
        officeDueUs = office.dueUs
      } else {
        applyRow(market, chunk, row)
        venue.onRow(chunk, row)
      }
      if (venue.nextDueUs() <= atUs) this.#advance(atUs)
      engine.onRow(chunk, row)
      if (venue.nextDueUs() <= atUs) this.#advance(atUs)
      // An opening may have settled what waited for it.
      if (office.dueUs !== officeDueUs) {
        officeDueUs = office.dueUs
        this.#tellHeld()
      }
    }
  }

  /** The tape is over: what is under way still happens, then the books are closed. */
  finish(): void {
    const lastUs = this.#nowUs
    // Reports of what the venue did before the end; new arrivals find a market that stands still.
    this.#advance(lastUs + 1_000_000)
    this.venue.endOfTape(this.#nowUs)
    this.#advance(lastUs + 1_000_000)
    // An expiry at the very end of the tape has seen all that could decide it.
    this.#settleBefore(lastUs + 1)
    this.engine.finish()
  }

  /** What the calendar brings before a row, each at its own time. */
  #settleBefore(untilUs: number): void {
    const office = this.engine.backOffice as BackOffice
    for (let dueUs = office.dueUs; dueUs < untilUs; dueUs = office.dueUs) {
      this.#advance(dueUs)
      this.#nowUs = dueUs
      this.engine.onDue(dueUs)
      this.#tellHeld()
    }
  }

  /** The books are closed before an ex-date begins: reports on their way are of the day before. */
  #onNotice(chunk: TapeChunk, row: number): void {
    this.venue.deliver()
    this.engine.onNotice(chunk, row)
    applyRow(this.market, chunk, row)
    this.engine.onStatus(chunk.instrument[row] as number)
    this.#tellHeld()
    this.venue.onNotice(chunk, row)
  }

  /** Positions that changed without an order, for the venue's reduce-only. */
  #tellHeld(): void {
    const {ledger, backOffice} = this.engine
    for (const i of backOffice?.takeTouched() ?? []) this.venue.hold(i, ledger.account.lots[i] as number)
  }

  #letLoose(): void {
    this.#tradeFromUs = Infinity
    this.engine.desk.admits = 'all'
    // What was wanted meanwhile is looked at when its instrument has its next price.
    this.engine.desk.wishes.retryAtUs.fill(0)
  }

  /** Lets everything due until `untilUs` happen at its own time. */
  #advance(untilUs: number): void {
    const {venue} = this
    for (let dueUs = venue.nextDueUs(); dueUs <= untilUs; dueUs = venue.nextDueUs()) {
      this.#nowUs = dueUs
      venue.advanceTo(dueUs)
    }
  }

  #nowUs = 0
}
