// Numeric kernel: columns are indexed with `!` below their length.
import {isTwoSided, type Slice} from './chain.ts'

/** Forward and discount factor that the quotes of a slice imply through put-call parity C − P = D·(F − K). */
export interface ImpliedForward {
  readonly forward: number
  readonly discount: number
  /** Continuously compounded. */
  readonly rate: number
  /** Standard error of the forward, currency units; NaN when it is not estimated. */
  readonly forwardError: number
  /** Pairs that entered, and pairs that the robust weights left out (|residual| beyond 4.7 robust deviations). */
  readonly pairs: number
  readonly outliers: number
  /** `parity`: from this slice's pairs. `carried`: no usable pair; spot grown at the rate and yield of the neighbours. */
  readonly method: 'parity' | 'carried'
}

export interface ForwardOptions {
  /** Continuously compounded rate to use instead of the implied one. */
  readonly rate?: number
  readonly underlying?: number | undefined
}

/** Biweight tuning constant: 95 % efficiency under normal errors. */
const BISQUARE = 4.685
/** Kernel width of the rate curve in ln T, and the part of a rate's error that no number of strikes removes. */
const CURVE_WIDTH = 0.4
const RATE_FLOOR = 2e-4
const RATE_PRIOR_ERROR = 0.02
const MIN_RATE = -0.05
const MAX_RATE = 0.25

interface Pairs {
  readonly strike: Float64Array
  /** Call mid less put mid. */
  readonly difference: Float64Array
  /** Half of the two spreads together: the scale of the error. */
  readonly scale: Float64Array
}

/**
 * One entry a slice. Each slice is regressed robustly (iterated biweight on residuals in units of the combined half-spread);
 * its rate is then smoothed over neighbouring expiries by inverse variance, since a short slice says nothing of its
 * discount; the forward is re-estimated under the smoothed discount. Only for European slices: see `american-chain.ts`.
 */
export const impliedForwards = (slices: readonly Slice[], options: ForwardOptions = {}): ImpliedForward[] => {
  const pairs = slices.map(parityPairs)
  const rates = new Float64Array(slices.length).fill(Number.NaN)
  const errors = new Float64Array(slices.length).fill(Number.NaN)
  slices.forEach((slice, i) => {
    if (!(slice.ttmYears > 0)) return
    const line = robustLine(pairs[i]!)
    if (line === undefined || !(line.discount > 0)) return
    const rate = -Math.log(line.discount) / slice.ttmYears
    const error = line.discountError / (line.discount * slice.ttmYears)
    if (!(error < 0.5)) return
    rates[i] = Math.min(Math.max(rate, MIN_RATE), MAX_RATE)
    errors[i] = error
  })
  const estimates = slices.map((slice, i): ImpliedForward | undefined => {
    if (!(slice.ttmYears > 0)) return undefined
    const rate = options.rate ?? smoothedRate(slices, rates, errors, slice.ttmYears)
    const discount = Math.exp(-rate * slice.ttmYears)
    const mean = robustForward(pairs[i]!, discount)
    return mean === undefined ? undefined : {...mean, discount, rate, method: 'parity'}
  })
  return slices.map((slice, i) => estimates[i] ?? carried(slice, slices, estimates, options))
}

/** Mid differences of the strikes whose call and put are both two-sided. */
const parityPairs = (slice: Slice): Pairs => {
  const {strike, call, put} = slice
  const keep: number[] = []
  for (let i = 0; i < strike.length; i++)
    if (isTwoSided(call.bid[i]!, call.ask[i]!) && isTwoSided(put.bid[i]!, put.ask[i]!)) keep.push(i)
  const pairs: Pairs = {
    strike: new Float64Array(keep.length),
    difference: new Float64Array(keep.length),
    scale: new Float64Array(keep.length),
  }
  keep.forEach((i, j) => {
    pairs.strike[j] = strike[i]!
    pairs.difference[j] = 0.5 * (call.bid[i]! + call.ask[i]! - put.bid[i]! - put.ask[i]!)
    pairs.scale[j] = Math.max(0.5 * (call.ask[i]! - call.bid[i]! + put.ask[i]! - put.bid[i]!), 1e-4 * strike[i]!)
  })
  return pairs
}

/** Robust regression of difference on strike; the slope is −D. Undefined under four pairs. */
const robustLine = (pairs: Pairs): {discount: number; discountError: number} | undefined => {
  const n = pairs.strike.length
  if (n < 4) return undefined
  let slope = theilSen(pairs)
  const residual = new Float64Array(n)
  for (let i = 0; i < n; i++) residual[i] = pairs.difference[i]! - slope * pairs.strike[i]!
  let intercept = median(residual)
  let slopeError = Number.POSITIVE_INFINITY
  const standardised = new Float64Array(n)
  for (let round = 0; round < 12; round++) {
    for (let i = 0; i < n; i++)
      standardised[i] = Math.abs(pairs.difference[i]! - intercept - slope * pairs.strike[i]!) / pairs.scale[i]!
    const sigma = Math.max(1.4826 * median(standardised), 0.05)
    let sw = 0
    let swx = 0
    let swy = 0
    for (let i = 0; i < n; i++) {
      const w = biweight(standardised[i]! / sigma) / pairs.scale[i]! ** 2
      sw += w
      swx += w * pairs.strike[i]!
      swy += w * pairs.difference[i]!
    }
    const meanX = swx / sw
    const meanY = swy / sw
    let sxx = 0
    let sxy = 0
    for (let i = 0; i < n; i++) {
      const w = biweight(standardised[i]! / sigma) / pairs.scale[i]! ** 2
      const dx = pairs.strike[i]! - meanX
      sxx += w * dx * dx
      sxy += w * dx * (pairs.difference[i]! - meanY)
    }
    if (!(sxx > 0)) return undefined
    const next = sxy / sxx
    const moved = Math.abs(next - slope)
    slope = next
    intercept = meanY - slope * meanX
    slopeError = sigma / Math.sqrt(sxx)
    if (moved < 1e-12) break
  }
  return {discount: -slope, discountError: slopeError}
}

/** Median of the slopes between strikes half the range apart: a start that a quarter of bad pairs does not move. */
const theilSen = (pairs: Pairs): number => {
  const half = pairs.strike.length >> 1
  const slopes = new Float64Array(half)
  for (let i = 0; i < half; i++)
    slopes[i] = (pairs.difference[i + half]! - pairs.difference[i]!) / (pairs.strike[i + half]! - pairs.strike[i]!)
  return median(slopes)
}

/** Robust weighted mean of K + (C − P)/D. */
const robustForward = (
  pairs: Pairs,
  discount: number,
): {forward: number; forwardError: number; pairs: number; outliers: number} | undefined => {
  const n = pairs.strike.length
  if (n === 0) return undefined
  const value = new Float64Array(n)
  for (let i = 0; i < n; i++) value[i] = pairs.strike[i]! + pairs.difference[i]! / discount
  let forward = weightedMedian(value, pairs.scale)
  let error = Number.NaN
  let outliers = 0
  const standardised = new Float64Array(n)
  for (let round = 0; round < 10; round++) {
    for (let i = 0; i < n; i++) standardised[i] = Math.abs(value[i]! - forward) / pairs.scale[i]!
    const sigma = Math.max(1.4826 * median(standardised), 0.05)
    let sw = 0
    let swv = 0
    outliers = 0
    for (let i = 0; i < n; i++) {
      const robust = biweight(standardised[i]! / sigma)
      if (robust === 0) outliers++
      const w = robust / pairs.scale[i]! ** 2
      sw += w
      swv += w * value[i]!
    }
    if (!(sw > 0)) break
    const next = swv / sw
    const moved = Math.abs(next - forward)
    forward = next
    error = sigma / Math.sqrt(sw)
    if (moved < 1e-12 * Math.abs(forward)) break
  }
  return forward > 0 ? {forward, forwardError: error, pairs: n, outliers} : undefined
}

/** Inverse-variance kernel mean of the slices' rates in ln T, with a weak prior at zero. */
const smoothedRate = (
  slices: readonly Slice[],
  rates: Float64Array,
  errors: Float64Array,
  ttmYears: number,
): number => {
  let sw = 1e-6 / RATE_PRIOR_ERROR ** 2
  let swr = 0
  for (let j = 0; j < slices.length; j++) {
    if (Number.isNaN(rates[j]!)) continue
    const distance = Math.log(slices[j]!.ttmYears / ttmYears) / CURVE_WIDTH
    // The floor keeps far slices in play where nothing near is known.
    const w = (Math.exp(-0.5 * distance * distance) + 1e-6) / (errors[j]! ** 2 + RATE_FLOOR ** 2)
    sw += w
    swr += w * rates[j]!
  }
  return swr / sw
}

/** No pair in this slice: the spot grown at the carry of the expiry nearest in time, or at zero. */
const carried = (
  slice: Slice,
  slices: readonly Slice[],
  estimates: readonly (ImpliedForward | undefined)[],
  options: ForwardOptions,
): ImpliedForward => {
  let nearest = -1
  slices.forEach((other, j) => {
    if (estimates[j] === undefined) return
    if (nearest < 0 || Math.abs(other.ttmYears - slice.ttmYears) < Math.abs(slices[nearest]!.ttmYears - slice.ttmYears))
      nearest = j
  })
  const base = nearest < 0 ? undefined : estimates[nearest]!
  const rate = options.rate ?? base?.rate ?? 0
  const ttmYears = Math.max(slice.ttmYears, 0)
  const spot = options.underlying ?? base?.forward ?? Number.NaN
  const growth = base === undefined ? rate : Math.log(base.forward / spot) / slices[nearest]!.ttmYears
  return {
    forward: spot * Math.exp(growth * ttmYears),
    discount: Math.exp(-rate * ttmYears),
    rate,
    forwardError: Number.NaN,
    pairs: 0,
    outliers: 0,
    method: 'carried',
  }
}

const biweight = (u: number): number => {
  const v = u / BISQUARE
  return v < 1 ? (1 - v * v) ** 2 : 0
}

/** By selection (C. A. R. Hoare, algorithm 65), not by sorting: it runs a dozen times a slice. */
export const median = (values: Float64Array): number => {
  const n = values.length
  if (n === 0) return Number.NaN
  const work = values.slice()
  const upper = select(work, n >> 1)
  if (n % 2 === 1) return upper
  let lower = work[0]!
  for (let i = 1; i < n >> 1; i++) if (work[i]! > lower) lower = work[i]!
  return 0.5 * (lower + upper)
}

/** The k-th smallest, with everything below it moved before it. */
const select = (work: Float64Array, k: number): number => {
  let left = 0
  let right = work.length - 1
  while (left < right) {
    const pivot = work[(left + right) >> 1]!
    let i = left
    let j = right
    while (i <= j) {
      while (work[i]! < pivot) i++
      while (pivot < work[j]!) j--
      if (i <= j) {
        const swap = work[i]!
        work[i] = work[j]!
        work[j] = swap
        i++
        j--
      }
    }
    if (k <= j) right = j
    else if (k >= i) left = i
    else break
  }
  return work[k]!
}

/** Median under weights 1/scale². */
const weightedMedian = (values: Float64Array, scale: Float64Array): number => {
  const order = Array.from(values.keys()).sort((a, b) => values[a]! - values[b]!)
  let total = 0
  for (let i = 0; i < values.length; i++) total += 1 / scale[i]! ** 2
  let sum = 0
  for (const i of order) {
    sum += 1 / scale[i]! ** 2
    if (sum >= 0.5 * total) return values[i]!
  }
  return values[order.at(-1) ?? 0] ?? Number.NaN
}
