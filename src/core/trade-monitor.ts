import {monitorEventLoopDelay, performance} from 'node:perf_hooks'
import process from 'node:process'
import {build, type Histogram} from 'hdr-histogram-js'
import {type FeedAge, LatencyStages, type Quantiles, type WireLatency} from './latency-stages.ts'
import type {LatencyEvent, LoopDelay, TradeEvent} from './trade-events.ts'

/** Monitoring wakes this often; its own period is taken off what it measures. */
const RESOLUTION_MS = 1

/**
 * Watches a node from outside: how long from an event in hand to its order handed over (journal synced) and to the
 * broker's acceptance, and how long the event loop was kept from its timers.
 */
export class TradeMonitor implements Disposable {
  readonly #decision: Histogram = build({highestTrackableValue: 60_000_000, numberOfSignificantValueDigits: 3})
  readonly #total: Histogram = build({highestTrackableValue: 60_000_000, numberOfSignificantValueDigits: 3})
  readonly #caused = new Map<string, number>()
  readonly #delay = monitorEventLoopDelay({resolution: RESOLUTION_MS})
  readonly #stages = new LatencyStages(() => performance.now() * 1_000)
  readonly #watch = setInterval(() => this.#onWake(), RESOLUTION_MS).unref()
  #workedUs = threadUs()
  #workUs = 0
  #arrivedMs = 0
  #startMs = 0
  #events = 0
  #ratedEvents = 0
  #ratedMs = performance.now()

  constructor() {
    this.#delay.enable()
  }

  onChunk(rows: number, age: FeedAge): void {
    this.#stages.onTaken(age)
    this.#arrivedMs = performance.now()
    this.#events += rows
  }
  /** The chunk has been handled: what is sent from here on was caused by a timer or a report, and is not measured. */
  onTaken(): void {
    this.#arrivedMs = 0
  }
  onEvent(event: TradeEvent): void {
    if (event.kind === 'run' && event.phase === 'started') this.restart()
    if (event.kind !== 'order') return
    if (event.status === 'submitted') {
      if (this.#arrivedMs === 0) return
      this.#caused.set(event.clientOrderId, this.#arrivedMs)
      this.#stages.onDecided(event.clientOrderId)
      return
    }
    const causedMs = this.#caused.get(event.clientOrderId)
    if (causedMs === undefined) return
    this.#caused.delete(event.clientOrderId)
    if (event.status === 'rejected') this.#stages.onRefused(event.clientOrderId)
    if (event.status === 'accepted') this.#total.recordValue(elapsedUs(causedMs))
  }
  /** The journal begins to sync for the orders decided so far. */
  onSync(): void {
    this.#stages.onSync()
  }
  /** The order is handed to the broker: its entry is on the disk by now. */
  onSent(clientOrderId: string): void {
    this.#stages.onSynced(clientOrderId)
    const causedMs = this.#caused.get(clientOrderId)
    if (causedMs !== undefined) this.#decision.recordValue(elapsedUs(causedMs))
  }
  /** It waits for the venue's request limit. */
  onWait(clientOrderId: string): void {
    this.#stages.onWait(clientOrderId)
  }
  /** Its request is with the system. */
  onWritten(clientOrderId: string): void {
    this.#stages.onWritten(clientOrderId)
  }
  /** The node trades from here on: starting up loads modules, which is not trading. */
  restart(): void {
    this.#startMs = this.#delay.count === 0 ? 0 : delayMs(this.#delay.max)
    this.#delay.reset()
    this.#workedUs = threadUs()
    this.#workUs = 0
  }

  loopDelay(): LoopDelay {
    const start = this.#startMs
    const work = Math.round(this.#workUs / 10) / 100
    return this.#delay.count === 0
      ? {p50: 0, p99: 0, max: 0, start, work}
      : {
          p50: delayMs(this.#delay.percentile(50)),
          p99: delayMs(this.#delay.percentile(99)),
          max: delayMs(this.#delay.max),
          start,
          work,
        }
  }
  latencyUs(): {readonly decision: Quantiles; readonly total: Quantiles} {
    const quantiles = (histogram: Histogram): Quantiles => ({
      p50: histogram.getValueAtPercentile(50),
      p99: histogram.getValueAtPercentile(99),
    })
    return {decision: quantiles(this.#decision), total: quantiles(this.#total)}
  }
  wireUs(): WireLatency {
    return this.#stages.quantiles()
  }
  latency(tsUs: number): LatencyEvent {
    const nowMs = performance.now()
    const eventsPerSecond = (1e3 * (this.#events - this.#ratedEvents)) / Math.max(1, nowMs - this.#ratedMs)
    this.#ratedEvents = this.#events
    this.#ratedMs = nowMs
    const {decision, total} = this.latencyUs()
    return {
      kind: 'latency',
      tsUs,
      decisionUs: decision,
      totalUs: total,
      loopDelayMs: this.loopDelay(),
      events: this.#events,
      eventsPerSecond: Math.round(eventsPerSecond),
    }
  }
  #onWake(): void {
    const us = threadUs()
    this.#workUs = Math.max(this.#workUs, us - this.#workedUs)
    this.#workedUs = us
  }
  [Symbol.dispose](): void {
    clearInterval(this.#watch)
    this.#delay.disable()
  }
}

const delayMs = (ns: number): number => Math.max(0, Math.round(ns / 1e4 - 100 * RESOLUTION_MS) / 100)
/** CPU time of this thread so far. */
const threadUs = (): number => {
  const {user, system} = process.threadCpuUsage()
  return user + system
}
const elapsedUs = (sinceMs: number): number => Math.max(1, Math.round((performance.now() - sinceMs) * 1_000))
