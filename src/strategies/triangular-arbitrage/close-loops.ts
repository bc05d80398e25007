// Columns are indexed by instruments of the run's table, so `!` cannot miss here.
import type {MarketState} from '../../data/market-state.ts'
import type {TsUs} from '../../domain/units.ts'
import type {Loop} from './triangles.ts'

/**
 * What loops would have given at the closes of bars: where every leg has a bar that closes at one time, the product of the
 * closes, before and after fees. Closes are last trades, seconds apart and one side of a spread each, so a gain here is a
 * hint and never an order.
 */
export class CloseLoops {
  compared = 0
  beforeFees = 0
  afterFees = 0
  bestGrossBps = Number.NEGATIVE_INFINITY
  bestNetBps = Number.NEGATIVE_INFINITY
  readonly #closedUs: Float64Array

  constructor(instruments: number) {
    this.#closedUs = new Float64Array(instruments)
  }

  /** Takes a bar of instrument `i`, after the market state took it, with the loops that it is part of. */
  onBar(
    i: number,
    nowUs: TsUs,
    loops: Iterable<Loop>,
    market: MarketState,
    {feeFraction, minEdgeBps}: {readonly feeFraction: number; readonly minEdgeBps: number},
  ): void {
    // A second bar of one time (of another length) closes at the same price.
    if (this.#closedUs[i] === nowUs) return
    this.#closedUs[i] = nowUs
    for (const {legs} of loops) {
      if (!legs.every(leg => this.#closedUs[leg.instrument] === nowUs)) continue
      let rate = 1
      let kept = 1
      for (const {instrument, side, ticksPerUnit} of legs) {
        const price = market.close[instrument]! / ticksPerUnit
        rate *= side === 'buy' ? 1 / price : price
        kept *= 1 - feeFraction
      }
      const grossBps = (rate - 1) * 1e4
      const netBps = (rate * kept - 1) * 1e4
      this.compared++
      if (grossBps > 0) this.beforeFees++
      if (netBps >= minEdgeBps) this.afterFees++
      this.bestGrossBps = Math.max(this.bestGrossBps, grossBps)
      this.bestNetBps = Math.max(this.bestNetBps, netBps)
    }
  }

  /** Empty where no loop was ever compared. */
  report(): Readonly<Record<string, number>> {
    if (this.compared === 0) return {}
    const {compared, beforeFees, afterFees, bestGrossBps, bestNetBps} = this
    return {
      closesCompared: compared,
      closesBeforeFees: beforeFees,
      closesAfterFees: afterFees,
      closesBestGrossBps: bestGrossBps,
      closesBestNetBps: bestNetBps,
    }
  }
}
