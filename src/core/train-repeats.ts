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
  preparedFor,
  spread,
  type TrainHooks,
  type TrainRequest,
  testOf,
  trainerOptions,
  trainLinear,
} from './train-parts.ts'

/** Trained afresh, scaler included, on what lies before each of the folds' test parts; after a stop, the folds done. */
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
    embargoUs: prepared.embargoUs,
  })
  const folds: NonNullable<ModelCard['walkForward']>[number][] = []
  for (const split of splits) {
    const fold = {...prepared, ...preparedFor(data, split)}
    const options = trainerOptions(request, learningRate, fold)
    const network = networkOf(request, architecture, fold)
    const trainer = new SignalTrainer(dataset, split, network, options, openOrtSession)
    const isDrained = drive(trainer, 'walk-forward', request.maxSteps, hooks)
    const bytes = writeOnnx(exportInference(network, trainer.weights()))
    trainer.dispose()
    if (!isDrained) break
    const rows = spread(split.test, request.maxEvaluated)
    const from = rows.reduce((least, row) => Math.min(least, dataset.rows.field(row, 'tsUs')), Number.POSITIVE_INFINITY)
    folds.push({
      testFrom: new Date(from / 1000).toISOString(),
      test: testOf(bytes, dataset, split, request).metrics,
      majority: majorityBaseline(dataset, split.train, rows),
    })
  }
  return folds
}

/** The same training from other first weights, model and linear baseline alike, as many as were done before a stop: how much of a difference is luck. */
export const overSeeds = (
  request: TrainRequest,
  architecture: Architecture,
  learningRate: number,
  prepared: Prepared,
  hooks: TrainHooks,
): NonNullable<ModelCard['seeds']> => {
  const {dataset, split} = prepared
  const repeats: NonNullable<ModelCard['seeds']>[number][] = []
  for (let i = 0; i < (request.seeds ?? 0); i++) {
    const seeded = {...request, seed: request.seed + i + 1}
    const options = trainerOptions(seeded, learningRate, prepared)
    const network = networkOf(request, architecture, prepared)
    const trainer = new SignalTrainer(dataset, split, network, options, openOrtSession)
    const isDrained = drive(trainer, 'seeds', request.maxSteps, hooks)
    const bytes = writeOnnx(exportInference(network, trainer.weights()))
    trainer.dispose()
    const linear = isDrained ? trainLinear(seeded, prepared, hooks) : undefined
    if (linear === undefined || hooks.isStopped()) break
    repeats.push({seed: seeded.seed, test: testOf(bytes, dataset, split, request).metrics, linear: linear.metrics})
  }
  return repeats
}
