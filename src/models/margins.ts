// Confusion counts are indexed inside their bounds, hence the `!`.
import {createRng} from '../domain/rng.ts'
import {CLASSES} from './dataset.ts'
import {confusionMetrics} from './metrics.ts'

/** By how much one thing is ahead of another, with a 95 % interval. */
export interface Margin {
  readonly difference: number
  readonly low: number
  readonly high: number
}

/** What a model is ahead of a baseline by, on the same rows. */
export interface Margins {
  readonly macroF1: Margin
  readonly mcc: Margin
  /** Stretches of time that the intervals are drawn from. */
  readonly blocks: number
}

/** Fewer blocks than this say nothing about luck. */
export const MIN_BLOCKS = 5
const DRAWS = 2000
const CELLS = CLASSES * CLASSES

/**
 * Differences of hard decisions on the same rows, with percentile intervals of a bootstrap over whole blocks of time:
 * labels overlap and instruments move together, so rows are no independent trials. Seeded, so that it is the same each time.
 */
export const marginsOf = (
  truth: ArrayLike<number>,
  model: ArrayLike<number>,
  baseline: ArrayLike<number>,
  block: ArrayLike<number>,
): Margins => {
  const byBlock = new Map<number, Float64Array>()
  for (let i = 0; i < truth.length; i++) {
    const counts = byBlock.get(block[i]!) ?? new Float64Array(2 * CELLS)
    byBlock.set(block[i]!, counts)
    counts[truth[i]! * CLASSES + model[i]!]!++
    counts[CELLS + truth[i]! * CLASSES + baseline[i]!]!++
  }
  const blocks = [...byBlock].sort(([a], [b]) => a - b).map(([, counts]) => counts)
  const rng = createRng(1, 'margins')
  const summed = (chosen: (n: number) => Float64Array): Float64Array => {
    const sum = new Float64Array(2 * CELLS)
    for (let n = 0; n < blocks.length; n++) {
      const counts = chosen(n)
      for (let cell = 0; cell < sum.length; cell++) sum[cell]! += counts[cell]!
    }
    return sum
  }
  const lead = (sum: Float64Array) => {
    const [own, other] = [confusionMetrics(sum.subarray(0, CELLS)), confusionMetrics(sum.subarray(CELLS))]
    return {macroF1: own.macroF1 - other.macroF1, mcc: own.mcc - other.mcc}
  }
  const whole = lead(summed(n => blocks[n]!))
  const draws = Array.from({length: DRAWS}, () => lead(summed(() => blocks[rng.below(blocks.length)]!)))
  const marginOf = (name: 'macroF1' | 'mcc'): Margin => {
    const sorted = Float64Array.from(draws, draw => draw[name]).sort()
    return {
      difference: whole[name],
      low: sorted[Math.floor(0.025 * DRAWS)]!,
      high: sorted[Math.ceil(0.975 * DRAWS) - 1]!,
    }
  }
  return {macroF1: marginOf('macroF1'), mcc: marginOf('mcc'), blocks: blocks.length}
}

/**
 * Whether a lead is one. Macro-F1 alone is not enough: whoever names every class at random is ahead of the majority by it.
 */
export const relationOf = ({macroF1, mcc, blocks}: Margins): string => {
  if (macroF1.difference <= 0 || mcc.difference <= 0) return 'does NOT beat'
  if (blocks < MIN_BLOCKS) return `is ahead, over too few blocks of time (${blocks}) to tell it from luck, of`
  return macroF1.low > 0 && mcc.low > 0 ? 'beats' : 'does NOT beat beyond noise'
}

/** `+0.0123 (95 % 0.0012 to 0.0234)`; without the interval where the blocks are too few for one. */
export const marginText = ({difference, low, high}: Margin, blocks: number): string => {
  const interval = blocks < MIN_BLOCKS ? '' : ` (95 % ${low.toFixed(4)} to ${high.toFixed(4)})`
  return `${difference < 0 ? '' : '+'}${difference.toFixed(4)}${interval}`
}
