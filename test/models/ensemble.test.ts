import {describe, expect, test} from 'vitest'
import {createRng} from '../../src/domain/rng.ts'
import {openOrtSession} from '../../src/drivers/onnx/ort-session.ts'
import {ensembleNetwork, ensembleWeights, fitMixture} from '../../src/models/ensemble.ts'
import {signalNetwork} from '../../src/models/networks.ts'
import {buildInference, exportInference, initialWeights, type Network, type Weights} from '../../src/nn/nn.ts'
import {writeOnnx} from '../../src/nn/onnx-writer.ts'

describe('a mixture', () => {
  const rng = createRng(1)
  const truth = Int8Array.from({length: 3000}, () => rng.below(3))
  const forecast = (skill: number) =>
    Float32Array.from({length: 9000}, (_, i) =>
      i % 3 === truth[Math.floor(i / 3)] ? 1 / 3 + 2 * skill : 1 / 3 - skill,
    )

  test('gives all weight to the one that knows', () => {
    const [none, good] = fitMixture(truth, [forecast(0), forecast(0.2)]) as [number, number]
    expect(good).toBeGreaterThan(0.98)
    expect(none + good).toBeCloseTo(1, 12)
  })
  test('splits between equals', () => {
    for (const weight of fitMixture(truth, [forecast(0.1), forecast(0.1)])) expect(weight).toBeCloseTo(0.5, 6)
  })
  test('halves two that are right on different rows', () => {
    const half = (which: number) =>
      Float32Array.from({length: 9000}, (_, i) => {
        const row = Math.floor(i / 3)
        return row % 2 === which ? (i % 3 === truth[row] ? 0.8 : 0.1) : 1 / 3
      })
    for (const weight of fitMixture(truth, [half(0), half(1)])) expect(weight).toBeCloseTo(0.5, 1)
  })
})

test('the served ensemble is the weighted mean of its members', () => {
  const scaler = {mean: [0, 0], deviation: [1, 1], limit: 6}
  const members = (['mlp', 'lstm'] as const).map(architecture =>
    signalNetwork({architecture, size: 'small', window: 4, width: 2, scaler}),
  )
  const weights = members.map((network, m) => initialWeights(buildInference(network).scope.parameters, createRng(m)))
  const x = Float32Array.from({length: 3 * 8}, (_, i) => Math.sin(i))
  const run = (network: Network, from: Weights): Record<string, number[]> => {
    const session = openOrtSession(writeOnnx(exportInference(network, from)), {threads: 1})
    const results = session.run({x: {type: 'float32', dims: [3, 4, 2], data: x}})
    session.dispose()
    return Object.fromEntries(Object.entries(results).map(([name, {data}]) => [name, Array.from(data as Float32Array)]))
  }
  const alone = members.map((network, m) => run(network, weights[m] as Weights))
  const mixed = run(ensembleNetwork(members, [0.3, 0.7]), ensembleWeights(weights))
  for (const [name, values] of Object.entries(mixed)) {
    for (const [i, value] of values.entries()) {
      expect(value).toBeCloseTo(0.3 * (alone[0]?.[name]?.[i] as number) + 0.7 * (alone[1]?.[name]?.[i] as number), 5)
    }
  }
})
