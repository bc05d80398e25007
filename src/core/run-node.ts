import {performance} from 'node:perf_hooks'
import {build, type Histogram} from 'hdr-histogram-js'
import type {ApprovedOrder, Broker, RequestUse} from '../broker/broker.ts'
import type {Journal} from '../broker/journal.ts'
import type {KillLatch} from '../broker/kill-latch.ts'
import {applyRow, createMarketState} from '../data/market-state.ts'
import type {TapeChunk} from '../data/tape.ts'
import {ExitCode, UserError} from '../domain/errors.ts'
import {createRng} from '../domain/rng.ts'
import type {Clock, Scheduler} from '../domain/time.ts'
import {US_PER_SECOND} from '../domain/units.ts'
import {Engine} from '../engine/engine.ts'
import type {Allocator} from '../engine/ports.ts'
import {type Reconciliation, reconcile, reconcileSince} from '../engine/reconcile.ts'
import type {Feed} from '../feed/feed.ts'
import {createRiskGate, standardRules} from '../risk/gate.ts'
import type {RiskLimits} from '../risk/limits.ts'
import type {ExitRules} from '../risk/position-exit.ts'
import type {RiskRule} from '../risk/risk.ts'
import type {Strategy} from '../strategies/strategy.ts'
import {requestBudget} from './budget-rule.ts'
import {nodeEvents} from './node-events.ts'
import {systemScheduler} from './system-clock.ts'
import type {StoppedBy, TradeEvent} from './trade-events.ts'
import {stoppable} from './until-stopped.ts'

export interface NodeOptions {
  /** Start of every client order id. A journal that is not empty must belong to it: the node then goes on where it stopped. */
  readonly runId: string
  readonly seed: number
  readonly configHash: string
  readonly feed: Feed
  readonly broker: Broker
  readonly strategies: readonly Strategy[]
  readonly allocator: Allocator
  readonly limits: RiskLimits
  /** Instead of the standard rules of `limits`. */
  readonly rules?: readonly RiskRule[]
  readonly exits?: ExitRules
  readonly journal: Journal
  readonly latch: KillLatch
  /** The market's clock and timers; both may run faster than the wall's. */
  readonly clock: Clock
  readonly scheduler: Scheduler
  /** Cash at the start of the run; asked of the broker when absent. The same must be given again after a restart. */
  readonly cashMicros?: number
  /** Everything the node does, as it does it. */
  readonly onEvent?: (event: TradeEvent) => void
  /** Stops the node: its reason is the summary's `stoppedBy` where it is one of those words, else `signal`. */
  readonly signal: AbortSignal
  /** Close all positions before leaving; false by default. Never after a latch: then only a kill flattens. */
  readonly flattenOnStop?: boolean
  /** False leaves every instrument open round the clock. */
  readonly sessions?: boolean
  /** Shown in the first event. */
  readonly speed?: number
  readonly idle?: readonly {readonly strategy: string; readonly reason: string}[]
  /** Wall timers for waiting on the broker; the system's by default. */
  readonly wallScheduler?: Scheduler
  /** Market time between two comparisons with the broker; 30 s by default. */
  readonly reconcileEveryUs?: number
  /**
   * Wall milliseconds that requests without an answer are waited for at the end, longer than one request may take: 15 s by
   * default. Then the broker is asked what became of them, for at most as long again (and 45 s more after a latch,
   * while the kill is at work).
   */
  readonly answerMs?: number
}

export interface NodeSummary {
  readonly runId: string
  readonly broker: string
  readonly feed: string
  readonly events: number
  readonly signals: number
  readonly orders: number
  readonly fills: number
  readonly rejected: number
  readonly equityMicros: number
  readonly ledgerErrorMicros: number
  /** `decision`: event in hand to order handed over; `total`: event in hand to the broker's acceptance. */
  readonly latencyUs: {readonly decision: Quantiles; readonly total: Quantiles}
  readonly journalHash: string
  readonly stoppedBy: StoppedBy
  /** Of this run, at the end, as the broker sees them. */
  readonly openOrders: number
  readonly reconciliation: Reconciliation
  readonly latched: boolean
  /** Requests against the venue's limit at the end; absent where there is none. */
  readonly requests?: RequestUse
  readonly strategies: readonly {
    readonly name: string
    readonly profitMicros: number
    readonly feesMicros: number
    readonly report: Readonly<Record<string, number | string>>
  }[]
}
export interface Quantiles {
  readonly p50: number
  readonly p99: number
}

/** Market time between two ticks of the node's own timer. */
const TICK_US = US_PER_SECOND
/** How long a graceful stop waits for cancels and closing orders, in wall milliseconds. */
const STOP_MS = 5_000
const ANSWER_MS = 15_000
/** Rows are taken for so long before others on the event loop have their turn. */
const TURN_MS = 2
/** How much longer a latched node waits for the broker: its questions wait for the kill. */
const KILL_MS = 45_000
/** Comparisons in a row, half a minute of market time apart, that may fail before a node no longer trusts its own books. */
const MOST_UNASKED = 5

/**
 * The live pump: the same engine as the back-test, fed by an asynchronous feed and broker. It restores its journal,
 * reconciles, trades until the feed ends, the signal aborts, the latch closes or risk stops it, then cancels what it has
 * working, reconciles again and reports.
 */
export const runNode = async (options: NodeOptions): Promise<NodeSummary> => {
  const node = new TradingNode(options, options.cashMicros ?? (await options.broker.account()).cashMicros)
  return node.run()
}

class TradingNode {
  readonly #o: NodeOptions
  readonly #engine: Engine
  readonly #events: ReturnType<typeof nodeEvents>
  readonly #decision: Histogram = build({highestTrackableValue: 60_000_000, numberOfSignificantValueDigits: 3})
  readonly #total: Histogram = build({highestTrackableValue: 60_000_000, numberOfSignificantValueDigits: 3})
  /** When the event that caused an order was in hand, by client order id, until the broker answers. */
  readonly #causedMs = new Map<string, number>()
  readonly #inFlight = new Set<Promise<void>>()
  readonly #stop = new AbortController()
  readonly #wall: Scheduler
  readonly #sinceUs: number
  /** Five wall seconds: an order may be on its way that long, however fast the market's clock runs. */
  readonly #graceUs: number
  #eventMs = 0
  #stoppedBy: StoppedBy | undefined
  #leaving = false
  /** Comparisons in a row that the venue did not answer. */
  #unasked = 0
  #failure: unknown
  #lastReconcileUs = 0
  #reconciling: Promise<Reconciliation> | undefined

  constructor(options: NodeOptions, cashMicros: number) {
    const {broker, feed, limits, strategies} = options
    const {instruments} = feed
    const {requestUse} = broker
    const rules = options.rules ?? standardRules(limits)
    const market = createMarketState(instruments.size)
    this.#o = options
    this.#wall = options.wallScheduler ?? systemScheduler()
    this.#events = nodeEvents({
      instruments,
      limits,
      strategies: strategies.map(strategy => strategy.name),
      engine: () => this.#engine,
      onEvent: event => options.onEvent?.(event),
      ...(requestUse === undefined ? {} : {requestUse}),
    })
    this.#engine = new Engine({
      runId: options.runId,
      seed: options.seed,
      configHash: options.configHash,
      instruments,
      market,
      strategies,
      allocator: options.allocator,
      risk: createRiskGate({
        limits,
        instruments,
        market,
        equityMicros: cashMicros,
        rules: requestUse === undefined ? rules : [...rules, requestBudget(requestUse)],
      }),
      journal: options.journal,
      latch: options.latch,
      separatesSides: options.broker.separatesSides ?? false,
      outbox: {submit: order => this.#submit(order), cancel: id => this.#cancel(id)},
      rng: createRng(options.seed, 'node'),
      cashMicros,
      ...(options.exits === undefined ? {} : {exits: options.exits}),
      ...(options.sessions === undefined ? {} : {sessions: options.sessions}),
      ...(options.onEvent === undefined ? {} : {listener: this.#events.listener}),
    })
    this.#sinceUs = options.clock.nowUs()
    this.#graceUs = 5 * US_PER_SECOND * Math.max(1, options.speed ?? 1)
  }

  async run(): Promise<NodeSummary> {
    const {broker, clock, journal, signal, scheduler} = this.#o
    this.#engine.restore(journal.entries())
    broker.onReport(report => {
      if (report.kind === 'accepted') this.#answered(report.clientOrderId)
      this.#engine.onReport(report, clock.nowUs())
      this.#checkState()
    })
    if (signal.aborted) this.#end(reasonOf(signal))
    signal.addEventListener('abort', () => this.#end(reasonOf(signal)), {once: true})
    await this.#reconcile()
    // Orders of a life before this one have no strategy that remembers why.
    this.#engine.desk.cancelAll(clock.nowUs())
    this.#announce()
    this.#engine.start(clock.nowUs())
    const stopTicking = this.#tick(scheduler)
    try {
      await this.#pump()
    } catch (error) {
      this.#failure ??= error
      this.#stop.abort()
    } finally {
      stopTicking()
    }
    // Whatever went wrong, nothing of ours stays in the market.
    const summary = await this.#leave()
    if (this.#failure !== undefined) throw this.#failure
    return summary
  }

  // --- events in -----------------------------------------------------------------------------------------------

  async #pump(): Promise<void> {
    const chunks = this.#o.feed.chunks()[Symbol.asyncIterator]()
    const unlessStopped = stoppable(this.#stop.signal)
    for (;;) {
      const next = await unlessStopped(() => chunks.next())
      if (next === undefined) break
      if (next.done === true) {
        this.#end('feed-end')
        break
      }
      await this.#take(next.value)
    }
  }

  /** A long chunk is taken in turns: reports, timers and what is to be sent do not wait for the end of it. */
  async #take(chunk: TapeChunk): Promise<void> {
    const arrivedMs = performance.now()
    this.#eventMs = arrivedMs
    let turnMs = arrivedMs + TURN_MS
    for (let row = 0; row < chunk.count && !this.#stop.signal.aborted; row++) {
      if (row % 8 === 7 && performance.now() > turnMs) {
        this.#eventMs = 0
        await new Promise(resolve => setImmediate(resolve))
        this.#eventMs = arrivedMs
        turnMs = performance.now() + TURN_MS
      }
      applyRow(this.#engine.market, chunk, row)
      this.#engine.onRow(chunk, row)
    }
    this.#eventMs = 0
    this.#checkState()
  }

  #tick(scheduler: Scheduler): () => void {
    let cancelNext = (): void => undefined
    const again = (): void => {
      cancelNext = scheduler.after(TICK_US, () => {
        const nowUs = this.#o.clock.nowUs()
        this.#guard(() => {
          this.#engine.onTime(nowUs)
          this.#events.publish(nowUs)
          this.#checkState()
        })
        const isDue = nowUs - this.#lastReconcileUs >= (this.#o.reconcileEveryUs ?? 30 * US_PER_SECOND)
        if (isDue && this.#reconciling === undefined) this.#track(this.#compare())
        if (!this.#stop.signal.aborted) again()
      })
    }
    again()
    return () => cancelNext()
  }

  #checkState(): void {
    if (this.#engine.desk.latched) this.#end('kill')
    // A limit was hit and everything it had has been closed: nothing is left to do today.
    else if (this.#engine.state === 'reducing' && this.#engine.desk.orders.size === 0 && this.#engine.isFlat())
      this.#end('risk')
  }

  #end(by: StoppedBy): void {
    this.#stoppedBy ??= by
    this.#stop.abort()
  }

  // --- orders out ----------------------------------------------------------------------------------------------

  #submit(order: ApprovedOrder): void {
    const {clientOrderId} = order
    if (this.#eventMs > 0) {
      this.#decision.recordValue(Math.max(1, Math.round((performance.now() - this.#eventMs) * 1000)))
      this.#causedMs.set(clientOrderId, this.#eventMs)
    }
    this.#track(
      this.#o.broker.submit(order).catch((error: unknown) => {
        // Whatever went wrong, the order may be there: it is asked for, never sent again.
        this.#log('warn', `${clientOrderId}: outcome unclear (${(error as Error).message})`)
        return this.#resolve(clientOrderId)
      }),
    )
  }

  #cancel(clientOrderId: string): void {
    this.#track(
      this.#o.broker.cancel(clientOrderId).catch((error: unknown) => {
        this.#log('warn', `${clientOrderId}: cancel failed (${(error as Error).message}); it will be asked for again`)
      }),
    )
  }

  /** Asks the broker what became of one order, a few times, because a list may lag behind the order itself. */
  async #resolve(clientOrderId: string): Promise<void> {
    const {broker, clock} = this.#o
    for (let attempt = 0; attempt < 4; attempt++) {
      await this.#sleep(250 * 2 ** attempt)
      // The last reconciliation asks for all that are unclear.
      if (this.#leaving) return
      if (this.#engine.desk.orders.get(clientOrderId)?.status !== 'submitted') return
      try {
        const known = await broker.orderByClientId(clientOrderId)
        if (known === undefined) continue
        const {venueOrderId, submittedUs} = known
        this.#engine.onReport({kind: 'accepted', clientOrderId, venueOrderId, tsUs: submittedUs}, clock.nowUs())
        return
      } catch (error) {
        this.#log('warn', `${clientOrderId}: cannot ask for it (${(error as Error).message})`)
      }
    }
    if (this.#engine.desk.orders.get(clientOrderId)?.status !== 'submitted') return
    // Left open on purpose: reconciliation decides, when the broker can be reached.
    this.#log('error', `${clientOrderId}: still unclear; reconciliation will decide`)
  }

  #answered(clientOrderId: string): void {
    const causedMs = this.#causedMs.get(clientOrderId)
    if (causedMs === undefined) return
    this.#causedMs.delete(clientOrderId)
    this.#total.recordValue(Math.max(1, Math.round((performance.now() - causedMs) * 1000)))
  }

  #track(work: Promise<void>): void {
    const tracked = work.catch((error: unknown) => {
      this.#failure ??= error
      this.#stop.abort()
    })
    this.#inFlight.add(tracked)
    void tracked.finally(() => this.#inFlight.delete(tracked))
  }

  #guard(run: () => void): void {
    try {
      run()
    } catch (error) {
      this.#failure ??= error
      this.#stop.abort()
    }
  }

  // --- the broker's view ---------------------------------------------------------------------------------------

  #reconcile(graceUs = this.#lastReconcileUs === 0 ? 0 : this.#graceUs): Promise<Reconciliation> {
    const {broker, clock, feed, runId} = this.#o
    this.#lastReconcileUs = clock.nowUs()
    this.#reconciling ??= reconcile({
      engine: this.#engine,
      broker,
      instruments: feed.instruments,
      runId,
      sinceUs: reconcileSince(this.#engine, this.#sinceUs),
      nowUs: () => clock.nowUs(),
      graceUs,
    }).finally(() => {
      this.#reconciling = undefined
    })
    return this.#reconciling
  }

  /** The periodic comparison. A venue that cannot be asked now is asked again; one that cannot for long ends the run. */
  async #compare(): Promise<void> {
    try {
      await this.#reconcile()
      this.#unasked = 0
    } catch (error) {
      if (!isVenueTrouble(error)) throw error
      this.#unasked++
      this.#log('warn', `the broker could not be compared with (${error.message}); ${this.#unasked} of ${MOST_UNASKED}`)
      if (this.#unasked >= MOST_UNASKED) this.#end('reconcile')
    }
  }

  // --- leaving -------------------------------------------------------------------------------------------------

  async #leave(): Promise<NodeSummary> {
    const {clock, journal, flattenOnStop = false} = this.#o
    const {desk} = this.#engine
    if (flattenOnStop && !desk.latched && this.#engine.state !== 'halted') {
      this.#engine.setState('reducing', 'closing positions before leaving')
      desk.cancelAll(clock.nowUs())
      this.#engine.flatten()
      await this.#until(() => desk.orders.size === 0 && this.#engine.isFlat())
    }
    this.#engine.setState('halted', `stopping: ${this.#stoppedBy ?? 'signal'}`)
    desk.cancelAll(clock.nowUs())
    await this.#until(() => desk.orders.size === 0)
    this.#leaving = true
    const answerMs = this.#o.answerMs ?? ANSWER_MS
    if ((await this.#within(answerMs, Promise.allSettled([...this.#inFlight]))) === LATE)
      this.#log('warn', `${this.#inFlight.size} requests were not answered; the broker is asked what became of them`)
    const asked = await this.#within(answerMs + (desk.latched ? KILL_MS : 0), this.#lastWord()).catch(
      (error: unknown) => {
        throw isVenueTrouble(error) ? this.#silent(error) : error
      },
    )
    if (asked === LATE) throw this.#silent()
    const {reconciliation, openOrders} = asked
    this.#engine.finish()
    const summary = this.#summary(journal.hash(), openOrders, reconciliation)
    this.#events.publish(clock.nowUs())
    this.#o.onEvent?.({
      kind: 'run',
      phase: 'ended',
      runId: summary.runId,
      tsUs: clock.nowUs(),
      stoppedBy: summary.stoppedBy,
      journalHash: summary.journalHash,
      equityMicros: summary.equityMicros,
    })
    return summary
  }

  /** What the broker says at the end. An order that turns out to be there is taken back first. */
  async #lastWord(): Promise<{readonly reconciliation: Reconciliation; readonly openOrders: number}> {
    const {broker, clock, runId} = this.#o
    const {desk} = this.#engine
    await this.#reconciling
    const first = await this.#reconcile(0)
    let reconciliation = first
    if (desk.orders.size > 0) {
      desk.cancelAll(clock.nowUs())
      await this.#until(() => desk.orders.size === 0)
      const second = await this.#reconcile(0)
      reconciliation = {
        ...second,
        missedFills: [...first.missedFills, ...second.missedFills],
        ended: [...first.ended, ...second.ended],
        neverArrived: [...first.neverArrived, ...second.neverArrived],
        orphans: [...first.orphans, ...second.orphans],
      }
    }
    const open = await broker.openOrders()
    return {reconciliation, openOrders: open.filter(order => order.clientOrderId.startsWith(`${runId}-`)).length}
  }

  #silent(cause?: Error): UserError {
    const unclear = [...this.#engine.desk.orders.keys()]
    const which =
      unclear.length === 0 ? 'none of its orders is open as far as it knows' : `unclear: ${unclear.join(', ')}`
    return new UserError('BROKER_SILENT', `${this.#o.broker.name} did not answer when the node left; ${which}`, {
      hints: [
        'the journal is whole: the next gpi trade of this account asks the broker again before it trades',
        'gpi kill --flatten cancels and closes what it may have left',
      ],
      exitCode: ExitCode.timeout,
      ...(cause === undefined ? {} : {cause}),
    })
  }

  /** The value, or LATE after so many wall milliseconds; a rejection in time is thrown, a later one is not heard. */
  async #within<T>(ms: number, work: Promise<T>): Promise<T | typeof LATE> {
    let cancel = (): void => undefined
    const late = new Promise<typeof LATE>(resolve => {
      cancel = this.#wall.after(ms * 1_000, () => resolve(LATE))
    })
    work.catch(() => {})
    try {
      return await Promise.race([work, late])
    } finally {
      cancel()
    }
  }

  async #until(done: () => boolean): Promise<void> {
    const deadlineMs = performance.now() + Math.min(STOP_MS, this.#o.answerMs ?? STOP_MS)
    while (!done() && performance.now() < deadlineMs) {
      this.#engine.onTime(this.#o.clock.nowUs())
      await this.#sleep(20)
    }
  }

  #sleep(ms: number): Promise<void> {
    return new Promise(resolve => void this.#wall.after(ms * 1000, resolve))
  }

  #summary(journalHash: string, openOrders: number, reconciliation: Reconciliation): NodeSummary {
    const {runId, broker, feed, strategies} = this.#o
    const {ledger, desk} = this.#engine
    const quantiles = (histogram: Histogram): Quantiles => ({
      p50: histogram.getValueAtPercentile(50),
      p99: histogram.getValueAtPercentile(99),
    })
    return {
      runId,
      broker: broker.name,
      feed: feed.name,
      events: this.#engine.events,
      signals: this.#engine.signals,
      orders: desk.sent,
      fills: ledger.fills,
      rejected: desk.rejected,
      equityMicros: this.#engine.equityMicros(),
      ledgerErrorMicros: ledger.errorMicros(),
      latencyUs: {decision: quantiles(this.#decision), total: quantiles(this.#total)},
      journalHash,
      stoppedBy: this.#stoppedBy ?? 'signal',
      openOrders,
      reconciliation,
      latched: desk.latched,
      ...(broker.requestUse === undefined ? {} : {requests: broker.requestUse()}),
      strategies: strategies.map((strategy, k) => ({
        name: strategy.name,
        profitMicros: ledger.profitMicros(k),
        feesMicros: ledger.ownFeesMicros[k] ?? 0,
        report: strategy.report?.() ?? {},
      })),
    }
  }

  #announce(): void {
    const {runId, broker, feed, strategies, seed, clock, speed = 1, idle = []} = this.#o
    this.#o.onEvent?.({
      kind: 'run',
      phase: 'started',
      runId,
      tsUs: clock.nowUs(),
      broker: broker.name,
      feed: feed.name,
      strategies: strategies.map(strategy => strategy.name),
      idle,
      symbols: feed.instruments.all().map(instrument => instrument.symbol),
      seed,
      speed,
      equityMicros: this.#engine.equityMicros(),
    })
  }

  #log(level: 'info' | 'warn' | 'error', text: string): void {
    this.#o.onEvent?.({kind: 'log', tsUs: this.#o.clock.nowUs(), level, text})
  }
}

const LATE = Symbol('late')

/** The network or the venue, not a mistake of ours: what the client throws when a request fails or is refused for now. */
const isVenueTrouble = (error: unknown): error is Error =>
  error instanceof Error &&
  (error.name === 'FetchError' ||
    error.name === 'BudgetClosed' ||
    ('status' in error && typeof error.status === 'number'))
const STOPPED_BY: readonly StoppedBy[] = ['duration', 'signal', 'kill', 'feed-end', 'risk', 'reconcile']
const reasonOf = (signal: AbortSignal): StoppedBy => STOPPED_BY.find(word => word === signal.reason) ?? 'signal'
