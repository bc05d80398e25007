import {describe, expect, test} from 'vitest'
import {patternEvidence} from '../../src/core/pattern-evidence.ts'
import {barSchema} from '../../src/features/bar-features.ts'
import {type FeatureSchema, schemaKey} from '../../src/features/features.ts'
import {MULTI_COLUMNS, multiSchema} from '../../src/features/multi-features.ts'
import {barDataset} from '../../src/models/bar-dataset.ts'
import {BarSignaller} from '../../src/models/bar-signaller.ts'
import type {ModelDescription} from '../../src/models/model-file.ts'
import {barAt, leaningBars, sourceOf} from './support.ts'

const WINDOW = 8
const description = ({names, ...schema}: FeatureSchema): ModelDescription => ({
  name: 'toy',
  architecture: 'linear',
  size: 'small',
  parameters: 0,
  features: schemaKey({names, ...schema}),
  width: names.length,
  window: WINDOW,
  horizon: 4,
  session: 'us-equity',
  periodUs: 300_000_000,
  labels: {},
  scaler: {mean: [], deviation: [], limit: 6},
  precision: 'float32',
})
const bars = leaningBars('AAA', 8, 1)
const options = {horizon: 4, barrier: 0.6, costBps: 1}

describe('live windows are those of training, to the bit', () => {
  test.each([
    ['bar', barSchema],
    ['multi', multiSchema],
  ] as const)('%s', async (rows, schema) => {
    const dataset = await barDataset(sourceOf([bars]), {...options, rows, patterns: patternEvidence})
    const signaller = new BarSignaller(description(schema), {patterns: () => patternEvidence('AAA')})
    const [live, trained] = [0, 1].map(() => new Float32Array(WINDOW * schema.names.length)) as [
      Float32Array,
      Float32Array,
    ]
    let shown = 0
    for (let row = 0; row < bars.tsUs.length; row++) {
      if (!signaller.windowOf(0, barAt(bars, row), live)) continue
      dataset.rows.features(row - WINDOW + 1, WINDOW, trained)
      expect(live).toEqual(trained)
      shown += rows === 'multi' ? (live.at(MULTI_COLUMNS.flags + 2 - schema.names.length) as number) : 1
    }
    expect(shown).toBeGreaterThan(100)
  })
})

test('a model of other features is refused', () => {
  const other = {...description(barSchema), features: 'bar@0:price'}
  expect(() => new BarSignaller(other)).toThrow(/trained on bar@0/)
})

test('a pattern memory never shows what was not known yet, and keeps losers as it keeps winners', () => {
  using memory = patternEvidence('AAA')
  const vector = (seed: number) => Float32Array.from({length: 256}, (_, i) => Math.sin(seed + i))
  const ids = [1, 2].map(seed => memory.learn(vector(seed), seed))
  expect(memory.nearest(vector(1), 4, 10)).toEqual([])
  memory.settle(ids[0] as string, -3, 20)
  expect(memory.nearest(vector(1), 4, 19)).toEqual([])
  expect(memory.nearest(vector(1), 4, 20)).toMatchObject([{outcome: -3, tsUs: 1}])
  for (let i = 0; i < 3000; i++) memory.settle(memory.learn(vector(i), 30 + i), i % 2 === 0 ? 1 : -1, 31 + i)
  const outcomes = memory.nearest(vector(7), 1000, 1e6).map(({outcome}) => outcome)
  expect(outcomes.length).toBe(1000)
  expect(Math.abs(outcomes.reduce((sum, value) => sum + value, 0))).toBeLessThan(60)
})
