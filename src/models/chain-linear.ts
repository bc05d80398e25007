// Features are indexed below their count, hence the `!`.
import type {ChainTensor} from '../options/chain-tensor.ts'
import {TENSOR_SHAPE} from '../options/chain-tensor.ts'
import {solve} from './embedder-data.ts'

const {rows: ROWS, columns: COLUMNS, cellFeatures: CELLS, rowFeatures: ROW_WIDTH} = TENSOR_SHAPE
const GRID = ROWS * COLUMNS

/** What a plain linear model is told of a chain: mean and deviation of every cell feature, mean of every row feature, how full it is. */
export const chainSummary = ({cells, mask, rows, rowMask}: ChainTensor): number[] => {
  const moments = (values: Float32Array, width: number, present: Float32Array, f: number): [number, number] => {
    let [sum, square, count] = [0, 0, 0]
    for (let i = 0; i < present.length; i++) {
      if (present[i] !== 1) continue
      const value = values[i * width + f]!
      sum += value
      square += value * value
      count++
    }
    const mean = sum / Math.max(1, count)
    return [mean, Math.sqrt(Math.max(0, square / Math.max(1, count) - mean * mean))]
  }
  const share = (present: Float32Array, of: number): number => present.reduce((sum, one) => sum + one, 0) / of
  return [
    ...Array.from({length: CELLS}, (_, f) => moments(cells, CELLS, mask, f)).flat(),
    ...Array.from({length: ROW_WIDTH}, (_, f) => moments(rows, ROW_WIDTH, rowMask, f)[0]),
    share(mask, GRID),
    share(rowMask, ROWS),
  ]
}

/** Of standardised features: enough to hold some tens of chains, little beside hundreds. */
const RIDGE = 1

/** Ridge regression of a number of each chain on its summary, features standardised: a baseline that the network has to beat. */
export const fitChainLinear = (
  tensors: readonly ChainTensor[],
  truth: readonly number[],
): ((tensor: ChainTensor) => number) => {
  const rows = tensors.map(chainSummary)
  const n = Math.max(1, rows.length)
  const mean = (of: (row: number) => number): number => rows.reduce((sum, _, r) => sum + of(r), 0) / n
  const width = rows[0]?.length ?? 0
  const centres = Array.from({length: width}, (_, f) => mean(r => rows[r]![f]!))
  const scales = centres.map((centre, f) => Math.sqrt(mean(r => (rows[r]![f]! - centre) ** 2)))
  const standard = (row: readonly number[]): number[] =>
    row.map((value, f) => (scales[f]! > 1e-9 ? (value - centres[f]!) / scales[f]! : 0))
  const level = mean(r => truth[r]!)
  const x = rows.map(standard)
  const system = centres.map((_, i) =>
    Float64Array.from({length: width + 1}, (_, j) =>
      x.reduce((sum, row, r) => sum + row[i]! * (j < width ? row[j]! : truth[r]! - level), i === j ? RIDGE : 0),
    ),
  )
  const slopes = solve(system)
  return tensor => standard(chainSummary(tensor)).reduce((sum, value, f) => sum + value * slopes[f]!, level)
}
