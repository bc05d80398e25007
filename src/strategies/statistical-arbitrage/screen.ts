// Indices run over arrays built in the same function, so `!` cannot miss here.
import {engleGranger} from '../statistics/engle-granger.ts'
import {johansen} from '../statistics/johansen.ts'
import {benjaminiHochberg, halfLife} from '../statistics/mean-reversion.ts'

export interface PairCandidate {
  /** Dependent and explaining instrument: the spread is log y − β log x − α. */
  readonly y: number
  readonly x: number
  readonly pValue: number
  readonly beta: number
  readonly alpha: number
  /** In rows of the grid. */
  readonly halfLife: number
  /** Standard deviation of the spread over the formation window. */
  readonly deviation: number
  /** Mean and standard deviation of log x over the window, and its rows. */
  readonly centre: number
  readonly scale: number
  readonly rows: number
}
export interface ScreenOptions {
  readonly falseDiscoveryRate: number
  readonly maxPairs: number
  readonly minHalfLife: number
  readonly maxHalfLife: number
  readonly minBeta: number
  readonly maxBeta: number
  readonly confirmWithJohansen: boolean
}
export interface Screen {
  readonly pairs: readonly PairCandidate[]
  readonly tested: number
  readonly discoveries: number
}

/**
 * Cheap first look (one lag); pairs above it keep that p-value. Those below get AIC lags, whose p-value is used instead.
 */
const FIRST_LOOK = 0.2

/**
 * Every pair of the windows, both ways round, tested for cointegration; the better way is kept and its p-value doubled for
 * the choice. Discoveries by Benjamini and Hochberg over all pairs tested, then filtered by sign and size of the hedge
 * ratio, half-life and (optionally) Johansen's test. Best p-values first, each instrument in one pair only.
 */
export const screenPairs = (windows: ReadonlyMap<number, Float64Array>, options: ScreenOptions): Screen => {
  const ids = [...windows.keys()].filter(id => isMoving(windows.get(id)!))
  const candidates: PairCandidate[] = []
  for (let a = 0; a < ids.length; a++)
    for (let b = a + 1; b < ids.length; b++) candidates.push(bestWay(ids[a]!, ids[b]!, windows))
  const isFound = benjaminiHochberg(
    candidates.map(c => c.pValue),
    options.falseDiscoveryRate,
  )
  const found = candidates.filter((_, i) => isFound[i])
  const usable = found
    .filter(c => c.beta >= options.minBeta && c.beta <= options.maxBeta)
    .filter(c => c.halfLife >= options.minHalfLife && c.halfLife <= options.maxHalfLife)
    .filter(c => !options.confirmWithJohansen || johansen([windows.get(c.y)!, windows.get(c.x)!]).rank >= 1)
    .sort((p, q) => p.pValue - q.pValue || p.y - q.y || p.x - q.x)
  const taken = new Set<number>()
  const pairs: PairCandidate[] = []
  for (const pair of usable) {
    if (pairs.length === options.maxPairs) break
    if (taken.has(pair.y) || taken.has(pair.x)) continue
    taken.add(pair.y)
    taken.add(pair.x)
    pairs.push(pair)
  }
  return {pairs, tested: candidates.length, discoveries: found.length}
}

const bestWay = (a: number, b: number, windows: ReadonlyMap<number, Float64Array>): PairCandidate => {
  const one = candidate(a, b, windows)
  const other = candidate(b, a, windows)
  const best = one.pValue <= other.pValue ? one : other
  return {...best, pValue: Math.min(1, 2 * best.pValue)}
}

const candidate = (y: number, x: number, windows: ReadonlyMap<number, Float64Array>): PairCandidate => {
  const [py, px] = [windows.get(y)!, windows.get(x)!]
  let test = engleGranger(py, [px], {maxLag: 1, lagChoice: 'fixed'})
  const rows = px.length
  const centre = px.reduce((sum, v) => sum + v, 0) / rows
  const scale = Math.sqrt(px.reduce((sum, v) => sum + (v - centre) ** 2, 0) / rows)
  // The same series twice is not a pair.
  if (test.statistic === Number.NEGATIVE_INFINITY)
    return {y, x, pValue: 1, beta: 1, alpha: 0, halfLife: Number.POSITIVE_INFINITY, deviation: 0, centre, scale, rows}
  if (test.pValue < FIRST_LOOK) test = engleGranger(py, [px])
  const {residuals} = test
  const variance = residuals.reduce((sum, r) => sum + r * r, 0) / residuals.length
  return {
    y,
    x,
    pValue: test.pValue,
    beta: test.slopes[0]!,
    alpha: test.intercept,
    halfLife: halfLife(residuals).observations,
    deviation: Math.sqrt(variance),
    centre,
    scale,
    rows,
  }
}

/** A price that hardly changes (a halt, a stale feed) passes every stationarity test for the wrong reason. */
const isMoving = (window: Float64Array): boolean => {
  let changes = 0
  for (let i = 1; i < window.length; i++) if (window[i] !== window[i - 1]) changes++
  return changes >= window.length / 2
}
