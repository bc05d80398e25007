// Numeric kernel: indices run below lengths read in the same function, so `!` cannot miss here.
import type {Rng} from '../domain/rng.ts'
import {sortedQuantile} from './bootstrap.ts'

export interface TradeOrderResult {
  readonly draws: number
  /** Largest fall from a peak of closed profit over starting capital, in the order in which the trades came. */
  readonly drawdown: number
  readonly median: number
  /** Exceeded by one shuffled order in twenty. */
  readonly high: number
  /** Share of the shuffled orders with a smaller fall: near 1 the trades came in an unlucky order, near 0 in a lucky one. */
  readonly rank: number
}

/**
 * The same trades in random order: what the drawdown could have been had luck dealt them otherwise. It takes trades as
 * exchangeable, so losses that come in clusters for a reason look too mild. Undefined below ten trades.
 */
export const tradeOrder = (
  pnlMicros: ArrayLike<number>,
  capitalMicros: number,
  {rng, draws = 1000}: {readonly rng: Rng; readonly draws?: number},
): TradeOrderResult | undefined => {
  const n = pnlMicros.length
  if (n < 10 || !(capitalMicros > 0) || draws < 1) return undefined
  const order = Float64Array.from(pnlMicros)
  const drawdown = fallOf(order, capitalMicros)
  const falls = new Float64Array(draws)
  for (let d = 0; d < draws; d++) {
    for (let i = n - 1; i > 0; i--) {
      const k = rng.below(i + 1)
      const kept = order[i]!
      order[i] = order[k]!
      order[k] = kept
    }
    falls[d] = fallOf(order, capitalMicros)
  }
  falls.sort()
  const below = falls.filter(fall => fall < drawdown).length
  const same = falls.filter(fall => fall === drawdown).length
  return {
    draws,
    drawdown,
    median: sortedQuantile(falls, 0.5),
    high: sortedQuantile(falls, 0.95),
    rank: (below + same / 2) / draws,
  }
}

const fallOf = (pnl: Float64Array, capital: number): number => {
  let [equity, peak, worst] = [capital, capital, 0]
  for (let i = 0; i < pnl.length; i++) {
    equity += pnl[i]!
    if (equity > peak) peak = equity
    else worst = Math.max(worst, 1 - equity / peak)
  }
  return worst
}
