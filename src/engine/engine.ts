import type {Journal, JournalEntry} from '../broker/journal.ts'
import type {KillLatch} from '../broker/kill-latch.ts'
import {type MarketState, midTicks} from '../data/market-state.ts'
import type {TapeChunk} from '../data/tape.ts'
import {currentOrNextSession, inCalendar, newYorkDayOf, newYorkToUtcUs} from '../domain/calendar.ts'
import type {Instrument, InstrumentTable} from '../domain/instrument.ts'
import type {ExecutionReport} from '../domain/order.ts'
import type {Rng} from '../domain/rng.ts'
import type {Signal} from '../domain/signal.ts'
import {type TsUs, tsUs, US_PER_DAY, US_PER_MINUTE, US_PER_SECOND} from '../domain/units.ts'
import type {Breach, RiskGate} from '../risk/gate.ts'
import {type ExitReason, type ExitRules, exitReason} from '../risk/position-exit.ts'
import {Session, type TradingState} from '../risk/risk.ts'
import type {Strategy, StrategyContext} from '../strategies/strategy.ts'
import {type DeskListener, OrderDesk} from './desk.ts'
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
  readonly rememberedFills?: number
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
  /** Number of strategies that hold something, by instrument. */
  readonly #holders: Int32Array
  readonly #bestTicks: Float64Array
  /** By slot: between these prices, and before that time, no exit rule can apply. */
  readonly #calmLow: Float64Array
  readonly #calmHigh: Float64Array
  readonly #calmUntilUs: Float64Array
  readonly #coolUntilUs: Float64Array
  readonly #coolSide: Int8Array
  readonly #holdUntilUs = new Map<number, number>()
  readonly #sample: Float64Array
  readonly #profits: Float64Array
  readonly #coolOffUs: number
  #nextHouseUs = 0
  #nextSessionUs = 0
  #nextDayUs = 0
  #started = false

  constructor(options: EngineOptions) {
    const n = options.instruments.size
    const count = options.strategies.length
    this.#o = options
    this.#n = n
    this.#coolOffUs = options.coolOffUs ?? 10 * US_PER_MINUTE
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
    this.#holders = new Int32Array(n)
    this.#bestTicks = new Float64Array(n * count)
    this.#calmLow = new Float64Array(n * count)
    this.#calmHigh = new Float64Array(n * count)
    this.#calmUntilUs = new Float64Array(n * count)
    this.#coolUntilUs = new Float64Array(n * count)
    this.#coolSide = new Int8Array(n * count)
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
    for (const [k, strategy] of strategies.entries()) strategy.start?.(this.#contexts[k]!)
    this.desk.settle(nowUs)
  }

  /** A market row, after the market state and the venue took it. */
  onRow(chunk: TapeChunk, row: number): void {
    // Live, the clock may already be past the row's own time; a tape is never behind.
    const atUs = Math.max(this.nowUs, chunk.tsUs[row]!)
    this.nowUs = atUs
    this.events++
    if (atUs >= this.#nextHouseUs) this.#keepHouse(atUs)
    const i = chunk.instrument[row]!
    if (this.#holders[i] !== 0 && this.#o.exits !== undefined) this.#checkExits(i, atUs, this.#o.exits)
    const {strategies} = this.#o
    for (let k = 0; k < strategies.length; k++) strategies[k]!.onEvent(this.#contexts[k]!, chunk, row)
    if (this.#timers.nextUs <= atUs) this.#runTimers(atUs)
    if (this.desk.retryAtUs[i]! <= atUs) this.desk.retryInstrument(i)
    if (this.desk.hasWork()) this.desk.settle(atUs)
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
    for (let slot = 0; slot < this.ledger.tradedLots.length; slot++) this.desk.forceFlat(slot)
    this.desk.settle(this.nowUs)
  }

  /** Marks the last sample of the run. */
  finish(): void {
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

  target(strategy: number, instrument: number, lots: number, limitTicks: number): void {
    const slot = strategy * this.#n + instrument
    if (this.nowUs < this.#coolUntilUs[slot]! && Math.sign(lots) === this.#coolSide[slot]) return
    this.desk.target(slot, lots, limitTicks)
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
    if (this.nowUs < this.#coolUntilUs[slot]!) return
    this.desk.quote(slot, bidTicks, bidLots, askTicks, askLots)
  }

  wakeAt(strategy: number, atUs: number, tag: number): void {
    this.#timers.push(atUs, strategy, tag)
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
      // The position changed: its exits are judged anew at the next price.
      this.#calmUntilUs[slot] = 0
      if (this.ledger.tradedLots[slot] !== 0) holders++
      else this.#bestTicks[slot] = 0
    }
    this.#holders[i] = holders
  }

  #runTimers(nowUs: number): void {
    for (let due = this.#timers.popDue(nowUs); due !== undefined; due = this.#timers.popDue(nowUs))
      this.#o.strategies[due.strategy]!.onTimer?.(this.#contexts[due.strategy]!, due.tag)
  }

  /** Stops, profits and time-outs of positions, whatever their strategies think. */
  #checkExits(i: number, nowUs: number, rules: ExitRules): void {
    const {market, strategies} = this.#o
    for (let k = 0, slot = i; k < strategies.length; k++, slot += this.#n) {
      const lots = this.ledger.own.lots[slot]!
      if (lots === 0 || this.ledger.tradedLots[slot] === 0) continue
      const shown = lots > 0 ? market.bidLots[i]! : market.askLots[i]!
      const exitTicks = shown > 0 ? (lots > 0 ? market.bidTicks[i]! : market.askTicks[i]!) : market.lastTicks[i]!
      if (exitTicks > this.#calmLow[slot]! && exitTicks < this.#calmHigh[slot]! && nowUs < this.#calmUntilUs[slot]!)
        continue
      this.#judgeExit(k, i, slot, exitTicks, nowUs, rules)
    }
  }

  #judgeExit(k: number, i: number, slot: number, exitTicks: number, nowUs: number, rules: ExitRules): void {
    if (this.ledger.settlement.home[i] !== i || this.desk.isForced(slot)) return
    const lots = this.ledger.own.lots[slot]!
    const side = lots > 0
    const perTick = this.#o.risk.snapshot.microsPerTickLot[i]!
    const best = this.#bestTicks[slot]!
    const bestTicks = best === 0 ? exitTicks : side ? Math.max(best, exitTicks) : Math.min(best, exitTicks)
    this.#bestTicks[slot] = bestTicks
    const averageEntryTicks = perTick > 0 ? this.ledger.own.averageMicros(slot) / perTick : 0
    const openedUs = this.record.openedUs(slot)
    const reason = exitReason({lots, averageEntryTicks, openedUs, bestTicks}, exitTicks, nowUs, rules)
    if (reason !== undefined) this.#exit(k, i, side ? 1 : -1, reason, nowUs)
    else this.#setCalm(slot, side, averageEntryTicks, openedUs, rules)
  }

  /** A little inside the rules' own bounds, so that only they decide; a trailing stop is judged at every price. */
  #setCalm(slot: number, side: boolean, entryTicks: number, openedUs: number, rules: ExitRules): void {
    if (rules.trailingStop !== undefined || entryTicks <= 0) return
    const {stopLoss = Infinity, takeProfit = Infinity, maxHoldingUs = Infinity} = rules
    const [down, up] = side ? [stopLoss, takeProfit] : [takeProfit, stopLoss]
    this.#calmLow[slot] = entryTicks * (1 - down * (1 - 1e-9))
    this.#calmHigh[slot] = entryTicks * (1 + up * (1 - 1e-9))
    this.#calmUntilUs[slot] = openedUs + maxHoldingUs
  }

  #exit(strategy: number, instrument: number, side: 1 | -1, reason: ExitReason, nowUs: number): void {
    const slot = strategy * this.#n + instrument
    this.#coolUntilUs[slot] = nowUs + this.#coolOffUs
    this.#coolSide[slot] = side
    this.#holdUntilUs.delete(slot)
    this.#o.listener?.onExit?.(strategy, instrument, reason, nowUs)
    this.desk.forceFlat(slot)
  }

  // --- every second --------------------------------------------------------------------------------------------

  #keepHouse(nowUs: number): void {
    this.#nextHouseUs = nowUs + HOUSEKEEPING_US
    const {risk, latch} = this.#o
    risk.snapshot.nowUs = nowUs
    if (nowUs >= this.#nextSessionUs) this.#setSessions(nowUs)
    risk.onTime(nowUs)
    if (nowUs >= this.#nextDayUs) this.#newDay(nowUs)
    const equity = this.#refreshEquity()
    if (equity > risk.snapshot.peakEquityMicros) risk.snapshot.peakEquityMicros = equity
    this.#checkLimits()
    if (!this.desk.latched) {
      const state = latch.check()
      if (state.latched) this.desk.onLatched(state.reason, nowUs)
    }
    for (const [slot, untilUs] of this.#holdUntilUs) {
      if (nowUs < untilUs) continue
      this.#holdUntilUs.delete(slot)
      this.desk.target(slot, 0, Number.NaN)
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

  #setSessions(nowUs: number): void {
    const {instruments, risk, sessions = true} = this.#o
    const day = newYorkDayOf(nowUs)
    if (!sessions || !inCalendar(day) || !inCalendar(day + 14)) {
      this.#nextSessionUs = Infinity
      return
    }
    const next = currentOrNextSession(nowUs)
    const isOpen = nowUs >= next.openUs
    this.#nextSessionUs = isOpen ? next.closeUs : next.openUs
    for (let i = 0; i < instruments.size; i++)
      risk.snapshot.session[i] = isOpen || !isExchangeTraded(instruments.at(i)) ? Session.open : Session.closed
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

/** Traded at New York's exchanges, so it has sessions; coins never close. */
const isExchangeTraded = ({kind}: Instrument): boolean => kind !== 'crypto'

/** The sessions a venue needs, from the same calendar. */
export const exchangeSessions = (instruments: InstrumentTable) => ({
  openUs: (instrument: number, nowUs: number): number =>
    isExchangeTraded(instruments.at(instrument)) && inCalendar(newYorkDayOf(nowUs))
      ? currentOrNextSession(nowUs).openUs
      : nowUs,
  closeUs: (instrument: number, nowUs: number): number =>
    isExchangeTraded(instruments.at(instrument)) && inCalendar(newYorkDayOf(nowUs))
      ? currentOrNextSession(nowUs).closeUs
      : Infinity,
})

/** What one strategy sees of the engine. */
class EngineContext implements StrategyContext {
  readonly instruments: InstrumentTable
  readonly market: MarketState
  readonly rng: Rng
  capitalMicros = 0
  readonly #engine: Engine
  readonly #index: number
  readonly #name: string
  readonly #base: number

  constructor(engine: Engine, options: EngineOptions, index: number, name: string) {
    this.#engine = engine
    this.#index = index
    this.#name = name
    this.#base = index * options.instruments.size
    this.instruments = options.instruments
    this.market = options.market
    this.rng = options.rng.fork(`strategy/${name}`)
  }
  get nowUs(): TsUs {
    return this.#engine.nowUs as TsUs
  }
  positionLots = (instrument: number): number => this.#engine.ledger.tradedLots[this.#base + instrument] ?? 0
  signal: StrategyContext['signal'] = signal =>
    this.#engine.signal(this.#index, {...signal, strategy: this.#name, tsUs: this.nowUs})
  target: StrategyContext['target'] = (instrument, lots, options) =>
    this.#engine.target(this.#index, instrument, lots, options?.limitTicks ?? Number.NaN)
  quote: StrategyContext['quote'] = (instrument, bidTicks, bidLots, askTicks, askLots) =>
    this.#engine.quote(this.#index, instrument, bidTicks, bidLots, askTicks, askLots)
  wakeAt: StrategyContext['wakeAt'] = (atUs, tag) => this.#engine.wakeAt(this.#index, atUs, tag)
}
