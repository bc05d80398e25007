import path from 'node:path'
import {performance} from 'node:perf_hooks'
import {setTimeout as sleep} from 'node:timers/promises'
import {ExitCode, UserError} from '../domain/errors.ts'
import type {FileLatch} from '../drivers/files/file-latch.ts'
import type {ExchangeThread} from './exchange-thread.ts'
import {killAtWork} from './kill-marker.ts'
import {runFolder, writeWhole} from './run-folder.ts'
import type {TradeOptions} from './trade.ts'
import type {TradeEvent} from './trade-events.ts'
import type {TradeMonitor} from './trade-monitor.ts'

/** How long a latched node waits for the kill that latched it to see what it must see. */
const KILL_PATIENCE_MS = 45_000
/** A kill's patience, a graceful stop and the broker's last word, with room to spare. */
const LEAVE_MS = KILL_PATIENCE_MS + 60_000
const STATE_EVERY_MS = 1_000
/** Rows still in sockets when a replay has ended. */
const DRAIN_MS = 400

/** Resolves at once, or after a latch when the kill that set it is done or has taken too long. */
export const quietAfter = (latch: FileLatch, home: string) => async (): Promise<void> => {
  const untilMs = performance.now() + KILL_PATIENCE_MS
  while (latch.check().latched && killAtWork(home) && performance.now() < untilMs) await sleep(50)
}

/** One signal out of everything that can end a run; `runNode` reads the reason. */
export const stopper = ({signal, durationMs}: TradeOptions, exchange: ExchangeThread | undefined) => {
  const stop = new AbortController()
  const onSignal = (): void => stop.abort('signal')
  if (signal.aborted) onSignal()
  signal.addEventListener('abort', onSignal, {once: true})
  const timer = durationMs === undefined ? undefined : setTimeout(() => stop.abort('duration'), durationMs)
  void exchange?.ended.then(() => sleep(DRAIN_MS)).then(() => stop.abort('feed-end'))
  return {
    signal: stop.signal,
    abort: (reason: string): void => stop.abort(reason),
    clear: (): void => {
      clearTimeout(timer)
      signal.removeEventListener('abort', onSignal)
    },
  }
}

/**
 * The run's own result, or UserError STOP_TIMEOUT when it has not left long after it was told to: a broker that never
 * answers must not keep a stopped node for ever.
 */
export const leavingInTime = async <T>(stop: AbortSignal, run: Promise<T>): Promise<T> => {
  let timer: NodeJS.Timeout | undefined
  const late = new Promise<never>((_, reject) => {
    stop.addEventListener(
      'abort',
      () => {
        timer = setTimeout(
          () =>
            reject(
              new UserError('STOP_TIMEOUT', `the node did not leave within ${LEAVE_MS / 1_000} s of being stopped`, {
                hints: ['gpi kill --flatten cancels and closes what it may have left'],
                exitCode: ExitCode.timeout,
              }),
            ),
          LEAVE_MS,
        )
      },
      {once: true},
    )
  })
  try {
    return await Promise.race([run, late])
  } finally {
    clearTimeout(timer)
  }
}

/** Everything the node says goes to the caller; the latest risk state also to disk, for `gpi status`. */
export const fanOut = ({onEvent}: TradeOptions, home: string, runId: string, monitor: TradeMonitor) => {
  const stateFile = path.join(runFolder(home, runId), 'state.json')
  let risk: TradeEvent | undefined
  let lastUs = 0
  const publish = (event: TradeEvent): void => {
    lastUs = Math.max(lastUs, event.tsUs)
    monitor.onEvent(event)
    if (event.kind === 'risk') risk = event
    onEvent(event)
  }
  return {
    publish,
    start: (): (() => void) => {
      const timer = setInterval(() => {
        onEvent(monitor.latency(lastUs))
        if (risk !== undefined) writeWhole(stateFile, risk)
      }, STATE_EVERY_MS)
      return () => clearInterval(timer)
    },
  }
}
