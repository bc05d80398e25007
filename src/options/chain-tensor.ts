// Numeric kernel: columns are indexed with `!` below their length.
import type {ChainGreeks} from './chain-greeks.ts'
import {type SliceSmile, sliceSmiles} from './slice-smile.ts'

/**
 * A chain as a tensor of fixed shape, for models: EXPIRY_DAYS.length rows × DEVIATIONS.length columns of cells, each with
 * CELL_FEATURES.length numbers, a mask, and ROW_FEATURES.length numbers a row. Nothing in it depends on the price level or on
 * the number of contracts, so chains of different underlyings and days are comparable.
 */
export interface ChainTensor {
  /** [rows, columns, cell features], row major. Masked cells hold 0. */
  readonly cells: Float32Array
  /** [rows, columns]: 1 where at least one quote fell into the cell. */
  readonly mask: Float32Array
  /** [rows, row features]. Rows without an expiry hold 0. */
  readonly rows: Float32Array
  /** [rows]: 1 where an expiry fell into the row. */
  readonly rowMask: Float32Array
}

/** Centre of each row, calendar days to expiry; an expiry belongs to the row nearest in ln(days), down to half a day. */
export const EXPIRY_DAYS: readonly number[] = [1, 2, 4, 7, 11, 16, 24, 36, 56, 90, 160, 365]
/** Centre of each column: ln(strike/forward)/(σ·√T) with the expiry's at-the-money σ; a quote belongs to the nearest. */
export const DEVIATIONS: readonly number[] = [
  -4, -3, -2.4, -1.9, -1.5, -1.15, -0.85, -0.55, -0.25, 0, 0.25, 0.55, 0.85, 1.2, 1.6, 2.2,
]

/**
 * Cell features, means over the out-of-the-money quotes of the cell weighted by vega over spread:
 *  0 logVolatilityRatio  ln(σ/σ_atm)                                         pure number
 *  1 halfSpread          half the bid–ask spread in volatility over σ        pure number, capped at 1
 *  2 putCallGap          (σ of the call − σ of the put at the strike)/σ_atm  pure number, 0 where one is missing, ±0.5 cap
 *  3 openInterest        ln(1 + contracts open, call and put)                ln contracts, summed over the cell
 *  4 volume              ln(1 + contracts traded, call and put)              ln contracts, summed over the cell
 *  5 putShare            puts' share of the contracts open                   0 to 1; 0.5 where none
 *  6 deviation           mean ln(K/F)/(σ_atm·√T) less the column's centre    standard deviations
 *  7 quotes              ln(1 + number of quotes)                            ln count
 */
export const CELL_FEATURES = [
  'logVolatilityRatio',
  'halfSpread',
  'putCallGap',
  'openInterest',
  'volume',
  'putShare',
  'deviation',
  'quotes',
] as const

/**
 * Row features:
 *  0 logVolatility  ln σ_atm                              ln of annual volatility
 *  1 logTime        ln(days to expiry), calendar          ln days
 *  2 logSessions    ln(sessions to expiry), exchange      ln days
 *  3 carry          ln(F/S)/T, 0 without an underlying    per year
 *  4 rate           implied financing rate                per year
 *  5 forwardVariance  ln of the variance rate from the row before to this one over σ_atm², 0 in the first row; ±2 cap
 */
export const ROW_FEATURES = ['logVolatility', 'logTime', 'logSessions', 'carry', 'rate', 'forwardVariance'] as const

export const TENSOR_SHAPE = {
  rows: EXPIRY_DAYS.length,
  columns: DEVIATIONS.length,
  cellFeatures: CELL_FEATURES.length,
  rowFeatures: ROW_FEATURES.length,
} as const

const {rows: ROWS, columns: COLUMNS, cellFeatures: CELLS, rowFeatures: ROW_WIDTH} = TENSOR_SHAPE
const MIN_DAYS = 0.5
const MIN_QUOTES = 3

export const emptyChainTensor = (): ChainTensor => ({
  cells: new Float32Array(ROWS * COLUMNS * CELLS),
  mask: new Float32Array(ROWS * COLUMNS),
  rows: new Float32Array(ROWS * ROW_WIDTH),
  rowMask: new Float32Array(ROWS),
})

/** Fills a tensor (a new one, or `out` reused). The slice nearest to a row's centre represents the row. */
export const chainTensor = (
  analysis: ChainGreeks,
  smiles: readonly SliceSmile[] = sliceSmiles(analysis),
  out: ChainTensor = emptyChainTensor(),
): ChainTensor => {
  out.cells.fill(0)
  out.mask.fill(0)
  out.rows.fill(0)
  out.rowMask.fill(0)
  const chosen = chooseSlices(analysis, smiles)
  let before = -1
  for (let row = 0; row < ROWS; row++) {
    const s = chosen[row]!
    if (s < 0) continue
    out.rowMask[row] = 1
    fillRow(analysis, smiles, s, before, out, row)
    fillCells(analysis, smiles[s]!, s, out, row)
    before = s
  }
  return out
}

/** For each row the slice nearest to its centre in ln(days), the better quoted of two at one distance; −1 without one. */
const chooseSlices = (analysis: ChainGreeks, smiles: readonly SliceSmile[]): Int32Array => {
  const chosen = new Int32Array(ROWS).fill(-1)
  const distances = new Float64Array(ROWS).fill(Number.POSITIVE_INFINITY)
  analysis.chain.slices.forEach((slice, s) => {
    const days = slice.ttmYears * 365
    const smile = smiles[s]!
    if (!(days >= MIN_DAYS) || smile.count < MIN_QUOTES || !(smile.atTheMoney > 0)) return
    const row = nearestIndex(LOG_DAYS, Math.log(days))
    const distance = Math.abs(Math.log(days) - LOG_DAYS[row]!)
    const current = chosen[row]!
    const nearer = distance < distances[row]! - 0.02
    const tied = Math.abs(distance - distances[row]!) <= 0.02
    if (current < 0 || nearer || (tied && smile.count > smiles[current]!.count)) {
      chosen[row] = s
      distances[row] = distance
    }
  })
  return chosen
}

const LOG_DAYS = EXPIRY_DAYS.map(Math.log)

const nearestIndex = (centres: readonly number[], value: number): number => {
  let best = 0
  for (let i = 1; i < centres.length; i++)
    if (Math.abs(centres[i]! - value) < Math.abs(centres[best]! - value)) best = i
  return best
}

const fillRow = (
  analysis: ChainGreeks,
  smiles: readonly SliceSmile[],
  s: number,
  before: number,
  out: ChainTensor,
  row: number,
): void => {
  const slice = analysis.chain.slices[s]!
  const {forward, rate} = analysis.forwards[s]!
  const volatility = smiles[s]!.atTheMoney
  const at = row * ROW_WIDTH
  const spot = analysis.chain.underlying
  out.rows[at] = Math.log(volatility)
  out.rows[at + 1] = Math.log(slice.ttmYears * 365)
  out.rows[at + 2] = Math.log(Math.max(slice.tradingTtmYears * 252, 0.05))
  out.rows[at + 3] = spot === undefined ? 0 : cap(Math.log(forward / spot) / slice.ttmYears, 1)
  out.rows[at + 4] = cap(rate, 1)
  if (before < 0) return
  const earlier = analysis.chain.slices[before]!
  const variance = volatility ** 2 * slice.ttmYears - smiles[before]!.atTheMoney ** 2 * earlier.ttmYears
  const ratio = variance / (slice.ttmYears - earlier.ttmYears) / volatility ** 2
  out.rows[at + 5] = cap(Math.log(Math.max(ratio, 1e-9)), 2)
}

const cap = (value: number, limit: number): number => Math.min(Math.max(value, -limit), limit)

const fillCells = (analysis: ChainGreeks, smile: SliceSmile, s: number, out: ChainTensor, row: number): void => {
  const {chain, columns} = analysis
  const slice = chain.slices[s]!
  const scale = smile.atTheMoney * Math.sqrt(slice.ttmYears)
  const weights = new Float64Array(COLUMNS)
  const counts = new Float64Array(COLUMNS)
  const puts = new Float64Array(COLUMNS)
  const lowest = DEVIATIONS[0]! - 1
  const highest = DEVIATIONS[COLUMNS - 1]! + 1
  for (let i = 0; i < smile.count; i++) {
    const deviation = smile.k[i]! / scale
    if (deviation < lowest || deviation > highest) continue
    const index = smile.row[i]!
    const vega = columns.vega[index]!
    if (!(vega > 0)) continue
    const quote = chain.quotes[index]!
    const column = nearestIndex(DEVIATIONS, deviation)
    const at = (row * COLUMNS + column) * CELLS
    const half = Math.max((0.5 * (quote.ask - quote.bid)) / vega, 1e-5)
    const volatility = smile.volatility[i]!
    const weight = 1 / half
    const twin = smile.twin[i]!
    const other = twin < 0 ? Number.NaN : columns.impliedVolatility[twin]!
    const gap = other > 0 ? (quote.right === 'call' ? volatility - other : other - volatility) / smile.atTheMoney : 0
    const twinQuote = twin < 0 ? undefined : chain.quotes[twin]
    const open = quote.openInterest ?? 0
    const twinOpen = twinQuote?.openInterest ?? 0
    weights[column]! += weight
    counts[column]! += 1
    puts[column]! += quote.right === 'put' ? open : twinOpen
    out.cells[at]! += weight * Math.log(volatility / smile.atTheMoney)
    out.cells[at + 1]! += weight * Math.min(half / volatility, 1)
    out.cells[at + 2]! += weight * cap(gap, 0.5)
    out.cells[at + 3]! += open + twinOpen
    out.cells[at + 4]! += (quote.volume ?? 0) + (twinQuote?.volume ?? 0)
    out.cells[at + 6]! += weight * (deviation - DEVIATIONS[column]!)
  }
  for (let column = 0; column < COLUMNS; column++) {
    const weight = weights[column]!
    if (!(weight > 0)) continue
    const at = (row * COLUMNS + column) * CELLS
    out.mask[row * COLUMNS + column] = 1
    for (const mean of [0, 1, 2, 6]) out.cells[at + mean]! /= weight
    const open = out.cells[at + 3]!
    out.cells[at + 5] = open > 0 ? puts[column]! / open : 0.5
    out.cells[at + 3] = Math.log1p(open)
    out.cells[at + 4] = Math.log1p(out.cells[at + 4]!)
    out.cells[at + 7] = Math.log1p(counts[column]!)
  }
}
