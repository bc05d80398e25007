// Numeric kernel: columns are indexed with `!` below their length.
import {blackPrice} from './black.ts'
import {isTwoSided, type Slice} from './chain.ts'
import {atTheMoneyTotal, type ChainGreeks} from './chain-greeks.ts'
import {fitSsvi, type Ssvi, ssviSlice} from './ssvi.ts'
import {arbitrageGrid, isButterflyFree, isCalendarFree, type Svi, sviVariance} from './svi.ts'
import {fitSvi, type SmilePoints} from './svi-fit.ts'

export interface SmileFit {
  /** Index of the slice in the chain. */
  readonly slice: number
  readonly root: string
  readonly expiry: string
  readonly ttmYears: number
  readonly forward: number
  readonly discount: number
  readonly svi: Svi
  /** Checked on the range of the quotes widened by half: density not negative, variance not above that of the next slice. */
  readonly butterflyFree: boolean
  readonly calendarFree: boolean
  readonly points: number
  /** Root mean square of model less mid, in volatility points (1 = 0.01). */
  readonly rmseVolPoints: number
  /** Share of the fitted quotes whose model price lies within bid and ask. */
  readonly coverage: number
}

export interface Surface {
  readonly fits: readonly SmileFit[]
  readonly ssvi: Ssvi | undefined
  readonly ssviRmseVolPoints: number
  readonly ssviCoverage: number
}

/** Least half-spread that counts, in volatility: below it quotes differ by rounding only. */
const MIN_HALF_SPREAD_VOL = 5e-4
const MIN_POINTS = 5
/** Range of ln(K/F)/(σ√T) that is fitted, with the at-the-money σ. */
const MAX_DEVIATIONS = {below: 4, above: 3}

interface QuotedSmile extends SmilePoints {
  readonly slice: number
  /** Contracts behind the points: out-of-the-money, two-sided, bid above zero. */
  readonly strike: Float64Array
  readonly call: Uint8Array
  readonly bid: Float64Array
  readonly ask: Float64Array
}

/**
 * SVI a slice and SSVI over all, free of static arbitrage. Slices are fitted from the last expiry backwards, each below the
 * one after it: late expiries are quoted over the widest range of moneyness, so the constraint bends the wings where the
 * earlier one has no quotes. Fitted are the out-of-the-money quotes within MAX_DEVIATIONS, weighted by vega over spread:
 * five parameters cannot follow an index smile from a fifth of the forward to twice it, and nobody trades the far ends.
 */
export const fitSurface = (analysis: ChainGreeks): Surface => {
  const {slices} = analysis.chain
  const smiles = slices.map((slice, s) => quotedSmile(analysis, slice, s)).filter(s => s.k.length >= MIN_POINTS)
  const ssvi = fitSsvi(
    smiles,
    Float64Array.from(smiles, smile => Math.max(interpolate(smile, 0), 1e-10)),
  )
  const fits: SmileFit[] = []
  let later: Svi | undefined
  for (let i = smiles.length - 1; i >= 0; i--) {
    const smile = smiles[i]!
    const grid = gridOf(smile, smiles)
    const start = ssvi === undefined ? undefined : ssviSlice(ssvi, ssvi.theta[i]!)
    const svi = fitSvi(smile, grid, later, start) ?? flat(smile)
    const slice = slices[smile.slice]!
    const {forward, discount} = analysis.forwards[smile.slice]!
    fits.push({
      slice: smile.slice,
      root: slice.root,
      expiry: slice.expiry,
      ttmYears: slice.ttmYears,
      forward,
      discount,
      svi,
      butterflyFree: isButterflyFree(svi, grid),
      calendarFree: later === undefined || isCalendarFree(svi, later, grid),
      points: smile.k.length,
      ...quality(smile, svi, slice.ttmYears, forward, discount),
    })
    later = svi
  }
  return {fits: fits.reverse(), ssvi, ...surfaceQuality(analysis, smiles, ssvi)}
}

/** One volatility for all strikes: the last resort where nothing fits. */
const flat = (smile: QuotedSmile): Svi => ({a: Math.max(interpolate(smile, 0), 1e-10), b: 0, rho: 0, m: 0, sigma: 0.1})

/** Volatility of a surface at log-moneyness and time: total variance is linear in time between slices at fixed moneyness. */
export const surfaceVolatility = (surface: Surface, logStrike: number, ttmYears: number): number => {
  const {fits} = surface
  const first = fits[0]
  if (first === undefined) return Number.NaN
  const after = fits.findIndex(fit => fit.ttmYears >= ttmYears)
  if (after === 0) return Math.sqrt(sviVariance(first.svi, logStrike) / first.ttmYears)
  const low = fits[after < 0 ? fits.length - 1 : after - 1]!
  const lowVariance = sviVariance(low.svi, logStrike)
  if (after < 0) return Math.sqrt(lowVariance / low.ttmYears)
  const high = fits[after]!
  const share = (ttmYears - low.ttmYears) / (high.ttmYears - low.ttmYears)
  const variance = lowVariance + share * (sviVariance(high.svi, logStrike) - lowVariance)
  return Math.sqrt(variance / ttmYears)
}

/** Fine over the slice's own quotes, coarse over those of the whole chain, so that neighbours never cross outside either. */
const gridOf = (points: SmilePoints, all: readonly SmilePoints[]): Float64Array => {
  const low = Math.min(...all.map(s => s.k[0]!))
  const high = Math.max(...all.map(s => s.k.at(-1)!))
  return Float64Array.of(...arbitrageGrid(points.k[0]!, points.k.at(-1)!), ...arbitrageGrid(low, high, 41))
}

/** Out-of-the-money mids that have a volatility and a two-sided market. */
const quotedSmile = (analysis: ChainGreeks, slice: Slice, index: number): QuotedSmile => {
  const {columns, status} = analysis
  const {forward, discount} = analysis.forwards[index]!
  const scale = atTheMoneyTotal(analysis, slice, forward)
  const rows: {k: number; row: number; call: number; bid: number; ask: number; strike: number}[] = []
  for (let i = 0; i < slice.strike.length; i++) {
    const strike = slice.strike[i]!
    const call = strike >= forward ? 1 : 0
    const side = call === 1 ? slice.call : slice.put
    const row = side.index[i]!
    if (row < 0 || status[row] !== 'ok' || !isTwoSided(side.bid[i]!, side.ask[i]!)) continue
    const deviations = Math.log(strike / forward) / scale
    if (deviations < -MAX_DEVIATIONS.below || deviations > MAX_DEVIATIONS.above) continue
    if (!(columns.impliedVolatility[row]! > 0 && columns.vega[row]! > 1e-8 * discount * forward)) continue
    const [bid, ask] = [side.bid[i]!, side.ask[i]!]
    const total = columns.impliedVolatility[row]! * Math.sqrt(slice.ttmYears)
    // A smile is of European prices: what early exercise is worth comes off both sides.
    const premium =
      slice.style === 'american' ? 0.5 * (bid + ask) - discount * blackPrice(forward, strike, total, call === 1) : 0
    rows.push({k: Math.log(strike / forward), row, call, bid: bid - premium, ask: ask - premium, strike})
  }
  const topVega = Math.max(...rows.map(r => columns.vega[r.row]!))
  const column = (f: (row: (typeof rows)[number]) => number): Float64Array => Float64Array.from(rows, f)
  return {
    slice: index,
    k: column(r => r.k),
    variance: column(r => columns.impliedVolatility[r.row]! ** 2 * slice.ttmYears),
    halfSpread: column(r => {
      const volatility = columns.impliedVolatility[r.row]!
      const vega = columns.vega[r.row]!
      const half = Math.max((0.5 * (r.ask - r.bid)) / vega, MIN_HALF_SPREAD_VOL)
      return 2 * volatility * slice.ttmYears * half * Math.sqrt(topVega / vega)
    }),
    strike: column(r => r.strike),
    call: Uint8Array.from(rows, r => r.call),
    bid: column(r => r.bid),
    ask: column(r => r.ask),
  }
}

const quality = (
  smile: QuotedSmile,
  svi: Svi,
  ttmYears: number,
  forward: number,
  discount: number,
): {rmseVolPoints: number; coverage: number} => {
  let squares = 0
  let inside = 0
  for (let i = 0; i < smile.k.length; i++) {
    const variance = sviVariance(svi, smile.k[i]!)
    const difference = Math.sqrt(variance / ttmYears) - Math.sqrt(smile.variance[i]! / ttmYears)
    squares += difference * difference
    const price = discount * blackPrice(forward, smile.strike[i]!, Math.sqrt(variance), smile.call[i] === 1)
    if (price >= smile.bid[i]! && price <= smile.ask[i]!) inside++
  }
  return {rmseVolPoints: 100 * Math.sqrt(squares / smile.k.length), coverage: inside / smile.k.length}
}

const surfaceQuality = (
  analysis: ChainGreeks,
  smiles: readonly QuotedSmile[],
  ssvi: Ssvi | undefined,
): {ssviRmseVolPoints: number; ssviCoverage: number} => {
  if (ssvi === undefined) return {ssviRmseVolPoints: Number.NaN, ssviCoverage: Number.NaN}
  let squares = 0
  let inside = 0
  let points = 0
  smiles.forEach((smile, i) => {
    const {forward, discount} = analysis.forwards[smile.slice]!
    const slice = analysis.chain.slices[smile.slice]!
    const one = quality(smile, ssviSlice(ssvi, ssvi.theta[i]!), slice.ttmYears, forward, discount)
    squares += one.rmseVolPoints ** 2 * smile.k.length
    inside += one.coverage * smile.k.length
    points += smile.k.length
  })
  return {ssviRmseVolPoints: Math.sqrt(squares / points), ssviCoverage: inside / points}
}

/** Linear interpolation of the quoted variance. */
const interpolate = ({k, variance}: SmilePoints, at: number): number => {
  const after = k.findIndex(x => x >= at)
  if (after <= 0) return variance[after === 0 ? 0 : k.length - 1]!
  const share = (at - k[after - 1]!) / (k[after]! - k[after - 1]!)
  return variance[after - 1]! + share * (variance[after]! - variance[after - 1]!)
}
