import {afterAll, describe, expect, test} from 'vitest'
import {openOrtSession} from '../../src/drivers/onnx/ort-session.ts'
import type {AdversarialMix} from '../../src/models/adversarial.ts'
import {decodeCheckpoint, encodeCheckpoint} from '../../src/models/checkpoint.ts'
import {SignalTrainer, type TrainerOptions} from '../../src/models/trainer.ts'
import {adversarialRig, drain} from './adversarial-rig.ts'

const {dataset, episodes, split, networkOf, mixOf, options} = await adversarialRig()
const open: SignalTrainer[] = []
const trainerOf = (changes: Partial<TrainerOptions> = {}, state?: ReturnType<SignalTrainer['state']>) => {
  const trainer = new SignalTrainer(dataset, split, networkOf('mlp'), options(changes), openOrtSession, state)
  open.push(trainer)
  return trainer
}
afterAll(() => {
  for (const trainer of open) trainer.dispose()
})

describe('training with a mix', () => {
  test('an epoch of training mixes in just that many rows', () => {
    const seen: string[] = []
    const base = mixOf(0.25)
    const spy = Object.assign(Object.create(base) as AdversarialMix, {
      sourceOf: (n: number) => {
        const source = base.sourceOf(n)
        seen.push(source)
        return source
      },
    })
    const trainer = trainerOf({adversarial: spy, maxSteps: 10_000, validateEvery: 10_000})
    drain(trainer, trainer.stepsPerEpoch)
    expect(seen.length).toBe(trainer.stepsPerEpoch * 16)
    expect(seen.filter(source => source === 'episode').length).toBe(trainer.stepsPerEpoch * 8)
  })
  test('the same seed trains the same bytes, which are not those without', () => {
    const [a, b] = [drain(trainerOf({adversarial: mixOf(0.5)})), drain(trainerOf({adversarial: mixOf(0.5)}))]
    expect(a.state()).toEqual(b.state())
    expect(a.weights()).not.toEqual(drain(trainerOf()).weights())
  })
  test('a share of 0 is the training without, to the byte', () => {
    expect(drain(trainerOf({adversarial: mixOf(0)})).state()).toEqual(drain(trainerOf()).state())
  })
  test('resumed at any step it ends in the same bytes, gradient-sign rows included', () => {
    const straight = drain(trainerOf({adversarial: mixOf(0.5)})).state()
    for (const cut of [1, 20, 33]) {
      const bytes = encodeCheckpoint(drain(trainerOf({adversarial: mixOf(0.5)}), cut).state(), 'run')
      const resumed = trainerOf({adversarial: mixOf(0.5)}, decodeCheckpoint(bytes, 'run', 'x.checkpoint'))
      expect(drain(resumed).state()).toEqual(straight)
    }
  })
  test('what tells runs apart names the share and the episodes', () => {
    const json = (mix: AdversarialMix) => JSON.stringify({adversarial: mix})
    expect(json(mixOf(0.5))).toContain(episodes.dataHash)
    expect(new Set([json(mixOf(0.5)), json(mixOf(0.4)), json(mixOf(0.5, false))]).size).toBe(3)
    expect(json(mixOf(0.5)).length).toBeLessThan(400)
  })
})
