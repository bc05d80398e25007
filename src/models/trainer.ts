// Batches and columns are indexed inside their bounds, hence the `!`.
import {createRng} from '../domain/rng.ts'
import type {GraphSession, OpenSession} from '../nn/execution.ts'
import {buildTraining, exportInference, initialWeights, type Network, type Weights} from '../nn/nn.ts'
import {writeOnnx} from '../nn/onnx-writer.ts'
import {initialState, Optimisation, type OptimiserState} from '../nn/optimisation.ts'
import {warmupCosine} from '../nn/schedule.ts'
import {sizeOf} from '../nn/shape.ts'
import {allocateBatch, type Dataset, fillBatch, type WindowBatch, widthOf} from './dataset.ts'
import type {Prediction} from './inference.ts'
import {directionByBlock, type ProbabilisticMetrics, probabilisticMetrics, rSquared} from './metrics.ts'
import {CLASS_LOSS, signalObjective} from './networks.ts'
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
  #order: Int32Array = new Int32Array(0)
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
    const {x, target, holding, move, weight} = this.#batch
    const feeds = {x, target, 'holding-target': holding, 'move-target': move, weight}
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
  }

  #fill(step: number): void {
    const epoch = Math.floor(step / this.stepsPerEpoch)
    if (epoch !== this.#orderEpoch) {
      this.#order = shuffled(this.#split.train, createRng(this.#options.seed, `epoch/${epoch}`))
      this.#orderEpoch = epoch
    }
    const {batch, window, noise, seed} = this.#options
    fillBatch(this.#dataset, this.#order, (step % this.stepsPerEpoch) * batch, window, this.#batch)
    if (noise === 0) return
    const rng = createRng(seed, `noise/${step}`)
    const {deviation} = this.#options
    for (let i = 0; i < this.#batch.x.length; i++)
      this.#batch.x[i]! += noise * deviation[i % deviation.length]! * rng.normal()
  }

  #validate(step: number): ValidationPoint {
    const weights = this.#optimisation.weights()
    const {valid} = this.#split
    const stride = Math.max(1, Math.floor(valid.length / this.#options.validationRows))
    const rows = valid.filter((_, i) => i % stride === 0)
    const metrics = this.evaluate(rows, weights)
    const trainLoss = this.#recent.sum / this.#recent.count
    this.#recent = {sum: 0, count: 0}
    const point = {step, trainLoss, validLoss: metrics.logLoss, validMacroF1: metrics.macroF1}
    this.#history.push(point)
    if (this.#best === undefined || metrics.logLoss < this.#best.validLoss) {
      this.#best = {step, validLoss: metrics.logLoss, weights}
    }
    return point
  }

  /** Metrics of the served network with these weights on the given rows. */
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

export const labelsOf = (dataset: Dataset, rows: Int32Array): Int8Array =>
  Int8Array.from(rows, row => dataset.labels[row]!)

/** Outputs of a served signal model for the windows that end at `rows`, in batches of 512. */
export const predictRows = (session: GraphSession, dataset: Dataset, rows: Int32Array, window: number): Prediction => {
  const width = widthOf(dataset)
  const out = {
    probabilities: new Float32Array(rows.length * 3),
    holding: new Float32Array(rows.length),
    move: new Float32Array(rows.length),
  }
  const size = 512
  const batch = allocateBatch(Math.min(size, Math.max(1, rows.length)), window, width)
  for (let from = 0; from < rows.length; from += size) {
    const count = fillBatch(dataset, rows, from, window, batch)
    const data = batch.x.subarray(0, count * window * width)
    const results = session.run({x: {type: 'float32', dims: [count, window, width], data}})
    out.probabilities.set(results['probabilities']?.data as Float32Array, 3 * from)
    out.holding.set(results['holding']?.data as Float32Array, from)
    out.move.set(results['move']?.data as Float32Array, from)
  }
  return out
}

/** Everything a card says of one model on one set of rows. */
export const measureOutputs = (dataset: Dataset, rows: Int32Array, outputs: Prediction) => {
  const truth = labelsOf(dataset, rows)
  const column = (values: Float32Array): Float32Array => Float32Array.from(rows, row => values[row]!)
  return {
    metrics: probabilisticMetrics(truth, outputs.probabilities),
    direction: directionByBlock(
      truth,
      outputs.probabilities,
      Int32Array.from(rows, row => dataset.block[row]!),
    ),
    regression: {
      holding: rSquared(column(dataset.holding), outputs.holding),
      move: rSquared(column(dataset.move), outputs.move),
    },
  }
}

/** Fisher and Yates. */
const shuffled = (rows: Int32Array, rng: {readonly below: (bound: number) => number}): Int32Array => {
  const out = Int32Array.from(rows)
  for (let i = out.length - 1; i > 0; i--) {
    const j = rng.below(i + 1)
    ;[out[i], out[j]] = [out[j]!, out[i]!]
  }
  return out
}
