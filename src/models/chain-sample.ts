// Cells are indexed inside their bounds, hence the `!`.

import {americanChainGreeks} from '../options/american-chain.ts'
import {buildChain} from '../options/chain.ts'
import {type ChainFeatures, chainFeatures} from '../options/chain-features.ts'
import {type ChainTensor, chainTensor, DEVIATIONS, TENSOR_SHAPE} from '../options/chain-tensor.ts'
import type {OptionQuote} from '../options/option-quote.ts'
import {sliceSmiles} from '../options/slice-smile.ts'

const {rows: ROWS, columns: COLUMNS, cellFeatures: CELLS} = TENSOR_SHAPE

/** Annual 30-day volatility below, between and above which a chain is calm, normal or stressed. */
export const REGIME_BOUNDS = [0.13, 0.2] as const

/** A chain as a model sees it, with the answers its heads learn. */
export interface ChainSample {
  readonly symbol: string
  readonly tsUs: number
  readonly quotes: number
  readonly tensor: ChainTensor
  /** −1 (fear) to 1: minus the mean skew of the cells 0.85 and 1.15 deviations down against 0.85 up, in units of 0.3, tanh. */
  readonly sentiment: number
  /** 0 calm, 1 normal, 2 stressed, by 30-day at-the-money volatility; −1 where the chain does not say. */
  readonly regime: number
  /** 30-day at-the-money volatility, annual; NaN where the chain does not say. */
  readonly volatility30: number
}

/** Analyses a chain once, for its tensor and the targets. Throws RangeError on an empty chain or several underlyings. */
export const chainSample = (quotes: readonly OptionQuote[]): ChainSample => {
  const chain = buildChain(quotes)
  const analysis = americanChainGreeks(chain)
  const smiles = sliceSmiles(analysis)
  const tensor = chainTensor(analysis, smiles)
  const features: ChainFeatures = chainFeatures(analysis, Number.NaN, smiles)
  return {
    symbol: chain.symbol,
    tsUs: chain.tsUs,
    quotes: chain.quotes.length,
    tensor,
    sentiment: sentimentOf(tensor),
    regime: regimeOf(features.volatility30),
    volatility30: features.volatility30,
  }
}

/**
 * The same chain in another market: all volatilities times exp(level), every smile steeper or flatter by the factor. The
 * targets follow from the changed chain.
 */
export const reshapedSample = (sample: ChainSample, level: number, steepness: number): ChainSample => {
  const {tensor} = sample
  const cells = tensor.cells.map((value, i) => (i % CELLS === 0 ? value * steepness : value))
  const width = TENSOR_SHAPE.rowFeatures
  const rows = tensor.rows.map((value, i) =>
    i % width === 0 && tensor.rowMask[Math.floor(i / width)] === 1 ? value + level : value,
  )
  const changed = {...tensor, cells, rows}
  const volatility30 = sample.volatility30 * Math.exp(level)
  return {...sample, tensor: changed, sentiment: sentimentOf(changed), regime: regimeOf(volatility30), volatility30}
}

/** The chain without some of its expiries (1 drops a row), and the sentiment of those that are left. */
export const withoutRows = (sample: ChainSample, dropped: ArrayLike<number>): ChainSample => {
  const {tensor} = sample
  const keep = (values: Float32Array, perRow: number): Float32Array =>
    values.map((value, i) => (dropped[Math.floor(i / perRow)] === 1 ? 0 : value))
  return retargeted({
    ...sample,
    tensor: {
      cells: keep(tensor.cells, COLUMNS * CELLS),
      mask: keep(tensor.mask, COLUMNS),
      rows: keep(tensor.rows, TENSOR_SHAPE.rowFeatures),
      rowMask: keep(tensor.rowMask, 1),
    },
  })
}

/** The sample with the targets that its tensor's smiles mean. */
export const retargeted = (sample: ChainSample): ChainSample => ({...sample, sentiment: sentimentOf(sample.tensor)})

const regimeOf = (volatility: number): number => {
  if (!Number.isFinite(volatility)) return -1
  return volatility < REGIME_BOUNDS[0] ? 0 : volatility < REGIME_BOUNDS[1] ? 1 : 2
}

const column = (deviation: number): number => DEVIATIONS.indexOf(deviation)
export const SKEW_DOWN: readonly number[] = [column(-1.15), column(-0.85)]
export const SKEW_UP: readonly number[] = [column(0.85)]

const sentimentOf = ({cells, mask}: ChainTensor): number => {
  let [skew, count] = [0, 0]
  const mean = (row: number, columns: readonly number[]): number | undefined => {
    let [sum, n] = [0, 0]
    for (const c of columns) {
      if (mask[row * COLUMNS + c] !== 1) continue
      sum += cells[(row * COLUMNS + c) * CELLS]!
      n++
    }
    return n === 0 ? undefined : sum / n
  }
  for (let row = 0; row < ROWS; row++) {
    const [down, up] = [mean(row, SKEW_DOWN), mean(row, SKEW_UP)]
    if (down === undefined || up === undefined) continue
    skew += down - up
    count++
  }
  return count === 0 ? 0 : Math.tanh(-(skew / count - 0.3) / 0.3)
}
