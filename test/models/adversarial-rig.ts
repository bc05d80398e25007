import {fitScaler} from '../../src/features/features.ts'
import {AdversarialMix} from '../../src/models/adversarial.ts'
import {windowEnds} from '../../src/models/dataset.ts'
import {type Architecture, signalNetwork} from '../../src/models/networks.ts'
import {splitInTime} from '../../src/models/splits.ts'
import type {SignalTrainer, TrainerOptions} from '../../src/models/trainer.ts'
import {featuresOf, toyDataset} from './support.ts'

/** A toy data set, three scenarios beside it, and what trains small networks on both; `await` it once a test file. */
export const adversarialRig = async () => {
  const window = 8
  const dataset = await toyDataset(14)
  const episodes = await toyDataset(3, ['scenario:a', 'scenario:b', 'scenario:c'])
  const split = splitInTime(dataset, windowEnds(dataset, window), {window})
  const scaler = fitScaler(featuresOf(dataset), 16)
  const shape = {schema: dataset.schema, window, mean: scaler.mean, deviation: scaler.deviation}
  return {
    window,
    dataset,
    episodes,
    split,
    scaler,
    shape,
    networkOf: (architecture: Architecture) => signalNetwork({architecture, size: 'small', window, width: 16, scaler}),
    mixOf: (ratio: number, withEpisodes = true) =>
      new AdversarialMix(
        ratio,
        shape,
        withEpisodes ? {dataset: episodes, ends: windowEnds(episodes, window)} : undefined,
      ),
    options: (changes: Partial<TrainerOptions> = {}): TrainerOptions => ({
      seed: 3,
      batch: 64,
      window,
      maxSteps: 40,
      learningRate: 3e-3,
      weightDecay: 0.01,
      validateEvery: 20,
      patience: 10,
      validationRows: 300,
      noise: 0,
      deviation: scaler.deviation,
      ...changes,
    }),
  }
}

/** Steps until it is done, or until so many steps. */
export const drain = (trainer: SignalTrainer, until = Number.POSITIVE_INFINITY): SignalTrainer => {
  while (!trainer.isDone && trainer.stepCount < until) trainer.step()
  return trainer
}
