import {openOrtSession} from '../drivers/onnx/ort-session.ts'
import {majorityBaseline} from '../models/baselines.ts'
import type {ModelCard} from '../models/card.ts'
import {windowEnds} from '../models/dataset.ts'
import type {Architecture} from '../models/networks.ts'
import {walkForward} from '../models/splits.ts'
import {SignalTrainer} from '../models/trainer.ts'
import {exportInference} from '../nn/nn.ts'
import {writeOnnx} from '../nn/onnx-writer.ts'
import {
  drive,
  networkOf,
  type Prepared,
  spread,
  type TrainHooks,
  type TrainRequest,
  testOf,
  trainerOptions,
  trainLinear,
} from './train-parts.ts'

/** Trained afresh on what lies before each of the folds' test parts. */
export const crossValidate = (
  request: TrainRequest,
  architecture: Architecture,
  learningRate: number,
  prepared: Prepared,
  hooks: TrainHooks,
) => {
  const {dataset, data} = prepared
  const splits = walkForward(dataset, windowEnds(dataset, request.window), request.folds, {
    window: request.window,
    embargoUs: request.embargoUs ?? data.embargoUs,
  })
  return splits.map(split => {
    const options = trainerOptions(request, learningRate, prepared)
    const network = networkOf(request, architecture, prepared)
    const trainer = new SignalTrainer(dataset, split, network, options, openOrtSession)
    drive(trainer, 'walk-forward', request.maxSteps, hooks)
    const rows = spread(split.test, request.maxEvaluated)
    const test = testOf(writeOnnx(exportInference(network, trainer.weights())), dataset, split, request)
    trainer.dispose()
    const from = rows.reduce((least, row) => Math.min(least, dataset.rows.field(row, 'tsUs')), Number.POSITIVE_INFINITY)
    return {testFrom: new Date(from / 1000).toISOString(), test, majority: majorityBaseline(dataset, split.train, rows)}
  })
}

/** The same training from other first weights, model and linear baseline alike: how much of a difference is luck. */
export const overSeeds = (
  request: TrainRequest,
  architecture: Architecture,
  learningRate: number,
  prepared: Prepared,
  hooks: TrainHooks,
): NonNullable<ModelCard['seeds']> => {
  const {dataset, split} = prepared
  return Array.from({length: request.seeds ?? 0}, (_, i) => {
    const seeded = {...request, seed: request.seed + i + 1}
    const options = trainerOptions(seeded, learningRate, prepared)
    const network = networkOf(request, architecture, prepared)
    const trainer = new SignalTrainer(dataset, split, network, options, openOrtSession)
    drive(trainer, 'seeds', request.maxSteps, hooks)
    const test = testOf(writeOnnx(exportInference(network, trainer.weights())), dataset, split, request)
    trainer.dispose()
    return {seed: seeded.seed, test, linear: trainLinear(seeded, prepared, hooks)}
  })
}
