import {expect} from 'vitest'
import {createRng} from '../../src/domain/rng.ts'
import {openOrtSession} from '../../src/drivers/onnx/ort-session.ts'
import {gradients} from '../../src/nn/autodiff.ts'
import type {Graph, Tensor} from '../../src/nn/graph.ts'
import {interpret} from '../../src/nn/interpreter.ts'
import {lower} from '../../src/nn/lower.ts'
import {writeOnnx} from '../../src/nn/onnx-writer.ts'
import * as ops from '../../src/nn/ops.ts'
import {sizeOf} from '../../src/nn/shape.ts'

export type Values = Record<string, Float32Array>

/** Seeded values for every float input of a graph, uniform in [low, high), rounded to float32. */
export const randomFeeds = (graph: Graph, seed: number, low = -1, high = 1): Values => {
  const rng = createRng(seed, 'feeds')
  return Object.fromEntries(
    graph.inputs.map(({name, shape}) => [
      name,
      Float32Array.from({length: sizeOf(shape)}, () => low + (high - low) * rng.uniform()),
    ]),
  )
}

/** Runs a graph on ONNX Runtime with one thread. */
export const runOnnx = (graph: Graph, feeds: Values): Record<string, Float32Array> => {
  const session = openOrtSession(writeOnnx(lower(graph)), {threads: 1})
  try {
    const tensors = graph.inputs.map(
      ({name, shape, dtype}) =>
        [
          name,
          dtype === 'int64'
            ? {type: 'int64' as const, dims: shape, data: BigInt64Array.from(feeds[name] as Float32Array, BigInt)}
            : {type: 'float32' as const, dims: shape, data: feeds[name] as Float32Array},
        ] as const,
    )
    const results = session.run(Object.fromEntries(tensors.filter(([name]) => session.inputNames.includes(name))))
    return Object.fromEntries(Object.entries(results).map(([name, {data}]) => [name, data as Float32Array]))
  } finally {
    session.dispose()
  }
}

/** ONNX Runtime's float32 agrees with the float64 oracle on every output. */
export const expectRuntimeAgrees = (graph: Graph, feeds: Values, tolerance = 2e-4): void => {
  const oracle = interpret(graph, feeds)
  for (const [name, values] of Object.entries(runOnnx(graph, feeds))) {
    const expected = oracle.get(name)?.data as Float64Array
    expect(values.length, name).toBe(expected.length)
    for (const [i, value] of values.entries()) {
      const scale = 1 + Math.abs(expected[i] as number)
      expect(Math.abs(value - (expected[i] as number)) / scale, `${name}[${i}]`).toBeLessThan(tolerance)
    }
  }
}

/**
 * Appends a loss that weighs every element of `y` differently, its derivatives by `of`, and compares them with central
 * differences of the float64 interpreter.
 */
export const expectGradients = (
  graph: Graph,
  y: Tensor,
  of: readonly Tensor[],
  feeds: Values,
  tolerance = 1e-6,
): void => {
  const size = sizeOf(y.shape)
  const weights = graph.constant(
    Array.from({length: size}, (_, i) => Math.sin(1 + i)),
    y.shape,
  )
  const loss = ops.reduceSum(ops.mul(y, weights))
  const found = gradients(loss, of)
  graph.output('loss', loss)
  for (const [i, tensor] of of.entries()) graph.output(`d:${tensor.name}`, found[i] as Tensor)
  const results = interpret(graph, feeds)
  const lossAt = (name: string, at: number, value: number): number => {
    const moved: Record<string, ArrayLike<number>> = {...feeds}
    const copy = Float64Array.from(feeds[name] as Float32Array)
    copy[at] = value
    moved[name] = copy
    return interpret(graph, moved).get('loss')?.data[0] as number
  }
  const step = 1e-5
  for (const tensor of of) {
    const analytic = results.get(`d:${tensor.name}`)?.data as Float64Array
    const stride = Math.max(1, Math.floor(analytic.length / 6))
    for (let at = 0; at < analytic.length; at += stride) {
      const x = (feeds[tensor.name] as Float32Array)[at] as number
      const numeric = (lossAt(tensor.name, at, x + step) - lossAt(tensor.name, at, x - step)) / (2 * step)
      const error = Math.abs(numeric - (analytic[at] as number)) / (1 + Math.abs(numeric))
      expect(error, `d ${tensor.name}[${at}]: ${analytic[at]} against ${numeric}`).toBeLessThan(tolerance)
    }
  }
  expectRuntimeAgrees(graph, feeds)
}
