import type {Rng} from '../domain/rng.ts'
import type {LatencyModel} from './venue.ts'

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

/** Draws from delays measured on a real connection, in microseconds. */
export const recordedLatency = (orderUs: readonly number[], reportUs: readonly number[]): LatencyModel => {
  if (orderUs.length === 0 || reportUs.length === 0) throw new RangeError('recorded latencies must not be empty')
  return {
    orderUs: rng => orderUs[rng.below(orderUs.length)] as number,
    reportUs: rng => reportUs[rng.below(reportUs.length)] as number,
  }
}
