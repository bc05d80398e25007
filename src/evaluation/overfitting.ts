// Indices run below sizes checked at the door, so `!` cannot miss here.
import {moments} from './returns.ts'
import {combinations} from './splits.ts'

export interface OverfittingResult {
  /** Share of the splits in which the in-sample best is below the out-of-sample median. */
  readonly probability: number
  readonly splits: number
  /** Logit of the out-of-sample rank of the in-sample best, by split. */
  readonly logits: Float64Array
  /** Slope of out-of-sample on in-sample Sharpe of the chosen ones: negative means that looking better was worse. */
  readonly degradation: number
}

/**
 * Probability of back-test overfitting by combinatorially symmetric cross-validation (Bailey, Borwein, López de Prado and
 * Zhu 2015). `returns[n][t]` is the return of configuration n in period t; the periods are cut into `blocks` (even), every
 * half of them is once the sample that chooses. Performance is the Sharpe ratio. `purge` periods are dropped where a block
 * of the other sample ends: what was held over the seam would be in both (López de Prado 2018, ch. 7).
 */
export const overfittingProbability = (
  returns: readonly ArrayLike<number>[],
  blocks = 10,
  purge = 0,
): OverfittingResult => {
  const count = returns.length
  const periods = returns[0]?.length ?? 0
  if (count < 2) throw new RangeError(`overfitting needs at least 2 configurations, was ${count}`)
  if (blocks % 2 !== 0 || blocks < 2 || periods < (2 + purge) * blocks)
    throw new RangeError(
      `need an even number of blocks of at least ${2 + purge} periods, was ${blocks} blocks of ${periods} periods`,
    )
  if (returns.some(r => r.length !== periods)) throw new RangeError('all configurations must have the same periods')
  const edges = Array.from({length: blocks + 1}, (_, b) => Math.floor((b * periods) / blocks))
  const choices = combinations(blocks, blocks / 2)
  const logits = new Float64Array(choices.length)
  const inSample: number[] = []
  const outSample: number[] = []
  choices.forEach((chosen, split) => {
    const isIn = Array.from({length: blocks}, (_, b) => chosen.includes(b))
    const performance = (wantIn: boolean) => returns.map(r => sharpeOn(r, edges, isIn, wantIn, purge))
    const inside = performance(true)
    const outside = performance(false)
    const best = inside.indexOf(Math.max(...inside))
    const below = outside.filter(v => v < outside[best]!).length
    const equal = outside.filter(v => v === outside[best]!).length
    const rank = (below + (equal + 1) / 2) / (count + 1)
    logits[split] = Math.log(rank / (1 - rank))
    inSample.push(inside[best]!)
    outSample.push(outside[best]!)
  })
  return {
    probability: logits.filter(l => l <= 0).length / logits.length,
    splits: logits.length,
    logits,
    degradation: slope(inSample, outSample),
  }
}

const sharpeOn = (
  r: ArrayLike<number>,
  edges: readonly number[],
  isIn: readonly boolean[],
  wantIn: boolean,
  purge: number,
): number => {
  const values: number[] = []
  for (let b = 0; b < isIn.length; b++) {
    if (isIn[b] !== wantIn) continue
    const from = edges[b]! + (b > 0 && isIn[b - 1] !== wantIn ? purge : 0)
    for (let t = from; t < edges[b + 1]!; t++) values.push(r[t]!)
  }
  const {mean, deviation} = moments(values)
  return deviation > 0 ? mean / deviation : 0
}

const slope = (x: readonly number[], y: readonly number[]): number => {
  const mx = moments(x).mean
  const my = moments(y).mean
  let [sxy, sxx] = [0, 0]
  for (let i = 0; i < x.length; i++) {
    sxy += (x[i]! - mx) * (y[i]! - my)
    sxx += (x[i]! - mx) ** 2
  }
  return sxx > 0 ? sxy / sxx : 0
}
