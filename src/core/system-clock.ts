import {performance} from 'node:perf_hooks'
import type {Clock, Scheduler} from '../domain/time.ts'
import {type TsUs, tsUs} from '../domain/units.ts'

/**
 * The wall clock, read through the monotonic one: it starts at the system's idea of now and never goes back when the
 * system clock is stepped.
 */
export const systemClock = (): Clock => {
  const originUs = performance.timeOrigin * 1_000
  return {nowUs: () => tsUs(Math.floor(originUs + performance.now() * 1_000))}
}

/** Real timers. `unref` lets the process end while one is still pending. */
export const systemScheduler = ({unref = false}: {readonly unref?: boolean} = {}): Scheduler => ({
  after(delayUs, run) {
    const timer = setTimeout(run, Math.max(0, delayUs / 1_000))
    if (unref) timer.unref()
    return () => clearTimeout(timer)
  },
})

/** A market clock: starts at `startUs` and runs `speed` times as fast as the clock it is read through. */
export const scaledClock = (base: Clock, startUs: TsUs, speed: number): Clock => {
  const originUs = base.nowUs()
  return {nowUs: () => tsUs(startUs + Math.floor((base.nowUs() - originUs) * speed))}
}

/** Timers in market time over a scheduler in real time. */
export const scaledScheduler = (base: Scheduler, speed: number): Scheduler => ({
  after: (delayUs, run) => base.after(delayUs / speed, run),
})

/** Milliseconds of wall time from `30s`, `2m`, `1h`, `500ms` or bare seconds; undefined when it is none of them. */
export const parseDurationMs = (text: string): number | undefined => {
  const match = /^(\d+(?:\.\d+)?)(ms|s|m|h|d)?$/.exec(text.trim())
  if (match === null) return undefined
  const scale = {ms: 1, s: 1_000, m: 60_000, h: 3_600_000, d: 86_400_000}[match[2] ?? 's'] as number
  const value = Number(match[1]) * scale
  return Number.isFinite(value) && value > 0 ? value : undefined
}
