// Indices run below the number of strategies, so `!` cannot miss here.
import type {WeightRecord} from './allocation.ts'

export interface StrategyAttribution {
  readonly strategy: string
  readonly profitMicros: number
  /** Weight averaged over time. */
  readonly meanWeight: number
  /** Profit the strategy would have made at its base weight throughout. */
  readonly atBaseMicros: number
  /** What moving the weight earned or cost. */
  readonly allocationMicros: number
}

/**
 * Who earned what, and what the allocator added: each stretch between two changes of weights scales with its weight, so
 * the same stretch at the base weight is known exactly (as far as profit is proportional to capital).
 */
export const attribute = (
  strategies: readonly string[],
  base: ArrayLike<number>,
  history: readonly WeightRecord[],
  end: {readonly tsUs: number; readonly profitMicros: ArrayLike<number>},
): StrategyAttribution[] =>
  strategies.map((strategy, i) => {
    let [atBase, weighted, time] = [0, 0, 0]
    history.forEach((record, k) => {
      const next = history[k + 1]
      const profit = (next?.profitMicros[i] ?? end.profitMicros[i]!) - record.profitMicros[i]!
      const span = (next?.tsUs ?? end.tsUs) - record.tsUs
      const weight = record.weights[i]!
      atBase += weight > 0 ? (profit * base[i]!) / weight : 0
      weighted += weight * span
      time += span
    })
    const profitMicros = end.profitMicros[i]! - (history[0]?.profitMicros[i] ?? 0)
    return {
      strategy,
      profitMicros,
      meanWeight: time > 0 ? weighted / time : base[i]!,
      atBaseMicros: Math.round(atBase),
      // By subtraction, so that the parts make up the profit to the micro.
      allocationMicros: profitMicros - Math.round(atBase),
    }
  })
