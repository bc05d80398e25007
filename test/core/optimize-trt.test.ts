import {mkdtempSync, readFileSync, rmSync, writeFileSync} from 'node:fs'
import {tmpdir} from 'node:os'
import path from 'node:path'
import {expect, test} from 'vitest'
import {optimise, type Probe} from '../../src/core/optimize-trt.ts'
import {createRng} from '../../src/domain/rng.ts'
import type {Tensor} from '../../src/nn/graph.ts'
import {linear} from '../../src/nn/layers/basic.ts'
import {buildInference, exportInference, initialWeights, type Network} from '../../src/nn/nn.ts'
import {writeOnnx} from '../../src/nn/onnx-writer.ts'
import {runGpi} from '../support/run-gpi.ts'

const WIDTH = 128
const network: Network = {
  inputs: [{name: 'x', shape: [WIDTH]}],
  forward: (scope, {x}) => ({y: linear(scope, 'out', linear(scope, 'in', x as Tensor, 256), 32)}),
}
const onnx = exportInference(network, initialWeights(buildInference(network).scope.parameters, createRng(1)))
const run: Probe['run'] = (session, at) => {
  const data = Float32Array.from({length: WIDTH}, (_, i) => Math.sin(i * (at + 1)))
  return Array.from(session.run({x: {type: 'float32', dims: [1, WIDTH], data}})['y']?.data as Float32Array)
}
const probe: Probe = {
  count: 40,
  inputs: 'real',
  run,
  kinds: {count: 90, run, nameOf: at => (at % 3 === 0 ? 'bars, quotes' : at === 1 ? 'bars, chains' : 'bars')},
  decide: answers => answers.indexOf(Math.max(...answers)),
}
const request = {out: '/nowhere', precision: 'int8', devices: ['cpu'], windows: 40, runs: 30, seed: 1} as const

const modelAt = (file: string) => ({
  path: file,
  bytes: writeOnnx(onnx),
  sha256: 'abc',
  onnx,
  description: {name: 'test', precision: 'float32'},
  metadataOf: () => ({}),
})

test('what windows of each kind cost is timed apart, kinds that are rare are left out', () => {
  const model = modelAt('none')
  // Nothing is written: no drift is allowed.
  const {byKinds, fused, output} = optimise(model, probe, {...request, maxDrift: -1})
  expect(output).toBeNull()
  expect(fused).toEqual({attentions: 0, reshapes: 0, centred: 0, tokens: 0, absent: 0, heads: 0})
  expect(byKinds?.map(({kinds, windows}) => [kinds, windows])).toEqual([
    ['bars, quotes', 30],
    ['bars', 59],
  ])
  for (const {before, after, reduction} of byKinds ?? []) {
    expect(before.p50Ms).toBeGreaterThan(0)
    expect(reduction).toBeCloseTo(1 - after.p50Ms / before.p50Ms, 12)
  }
})

test('the card goes along, without what this machine lacks', () => {
  const folder = mkdtempSync(path.join(tmpdir(), 'gpi-optimise-'))
  try {
    const file = path.join(folder, 'from.onnx')
    writeFileSync(path.join(folder, 'from.card.json'), JSON.stringify({command: 'gpi train test', verdict: ['bad']}))
    const out = path.join(folder, 'to.onnx')
    const devices = ['cuda', 'cpu'] as const
    // Half floats need not be faster to be taken, so that no timing decides this test.
    const result = optimise(modelAt(file), probe, {...request, precision: 'float16', devices, out, maxDrift: 1})
    expect(result.output).toBe(out)
    const card = JSON.parse(readFileSync(path.join(folder, 'to.card.json'), 'utf8'))
    expect(card).toMatchObject({
      command: 'gpi train test',
      verdict: ['bad'],
      model: {precision: 'float16'},
      file: {name: 'to.onnx', bytes: readFileSync(out).length},
      optimised: {provider: 'cpu', skipped: ['cuda'], from: 'abc'},
    })
    expect(result.skipped[0]?.reason).not.toBe('')
  } finally {
    rmSync(folder, {recursive: true})
  }
})

test('a policy is refused for what it is', async () => {
  const {code, stdout} = await runGpi(['optimize-trt', 'policy', '--json'])
  expect(code).toBe(2)
  expect(JSON.parse(stdout)).toMatchObject({error: {code: 'NOT_OPTIMIZABLE'}})
})
