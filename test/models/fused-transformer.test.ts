import fc from 'fast-check'
import {afterAll, describe, expect, test} from 'vitest'
import {createRng} from '../../src/domain/rng.ts'
import {openOrtSession} from '../../src/drivers/onnx/ort-session.ts'
import {multiSchema} from '../../src/features/multi-features.ts'
import {SIGNAL_OUTPUTS, signalNetwork} from '../../src/models/networks.ts'
import type {GraphSession} from '../../src/nn/execution.ts'
import {fuseEncoder} from '../../src/nn/fuse.ts'
import {interpretOnnx} from '../../src/nn/interpreter-onnx.ts'
import {buildInference, exportInference, initialWeights} from '../../src/nn/nn.ts'
import type {OnnxModel} from '../../src/nn/onnx-model.ts'
import {writeOnnx} from '../../src/nn/onnx-writer.ts'
import {quantiseInt8} from '../../src/nn/quantise.ts'

const [WINDOW, WIDTH] = [4, multiSchema.names.length]
const modalities = multiSchema.modalities ?? []
const optional = modalities.filter(({flag}) => flag !== undefined)
const scaler = {mean: Array<number>(WIDTH).fill(0), deviation: Array<number>(WIDTH).fill(1), limit: 6}
const network = signalNetwork({
  architecture: 'transformer',
  size: 'small',
  window: WINDOW,
  width: WIDTH,
  scaler,
  modalities,
})
const rng = createRng(5)
// Biases and heads start at zero; random ones let a token that is wrongly dropped show.
const weights = new Map(
  [...initialWeights(buildInference(network).scope.parameters, rng)].map(([name, values]) => [
    name,
    values.map(value => value + 0.2 * rng.normal()),
  ]),
)
const model = exportInference(network, weights)
const {model: whole, ...fusions} = fuseEncoder(model)

/** Windows of which each has its own kinds of information. */
const windowsOf = (seed: number, present: readonly (readonly boolean[])[]): Float32Array => {
  const draw = createRng(seed)
  const x = Float32Array.from({length: present.length * WINDOW * WIDTH}, () => draw.normal())
  for (const [at, kinds] of present.entries())
    for (let row = at * WINDOW; row < (at + 1) * WINDOW; row++)
      for (const [m, {flag}] of optional.entries()) x[row * WIDTH + (flag as number)] = kinds[m] === true ? 1 : 0
  return x
}
const answers = (session: GraphSession, x: Float32Array): number[] => {
  const dims = [x.length / (WINDOW * WIDTH), WINDOW, WIDTH]
  const results = session.run({x: {type: 'float32', dims, data: x}})
  return SIGNAL_OUTPUTS.flatMap(name => Array.from(results[name]?.data as Float32Array))
}

describe('a transformer over several kinds of information, put together', () => {
  const sessions = [model, whole].map(each => openOrtSession(writeOnnx(each), {threads: 1})) as [
    GraphSession,
    GraphSession,
  ]
  afterAll(() => {
    for (const session of sessions) session.dispose()
  })

  test('drops what no window has and puts its heads together', () => {
    expect(fusions).toMatchObject({attentions: 2, centred: 4, tokens: 4, absent: 1, heads: 6})
    // Tokens, their flags, and the mask's other side.
    expect(whole.nodes.filter(({op}) => op === 'Compress')).toHaveLength(3)
    expect(whole.nodes.length).toBeLessThan(0.5 * model.nodes.length)
  })

  test('says the same for batches in which each window has kinds of its own', () => {
    const kinds = fc.array(fc.boolean(), {minLength: optional.length, maxLength: optional.length})
    fc.assert(
      fc.property(fc.array(kinds, {minLength: 1, maxLength: 4}), fc.nat(), (present, seed) => {
        const x = windowsOf(seed, present)
        const [before, after] = sessions.map(session => answers(session, x)) as [number[], number[]]
        expect(after).toHaveLength(before.length)
        for (const [i, value] of before.entries()) expect(after[i]).toBeCloseTo(value, 4)
      }),
      {numRuns: 60},
    )
  })

  test('says the same where one window misses rows of a kind', () => {
    const x = windowsOf(9, [[true, false, true]])
    x[WIDTH + (optional[0]?.flag as number)] = 0
    const [before, after] = sessions.map(session => answers(session, x)) as [number[], number[]]
    for (const [i, value] of before.entries()) expect(after[i]).toBeCloseTo(value, 4)
  })

  const oracle = (onnx: OnnxModel, x: Float32Array): number[] => {
    const shape = [x.length / (WINDOW * WIDTH), WINDOW, WIDTH]
    const outputs = interpretOnnx(onnx, {x: {shape, data: Float64Array.from(x)}})
    return SIGNAL_OUTPUTS.flatMap(name => [...(outputs.get(name)?.data ?? [])])
  }

  test('says what its nodes mean, in float64', () => {
    const x = windowsOf(3, [
      [true, false, true],
      [false, false, true],
      [false, false, false],
    ])
    const exact = oracle(whole, x)
    expect(exact).toHaveLength(3 * answers(sessions[1], x.slice(0, WINDOW * WIDTH)).length)
    for (const [i, value] of answers(sessions[1], x).entries()) expect(value).toBeCloseTo(exact[i] as number, 5)
  })

  test('and so does its int8 form, window by window', () => {
    const {model: small, quantised} = quantiseInt8(whole, {minRows: 32})
    expect(quantised).toBeGreaterThan(8)
    const session = openOrtSession(writeOnnx(small), {threads: 1})
    for (let seed = 0; seed < 6; seed++) {
      const x = windowsOf(seed, [[seed % 2 === 0, seed % 3 === 0, seed % 5 !== 0]])
      const [exact, plain] = [oracle(small, x), oracle(whole, x)]
      const rounding = Math.max(...exact.map((value, i) => Math.abs(value - (plain[i] as number))))
      // A value near the edge of a step may fall to either side: far less than what all steps do together.
      for (const [i, value] of answers(session, x).entries())
        expect(Math.abs(value - (exact[i] as number))).toBeLessThan(0.25 * rounding + 1e-5)
    }
    session.dispose()
  })
})
