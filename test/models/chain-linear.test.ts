import {expect, test} from 'vitest'
import {createRng} from '../../src/domain/rng.ts'
import {chainSummary, fitChainLinear} from '../../src/models/chain-linear.ts'
import {rankCorrelation} from '../../src/models/metrics.ts'
import {type ChainTensor, emptyChainTensor, TENSOR_SHAPE} from '../../src/options/chain-tensor.ts'

const {rows, columns, cellFeatures} = TENSOR_SHAPE
const rng = createRng(3)
/** Every cell there, cell features about a level of the chain's own, with some scatter. */
const tensorOf = (level: number): ChainTensor => {
  const tensor = emptyChainTensor()
  tensor.mask.fill(1)
  tensor.rowMask.fill(1)
  return {
    ...tensor,
    cells: tensor.cells.map(() => level + 0.1 * rng.normal()),
    rows: tensor.rows.map(() => rng.normal()),
  }
}

test('a chain’s summary is mean and deviation of what is there', () => {
  const tensor = emptyChainTensor()
  tensor.cells.set([1, 7], 0)
  tensor.cells.set([3, 7], cellFeatures)
  tensor.cells.set([99, 99], 2 * cellFeatures)
  tensor.mask.set([1, 1])
  expect(chainSummary(tensor).slice(0, 4)).toEqual([2, 1, 7, 0])
  expect(chainSummary(tensor).at(-2)).toBeCloseTo(2 / (rows * columns), 12)
})

test('a linear model finds what is linear in it, and says the mean where nothing is', () => {
  const levels = Array.from({length: 60}, () => rng.normal())
  const fitted = fitChainLinear(
    levels.map(tensorOf),
    levels.map(level => 3 * level - 1),
  )
  for (const level of [-1.5, 0, 1.5]) expect(Math.abs(fitted(tensorOf(level)) - (3 * level - 1))).toBeLessThan(0.3)
  expect(fitChainLinear([tensorOf(1), tensorOf(2)], [5, 5])(tensorOf(9))).toBeCloseTo(5, 9)
})

test('ranks agree, oppose, tie and say nothing', () => {
  expect(rankCorrelation([1, 2, 3, 9], [10, 20, 30, 31])).toBeCloseTo(1, 12)
  expect(rankCorrelation([1, 2, 3], [3, 2, 1])).toBeCloseTo(-1, 12)
  // By hand: ranks 0, 1.5, 1.5, 3 against 0, 1, 2, 3 leave 4.5 of √(4.5·5).
  expect(rankCorrelation([1, 2, 2, 3], [1, 2, 3, 4])).toBeCloseTo(4.5 / Math.sqrt(4.5 * 5), 12)
  expect(rankCorrelation([1, 1, 1], [1, 2, 3])).toBe(0)
})
