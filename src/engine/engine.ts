import type {Journal, JournalEntry} from '../broker/journal.ts'
import type {KillLatch} from '../broker/kill-latch.ts'
import {type MarketState, midTicks} from '../data/market-state.ts'
import type {TapeChunk} from '../data/tape.ts'
import type {Auction, VenueHours} from '../domain/auction-hours.ts'
import {newYorkDayOf, newYorkToUtcUs} from '../domain/calendar.ts'
import type {InstrumentTable} from '../domain/instrument.ts'
import type {ExecutionReport, OrderLeg} from '../domain/order.ts'
import type {Rng} from '../domain/rng.ts'
import type {Signal} from '../domain/signal.ts'
import {tsUs, US_PER_DAY, US_PER_MINUTE, US_PER_SECOND} from '../domain/units.ts'
import type {Breach, RiskGate} from '../risk/gate.ts'
import type {ExitReason, ExitRules} from '../risk/position-exit.ts'
import {Session, type TradingState} from '../risk/risk.ts'
import type {Strategy} from '../strategies/strategy.ts'
import {BackOffice, type BackOfficeTerms} from './back-office.ts'
import {type DeskListener, OrderDesk} from './desk.ts'
import {EngineContext} from './engine-context.ts'
import {SessionWatch} from './exchange-sessions.ts'
import {ExitWatch} from './exit-watch.ts'
import {Ledger} from './ledger.ts'
import {type Allocator, type Outbox, sizedLots} from './ports.ts'
import {RunRecord} from './run-record.ts'
import {TimerQueue} from './timer-queue.ts'

// The loop: columns are sized from the run's instruments and strategies, so they are read under `!`.

export interface EngineListener extends DeskListener {
  readonly onSignal?: (signal: Signal) => void
  readonly onState?: (state: TradingState, reason: string, nowUs: number) => void
  readonly onExit?: (strategy: number, instrument: number, reason: ExitReason, nowUs: number) => void
}

export interface EngineOptions {
  /** Start of every client order id; letters, digits and dots. */
  readonly runId: string
  readonly seed: number
  readonly configHash: string
  readonly instruments: InstrumentTable
  readonly market: MarketState
  readonly strategies: readonly Strategy[]
  readonly allocator: Allocator
  /** Made over the same instruments and market; its position and working columns become the ledger's. */
  readonly risk: RiskGate
  readonly journal: Journal
  readonly latch: KillLatch
  readonly outbox: Outbox
  readonly rng: Rng
  readonly cashMicros: number
  /** See `Broker.separatesSides`. */
  readonly separatesSides?: boolean
  readonly exits?: ExitRules
  readonly listener?: EngineListener
  /** Market time after a forced exit in which the same strategy may not go the same way in that instrument; 10 min by default. */
  readonly coolOffUs?: number
  /** First pace of the equity curve; 1 s by default. */
  readonly sampleUs?: number
  /** True closes exchanges outside their sessions; false leaves every instrument open. */
  readonly sessions?: boolean
  /** `broker` by default. */
  readonly venueHours?: VenueHours
  readonly rememberedFills?: number
  /** Keeps splits, dividends and borrow itself, where no broker does; absent, notices change only the market. */
  readonly backOffice?: BackOfficeTerms
}

/** Market time between two looks at equity, limits, sessions and refused orders. */
const HOUSEKEEPING_US = US_PER_SECOND

/**
 * The one loop of back-test, stress, paper and live trading. Synchronous and deterministic: it is told of rows and
 * reports in (time, phase, sequence) order by whoever owns the clock, and never waits. At one instant the venue's
 * reports come first, then the row to the strategies, then their timers, then the orders all of them need.
 */
export class Engine {
  readonly ledger: Ledger
  readonly desk: OrderDesk
  readonly record: RunRecord
  readonly backOffice: BackOffice | undefined
  events = 0
  signals = 0
  nowUs = 0
  state: TradingState = 'active'
  /** Why trading is not active any more. */
  stateReason = ''
  breach: Breach | undefined
  readonly #o: EngineOptions
  readonly #n: number
  readonly #contexts: readonly EngineContext[]
  readonly #timers = new TimerQueue()
  #isWaking = false
  readonly #sessions: SessionWatch
  /** Number of strategies that hold something, by instrument. */
  readonly #holders: Int32Array
  readonly #exits: ExitWatch
  readonly #holdUntilUs = new Map<number, number>()
  readonly #sample: Float64Array
  readonly #profits: Float64Array
  #nextHouseUs = 0
  #nextSessionUs = 0
  #nextDayUs = 0
  #started = false

  constructor(options: EngineOptions) {
    const n = options.instruments.size
    const count = options.strategies.length
    this.#o = options
    this.#n = n
    this.ledger = new Ledger({
      instruments: options.instruments,
      market: options.market,
      microsPerTickLot: options.risk.snapshot.microsPerTickLot,
      cashMicros: options.cashMicros,
      strategies: count,
      positionLots: options.risk.snapshot.positionLots,
      ...(options.rememberedFills === undefined ? {} : {rememberedFills: options.rememberedFills}),
    })
    this.record = new RunRecord(n, count, options.sampleUs ?? US_PER_SECOND)
    this.desk = new OrderDesk({
      ...options,
      strategies: options.strategies.map(strategy => strategy.name),
      ledger: this.ledger,
      record: this.record,
      listener: {
        ...options.listener,
        onLatched: (reason, nowUs) => {
          options.listener?.onLatched?.(reason, nowUs)
          this.setState('halted', `latched: ${reason}`)
          this.desk.cancelAll(nowUs)
        },
      },
    })
    this.backOffice =
      options.backOffice === undefined
        ? undefined
        : new BackOffice({
            ...options,
            ledger: this.ledger,
            record: this.record,
            strategies: count,
            terms: options.backOffice,
            onSplit: (i, numerator, denominator) => {
              this.desk.wishes.split(i, numerator, denominator)
              for (let k = 0; k < count; k++) this.#exits.forget(k * n + i)
            },
            deliver: (delivery, feeMicros, atUs) => {
              const fill = this.desk.deliver(delivery, feeMicros, atUs)
              this.#countHolders(delivery.instrument)
              const {strategy} = delivery
              if (strategy >= 0) options.strategies[strategy]!.onFill?.(this.#contexts[strategy]!, fill)
            },
            retire: (instrument, atUs) => this.desk.retire(instrument, atUs),
          })
    this.#sessions = new SessionWatch(options.instruments, options.venueHours ?? 'broker')
    this.#holders = new Int32Array(n)
    this.#exits = new ExitWatch({
      instruments: n,
      strategies: count,
      market: options.market,
      ledger: this.ledger,
      record: this.record,
      microsPerTickLot: options.risk.snapshot.microsPerTickLot,
      rules: options.exits ?? {},
      coolOffUs: options.coolOffUs ?? 10 * US_PER_MINUTE,
      isForced: slot => this.desk.wishes.forced[slot] === 1,
      onExit: (strategy, instrument, reason, nowUs) => {
        const slot = strategy * n + instrument
        this.#holdUntilUs.delete(slot)
        options.listener?.onExit?.(strategy, instrument, reason, nowUs)
        this.desk.wishes.forceFlat(slot)
      },
    })
    this.#sample = new Float64Array(2 + count)
    this.#profits = new Float64Array(count)
    this.#contexts = options.strategies.map((strategy, index) => new EngineContext(this, options, index, strategy.name))
  }

  /** Opens the journal's run and tells the strategies; once, before the first row. A restored engine keeps its run entry. */
  start(nowUs: number): void {
    const {journal, runId, seed, configHash, strategies, risk} = this.#o
    this.nowUs = nowUs
    if (!this.#started) journal.append({kind: 'run', tsUs: tsUs(nowUs), runId, seed, configHash})
    this.#started = true
    risk.snapshot.nowUs = nowUs
    const equity = this.ledger.equityMicros()
    risk.snapshot.equityMicros = equity
    risk.snapshot.dayStartEquityMicros = equity
    risk.snapshot.peakEquityMicros = Math.max(equity, risk.snapshot.peakEquityMicros)
    this.#takeSample(nowUs, equity)
    this.backOffice?.start(nowUs)
    for (const [k, strategy] of strategies.entries()) strategy.start?.(this.#contexts[k]!)
    this.desk.settle(nowUs)
  }

  /** A market row, after the market state and the venue took it. */
  onRow(chunk: TapeChunk, row: number): void {
    // Live, the clock may already be past the row's own time; a tape is never behind.
    const atUs = Math.max(this.nowUs, chunk.tsUs[row]!)
    this.nowUs = atUs
    this.events++
    const i = chunk.instrument[row]!
    if (atUs >= this.#nextHouseUs) this.#keepHouse(atUs)
    if (this.#holders[i] !== 0 && this.#o.exits !== undefined) this.#exits.check(i, atUs)
    if (this.backOffice?.awaitsOpening === true) this.backOffice.onRow(chunk, row)
    const {strategies} = this.#o
    for (let k = 0; k < strategies.length; k++) strategies[k]!.onEvent(this.#contexts[k]!, chunk, row)
    if (this.#timers.nextUs <= atUs) this.#runTimers(atUs)
    if (this.desk.wishes.retryAtUs[i]! <= atUs) this.desk.wishes.retryInstrument(i)
    if (this.desk.hasWork()) this.desk.settle(atUs)
  }

  /** A halt is risk’s business at once; what the session is otherwise, the calendar says again. */
  onStatus(i: number): void {
    const {market, risk} = this.#o
    const {session} = risk.snapshot
    if (market.halted[i] !== 0) session[i] = Session.halted
    else if (session[i] === Session.halted) {
      session[i] = Session.open
      this.#nextSessionUs = 0
      this.#nextHouseUs = 0
    }
  }

  /** A split, dividend or borrow notice, before the market state takes it. */
  onNotice(chunk: TapeChunk, row: number): void {
    if (this.backOffice === undefined) return
    this.nowUs = Math.max(this.nowUs, chunk.tsUs[row]!)
    this.backOffice.onNotice(chunk, row)
    this.#countHolders(chunk.instrument[row]!)
  }

  /** The calendar has reached the back office's `dueUs`; no row of that time or later has been taken. */
  onDue(nowUs: number): void {
    this.nowUs = Math.max(this.nowUs, nowUs)
    this.backOffice?.onDue(this.nowUs)
    this.#refreshEquity()
  }

  /** Something the venue says, heard now. */
  onReport(report: ExecutionReport, nowUs: number): void {
    this.nowUs = Math.max(this.nowUs, nowUs)
    this.#hear(this.desk.onReport(report, this.nowUs))
    this.desk.settle(this.nowUs)
  }

  /** Time passes without an event: limits, timers, refused orders. */
  onTime(nowUs: number): void {
    this.nowUs = Math.max(this.nowUs, nowUs)
    this.#keepHouse(this.nowUs)
    if (this.#timers.nextUs <= this.nowUs) this.#runTimers(this.nowUs)
    this.desk.retry(this.nowUs)
  }

  setState(state: TradingState, reason: string): void {
    if (state === this.state) return
    this.state = state
    this.stateReason = reason
    this.#o.risk.snapshot.state = state
    this.desk.admits = this.desk.latched || state === 'halted' ? 'none' : state === 'reducing' ? 'exits' : 'all'
    this.#o.journal.append({kind: 'note', tsUs: tsUs(this.nowUs), text: `state ${state}: ${reason}`})
    this.#o.listener?.onState?.(state, reason, this.nowUs)
  }

  /** Wants every position of every strategy closed at the market, and quotes gone. */
  flatten(): void {
    for (let slot = 0; slot < this.ledger.tradedLots.length; slot++) this.desk.wishes.forceFlat(slot)
    this.desk.settle(this.nowUs)
  }

  /** Marks the last sample of the run. */
  finish(): void {
    this.backOffice?.finish(this.nowUs)
    this.#takeSample(this.nowUs, this.#refreshEquity())
  }

  equityMicros(): number {
    return this.ledger.equityMicros()
  }
  /** No strategy holds anything. */
  isFlat(): boolean {
    return this.#holders.every(count => count === 0)
  }
  peakEquityMicros(): number {
    return this.#o.risk.snapshot.peakEquityMicros
  }
  get market(): MarketState {
    return this.#o.market
  }

  // --- replay --------------------------------------------------------------------------------------------------

  /** Rebuilds orders, positions and latch from a journal, without the strategies hearing of it. */
  restore(entries: Iterable<{readonly entry: JournalEntry}>): void {
    for (const {entry} of entries) {
      this.nowUs = Math.max(this.nowUs, entry.tsUs)
      switch (entry.kind) {
        case 'run':
          this.#started = true
          break
        case 'intent':
          this.desk.restoreIntent(entry.intent, entry.tsUs)
          this.#combine(
            this.#o.strategies.findIndex(({name}) => name === entry.intent.strategy),
            entry.intent.legs,
          )
          break
        case 'verdict':
          this.desk.restoreVerdict(entry.clientOrderId, entry.verdict)
          break
        case 'report': {
          const applied = this.desk.applyReport(entry.report, entry.tsUs)
          if (applied !== undefined) this.#countHolders(applied.fill.instrument)
          break
        }
        case 'cross':
          this.desk.restoreCross(entry.instrument, entry.lots, entry.priceTicks, entry.buyer, entry.seller, entry.tsUs)
          this.#countHolders(entry.instrument)
          break
        case 'booking':
          if (this.backOffice === undefined) this.ledger.book(entry)
          else this.backOffice.restore(entry)
          this.#countHolders(entry.instrument)
          break
        case 'cancel':
        case 'latch':
        case 'note':
          break
        default:
          entry satisfies never
      }
    }
  }

  // --- from strategies -----------------------------------------------------------------------------------------

  signal(strategy: number, signal: Signal): void {
    this.signals++
    this.#o.listener?.onSignal?.(signal)
    const {market, risk, allocator} = this.#o
    const i = signal.instrument
    const lotMicros = midTicks(market, i) * risk.snapshot.microsPerTickLot[i]!
    const capital = this.#contexts[strategy]!.capitalMicros
    const lots = (allocator.targetLots ?? sizedLots)(signal, capital, lotMicros)
    const slot = strategy * this.#n + i
    if (signal.holdingPeriodUs > 0 && lots !== 0) this.#holdUntilUs.set(slot, this.nowUs + signal.holdingPeriodUs)
    else this.#holdUntilUs.delete(slot)
    this.target(strategy, i, lots, Number.NaN)
  }

  target(strategy: number, instrument: number, lots: number, limitTicks: number, auction?: Auction): void {
    const slot = strategy * this.#n + instrument
    if (this.#exits.isCooling(slot, this.nowUs) && Math.sign(lots) === this.#exits.coolSide(slot)) return
    this.desk.wishes.target(slot, lots, limitTicks, auction)
  }

  quote(
    strategy: number,
    instrument: number,
    bidTicks: number,
    bidLots: number,
    askTicks: number,
    askLots: number,
  ): void {
    const slot = strategy * this.#n + instrument
    if (this.#exits.isCooling(slot, this.nowUs)) return
    this.desk.wishes.quote(slot, bidTicks, bidLots, askTicks, askLots)
  }

  multiLeg(
    strategy: number,
    legs: readonly OrderLeg[],
    units: number,
    options: Parameters<OrderDesk['multiLeg']>[3],
  ): string | undefined {
    const id = this.desk.multiLeg(strategy, legs, units, options, this.nowUs)
    if (id !== undefined) this.#combine(strategy, legs)
    return id
  }
  #combine(strategy: number, legs: readonly OrderLeg[] = []): void {
    if (strategy >= 0) for (const leg of legs) this.#exits.combine(strategy * this.#n + leg.instrument)
  }

  wakeAt(strategy: number, atUs: number, tag: number): void {
    // A timer that asks for its own instant again would never let it end.
    this.#timers.push(this.#isWaking ? Math.max(atUs, this.nowUs + 1) : atUs, strategy, tag)
  }

  // --- the instant ---------------------------------------------------------------------------------------------

  #hear(news: ReturnType<OrderDesk['onReport']>): void {
    if (news === undefined) return
    this.#countHolders(news.fill.instrument)
    this.#refreshEquity()
    if (news.strategy < 0) return
    this.#o.strategies[news.strategy]!.onFill?.(this.#contexts[news.strategy]!, news.fill)
  }

  #countHolders(i: number): void {
    const count = this.#o.strategies.length
    let holders = 0
    for (let k = 0; k < count; k++) {
      const slot = k * this.#n + i
      const isFlat = this.ledger.tradedLots[slot] === 0
      this.#exits.positionChanged(slot, isFlat)
      if (!isFlat) holders++
    }
    this.#holders[i] = holders
  }

  #runTimers(nowUs: number): void {
    this.#isWaking = true
    for (let due = this.#timers.popDue(nowUs); due !== undefined; due = this.#timers.popDue(nowUs))
      this.#o.strategies[due.strategy]!.onTimer?.(this.#contexts[due.strategy]!, due.tag)
    this.#isWaking = false
  }

  // --- every second --------------------------------------------------------------------------------------------

  #keepHouse(nowUs: number): void {
    this.#nextHouseUs = nowUs + HOUSEKEEPING_US
    const {risk, latch} = this.#o
    risk.snapshot.nowUs = nowUs
    for (let i = 0; i < this.#n; i++) this.onStatus(i)
    if (nowUs >= this.#nextSessionUs)
      this.#nextSessionUs =
        this.#o.sessions === false ? Infinity : this.#sessions.set(this.#o.market.halted, risk.snapshot.session, nowUs)
    risk.onTime(nowUs)
    if (nowUs >= this.#nextDayUs) this.#newDay(nowUs)
    const equity = this.#refreshEquity()
    if (equity > risk.snapshot.peakEquityMicros) risk.snapshot.peakEquityMicros = equity
    this.record.equity.look(nowUs, equity)
    this.#checkLimits()
    if (!this.desk.latched) {
      const state = latch.check()
      if (state.latched) this.desk.onLatched(state.reason, nowUs)
    }
    for (const [slot, untilUs] of this.#holdUntilUs) {
      if (nowUs < untilUs) continue
      this.#holdUntilUs.delete(slot)
      this.desk.wishes.target(slot, 0, Number.NaN)
    }
    if (this.record.equity.isDue(nowUs)) this.#takeSample(nowUs, equity)
  }

  #refreshEquity(): number {
    const equity = this.ledger.equityMicros()
    this.#o.risk.snapshot.equityMicros = equity
    return equity
  }

  /** A limit of the account is reached: no new risk, everything closed; the day's loss ends with the day. */
  #checkLimits(): void {
    if (this.state !== 'active') return
    const breach = this.#o.risk.breach()
    if (breach === undefined) return
    this.breach = breach
    this.setState('reducing', `${breach.rule}: ${breach.detail}`)
    this.desk.cancelAll(this.nowUs)
    this.flatten()
  }

  #newDay(nowUs: number): void {
    const {risk} = this.#o
    const day = newYorkDayOf(nowUs)
    this.#nextDayUs = newYorkToUtcUs((day + 1) * US_PER_DAY)
    risk.snapshot.dayStartEquityMicros = this.#refreshEquity()
    if (this.state === 'reducing' && this.breach?.rule === 'daily-loss') this.setState('active', 'a new day')
  }

  #takeSample(nowUs: number, equity: number): void {
    const {strategies, allocator} = this.#o
    this.#sample[0] = equity
    this.#sample[1] = this.ledger.grossMicros()
    for (let k = 0; k < strategies.length; k++) {
      this.#profits[k] = this.ledger.profitMicros(k)
      this.#sample[2 + k] = this.#profits[k]!
    }
    this.record.equity.add(nowUs, this.#sample)
    allocator.observe?.(nowUs, this.#profits)
    this.#setCapital(equity)
  }

  #setCapital(equity: number): void {
    const weights = this.#o.allocator.weights()
    for (const [k, context] of this.#contexts.entries()) context.capitalMicros = Math.floor(equity * (weights[k] ?? 0))
  }
}
