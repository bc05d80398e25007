import {describe, expect, test} from 'vitest'
import {createRng} from '../../src/domain/rng.ts'
import {fitTemperature} from '../../src/models/calibration.ts'
import {
  classMetrics,
  decide,
  directionByBlock,
  mcNemar,
  probabilisticMetrics,
  rSquared,
} from '../../src/models/metrics.ts'

describe('class metrics', () => {
  test('equal those of scikit-learn on a worked example', () => {
    // sklearn.metrics on y = [0,0,1,1,2,2,2], p = [0,1,1,1,2,0,2]: f1_score macro 0.7000, matthews_corrcoef 0.6000.
    const {accuracy, macroF1, mcc, recall} = classMetrics([0, 0, 1, 1, 2, 2, 2], [0, 1, 1, 1, 2, 0, 2])
    expect(accuracy).toBeCloseTo(5 / 7, 12)
    expect(macroF1).toBeCloseTo((0.5 + 0.8 + 0.8) / 3, 12)
    expect(mcc).toBeCloseTo((5 * 7 - (2 * 2 + 2 * 3 + 3 * 2)) / Math.sqrt((49 - 17) * (49 - 17)), 12)
    expect(recall).toEqual({down: 0.5, flat: 1, up: 2 / 3})
  })
  test('a constant answer has no correlation', () => {
    expect(classMetrics([0, 1, 2, 2], [2, 2, 2, 2]).mcc).toBe(0)
  })
})

test('calibrated probabilities have a small calibration error, overconfident ones a large one', () => {
  const rng = createRng(1)
  const truth = Int8Array.from({length: 20_000}, () => (rng.uniform() < 0.7 ? 2 : 0))
  const constant = (up: number) => Float32Array.from({length: 60_000}, (_, i) => [1 - up, 0, up][i % 3] as number)
  expect(probabilisticMetrics(truth, constant(0.7)).calibrationError).toBeLessThan(0.01)
  expect(probabilisticMetrics(truth, constant(0.95)).calibrationError).toBeGreaterThan(0.2)
  expect(fitTemperature(truth, constant(0.95))).toBeGreaterThan(2)
  expect(fitTemperature(truth, constant(0.7))).toBeCloseTo(1, 0)
})

test('the decision is the largest probability', () => {
  expect([...decide(Float32Array.of(0.5, 0.2, 0.3, 0.1, 0.6, 0.3, 0.2, 0.3, 0.5))]).toEqual([0, 1, 2])
})

test('rows of one day are not independent evidence', () => {
  const truth = new Int8Array(1000).fill(2)
  const probabilities = Float32Array.from({length: 3000}, (_, i) =>
    i % 3 === 2 ? (Math.floor(i / 300) % 2 === 0 ? 0.8 : 0.2) : i % 3 === 0 ? 0.5 : 0,
  )
  const day = Int32Array.from({length: 1000}, (_, i) => Math.floor(i / 100))
  const {accuracy, standardError, blocks} = directionByBlock(truth, probabilities, day)
  expect([accuracy, blocks]).toEqual([0.5, 10])
  expect(standardError).toBeCloseTo(0.5 / Math.sqrt(9), 2)
})

test('McNemar’s test: equal models do not differ, a clear difference does', () => {
  const truth = new Int8Array(100)
  const worse = Int8Array.from(truth, (_, i) => (i < 30 ? 1 : 0))
  expect(mcNemar(truth, worse, worse).pValue).toBeCloseTo(1, 6)
  expect(mcNemar(truth, truth, worse)).toMatchObject({onlyFirst: 30, onlySecond: 0})
  expect(mcNemar(truth, truth, worse).pValue).toBeLessThan(1e-6)
})

test('R² is 1 for the truth, 0 for its mean', () => {
  expect(rSquared([1, 2, 3], [1, 2, 3])).toBe(1)
  expect(rSquared([1, 2, 3], [2, 2, 2])).toBe(0)
})
