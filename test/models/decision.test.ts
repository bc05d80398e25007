import fc from 'fast-check'
import {describe, expect, test} from 'vitest'
import {createRng} from '../../src/domain/rng.ts'
import {type DecisionRule, decideOne, fitDecision, LIKELIEST} from '../../src/models/decision.ts'
import {classMetrics, decide, probabilisticMetrics} from '../../src/models/metrics.ts'
import {viewOf} from '../../src/models/signal-model.ts'

const [DOWN, FLAT, UP] = [0, 1, 2]
const repeat = <T>(count: number, value: T): T[] => Array.from({length: count}, () => value)
const macroF1 = (truth: ArrayLike<number>, probabilities: Float32Array, rule: DecisionRule): number =>
  classMetrics(truth, decide(probabilities, rule)).macroF1

/** Calibrated forecasts of rare moves, which the likeliest class hardly ever names. */
const rareMoves = (count: number, seed = 1) => {
  const rng = createRng(seed)
  const probabilities = new Float32Array(3 * count)
  const truth = Int8Array.from({length: count}, (_, i) => {
    const [move, side] = [0.5 * rng.uniform() ** 2, rng.uniform()]
    probabilities.set([move * side, 1 - move, move * (1 - side)], 3 * i)
    const draw = rng.uniform()
    return draw < move * side ? DOWN : draw < move ? UP : FLAT
  }) as Int8Array
  return {truth, probabilities}
}

describe('fitted weights', () => {
  test('reach the known optimum of a set made by hand', () => {
    const truth = [...repeat(80, FLAT), ...repeat(10, UP), ...repeat(10, DOWN)]
    const probabilities = Float32Array.from(
      [...repeat(80, [0.1, 0.8, 0.1]), ...repeat(10, [0.1, 0.55, 0.35]), ...repeat(10, [0.3, 0.6, 0.1])].flat(),
    )
    // All right once up counts 55/35 to 8 and down 60/30 to 8 times flat; by the likeliest class all are called flat.
    const {
      method,
      weights: [down, flat, up],
    } = fitDecision(truth, probabilities)
    expect(method).toBe('macro-f1')
    expect(flat).toBe(1)
    expect(up).toBeGreaterThan(0.55 / 0.35)
    expect(up).toBeLessThan(8)
    expect(down).toBeGreaterThan(2)
    expect(down).toBeLessThan(8)
    expect(macroF1(truth, probabilities, {method, weights: [down, flat, up]})).toBe(1)
    expect(macroF1(truth, probabilities, LIKELIEST)).toBeCloseTo((2 * 80) / 180 / 3, 12)
  })
  test('are those of an exhaustive search', () => {
    const {truth, probabilities} = rareMoves(2000)
    let best = 0
    for (let down = -1; down <= 4; down += 1 / 16) {
      for (let up = -1; up <= 4; up += 1 / 16) {
        best = Math.max(best, macroF1(truth, probabilities, {method: 'macro-f1', weights: [2 ** down, 1, 2 ** up]}))
      }
    }
    const found = macroF1(truth, probabilities, fitDecision(truth, probabilities))
    expect(found).toBeGreaterThan(best - 0.004)
    expect(found).toBeGreaterThan(macroF1(truth, probabilities, LIKELIEST) + 0.1)
  })
  test('hold on rows they were not fitted to', () => {
    const rule = fitDecision(rareMoves(5000, 1).truth, rareMoves(5000, 1).probabilities)
    const {truth, probabilities} = rareMoves(5000, 2)
    expect(macroF1(truth, probabilities, rule)).toBeGreaterThan(macroF1(truth, probabilities, LIKELIEST) + 0.08)
  })
  test('stay 1 where the likeliest class is right already, and where there is nothing to fit to', () => {
    const clear = Float32Array.of(0.8, 0.1, 0.1, 0.1, 0.8, 0.1, 0.1, 0.1, 0.8)
    expect(fitDecision([DOWN, FLAT, UP], clear)).toEqual(LIKELIEST)
    expect(fitDecision([], new Float32Array(0))).toEqual(LIKELIEST)
  })
  test('are never worse than the likeliest class on the rows they were fitted to', () => {
    const row = fc.tuple(fc.nat(2), fc.nat(100), fc.nat(100), fc.nat(100))
    fc.assert(
      fc.property(fc.array(row, {minLength: 1, maxLength: 60}), rows => {
        const truth = rows.map(([label]) => label)
        const probabilities = Float32Array.from(
          rows.flatMap(([, a, b, c]) => [a, b, c].map(x => (x + 1) / (a + b + c + 3))),
        )
        const rule = fitDecision(truth, probabilities)
        expect(macroF1(truth, probabilities, rule)).toBeGreaterThanOrEqual(macroF1(truth, probabilities, LIKELIEST))
        expect(fitDecision(truth, probabilities)).toEqual(rule)
      }),
      {numRuns: 40},
    )
  })
  test('make up for a temperature: a model that was not calibrated is not worse off', () => {
    const {truth, probabilities} = rareMoves(3000)
    const softened = probabilities.map((_, i) => {
      const at = 3 * Math.floor(i / 3)
      const powers = [0, 1, 2].map(c => (probabilities[at + c] as number) ** 0.5)
      return (powers[i % 3] as number) / powers.reduce((sum, power) => sum + power, 0)
    })
    const one = macroF1(truth, probabilities, fitDecision(truth, probabilities))
    expect(Math.abs(macroF1(truth, softened, fitDecision(truth, softened)) - one)).toBeLessThan(0.005)
  })
})

test('a rule changes hard figures and no figure of the probabilities', () => {
  const {truth, probabilities} = rareMoves(2000)
  const before = probabilities.slice()
  const rule = fitDecision(truth, probabilities)
  const {logLoss, brier, calibrationError, directionAccuracy} = probabilisticMetrics(truth, probabilities)
  const ruled = probabilisticMetrics(truth, probabilities, rule)
  expect(ruled).toMatchObject({logLoss, brier, calibrationError, directionAccuracy})
  expect(ruled).toMatchObject(classMetrics(truth, decide(probabilities, rule)))
  expect(probabilities).toEqual(before)
})

test('one row is decided as many are', () => {
  const {probabilities} = rareMoves(100)
  const rule: DecisionRule = {method: 'macro-f1', weights: [3, 1, 4]}
  const each = Array.from({length: 100}, (_, i) => {
    const [down, flat, up] = probabilities.subarray(3 * i) as unknown as [number, number, number]
    return decideOne(down, flat, up, rule)
  })
  expect([...decide(probabilities, rule)]).toEqual(each)
})

test('strategies read the probabilities: a decision rule moves no direction, strength or size', () => {
  const {probabilities} = rareMoves(50)
  const prediction = {probabilities, holding: new Float32Array(50).fill(0.5), move: new Float32Array(50)}
  const description = {horizon: 6, periodUs: 60_000_000}
  const ruled = {...description, decision: {method: 'macro-f1', weights: [30, 1, 1 / 30]} as const}
  for (let row = 0; row < 50; row++)
    expect(viewOf(prediction, row, ruled)).toEqual(viewOf(prediction, row, description))
})
