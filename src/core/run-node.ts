import {performance} from 'node:perf_hooks'
import {applyRow, createMarketState} from '../data/market-state.ts'
import type {TapeChunk} from '../data/tape.ts'
import {createRng} from '../domain/rng.ts'
import type {Scheduler} from '../domain/time.ts'
import {US_PER_SECOND} from '../domain/units.ts'
import {Engine} from '../engine/engine.ts'
import type {Reconciliation} from '../engine/reconcile.ts'
import {createRiskGate, standardRules} from '../risk/gate.ts'
import {requestBudget} from './budget-rule.ts'
import {nodeEvents} from './node-events.ts'
import type {NodeOptions, NodeSummary} from './node-options.ts'
import {NodeVenue} from './node-venue.ts'
import {systemScheduler} from './system-clock.ts'
import type {StoppedBy} from './trade-events.ts'
import {stoppable} from './until-stopped.ts'

/** Market time between two ticks of the node's own timer. */
const TICK_US = US_PER_SECOND
/** Rows are taken for so long before others on the event loop have their turn. */
const TURN_MS = 2
/** The same once an order has been decided on: what leaves with it gathers so long, the rest does not hold it up. */
const ORDER_TURN_MS = 0.3

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
  readonly #stop = new AbortController()
  readonly #venue: NodeVenue
  #wasBlind = false
  #stoppedBy: StoppedBy | undefined
  #failure: unknown

  constructor(options: NodeOptions, cashMicros: number) {
    const {broker, feed, limits, strategies} = options
    const {instruments} = feed
    const {requestUse} = broker
    const rules = options.rules ?? standardRules(limits)
    const market = createMarketState(instruments.size)
    this.#o = options
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
      outbox: {submit: order => this.#venue.submit(order), cancel: id => this.#venue.cancel(id)},
      rng: createRng(options.seed, 'node'),
      cashMicros,
      ...(options.exits === undefined ? {} : {exits: options.exits}),
      ...(options.sessions === undefined ? {} : {sessions: options.sessions}),
      ...(options.onEvent === undefined ? {} : {listener: this.#events.listener}),
    })
    this.#venue = new NodeVenue({
      node: options,
      engine: this.#engine,
      wall: options.wallScheduler ?? systemScheduler(),
      log: (level, text) => this.#log(level, text),
      onFailure: error => this.#fail(error),
      onLost: () => this.#end('reconcile'),
    })
  }

  async run(): Promise<NodeSummary> {
    const {broker, clock, journal, signal, scheduler} = this.#o
    this.#engine.restore(journal.entries())
    broker.onReport(report => {
      this.#engine.onReport(report, clock.nowUs())
      this.#checkState()
    })
    if (signal.aborted) this.#end(reasonOf(signal))
    signal.addEventListener('abort', () => this.#end(reasonOf(signal)), {once: true})
    await this.#venue.reconcile()
    // Orders of a life before this one have no strategy that remembers why.
    this.#engine.desk.cancelAll(clock.nowUs())
    this.#announce()
    this.#engine.start(clock.nowUs())
    const stopTicking = this.#tick(scheduler)
    try {
      await this.#pump()
    } catch (error) {
      this.#fail(error)
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
    const {desk} = this.#engine
    let turnMs = performance.now() + TURN_MS
    let {sent} = desk
    for (let row = 0; row < chunk.count && !this.#stop.signal.aborted; row++) {
      if ((desk.sent > sent || row % 8 === 7) && performance.now() > turnMs) {
        await new Promise(resolve => setImmediate(resolve))
        turnMs = performance.now() + TURN_MS
        sent = desk.sent
      }
      const before = desk.sent
      applyRow(this.#engine.market, chunk, row)
      this.#engine.onRow(chunk, row)
      if (desk.sent > before && before === sent) turnMs = Math.min(turnMs, performance.now() + ORDER_TURN_MS)
    }
    this.#checkState()
  }

  #tick(scheduler: Scheduler): () => void {
    let cancelNext = (): void => undefined
    const again = (): void => {
      cancelNext = scheduler.after(TICK_US, () => {
        const nowUs = this.#o.clock.nowUs()
        try {
          this.#engine.onTime(nowUs)
          this.#lookAround(nowUs)
          this.#events.publish(nowUs)
          this.#checkState()
        } catch (error) {
          this.#fail(error)
        }
        this.#venue.compareWhenDue(nowUs)
        if (!this.#stop.signal.aborted) again()
      })
    }
    again()
    return () => cancelNext()
  }

  /** Orders that stand at prices of a market that is not seen any more are anybody's to take; new ones would be guesses. */
  #lookAround(nowUs: number): void {
    const {desk} = this.#engine
    const isBlind = this.#o.isBlind?.() ?? false
    if (isBlind === this.#wasBlind) return
    this.#wasBlind = isBlind
    if (!isBlind) {
      if (desk.admits === 'exits' && this.#engine.state === 'active') desk.admits = 'all'
      return
    }
    if (desk.admits === 'all') desk.admits = 'exits'
    if (desk.orders.size === 0) return
    this.#log('warn', `${desk.orders.size} working orders are taken back: the market is not seen`)
    desk.cancelAll(nowUs)
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

  #fail(error: unknown): void {
    this.#failure ??= error
    this.#stop.abort()
  }

  // --- leaving -------------------------------------------------------------------------------------------------

  async #leave(): Promise<NodeSummary> {
    const {clock, journal, flattenOnStop = false} = this.#o
    const {desk} = this.#engine
    if (flattenOnStop && !desk.latched && this.#engine.state !== 'halted') {
      this.#engine.setState('reducing', 'closing positions before leaving')
      desk.cancelAll(clock.nowUs())
      this.#engine.flatten()
      await this.#venue.until(() => desk.orders.size === 0 && this.#engine.isFlat())
    }
    this.#engine.setState('halted', `stopping: ${this.#stoppedBy ?? 'signal'}`)
    desk.cancelAll(clock.nowUs())
    await this.#venue.until(() => desk.orders.size === 0)
    const {reconciliation, openOrders} = await this.#venue.lastWord()
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

  #summary(journalHash: string, openOrders: number, reconciliation: Reconciliation): NodeSummary {
    const {runId, broker, feed, strategies} = this.#o
    const {ledger, desk} = this.#engine
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

const STOPPED_BY: readonly StoppedBy[] = ['duration', 'signal', 'kill', 'feed-end', 'risk', 'reconcile']
const reasonOf = (signal: AbortSignal): StoppedBy => STOPPED_BY.find(word => word === signal.reason) ?? 'signal'
