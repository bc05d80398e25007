import {describe, expect, test} from 'vitest'
import {createRng} from '../../src/domain/rng.ts'
import {bootstrapInterval, sortedQuantile} from '../../src/evaluation/bootstrap.ts'
import {overfittingProbability} from '../../src/evaluation/overfitting.ts'
import {
  deflatedSharpe,
  expectedMaxSharpe,
  minTrackRecord,
  probabilisticSharpe,
  sharpeOf,
  sharpeSample,
} from '../../src/evaluation/sharpe.ts'
import {deflate, memoryTrialLog} from '../../src/evaluation/trial-log.ts'

// Bailey and López de Prado 2014: annual Sharpe 2.5 over 1,250 days of 250 a year, variance of annual ratios 0.5.
const sample = {sharpe: 2.5 / Math.sqrt(250), observations: 1250, skewness: -3, kurtosis: 10}
const variance = 0.5 / 250

describe('deflated Sharpe ratio', () => {
  test('the worked example: 100 trials give SR0 0.1132 a day and 0.9004', () => {
    expect(expectedMaxSharpe(100, variance)).toBeCloseTo(0.1132, 4)
    expect(deflatedSharpe(sample, 100, variance)).toBeCloseTo(0.9004, 4)
  })
  test('46 trials give 0.9505, as do 88 when returns are normal', () => {
    expect(deflatedSharpe(sample, 46, variance)).toBeCloseTo(0.9505, 4)
    expect(deflatedSharpe({...sample, skewness: 0, kurtosis: 3}, 88, variance)).toBeCloseTo(0.9505, 4)
  })
  test('one trial is the probabilistic ratio, and more trials never raise it', () => {
    expect(deflatedSharpe(sample, 1, variance)).toBe(probabilisticSharpe(sample))
    let last = 1
    for (const n of [1, 2, 5, 20, 100, 1000]) {
      const value = deflatedSharpe(sample, n, variance)
      expect(value).toBeLessThanOrEqual(last)
      last = value
    }
  })
  test('an annual 1.8 over 504 days: 0.993 with one trial', () => {
    const s = {sharpe: 1.8 / Math.sqrt(252), observations: 504, skewness: 0, kurtosis: 3}
    expect(probabilisticSharpe(s)).toBeCloseTo(0.994, 2)
  })
  test('the track record that gives 95 % confidence gives it', () => {
    const n = minTrackRecord(sample, 0.05)
    expect(probabilisticSharpe({...sample, observations: n}, 0.05)).toBeCloseTo(0.95, 9)
    expect(minTrackRecord(sample, 1)).toBe(Number.POSITIVE_INFINITY)
  })
  test('strategies without skill, picked as the best of many, are refused almost always', () => {
    const rng = createRng(1)
    let accepted = 0
    for (let project = 0; project < 40; project++) {
      const log = memoryTrialLog()
      let best: number[] = []
      for (let n = 0; n < 30; n++) {
        const returns = Array.from({length: 250}, () => 0.01 * rng.normal())
        log.record({id: `${n}`, family: 'f', sharpe: sharpeOf(returns), observations: 250, tsUs: 0})
        if ((sharpeOf(returns) ?? 0) > (sharpeOf(best) ?? -9)) best = returns
      }
      const found = sharpeSample(best)
      if (found !== undefined && deflate(found, log, 'f').deflatedSharpe > 0.95) accepted++
    }
    expect(accepted).toBeLessThanOrEqual(2)
  })
  test('the same trial run again is one trial; families are apart', () => {
    const log = memoryTrialLog()
    const trial = {id: 'a', family: 'f', sharpe: 0.1, observations: 10, tsUs: 0}
    log.record(trial)
    log.record(trial)
    log.record({...trial, family: 'g'})
    expect([log.trials('f').length, log.trials().length]).toEqual([1, 2])
  })
})

describe('probability of back-test overfitting', () => {
  const walk = (rng: ReturnType<typeof createRng>, drift: number) =>
    Array.from({length: 200}, () => drift + 0.01 * rng.normal())

  test('is near a half when nobody has skill', () => {
    const rng = createRng(3)
    const values = Array.from(
      {length: 12},
      () =>
        overfittingProbability(
          Array.from({length: 20}, () => walk(rng, 0)),
          8,
        ).probability,
    )
    const mean = values.reduce((a, b) => a + b, 0) / values.length
    expect(mean).toBeGreaterThan(0.3)
    expect(mean).toBeLessThan(0.7)
  })
  test('is near zero when one configuration truly is better, over every half of the blocks', () => {
    const rng = createRng(4)
    const result = overfittingProbability([walk(rng, 0.01), ...Array.from({length: 9}, () => walk(rng, 0))], 10)
    expect(result.probability).toBeLessThan(0.02)
    expect(result.splits).toBe(252)
  })
  test('refuses input it cannot split', () => {
    expect(() => overfittingProbability([[1, 2]], 2)).toThrow(RangeError)
    expect(() => overfittingProbability([walk(createRng(1), 0), [1]], 10)).toThrow(RangeError)
  })
})

describe('bootstrap', () => {
  test('the 90 % interval of a mean covers the truth about nine times in ten, correlated returns included', () => {
    const rng = createRng(9)
    let covered = 0
    for (let trial = 0; trial < 200; trial++) {
      const values = new Float64Array(200)
      for (let i = 1; i < values.length; i++) values[i] = 0.3 * (values[i - 1] as number) + rng.normal()
      const interval = bootstrapInterval(values, s => s.reduce((a, b) => a + b, 0) / s.length, {
        rng,
        draws: 200,
        meanBlock: 8,
      })
      if (interval !== undefined && interval.low <= 0 && interval.high >= 0) covered++
    }
    expect(covered / 200).toBeGreaterThan(0.8)
    expect(covered / 200).toBeLessThan(0.97)
  })
  test('quantiles interpolate as numpy does', () => {
    expect(sortedQuantile([1, 2, 3, 4], 0.25)).toBe(1.75)
  })
  test.each([
    // What the bare percentile interval covers of these: 75 %, 80 %, 87 %.
    ['twelve trades, four of five won', 12, (u: number) => (u < 0.8 ? 1 : -1), 0.6],
    ['twelve trades, eleven of twenty won', 12, (u: number) => (u < 0.55 ? 1 : -1), 0.1],
    ['sixty trades, eleven of twenty won', 60, (u: number) => (u < 0.55 ? 1 : -1), 0.1],
  ])('covers nearly nine tenths of what it should, however few: %s', (_, n, of, truth) => {
    const rng = createRng(5)
    let hits = 0
    for (let k = 0; k < 400; k++) {
      const values = Array.from({length: n}, () => of(rng.uniform()))
      const interval = bootstrapInterval(values, s => s.reduce((a, b) => a + b, 0) / s.length, {rng, draws: 300})
      if (interval !== undefined && interval.low <= truth + 1e-9 && truth - 1e-9 <= interval.high) hits++
    }
    expect(hits / 400).toBeGreaterThan(0.86)
    expect(hits / 400).toBeLessThan(0.97)
  })
  test('is undefined where the statistic mostly is', () => {
    expect(bootstrapInterval([1, 1, 1], () => undefined, {rng: createRng(1)})).toBeUndefined()
  })
})
