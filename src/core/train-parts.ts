import {existsSync, readFileSync} from 'node:fs'
import {performance} from 'node:perf_hooks'
import {UserError} from '../domain/errors.ts'
import {openOrtSession} from '../drivers/onnx/ort-session.ts'
import {barSchema} from '../features/bar-features.ts'
import {bookSchema} from '../features/book-features.ts'
import {type Modality, type Scaler, ScalerFit, schemaKey} from '../features/features.ts'
import {multiSchema} from '../features/multi-features.ts'
import type {AdversarialMix} from '../models/adversarial.ts'
import {majorityDecisions, persistenceDecisions} from '../models/baselines.ts'
import type {BaselineMargins} from '../models/card.ts'
import {type Dataset, widthOf, windowEnds} from '../models/dataset.ts'
import {type DecisionRule, fitDecision} from '../models/decision.ts'
import type {Prediction} from '../models/inference.ts'
import {type Margins, marginsOf} from '../models/margins.ts'
import {decide, type ProbabilisticMetrics, probabilisticMetrics} from '../models/metrics.ts'
import {type ModelDescription, requireFeatures} from '../models/model-file.ts'
import {type Architecture, type ModelSize, signalNetwork} from '../models/networks.ts'
import {type RowList, spread} from '../models/row-runs.ts'
import {type Split, splitInTime} from '../models/splits.ts'
import {
  labelsOf,
  measureOutputs,
  predictRows,
  SignalTrainer,
  type Spent,
  type TrainerOptions,
} from '../models/trainer.ts'
import {exportInference} from '../nn/nn.ts'
import {writeOnnx} from '../nn/onnx-writer.ts'
import {loadTrainingData, type RowKind, type TrainingData} from './training-data.ts'

export {spread}

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
  /** What a row is; the model's own kind where absent. */
  readonly rows?: RowKind
  /** Length of bars built from ticks, microseconds, for instruments that have none; they are left out without it. */
  readonly periodUs?: number
  /** MiB of training rows held in memory; more lie in a file. */
  readonly memoryMiB?: number
  /** Share of windows that lose each kind of information while training; 0.15 where absent. */
  readonly modalityDropout?: number
  /** Time left out between the parts of the split, microseconds; a day for bars and a minute for books where absent. */
  readonly embargoUs?: number
  /** Further seeds to train model and linear baseline with, to tell their difference from luck. */
  readonly seeds?: number
  /** Share of each batch that is perturbed or simulator-made, 0 to measure under stress alone; no stress where absent. */
  readonly adversarial?: number
  /** Train besides without any adversarial row, to compare with; yes where absent. */
  readonly compareClean?: boolean
}

export interface TrainProgress {
  readonly phase: 'data' | 'episodes' | 'linear' | 'train' | 'clean' | 'walk-forward' | 'seeds'
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
  /** Left out after each boundary of the split. */
  readonly embargoUs: number
  readonly scaler: Scaler
  /** Share of the training windows on which each kind of information is there. */
  readonly presence: Readonly<Record<string, number>>
  /** Those a transformer makes tokens of: the ones the training part has often enough to learn from. */
  readonly modalities: readonly Modality[] | undefined
  /** What a share of the training rows is replaced with. */
  readonly adversarial?: AdversarialMix
}

/** A kind of information on fewer training windows than this is ignored: what was not learned must not be guessed at. */
const MIN_PRESENCE = 0.005

/** What the rows of a model are; refuses one whose features this version does not make. */
export const rowKindOf = (description: ModelDescription): RowKind => {
  const kinds = [
    ['bar', barSchema],
    ['multi', multiSchema],
    ['book', bookSchema],
  ] as const
  const found = kinds.find(([, schema]) => schemaKey(schema) === description.features)
  if (found === undefined) {
    const [, closest] = kinds.find(([kind]) => description.features.startsWith(`${kind}@`)) ?? kinds[0]
    requireFeatures(description, schemaKey(closest))
  }
  return found?.[0] ?? 'bar'
}

/** Rows of the data, split in time, with a scaler fitted on the training part alone. */
export const prepare = async (
  request: TrainRequest,
  rows: RowKind,
  isStopped?: () => boolean,
  hint = 'give more data, a shorter --window or a smaller --batch; a missing bar or a new day ends a window',
): Promise<Prepared> => {
  const data = await loadTrainingData(request, rows, isStopped)
  const {split, embargoUs} = splitWithEmbargo(data, request)
  for (const part of ['train', 'valid', 'test'] as const) {
    const least = part === 'train' ? request.batch : 1
    if (split[part].length >= least) continue
    throw new UserError(
      'TOO_LITTLE_DATA',
      `the ${part} part has ${split[part].length} windows of ${request.window} rows; it needs ${least}${part === 'train' ? ', a batch' : ''}`,
      {hints: [hint]},
    )
  }
  return {...preparedFor(data, split), embargoUs}
}

/** The split of a training, with the embargo that its data is long enough for. */
const splitWithEmbargo = (
  {dataset, embargoUs: usual, leastEmbargoUs}: TrainingData,
  {window, embargoUs = usual}: Pick<TrainRequest, 'window' | 'embargoUs'>,
) => {
  const ends = windowEnds(dataset, window)
  const split = splitInTime(dataset, ends, {window, embargoUs})
  const isWhole = [split.train, split.valid, split.test].every(part => part.length > 0)
  if (isWhole || embargoUs <= leastEmbargoUs) return {split, embargoUs}
  return {split: splitInTime(dataset, ends, {window, embargoUs: leastEmbargoUs}), embargoUs: leastEmbargoUs}
}

/** What is fitted before training, on the training part of this split alone. */
export const preparedFor = (data: TrainingData, split: Split): Omit<Prepared, 'embargoUs'> => {
  const {dataset} = data
  const presence = presenceOf(dataset, split.train)
  const modalities = dataset.schema.modalities?.filter(({name}) => (presence[name] ?? 0) >= MIN_PRESENCE)
  return {data, dataset, split, scaler: scalerOf(dataset, split.train), presence, modalities}
}

const scalerOf = (dataset: Dataset, train: Iterable<number>): Scaler => {
  const fit = new ScalerFit(widthOf(dataset), dataset.schema.modalities)
  const row = new Float32Array(widthOf(dataset))
  for (const at of train) {
    dataset.rows.features(at, 1, row)
    fit.add(row)
  }
  return fit.scaler()
}

/** Share of the rows on which each kind of information is there. */
export const presenceOf = (dataset: Dataset, rows: RowList): Record<string, number> => {
  const row = new Float32Array(widthOf(dataset))
  const {modalities = []} = dataset.schema
  const counts = modalities.map(() => 0)
  for (let i = 0; i < rows.length; i++) {
    dataset.rows.features(rows.at(i) as number, 1, row)
    for (const [m, {flag}] of modalities.entries())
      if (flag === undefined || row[flag] === 1) counts[m] = (counts[m] as number) + 1
  }
  return Object.fromEntries(modalities.map(({name}, m) => [name, (counts[m] as number) / Math.max(1, rows.length)]))
}

export const networkOf = (
  {size, window}: TrainRequest,
  architecture: Architecture,
  {dataset, scaler, modalities}: Prepared,
) => {
  return signalNetwork({
    ...{architecture, size, window, scaler},
    width: widthOf(dataset),
    ...(modalities === undefined ? {} : {modalities}),
  })
}

export const trainerOptions = (
  request: TrainRequest,
  learningRate: number,
  {scaler, dataset, modalities, adversarial}: Prepared,
): TrainerOptions => ({
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
  // Noise would turn the flags of absent information into nonsense.
  deviation: scaler.deviation.map((value, i) => (isFlag(dataset, i) ? 0 : value)),
  ...(modalities === undefined ? {} : {modalityDropout: {modalities, rate: request.modalityDropout ?? 0.15}}),
  ...(adversarial === undefined || adversarial.ratio === 0 ? {} : {adversarial}),
})

const isFlag = ({schema}: Dataset, column: number): boolean =>
  schema.modalities?.some(({flag}) => flag === column) ?? false

const LINEAR_BATCH = 256

const linearOptions = (request: TrainRequest, prepared: Prepared, maxSteps: number): TrainerOptions => {
  const {modalityDropout: _none, adversarial: _clean, ...options} = trainerOptions(request, 1e-3, prepared)
  return {...options, noise: 0, batch: LINEAR_BATCH, maxSteps}
}

/**
 * Logistic regression on the same windows, on the (thinned) test part. It gets a decision rule as the model
 * does: beside a model that has none, which decides by the likeliest class, it has none either.
 */
export const trainLinear = (request: TrainRequest, prepared: Prepared, hooks: TrainHooks, hasRule = true): Tested => {
  const linearSteps = Math.max(request.maxSteps, request.baselineSteps)
  const network = networkOf(request, 'linear', prepared)
  const trainer = new SignalTrainer(
    prepared.dataset,
    prepared.split,
    network,
    // Its own full budget: a baseline that was trained less would flatter the model.
    linearOptions(request, prepared, linearSteps),
    openOrtSession,
  )
  drive(trainer, 'linear', linearSteps, hooks)
  const bytes = writeOnnx(exportInference(network, trainer.weights()))
  trainer.dispose()
  return testOf(bytes, prepared.dataset, prepared.split, request, hasRule)
}

/** The bytes of the checkpoint that a run is resumed from. */
export const readCheckpointFile = (file: string): Uint8Array => {
  if (existsSync(file)) return new Uint8Array(readFileSync(file))
  throw new UserError('NO_CHECKPOINT', `there is no checkpoint ${file} to resume`, {hints: ['start without --resume']})
}

/** Times steps from here on, added to what earlier sittings of the same run took; ask it with the step reached. */
export const stopwatch = (before: Spent = {steps: 0, ms: 0}, from = 0): ((step: number) => Spent) => {
  const started = performance.now()
  return step => {
    const steps = step - from
    return {steps: before.steps + steps, ms: before.ms + (steps === 0 ? 0 : performance.now() - started)}
  }
}

/** Milliseconds a step; 0 where no step was ever timed. */
export const stepMsOf = ({steps, ms}: Spent): number => Number((ms / Math.max(1, steps)).toFixed(3))

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

/** A model's decisions on the (thinned) test part, and their metrics. */
export interface Tested {
  readonly metrics: ProbabilisticMetrics
  readonly decided: Int8Array
}

/** A served model on the test part, by the decision rule that its own validation part gives. */
export const testOf = (
  bytes: Uint8Array,
  dataset: Dataset,
  split: Split,
  {window, maxEvaluated}: Pick<TrainRequest, 'window' | 'maxEvaluated'>,
  hasRule = true,
): Tested => {
  const rule = hasRule ? ruleOf(bytes, dataset, spread(split.valid, maxEvaluated), window) : undefined
  const rows = spread(split.test, maxEvaluated)
  const {probabilities} = predict(bytes, dataset, rows, window)
  return {
    metrics: probabilisticMetrics(labelsOf(dataset, rows), probabilities, rule),
    decided: decide(probabilities, rule),
  }
}

/** How far decisions on the test part are ahead of those of each baseline. */
export const marginsOverBaselines = (
  dataset: Dataset,
  split: Split,
  rows: Int32Array,
  decided: Int8Array,
  linear: Int8Array,
): BaselineMargins => {
  const truth = labelsOf(dataset, rows)
  const blocks = Float64Array.from(rows, row => dataset.rows.field(row, 'block'))
  const over = (baseline: Int8Array): Margins => marginsOf(truth, decided, baseline, blocks)
  return {
    majority: over(majorityDecisions(dataset, split.train, rows)),
    persistence: over(persistenceDecisions(dataset, rows)),
    linear: over(linear),
  }
}

/** The decision rule of a served model, fitted on validation rows: how model and learned baselines alike get theirs. */
export const ruleOf = (bytes: Uint8Array, dataset: Dataset, valid: Int32Array, window: number): DecisionRule => {
  return fitDecision(labelsOf(dataset, valid), predict(bytes, dataset, valid, window).probabilities)
}

/** Outputs of a served model on some rows. */
export const predict = (bytes: Uint8Array, dataset: Dataset, rows: Int32Array, window: number): Prediction => {
  const session = openOrtSession(bytes, {threads: 1})
  const outputs = predictRows(session, dataset, rows, window)
  session.dispose()
  return outputs
}

/** Metrics of a served model on some rows. */
export const measure = (bytes: Uint8Array, dataset: Dataset, rows: Int32Array, window: number, rule?: DecisionRule) => {
  return measureOutputs(dataset, rows, predict(bytes, dataset, rows, window), rule)
}
