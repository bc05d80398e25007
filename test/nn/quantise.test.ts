import fc from 'fast-check'
import {expect, test} from 'vitest'
import {createRng} from '../../src/domain/rng.ts'
import {openOrtSession} from '../../src/drivers/onnx/ort-session.ts'
import {fuseEncoder} from '../../src/nn/fuse.ts'
import {halfBits, storeAsHalf} from '../../src/nn/half.ts'
import {transformerEncoder} from '../../src/nn/layers/attention.ts'
import {linear} from '../../src/nn/layers/basic.ts'
import {buildInference, exportInference, initialWeights, type Network} from '../../src/nn/nn.ts'
import type {OnnxModel} from '../../src/nn/onnx-model.ts'
import {readOnnx} from '../../src/nn/onnx-reader.ts'
import {writeOnnx} from '../../src/nn/onnx-writer.ts'
import {quantiseInt8} from '../../src/nn/quantise.ts'

const network: Network = {
  inputs: [{name: 'x', shape: [6, 64]}],
  forward: (scope, {x}) => ({
    y: linear(scope, 'head', transformerEncoder(scope, 'e', x as never, {heads: 4, layers: 2}), 3),
  }),
}
const model = exportInference(network, initialWeights(buildInference(network).scope.parameters, createRng(3)))
const x = Float32Array.from({length: 2 * 6 * 64}, (_, i) => Math.sin(i))
const run = (onnx: OnnxModel): Float32Array => {
  const session = openOrtSession(writeOnnx(onnx), {threads: 1})
  const y = session.run({x: {type: 'float32', dims: [2, 6, 64], data: x}})['y']?.data as Float32Array
  session.dispose()
  return y
}
const cosine = (a: Float32Array, b: Float32Array): number => {
  const dot = (p: Float32Array, q: Float32Array) => p.reduce((sum, v, i) => sum + v * (q[i] as number), 0)
  return dot(a, b) / Math.sqrt(dot(a, a) * dot(b, b))
}

test('int8 stays near float32 and the file shrinks to about a quarter', () => {
  const {model: small, quantised, kept} = quantiseInt8(model)
  expect(quantised).toBe(8)
  expect(kept).toBeLessThan(8000)
  expect(cosine(run(model), run(small))).toBeGreaterThan(0.999)
  expect(writeOnnx(small).length).toBeLessThan(0.45 * writeOnnx(model).length)
})

test('what was quantised survives reading and writing', () => {
  const {model: small} = quantiseInt8(model)
  expect(run(readOnnx(writeOnnx(small)))).toEqual(run(small))
})

test('weights that are shared or small stay as they are', () => {
  expect(quantiseInt8(model, {minRows: 65}).quantised).toBe(2)
  expect(quantiseInt8(model, {minWeights: 1e9}).quantised).toBe(0)
})

test('Gelu is taken by tanh only where it is rounded to int8 next', () => {
  const {model: whole} = fuseEncoder(model)
  const gelusOf = ({nodes}: OnnxModel) => nodes.filter(({op}) => op === 'Gelu')
  const formsOf = (onnx: OnnxModel) => gelusOf(onnx).map(({attributes}) => attributes['approximate']?.value)
  expect(formsOf(quantiseInt8(whole).model)).toEqual(['tanh', 'tanh'])
  const seen = gelusOf(whole)[0]?.outputs[0] as string
  const shown = {...whole, outputs: [...whole.outputs, {name: seen, type: 'float32' as const, dims: []}]}
  expect(formsOf(quantiseInt8(shown).model)).toEqual([undefined, 'tanh'])
  expect(formsOf(quantiseInt8(whole, {minRows: 1000}).model)).toEqual([undefined, undefined])
})

test('half floats round to nearest, as Math.f16round does', () => {
  const round = (Math as unknown as {f16round: (v: number) => number}).f16round
  const decode = (bits: number): number => {
    const [exponent, mantissa] = [(bits >> 10) & 31, bits & 1023]
    const magnitude =
      exponent === 0
        ? mantissa * 2 ** -24
        : exponent === 31
          ? Number.POSITIVE_INFINITY
          : (1 + mantissa / 1024) * 2 ** (exponent - 15)
    return bits & 0x8000 ? -magnitude : magnitude
  }
  fc.assert(
    fc.property(fc.float({noNaN: true}), value => {
      expect(decode(halfBits(value))).toBe(round(value))
    }),
  )
  const half = storeAsHalf(model)
  expect(cosine(run(model), run(half))).toBeGreaterThan(0.99999)
  expect(writeOnnx(half).length).toBeLessThan(0.6 * writeOnnx(model).length)
})
