// Batches and columns are indexed inside their bounds, hence the `!`.
import {createRng, type Rng} from '../domain/rng.ts'
import type {Modality} from '../features/features.ts'
import type {GraphSession, OpenSession} from '../nn/execution.ts'
import {buildTraining, exportInference, initialWeights, type Network, type Weights} from '../nn/nn.ts'
import {writeOnnx} from '../nn/onnx-writer.ts'
import {initialState, Optimisation, type OptimiserState} from '../nn/optimisation.ts'
import {warmupCosine} from '../nn/schedule.ts'
import {sizeOf} from '../nn/shape.ts'
import {type AdversarialMix, AdversarialMixer} from './adversarial.ts'
import {allocateBatch, type Dataset, fillBatch, type WindowBatch, widthOf} from './dataset.ts'
import type {DecisionRule} from './decision.ts'
import {measureHeads} from './head-metrics.ts'
import {allocatePrediction, OUTPUT_WIDTHS, outputsOf, type Prediction} from './inference.ts'
import {directionByBlock, type ProbabilisticMetrics, probabilisticMetrics, rSquared} from './metrics.ts'
import {CLASS_LOSS, signalObjective} from './networks.ts'
import {spread} from './row-runs.ts'
import type {RowField} from './row-store.ts'
import {permutation} from './shuffle.ts'
import type {Split} from './splits.ts'

export interface TrainerOptions {
  readonly seed: number
  readonly batch: number
  readonly window: number
  readonly maxSteps: number
  readonly learningRate: number
  readonly weightDecay: number
  /** Steps between validations. */
  readonly validateEvery: number
  /** Validations without improvement after which training stops. */
  readonly patience: number
  /** Rows of the validation part looked at each time, evenly spread; all of them at the end. */
  readonly validationRows: number
  /** Normal noise added to every input, in deviations of its feature; 0 trains on clean data. */
  readonly noise: number
  readonly deviation: readonly number[]
  /** Kinds of information of which each window loses each one at random, by this share, so that any subset serves. */
  readonly modalityDropout?: {readonly modalities: readonly Modality[]; readonly rate: number}
  /** Perturbed and simulator-made rows that take the place of a share of each batch. */
  readonly adversarial?: AdversarialMix
}

export interface ValidationPoint {
  readonly step: number
  readonly trainLoss: number
  readonly validLoss: number
  readonly validMacroF1: number
}

/** Everything needed to go on as if nothing had happened. */
export interface TrainingState {
  readonly optimiser: OptimiserState
  readonly best: {readonly step: number; readonly validLoss: number; readonly weights: Weights} | undefined
  readonly history: readonly ValidationPoint[]
  /** Sum and count of step losses since the last validation. */
  readonly recent: {readonly sum: number; readonly count: number}
  /** Kept by whoever has a clock; absent in checkpoints of before it was. */
  readonly spent?: Spent
}

/** Steps that were timed, over all sittings, and how long they took in all, validations included. */
export interface Spent {
  readonly steps: number
  readonly ms: number
}

export interface TrainingProgress {
  readonly step: number
  readonly loss: number
  readonly learningRate: number
  readonly validation?: ValidationPoint
}

/**
 * Trains a signal network: one call of `step` is one update. Every random draw is a function of the seed and the step
 * number alone (shuffles by epoch, dropout by step), so a run resumed from a saved state ends in the same bytes.
 */
export class SignalTrainer {
  readonly #dataset: Dataset
  readonly #split: Split
  readonly #network: Network
  readonly #options: TrainerOptions
  readonly #open: OpenSession
  readonly #session: GraphSession
  readonly #optimisation: Optimisation
  readonly #batch: WindowBatch
  readonly parameters: number
  /** Upper bound of what one step allocates. */
  readonly stepBytes: number
  readonly #rows: Int32Array
  readonly #mixer: AdversarialMixer | undefined
  #order: (n: number) => number = n => n
  #orderEpoch = -1
  #best: TrainingState['best']
  #history: ValidationPoint[]
  #recent: {sum: number; count: number}

  constructor(
    dataset: Dataset,
    split: Split,
    network: Network,
    options: TrainerOptions,
    open: OpenSession,
    resumed?: TrainingState,
  ) {
    this.#dataset = dataset
    this.#split = split
    this.#network = network
    this.#options = options
    this.#open = open
    const {batch, weightDecay, seed, window} = options
    const training = buildTraining(network, signalObjective, {batch, weightDecay, ema: 0.99})
    this.stepBytes = training.graph.nodes.reduce(
      (sum, {outputs}) => sum + 4 * outputs.reduce((s, {shape}) => s + sizeOf(shape), 0),
      0,
    )
    this.parameters = training.parameters.reduce((sum, {shape}) => sum + shape.reduce((a, b) => a * b, 1), 0)
    this.#session = open(writeOnnx(training.model), {threads: 1})
    const state =
      resumed?.optimiser ?? initialState(training, initialWeights(training.parameters, createRng(seed, 'weights')))
    this.#optimisation = new Optimisation(training, this.#session, state)
    this.#batch = allocateBatch(batch, window, widthOf(dataset))
    this.#rows = new Int32Array(batch)
    const mix = options.adversarial
    this.#mixer =
      mix === undefined || mix.ratio === 0 ? undefined : new AdversarialMixer(mix, seed, batch, network, open)
    this.#best = resumed?.best
    this.#history = [...(resumed?.history ?? [])]
    this.#recent = {...(resumed?.recent ?? {sum: 0, count: 0})}
  }

  get stepsPerEpoch(): number {
    return Math.max(1, Math.floor(this.#split.train.length / this.#options.batch))
  }
  get stepCount(): number {
    return this.#optimisation.step
  }
  get history(): readonly ValidationPoint[] {
    return this.#history
  }
  get isDone(): boolean {
    const {maxSteps, patience, validateEvery} = this.#options
    const best = this.#best
    return this.stepCount >= maxSteps || (best !== undefined && this.stepCount - best.step >= patience * validateEvery)
  }

  step(): TrainingProgress {
    const {seed, learningRate, maxSteps, validateEvery} = this.#options
    const step = this.stepCount
    this.#fill(step)
    const rate = warmupCosine(step, {
      peak: learningRate,
      warmup: Math.min(100, Math.ceil(maxSteps / 10)),
      total: maxSteps,
    })
    const {x, target, holding, move, cost, strategy, weight} = this.#batch
    const feeds = {
      ...{x, target, cost, weight},
      'holding-target': holding,
      'move-target': move,
      'strategy-target': strategy,
    }
    const report = this.#optimisation.run(feeds, rate, createRng(seed, `dropout/${step}`))
    const loss = report.parts[CLASS_LOSS] as number
    this.#recent.sum += loss
    this.#recent.count++
    const done = step + 1
    if (done % validateEvery !== 0 && done < maxSteps) return {step: done, loss, learningRate: rate}
    return {step: done, loss, learningRate: rate, validation: this.#validate(done)}
  }

  /** The best weights seen, or the current ones before any validation. */
  weights(): Weights {
    return this.#best?.weights ?? this.#optimisation.weights()
  }

  state(): TrainingState {
    return {optimiser: this.#optimisation.state(), best: this.#best, history: this.#history, recent: {...this.#recent}}
  }

  dispose(): void {
    this.#session.dispose()
    this.#mixer?.dispose()
  }

  #fill(step: number): void {
    const {batch, window, noise, seed, modalityDropout} = this.#options
    const {train} = this.#split
    const epoch = Math.floor(step / this.stepsPerEpoch)
    if (epoch !== this.#orderEpoch) {
      this.#order = permutation(train.length, createRng(seed, `epoch/${epoch}`))
      this.#orderEpoch = epoch
    }
    const from = (step % this.stepsPerEpoch) * batch
    const count = Math.min(batch, train.length - from)
    for (let i = 0; i < count; i++) this.#rows[i] = train.at(this.#order(from + i))!
    fillBatch(this.#dataset, this.#rows.subarray(0, count), 0, window, this.#batch)
    if (noise > 0) addNoise(this.#batch.x, this.#options, createRng(seed, `noise/${step}`))
    if (modalityDropout !== undefined && modalityDropout.rate > 0) {
      dropModalities(this.#batch, window, widthOf(this.#dataset), modalityDropout, createRng(seed, `modality/${step}`))
    }
    this.#mixer?.mix(this.#batch, step, () => this.#optimisation.current())
  }

  #validate(step: number): ValidationPoint {
    const weights = this.#optimisation.weights()
    const metrics = this.evaluate(spread(this.#split.valid, this.#options.validationRows), weights)
    const trainLoss = this.#recent.sum / this.#recent.count
    this.#recent = {sum: 0, count: 0}
    const point = {step, trainLoss, validLoss: metrics.logLoss, validMacroF1: metrics.macroF1}
    this.#history.push(point)
    if (this.#best === undefined || metrics.logLoss < this.#best.validLoss) {
      this.#best = {step, validLoss: metrics.logLoss, weights}
    }
    return point
  }

  /** Metrics of the served network with these weights on the given rows, decided by the likeliest class. */
  evaluate(rows: Int32Array, weights: Weights): ProbabilisticMetrics {
    const session = this.#open(writeOnnx(exportInference(this.#network, weights)), {threads: 1})
    try {
      const probabilities = predictRows(session, this.#dataset, rows, this.#options.window).probabilities
      return probabilisticMetrics(labelsOf(this.#dataset, rows), probabilities)
    } finally {
      session.dispose()
    }
  }
}

/** Flags are neither scaled nor noisy, hence the deviations of 0 that columns of flags are given. */
const addNoise = (x: Float32Array, {noise, deviation}: TrainerOptions, rng: Rng): void => {
  for (let i = 0; i < x.length; i++) x[i]! += noise * deviation[i % deviation.length]! * rng.normal()
}

const dropModalities = (
  {x, weight}: WindowBatch,
  window: number,
  width: number,
  {modalities, rate}: NonNullable<TrainerOptions['modalityDropout']>,
  rng: Rng,
): void => {
  for (let i = 0; i < weight.length; i++) {
    for (const {flag} of modalities) {
      if (flag === undefined || rng.uniform() >= rate) continue
      for (let row = 0; row < window; row++) x[(i * window + row) * width + flag] = 0
    }
  }
}

export const labelsOf = (dataset: Dataset, rows: Int32Array): Int8Array =>
  Int8Array.from(rows, row => dataset.rows.field(row, 'label'))

/** Outputs of a served signal model for the windows that end at `rows`, in batches of 512. */
export const predictRows = (session: GraphSession, dataset: Dataset, rows: Int32Array, window: number): Prediction => {
  const width = widthOf(dataset)
  const names = outputsOf(session.outputNames)
  const out = allocatePrediction(names, rows.length)
  const size = 512
  const batch = allocateBatch(Math.min(size, Math.max(1, rows.length)), window, width)
  for (let from = 0; from < rows.length; from += size) {
    const count = fillBatch(dataset, rows, from, window, batch)
    const data = batch.x.subarray(0, count * window * width)
    const results = session.run({x: {type: 'float32', dims: [count, window, width], data}})
    for (const name of names) out[name]?.set(results[name]?.data as Float32Array, OUTPUT_WIDTHS[name] * from)
  }
  return out
}

/** Everything a card says of one model on one set of rows, classes decided by `rule`. */
export const measureOutputs = (dataset: Dataset, rows: Int32Array, outputs: Prediction, rule?: DecisionRule) => {
  const truth = labelsOf(dataset, rows)
  const column = (name: RowField): Float32Array => Float32Array.from(rows, row => dataset.rows.field(row, name))
  return {
    metrics: probabilisticMetrics(truth, outputs.probabilities, rule),
    direction: directionByBlock(truth, outputs.probabilities, column('block')),
    regression: {
      holding: rSquared(column('holding'), outputs.holding),
      move: rSquared(column('move'), outputs.move),
    },
    heads: measureHeads(truth, {move: column('move'), cost: column('cost'), strategy: column('strategy')}, outputs),
  }
}
