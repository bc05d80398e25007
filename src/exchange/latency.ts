import type {Rng} from '../domain/rng.ts'
import type {LatencyModel} from './venue.ts'

// Measurements are read at positions a search has found inside their columns, so under `!`.

/** The same delays every time. */
export const constantLatency = (orderUs: number, reportUs: number = orderUs): LatencyModel => {
  for (const value of [orderUs, reportUs])
    if (!Number.isSafeInteger(value) || value < 0)
      throw new RangeError(`a latency must be a non-negative integer of microseconds, was ${value}`)
  return {orderUs: () => orderUs, reportUs: () => reportUs}
}

export const noLatency: LatencyModel = constantLatency(0)

/** Log-normal delays around a median, never below `floorUs`. `sigma` is the standard deviation of the logarithm. */
export const jitteredLatency = (medianUs: number, sigma: number, floorUs = 0): LatencyModel => {
  const draw = (rng: Rng): number => Math.max(floorUs, Math.round(medianUs * Math.exp(sigma * rng.normal())))
  return {orderUs: draw, reportUs: draw}
}

/** Delays of one way, in microseconds, with the ascending times at which they were measured where those are known. */
export interface MeasuredDelays {
  readonly delayUs: Float64Array
  readonly tsUs?: Float64Array
}

/** What was measured on a real connection. */
export interface RecordedLatencies {
  readonly order: MeasuredDelays
  /** Of acknowledgements and fills alike. */
  readonly report: MeasuredDelays
  /** From the exchange's event to us; none where the recording does not say. */
  readonly feed?: MeasuredDelays
}

/**
 * Delays as they were measured: between the two measurements around a time, on the line between them (as hftbacktest's
 * `IntpOrderLatency`); outside of the time that was measured, or without times, a draw from all of them. A back-test's
 * clock is the exchange's, so what a strategy sees late, the delay of the feed, is added to the way of its orders and taken
 * off the way back, which is the same to the strategy and to the exchange.
 */
export const recordedLatency = ({order, report, feed}: RecordedLatencies): LatencyModel => {
  for (const [name, {delayUs}] of Object.entries({order, report}))
    if (delayUs.length === 0) throw new RangeError(`recorded ${name} latencies must not be empty`)
  const seenUs = (rng: Rng, atUs: number): number => (feed === undefined ? 0 : delayAt(feed, rng, atUs))
  return {
    orderUs: (rng, atUs) => Math.round(seenUs(rng, atUs) + delayAt(order, rng, atUs)),
    reportUs: (rng, atUs) => Math.max(0, Math.round(delayAt(report, rng, atUs) - seenUs(rng, atUs))),
  }
}

const delayAt = ({delayUs, tsUs}: MeasuredDelays, rng: Rng, atUs: number): number => {
  const last = delayUs.length - 1
  if (tsUs === undefined || atUs < tsUs[0]! || atUs > tsUs[last]!) return delayUs[rng.below(delayUs.length)]!
  let [low, high] = [0, last]
  while (low < high) {
    const middle = (low + high + 1) >> 1
    if (tsUs[middle]! <= atUs) low = middle
    else high = middle - 1
  }
  if (low === last) return delayUs[last]!
  const share = (atUs - tsUs[low]!) / (tsUs[low + 1]! - tsUs[low]!)
  return delayUs[low]! + share * (delayUs[low + 1]! - delayUs[low]!)
}
