import type {ApprovedOrder} from '../broker/broker.ts'
import type {Signal} from '../domain/signal.ts'

/** Shares capital between strategies and sizes what they say. */
export interface Allocator {
  /** Share of equity by strategy index, each at least 0, summing to at most 1. Read at every equity sample. */
  readonly weights: () => ArrayLike<number>
  /** What each strategy has earned since the start, in micros, at an equity sample: how weights learn. */
  readonly observe?: (tsUs: number, profitMicros: Float64Array) => void
  /** Signed lots wanted for a signal; `sizedLots` is the default when absent. */
  readonly targetLots?: (signal: Signal, capitalMicros: number, lotMicros: number) => number
}

/** Direction times size of the strategy's capital, in whole lots towards zero. */
export const sizedLots = (signal: Signal, capitalMicros: number, lotMicros: number): number =>
  lotMicros > 0 ? signal.direction * Math.floor((capitalMicros * signal.size) / lotMicros) : 0

/** The same shares for ever. */
export const staticAllocator = (weights: readonly number[]): Allocator => {
  const total = weights.reduce((sum, weight) => sum + weight, 0)
  if (weights.some(weight => !(weight >= 0)) || total > 1 + 1e-9)
    throw new RangeError(`weights must be at least 0 and sum to at most 1, were ${weights.join(', ')}`)
  return {weights: () => weights}
}

/** Where the engine puts what has been decided; it is called after the journal has the entry. */
export interface Outbox {
  readonly submit: (order: ApprovedOrder, nowUs: number) => void
  readonly cancel: (clientOrderId: string, nowUs: number) => void
}
