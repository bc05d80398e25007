// Indices run over arrays built in the same function, so `!` cannot miss here.
import {engleGranger} from '../statistics/engle-granger.ts'
import {johansen} from '../statistics/johansen.ts'
import {mackinnonP} from '../statistics/mackinnon.ts'
import {benjaminiHochberg, halfLife} from '../statistics/mean-reversion.ts'
import {pairStatistic} from '../statistics/pair-statistic.ts'

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
type Look = Pick<PairCandidate, 'y' | 'x' | 'pValue'>

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
 * Cheap first look (one lag); pairs above it keep that p-value. Those below get up to four lags by AIC, whose p-value is
 * used instead: a full search over sixteen takes minutes a screen with sixty instruments and changes few decisions.
 */
const FIRST_LOOK = 0.1
const MOST_LAGS = 4

/**
 * Every pair of the windows, both ways round, tested for cointegration; the better way is kept and its p-value doubled for
 * the choice. Discoveries by Benjamini and Hochberg over all pairs tested, then filtered by sign and size of the hedge
 * ratio, half-life and (optionally) Johansen's test. Best p-values first, each instrument in one pair only.
 */
export const screenPairs = (windows: ReadonlyMap<number, Float64Array>, options: ScreenOptions): Screen => {
  const ids = [...windows.keys()].filter(id => isMoving(windows.get(id)!))
  const looks: Look[] = []
  for (let a = 0; a < ids.length; a++)
    for (let b = a + 1; b < ids.length; b++) looks.push(bestWay(ids[a]!, ids[b]!, windows))
  const isFound = benjaminiHochberg(
    looks.map(c => c.pValue),
    options.falseDiscoveryRate,
  )
  const found = looks.filter((_, i) => isFound[i]).map(l => measure(l, windows))
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
  return {pairs, tested: looks.length, discoveries: found.length}
}

const bestWay = (a: number, b: number, windows: ReadonlyMap<number, Float64Array>): Look => {
  const one = look(a, b, windows)
  const other = look(b, a, windows)
  const best = one.pValue <= other.pValue ? one : other
  return {...best, pValue: Math.min(1, 2 * best.pValue)}
}

const look = (y: number, x: number, windows: ReadonlyMap<number, Float64Array>): Look => {
  const [py, px] = [windows.get(y)!, windows.get(x)!]
  const statistic = pairStatistic(py, px)
  // The same series twice is not a pair.
  if (statistic === Number.NEGATIVE_INFINITY) return {y, x, pValue: 1}
  const first = mackinnonP(statistic, 'c', 2)
  return {y, x, pValue: first < FIRST_LOOK ? engleGranger(py, [px], {maxLag: MOST_LAGS}).pValue : first}
}

/** The numbers a discovery is traded by. */
const measure = ({y, x, pValue}: Look, windows: ReadonlyMap<number, Float64Array>): PairCandidate => {
  const [py, px] = [windows.get(y)!, windows.get(x)!]
  const {residuals, slopes, intercept} = engleGranger(py, [px], {maxLag: 1, lagChoice: 'fixed'})
  const rows = px.length
  const centre = px.reduce((sum, v) => sum + v, 0) / rows
  return {
    y,
    x,
    pValue,
    beta: slopes[0]!,
    alpha: intercept,
    halfLife: halfLife(residuals).observations,
    deviation: Math.sqrt(residuals.reduce((sum, r) => sum + r * r, 0) / rows),
    centre,
    scale: Math.sqrt(px.reduce((sum, v) => sum + (v - centre) ** 2, 0) / rows),
    rows,
  }
}

/** A price that hardly changes (a halt, a stale feed) passes every stationarity test for the wrong reason. */
const isMoving = (window: Float64Array): boolean => {
  let changes = 0
  for (let i = 1; i < window.length; i++) if (window[i] !== window[i - 1]) changes++
  return changes >= window.length / 2
}
