import {expect, test} from 'vitest'
import {createRng} from '../../src/domain/rng.ts'
import {BarFeatures, barSchema} from '../../src/features/bar-features.ts'
import {utcSession} from '../../src/features/session-clock.ts'
import {barDataset} from '../../src/models/bar-dataset.ts'
import {tripleBarrier} from '../../src/models/labels.ts'
import {columnOf, featuresOf} from './support.ts'

test('a session longer than what is held at once gets the labels it would get whole', async () => {
  const rows = 15_000
  const rng = createRng(1)
  let price = 100
  const bars = Array.from({length: rows}, (_, i) => {
    const open = price
    price *= Math.exp(0.001 * rng.normal())
    const close = price
    return {
      tsUs: (i + 1) * 5_000_000,
      open,
      close,
      high: Math.max(open, close) * 1.0002,
      low: Math.min(open, close) * 0.9998,
      volume: rng.below(100),
    }
  })
  const options = {horizon: 9, barrier: 0.7, costBps: 2}
  const dataset = await barDataset(
    {
      session: 'utc',
      periodUs: 5_000_000,
      histories: [{symbol: 'A', sha256: '', read: async sink => bars.forEach(bar => void sink.onBar(bar))}],
    },
    options,
  )
  const features = new BarFeatures(utcSession())
  const width = barSchema.names.length
  const expected = new Float32Array(rows * width)
  const deviation = new Float64Array(rows)
  for (const [i, bar] of bars.entries()) {
    features.push(bar, expected, i * width)
    deviation[i] = features.deviation
  }
  const column = (name: 'open' | 'high' | 'low' | 'close') => Float64Array.from(bars, bar => bar[name])
  const whole = tripleBarrier(
    {
      ...{open: column('open'), high: column('high'), low: column('low'), close: column('close')},
      ...{session: new Int32Array(rows), deviation},
    },
    options,
  )
  expect(featuresOf(dataset)).toEqual(expected)
  expect(columnOf(dataset, 'label')).toEqual([...whole.labels])
  expect(columnOf(dataset, 'holding')).toEqual([...whole.holding])
  expect(columnOf(dataset, 'move')).toEqual([...whole.move])
  const known = [...whole.labels].map((label, row) => (label === -1 ? row : (whole.labelEnd[row] as number)))
  expect(columnOf(dataset, 'labelEnd')).toEqual(known)
  expect(new Set(columnOf(dataset, 'session')).size).toBe(1)
})
