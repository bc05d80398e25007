import {readFileSync} from 'node:fs'
import {describe, expect, test} from 'vitest'
import {createRng} from '../../../src/domain/rng.ts'
import {openOnFirst} from '../../../src/drivers/onnx/open-device.ts'
import {openSyncPredictor} from '../../../src/drivers/onnx/sync-predictor.ts'
import {openWorkerPredictor} from '../../../src/drivers/onnx/worker-predictor.ts'
import {readModel} from '../../../src/models/model-file.ts'

const modelOf = (name: string): Uint8Array =>
  new Uint8Array(readFileSync(new URL(`../../../models/${name}.onnx`, import.meta.url)))
const bytes = modelOf('signal')
const {description} = readModel(bytes, 'signal')
const rowSize = description.window * description.width
const windows = (rows: number, seed = 1, size = rowSize): Float32Array => {
  const rng = createRng(seed, 'windows')
  return Float32Array.from({length: rows * size}, () => rng.normal())
}

// The transformer is int8, whose rounding depends on everything that is run in one call.
test.each(['signal', 'transformer'])(
  'the worker and the synchronous predictor give the same bits of %s, whatever travels together',
  async name => {
    const model = modelOf(name)
    const {description: mine} = readModel(model, name)
    const size = mine.window * mine.width
    await using served = await openWorkerPredictor(model, mine)
    using inPlace = openSyncPredictor(model, mine)
    const requests = Array.from({length: 40}, (_, i) => windows(1 + (i % 3), i, size))
    const answers = await Promise.all(requests.map(request => served.predict(request, request.length / size)))
    for (const [i, request] of requests.entries()) {
      expect(answers[i]).toEqual(inPlace.predict(request, request.length / size))
      const alone = inPlace.predict(request.slice(-size), 1).probabilities
      expect(answers[i]?.probabilities.slice(-3)).toEqual(alone)
    }
    expect(served.device).toBe('cpu')
  },
)

test('probabilities are probabilities, and shares are shares', () => {
  using predictor = openSyncPredictor(bytes, description)
  const {probabilities, holding} = predictor.predict(windows(5), 5)
  for (let row = 0; row < 5; row++) {
    const [a = 0, b = 0, c = 0] = probabilities.subarray(3 * row)
    expect(a + b + c).toBeCloseTo(1, 5)
    expect(holding[row]).toBeGreaterThanOrEqual(0)
    expect(holding[row]).toBeLessThanOrEqual(1)
  }
})

describe('a value that is no number is refused by name and hurts nobody else', () => {
  test('in place', () => {
    using predictor = openSyncPredictor(bytes, description)
    const bad = windows(2)
    bad[rowSize + 17] = Number.NaN
    expect(() => predictor.predict(bad, 2)).toThrow(/feature 1 of row 17 was NaN/)
  })
  test('in the worker', async () => {
    await using predictor = await openWorkerPredictor(bytes, description)
    const bad = windows(1).fill(Number.POSITIVE_INFINITY)
    const [refused, served] = await Promise.allSettled([predictor.predict(bad, 1), predictor.predict(windows(1), 1)])
    expect(refused.status).toBe('rejected')
    expect(served.status).toBe('fulfilled')
  })
})

test('requests after the end are refused, those in flight too', async () => {
  const predictor = await openWorkerPredictor(bytes, description)
  const pending = expect(predictor.predict(windows(1), 1)).rejects.toThrow('closed')
  await predictor[Symbol.asyncDispose]()
  await pending
  await expect(predictor.predict(windows(1), 1)).rejects.toThrow('closed')
})

test('a damaged model is refused when it is opened', async () => {
  await expect(openWorkerPredictor(bytes.slice(0, 500), description)).rejects.toThrow()
})

describe('devices are reported as they are', () => {
  test('a device that cannot run is named with its reason, and the one that runs is returned', async () => {
    const opened = await openOnFirst(['cuda', 'cpu'], device => openSyncPredictor(bytes, description, device))
    expect(opened.device).toBe('cpu')
    expect(opened.skipped).toHaveLength(1)
    expect(opened.skipped[0]?.reason).not.toBe('')
    opened.value[Symbol.dispose]()
  })
  test('a single device is a demand', async () => {
    const open = openOnFirst(['tensorrt'], device => openSyncPredictor(bytes, description, device))
    await expect(open).rejects.toMatchObject({code: 'NO_DEVICE', hints: [expect.stringContaining('tensorrt: ')]})
  })
})
