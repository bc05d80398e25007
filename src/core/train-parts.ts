import {performance} from 'node:perf_hooks'
import {UserError} from '../domain/errors.ts'
import {openOrtSession} from '../drivers/onnx/ort-session.ts'
import {fitScaler, type Scaler} from '../features/features.ts'
import {type Dataset, widthOf, windowEnds} from '../models/dataset.ts'
import type {ProbabilisticMetrics} from '../models/metrics.ts'
import {type Architecture, type ModelSize, signalNetwork} from '../models/networks.ts'
import {type Split, splitInTime} from '../models/splits.ts'
import {measureOutputs, predictRows, SignalTrainer, type TrainerOptions} from '../models/trainer.ts'
import {loadTrainingData, type TrainingData} from './training-data.ts'

/** Plain and complete: a worker, here or on another machine, needs nothing else. */
export interface TrainRequest {
  readonly model: string
  readonly size: ModelSize
  readonly batch: number
  readonly window: number
  readonly maxSteps: number
  readonly out: string
  readonly seed: number
  readonly data: string
  readonly symbols?: readonly string[]
  readonly horizon: number
  /** Barrier in deviations (bars) or threshold in spreads (books). */
  readonly barrier: number
  readonly costBps: number
  readonly noise: number
  readonly folds: number
  readonly resume: boolean
  readonly validateEvery: number
  readonly patience: number
  /** Windows of the validation and of the test part that are measured at most, evenly spread. */
  readonly maxEvaluated: number
  /** Steps that the linear baseline gets at least. */
  readonly baselineSteps: number
}

export interface TrainProgress {
  readonly phase: 'data' | 'linear' | 'train' | 'walk-forward'
  readonly step: number
  readonly total: number
  readonly loss?: number
  readonly validLoss?: number
  readonly etaSeconds?: number
}

export interface TrainHooks {
  readonly onProgress: (progress: TrainProgress) => void
  /** True once training shall end at the next step. */
  readonly isStopped: () => boolean
}

export interface Prepared {
  readonly data: TrainingData
  readonly dataset: Dataset
  readonly split: Split
  readonly scaler: Scaler
}

export const prepare = async (request: TrainRequest, rows: 'bar' | 'book'): Promise<Prepared> => {
  const data = await loadTrainingData(request, rows)
  const {dataset} = data
  const ends = windowEnds(dataset, request.window)
  const split = splitInTime(dataset, ends, {window: request.window, embargoUs: data.embargoUs})
  for (const part of ['train', 'valid', 'test'] as const) {
    if (split[part].length >= request.batch || (part !== 'train' && split[part].length > 0)) continue
    throw new UserError(
      'TOO_LITTLE_DATA',
      `the ${part} part has ${split[part].length} windows of ${request.window} rows; a batch is ${request.batch}`,
      {
        hints: ['give more data, a shorter --window or a smaller --batch'],
      },
    )
  }
  const include = new Uint8Array(dataset.labels.length)
  for (const row of split.train) include[row] = 1
  return {data, dataset, split, scaler: fitScaler(dataset.features, widthOf(dataset), row => include[row] === 1)}
}

/** At most `count` of the rows, evenly spread. */
export const spread = (rows: Int32Array, count: number): Int32Array => {
  const stride = Math.max(1, Math.ceil(rows.length / count))
  return rows.filter((_, i) => i % stride === 0)
}

export const networkOf = ({size, window}: TrainRequest, architecture: Architecture, {dataset, scaler}: Prepared) =>
  signalNetwork({architecture, size, window, width: widthOf(dataset), scaler})

export const trainerOptions = (request: TrainRequest, learningRate: number, {scaler}: Prepared): TrainerOptions => ({
  seed: request.seed,
  batch: request.batch,
  window: request.window,
  maxSteps: request.maxSteps,
  learningRate,
  weightDecay: 0.01,
  validateEvery: request.validateEvery,
  patience: request.patience,
  validationRows: Math.min(20_000, Math.ceil(request.maxEvaluated / 4)),
  noise: request.noise,
  deviation: scaler.deviation,
})

const LINEAR_BATCH = 256

/** Logistic regression on the same windows; its metrics on the (thinned) test part. */
export const trainLinear = (request: TrainRequest, prepared: Prepared, hooks: TrainHooks): ProbabilisticMetrics => {
  const linearSteps = Math.max(request.maxSteps, request.baselineSteps)
  const trainer = new SignalTrainer(
    prepared.dataset,
    prepared.split,
    networkOf(request, 'linear', prepared),
    // Its own full budget: a baseline that was trained less would flatter the model.
    {...trainerOptions(request, 1e-3, prepared), noise: 0, batch: LINEAR_BATCH, maxSteps: linearSteps},
    openOrtSession,
  )
  drive(trainer, 'linear', linearSteps, hooks)
  const metrics = trainer.evaluate(spread(prepared.split.test, request.maxEvaluated), trainer.weights())
  trainer.dispose()
  return metrics
}

/** Steps until the trainer is done or a stop is asked for; false in the latter case. */
export const drive = (
  trainer: SignalTrainer,
  phase: TrainProgress['phase'],
  total: number,
  hooks: TrainHooks,
  onValidation: () => void = () => {},
): boolean => {
  const started = performance.now()
  const from = trainer.stepCount
  while (!trainer.isDone) {
    if (hooks.isStopped()) return false
    const {step, loss, validation} = trainer.step()
    if (validation !== undefined) onValidation()
    if (validation === undefined && step % 20 !== 0) continue
    const perStep = (performance.now() - started) / 1000 / (step - from)
    const eta = {etaSeconds: Math.round(perStep * (total - step))}
    hooks.onProgress({
      phase,
      step,
      total,
      loss,
      ...eta,
      ...(validation === undefined ? {} : {validLoss: validation.validLoss}),
    })
  }
  return true
}

/** Metrics of a served model on some rows. */
export const measure = (bytes: Uint8Array, dataset: Dataset, rows: Int32Array, window: number) => {
  const session = openOrtSession(bytes, {threads: 1})
  const outputs = predictRows(session, dataset, rows, window)
  session.dispose()
  return measureOutputs(dataset, rows, outputs)
}
