import fc from 'fast-check'
import {describe, expect, test} from 'vitest'
import {createRng} from '../../src/domain/rng.ts'
import {openOrtSession} from '../../src/drivers/onnx/ort-session.ts'
import {bookSchema} from '../../src/features/book-features.ts'
import type {FeatureSchema} from '../../src/features/features.ts'
import {multiSchema} from '../../src/features/multi-features.ts'
import {AdversarialMixer, ATTACKS, slotOf} from '../../src/models/adversarial.ts'
import {allocateBatch, type Dataset, fillBatch} from '../../src/models/dataset.ts'
import {classObjective, GradientSign} from '../../src/models/gradient-sign.ts'
import {ARCHITECTURES, signalNetwork} from '../../src/models/networks.ts'
import {PERTURBATIONS, Perturber} from '../../src/models/perturbations.ts'
import {perturbedWindows} from '../../src/models/perturbed-windows.ts'
import {spread} from '../../src/models/row-runs.ts'
import {SignalTrainer} from '../../src/models/trainer.ts'
import {buildInputGradients} from '../../src/nn/input-gradients.ts'
import {interpret} from '../../src/nn/interpreter.ts'
import {initialWeights} from '../../src/nn/nn.ts'
import {randomFeeds} from '../nn/support.ts'
import {adversarialRig, drain} from './adversarial-rig.ts'

const {window, dataset, episodes, split, scaler, shape, networkOf, mixOf, options} = await adversarialRig()

describe('the mix', () => {
  test('any stretch of steps has its exact share of adversarial rows, half of them episodes', () => {
    fc.assert(
      fc.property(
        fc.integer({min: 0, max: 100}),
        fc.integer({min: 1, max: 300}),
        fc.integer({min: 0, max: 5000}),
        fc.integer({min: 1, max: 500}),
        (percent, batch, from, steps) => {
          const mix = mixOf(percent / 100)
          const [first, last] = [mix.before(from, batch), mix.before(from + steps, batch)]
          expect(Math.abs(last - first - (steps * batch * percent) / 100)).toBeLessThan(1)
          for (const step of [from, from + steps - 1])
            expect(mix.before(step + 1, batch) - mix.before(step, batch)).toBeLessThanOrEqual(batch)
          const sources = Array.from({length: last - first}, (_, i) => mix.sourceOf(first + i))
          const played = sources.filter(source => source === 'episode').length
          expect(Math.abs(played - (last - first) / 2)).toBeLessThanOrEqual(0.5)
        },
      ),
      {numRuns: 50},
    )
  })
  test('perturbations take turns', () => {
    const mix = mixOf(0.5, false)
    expect(Array.from({length: 12}, (_, n) => mix.sourceOf(n))).toEqual([...ATTACKS, ...ATTACKS])
  })
})

test('a mixed batch: clean windows stay, then perturbed ones keep their labels and episodes bring their own', () => {
  const [clean, mixed] = [allocateBatch(64, window, 16), allocateBatch(64, window, 16)]
  for (const batch of [clean, mixed]) fillBatch(dataset, split.train, 100, window, batch)
  const mix = mixOf(0.5)
  const mixer = new AdversarialMixer(mix, 1, 64, networkOf('mlp'), openOrtSession)
  const weights = initialWeights(buildInputGradients(networkOf('mlp'), classObjective, 1).parameters, createRng(1))
  mixer.mix(mixed, 7, () => weights)
  mixer.dispose()
  const first = mix.before(7, 64)
  const played = new Set<string>()
  for (const row of mix.episodes?.ends ?? []) {
    const x = new Float32Array(window * 16)
    episodes.rows.features(row - window + 1, window, x)
    played.add(x.join())
  }
  for (let slot = 0; slot < 64; slot++) {
    const [before, after] = [slotOf(clean, slot), slotOf(mixed, slot)]
    const source = slot < 32 ? 'market' : mix.sourceOf(first + slot - 32)
    if (source === 'market') expect(after).toEqual(before)
    else if (source === 'episode') expect(played.has(after.x.join()), `slot ${slot}`).toBe(true)
    else {
      expect(after.x, source).not.toEqual(before.x)
      expect({...after, x: undefined}).toEqual({...before, x: undefined})
    }
  }
})

describe('the gradient sign', () => {
  const small = {window: 4, width: 3, scaler: {mean: [0, 0, 0], deviation: [1, 1, 1], limit: 6}}
  test.each(ARCHITECTURES)('%s: derivatives by the input agree with finite differences', architecture => {
    const network = signalNetwork({architecture, size: 'small', ...small, window: 8})
    const {graph, parameters} = buildInputGradients(network, classObjective, 2)
    const weights = initialWeights(parameters, createRng(2))
    const feeds: Record<string, Float64Array> = {}
    for (const [name, values] of Object.entries(randomFeeds(graph, 5)))
      feeds[name] = Float64Array.from(weights.get(name) ?? values)
    feeds['target'] = Float64Array.of(1, 0, 0, 0, 0, 1)
    feeds['weight'] = Float64Array.of(1, 1)
    const base = interpret(graph, feeds)
    const x = feeds['x'] as Float64Array
    for (const at of [0, 17, x.length - 1]) {
      const lossAt = (value: number) =>
        interpret(graph, {...feeds, x: x.with(at, value)}).get('loss')?.data[0] as number
      const numeric = (lossAt((x[at] as number) + 1e-5) - lossAt((x[at] as number) - 1e-5)) / 2e-5
      expect(Math.abs((base.get('d:x')?.data[at] as number) - numeric)).toBeLessThan(2e-5)
    }
  })

  test.each(['linear', 'mlp', 'lstm', 'transformer'] as const)('%s: raises the loss of the current model', kind => {
    const trainer = new SignalTrainer(dataset, split, networkOf(kind), options({maxSteps: 20}), openOrtSession)
    const weights = drain(trainer).weights()
    trainer.dispose()
    const attack = new GradientSign(networkOf(kind), 32, openOrtSession)
    const {deviation} = scaler
    const batch = allocateBatch(32, window, 16)
    fc.assert(
      fc.property(
        fc.integer({min: 0, max: split.test.length - 33}),
        fc.constantFrom(0.01, 0.05, 0.1),
        (from, epsilon) => {
          fillBatch(dataset, split.test, from, window, batch)
          const before = Float32Array.from(batch.x)
          const loss = attack.run(batch.x, batch.target, weights).loss
          attack.perturb(batch.x, batch.target, weights, {epsilon, deviation})
          expect(attack.run(batch.x, batch.target, weights).loss).toBeGreaterThan(loss)
          for (const [i, value] of batch.x.entries())
            expect(Math.abs(value - (before[i] as number))).toBeLessThanOrEqual(
              1.001 * epsilon * (deviation[i % 16] as number) + 1e-5 * Math.abs(value),
            )
        },
      ),
      {numRuns: 15},
    )
    attack.dispose()
  })

  test('a smaller number of windows than the graph holds gives the same derivative', () => {
    const network = networkOf('mlp')
    const weights = initialWeights(buildInputGradients(network, classObjective, 1).parameters, createRng(1))
    const [wide, narrow] = [new GradientSign(network, 5, openOrtSession), new GradientSign(network, 1, openOrtSession)]
    const batch = allocateBatch(1, window, 16)
    fillBatch(dataset, split.test, 3, window, batch)
    const one = narrow.run(batch.x, batch.target, weights)
    const padded = wide.run(batch.x, batch.target, weights)
    expect(padded.loss).toBeCloseTo(one.loss, 5)
    for (const [i, value] of padded.gradient.entries()) expect(value).toBeCloseTo(one.gradient[i] as number, 5)
    wide.dispose()
    narrow.dispose()
  })
})

describe('perturbed windows', () => {
  const target = () => ({
    network: networkOf('mlp'),
    weights: initialWeights(buildInputGradients(networkOf('mlp'), classObjective, 1).parameters, createRng(1)),
    open: openOrtSession,
  })
  const read = (of: Dataset, rows: Int32Array) => {
    const batch = allocateBatch(rows.length, window, 16)
    fillBatch(of, rows, 0, window, batch)
    return batch
  }
  test.each(ATTACKS)('%s: finite, another window but the same label, and the same for the same seed', attack => {
    const rows = spread(split.test, 100)
    const make = (seed: number) =>
      read(perturbedWindows(dataset, rows, {attack, shape: shape, seed, target: target()}), rows)
    const [clean, first, again, other] = [read(dataset, rows), make(1), make(1), make(2)]
    expect(first.x.every(Number.isFinite)).toBe(true)
    expect(first.x).not.toEqual(clean.x)
    expect({...first, x: undefined}).toEqual({...clean, x: undefined})
    expect(first).toEqual(again)
    if (attack !== 'gradient-sign') expect(first.x).not.toEqual(other.x)
  })
  test('only the windows asked for can be read', () => {
    const rows = spread(split.test, 3)
    const of = perturbedWindows(dataset, rows, {attack: 'gap', shape: shape, seed: 1, target: target()})
    expect(() => of.rows.features(0, window, new Float32Array(window * 16))).toThrow(/no perturbed window/)
  })
})

describe('perturbations of every kind of row', () => {
  const schemas: readonly FeatureSchema[] = [bookSchema, multiSchema]
  test.each(schemas.map(schema => [schema.set, schema] as const))(
    '%s: finite, and flags stay flags',
    (_set, schema) => {
      const width = schema.names.length
      const flags = schema.modalities?.flatMap(({flag}) => flag ?? []) ?? []
      const deviation = schema.names.map((_, i) => (flags.includes(i) ? 0 : 1))
      const perturber = new Perturber({schema, window: 6, mean: deviation.map(() => 0), deviation})
      fc.assert(
        fc.property(fc.integer(), fc.constantFrom(...PERTURBATIONS), (seed, kind) => {
          const rng = createRng(seed, 'rows')
          const x = Float32Array.from({length: 6 * width}, (_, i) => (flags.includes(i % width) ? 1 : rng.uniform()))
          const before = Float32Array.from(x)
          perturber.apply(kind, x, createRng(seed, kind))
          expect(x.every(Number.isFinite)).toBe(true)
          if (kind !== 'gap') expect(x).not.toEqual(before)
          for (let row = 0; row < 6; row++)
            for (const flag of flags) expect(x[row * width + flag]).toBe(kind === 'missing' ? 0 : 1)
        }),
        {numRuns: 100},
      )
    },
  )
})
