import fc from 'fast-check'
import {describe, expect, test} from 'vitest'
import {createRng} from '../../src/domain/rng.ts'
import {barSchema} from '../../src/features/bar-features.ts'
import {schemaKey} from '../../src/features/features.ts'
import {type ModelDescription, metadataOf, readModel, requireFeatures} from '../../src/models/model-file.ts'
import {signalNetwork} from '../../src/models/networks.ts'
import {optionsInput} from '../../src/models/options-input.ts'
import {buildInference, exportInference, initialWeights} from '../../src/nn/nn.ts'
import {writeOnnx} from '../../src/nn/onnx-writer.ts'

const scaler = {mean: [0, 0], deviation: [1, 1], limit: 6}
const description: ModelDescription = {
  name: 'toy',
  architecture: 'linear',
  size: 'small',
  parameters: 1,
  features: schemaKey(barSchema),
  width: 2,
  window: 2,
  horizon: 4,
  session: 'utc',
  periodUs: 1,
  labels: {},
  scaler,
  precision: 'float32',
}
const network = signalNetwork({architecture: 'linear', size: 'small', window: 2, width: 2, scaler})
const weights = initialWeights(buildInference(network).scope.parameters, createRng(1))
const bytesOf = (metadata: Record<string, string>): Uint8Array => writeOnnx(exportInference(network, weights, metadata))
const whole = bytesOf(metadataOf(description))

test('a model says what it is, to the letter', () => {
  expect(readModel(whole, 'toy').description).toEqual(description)
})

test('its decision rule comes with it, and a model of before there was one has none', () => {
  const ruled: ModelDescription = {...description, decision: {method: 'macro-f1', weights: [2.5, 1, 3]}}
  expect(readModel(bytesOf(metadataOf(ruled)), 'toy').description.decision).toEqual(ruled.decision)
  expect(readModel(whole, 'toy').description.decision).toBeUndefined()
})

describe('a model is refused in a sentence', () => {
  test('cut off anywhere', () => {
    fc.assert(
      fc.property(fc.nat(whole.length - 1), length => {
        expect(() => readModel(whole.subarray(0, length), 'toy.onnx')).toThrow(/^toy\.onnx is not a model gpi can use/)
      }),
      {numRuns: 200},
    )
  })
  test.each([
    ['without a description', {}, /carries no gpi\.description/],
    ['with one that is no JSON', {...metadataOf(description), 'gpi.description': '{'}, /is not JSON/],
    [
      'whose scaler is not the one it was trained with',
      {
        ...metadataOf(description),
        'gpi.description': JSON.stringify({...description, scaler: {...scaler, mean: [0, 1]}}),
      },
      /feature hash .* does not match/,
    ],
  ])('%s', (_name, metadata, message) => {
    expect(() => readModel(bytesOf(metadata), 'toy')).toThrow(message)
  })
  test('fed other features than it learned from', () => {
    expect(() => requireFeatures(description, 'bar@2:price')).toThrow(/trained on bar@1 and would be fed bar@2/)
  })
})

test('a chain of too few quotes is no reading, an empty one neither', () => {
  expect(optionsInput([])).toBeUndefined()
})
