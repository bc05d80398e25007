import fc from 'fast-check'
import {describe, expect, test} from 'vitest'
import {createRng} from '../../src/domain/rng.ts'
import {fitPlatt} from '../../src/models/calibration.ts'
import {measureHeads} from '../../src/models/head-metrics.ts'
import {viewOf} from '../../src/models/signal-model.ts'
import {STRATEGY_CHOICES, strategyLabel} from '../../src/models/strategy-labels.ts'

describe('the strategy that would have paid', () => {
  const quiet = {stretch: 0, sentiment: undefined, evidence: undefined}
  test.each([
    ['none where the market ran and nothing had entered', quiet, 3, 'none'],
    ['market-making while the price stays within its cost', quiet, 0.1, 'market-making'],
    ['statistical-arbitrage against a stretch that comes back', {...quiet, stretch: 2.5}, -1, 'statistical-arbitrage'],
    ['not where the stretch grows', {...quiet, stretch: 2.5}, 1, 'none'],
    ['option-sentiment with the chain', {...quiet, sentiment: -0.5}, -1, 'option-sentiment'],
    ['not on a weak sentiment', {...quiet, sentiment: -0.1}, -1, 'none'],
    ['pattern-recognition with the evidence', {...quiet, evidence: 0.5}, 1, 'pattern-recognition'],
    ['not on evidence below the cost', {...quiet, evidence: 0.1}, 1, 'none'],
  ] as const)('%s', (_name, inputs, move, expected) => {
    expect(STRATEGY_CHOICES[strategyLabel(inputs, move, 0.2)]).toBe(expected)
  })
  test('triangular arbitrage is never seen from one instrument', () => {
    fc.assert(
      fc.property(fc.double({min: -5, max: 5, noNaN: true}), fc.double({min: -5, max: 5, noNaN: true}), (a, move) => {
        const label = strategyLabel({stretch: a, sentiment: a / 5, evidence: a}, move, 0.1)
        expect(STRATEGY_CHOICES[label]).not.toBe('triangular-arbitrage')
      }),
    )
  })
})

test('Platt scaling finds the slope and offset that a probability was bent by, and the base rate where it knows nothing', () => {
  const rng = createRng(1)
  const truth = Float64Array.from({length: 20_000}, () => 0.02 + 0.96 * rng.uniform())
  const right = truth.map(p => (rng.uniform() < p ? 1 : 0))
  const bent = truth.map(p => 1 / (1 + Math.exp(-(2 * Math.log(p / (1 - p)) + 1))))
  const {slope, offset} = fitPlatt(right, bent)
  expect(slope).toBeCloseTo(0.5, 1)
  expect(offset).toBeCloseTo(-0.5, 1)
  const flat = fitPlatt(
    Float64Array.from({length: 1000}, (_, i) => (i % 4 === 0 ? 1 : 0)),
    new Float64Array(1000).fill(0.5),
  )
  expect(1 / (1 + Math.exp(-flat.offset))).toBeCloseTo(0.25, 3)
})

describe('a view', () => {
  const old = {
    probabilities: Float32Array.of(0.1, 0.2, 0.7),
    holding: Float32Array.of(0.5),
    move: Float32Array.of(1),
  }
  const spec = {horizon: 6, periodUs: 1000}
  test('of a model of before has half Kelly’s stake and the class’s probability', () => {
    const view = viewOf(old, 0, spec)
    expect(view).toMatchObject({direction: 1, holdingPeriodUs: 3000})
    expect(view.size).toBeCloseTo(0.3, 6)
    expect(view.confidence).toBeCloseTo(0.7, 6)
    expect(view.strategy).toBeUndefined()
  })
  const heads = {
    ...old,
    size: Float32Array.of(0.2),
    confidence: Float32Array.of(0.55),
    strategy: Float32Array.of(0.1, 0.1, 0.1, 0, 0.6, 0.1),
  }
  test('of a newer one has what its heads say', () => {
    const view = viewOf(heads, 0, spec)
    expect(view.size).toBeCloseTo(0.2, 6)
    expect(view.confidence).toBeCloseTo(0.55, 6)
    expect(view.strategy?.name).toBe('option-sentiment')
  })
  test('never stakes against its own direction, and nothing when flat', () => {
    expect(viewOf({...heads, size: Float32Array.of(-0.4)}, 0, spec).size).toBe(0)
    expect(viewOf({...heads, probabilities: Float32Array.of(0.1, 0.8, 0.1)}, 0, spec).size).toBe(0)
  })
})

test('a head that knows is told from one that does not', () => {
  const rows = 400
  const truth = Int8Array.from({length: rows}, (_, i) => (i % 2 === 0 ? 2 : 0))
  const up = (i: number): boolean => truth[i] === 2
  const column = (of: (i: number) => number): Float32Array => Float32Array.from({length: rows}, (_, i) => of(i))
  const labels = {move: column(i => (up(i) ? 1 : -1)), cost: column(() => 0.1), strategy: column(i => (up(i) ? 1 : 2))}
  const wise = measureHeads(truth, labels, {
    probabilities: Float32Array.from({length: 3 * rows}, (_, i) => (i % 3 === truth[Math.floor(i / 3)] ? 0.8 : 0.1)),
    holding: column(() => 0),
    move: column(() => 0),
    size: column(i => (up(i) ? 0.5 : -0.5)),
    confidence: column(() => 0.99),
    strategy: Float32Array.from({length: 6 * rows}, (_, i) => (i % 6 === (up(Math.floor(i / 6)) ? 1 : 2) ? 0.9 : 0.02)),
  })
  expect(wise?.size.meanGain).toBeCloseTo(0.45, 6)
  expect(wise?.confidence.calibrationError).toBeCloseTo(0.01, 3)
  expect(wise?.strategy.accuracy).toBe(1)
  expect(wise?.strategy.majority).toBe(0.5)
  expect(wise?.strategy.logLoss).toBeLessThan(wise?.strategy.baseLogLoss as number)
})
