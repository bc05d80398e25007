// Batches are indexed inside their bounds, hence the `!`.
import {createRng, type Rng} from '../domain/rng.ts'
import type {GraphSession, OpenSession} from '../nn/execution.ts'
import {buildTraining, exportInference, initialWeights, type Network, type Weights} from '../nn/nn.ts'
import {writeOnnx} from '../nn/onnx-writer.ts'
import {initialState, Optimisation, type OptimiserState} from '../nn/optimisation.ts'
import {warmupCosine} from '../nn/schedule.ts'
import {TENSOR_SHAPE} from '../options/chain-tensor.ts'
import {type ChainPca, pcaReconstruct} from './chain-pca.ts'
import {type ChainSample, reshapedSample, withoutRows} from './chain-sample.ts'
import {
  EMBEDDER_INPUTS,
  type EmbedderSpec,
  embedderNetwork,
  embedderObjective,
  RECONSTRUCTION_LOSS,
  startFromPrior,
} from './embedder.ts'
import {
  allocateEmbedderBatch,
  drawHidden,
  type EmbedderBatch,
  putSample,
  refitSmiles,
  roughened,
  rowVolatility,
  transplanted,
  UNLABELLED,
} from './embedder-data.ts'
import {mispricing, posteriorCoordinates, type SurfacePrior, surfaceAt} from './surface-prior.ts'

const {rows: ROWS, columns: COLUMNS, cellFeatures: CELLS} = TENSOR_SHAPE
const GRID = ROWS * COLUMNS

export interface EmbedderTrainerOptions {
  readonly seed: number
  readonly batch: number
  readonly maxSteps: number
  readonly learningRate: number
  readonly validateEvery: number
  readonly patience: number
}

/** Everything a run is between two steps; what is drawn depends on the seed and the step alone. */
export interface EmbedderTrainingState {
  readonly optimiser: OptimiserState
  readonly best: {readonly step: number; readonly error: number; readonly weights: Weights} | undefined
  readonly loss: number
}

export interface EmbedderProgress {
  readonly step: number
  readonly loss: number
  /** At a validation. */
  readonly validVolPoints?: number
  readonly state: () => EmbedderTrainingState
}

/**
 * Trains an embedder on chains whose cells are hidden at random; keeps the weights that do best on held-out chains. Ends
 * early when `onStep` says false; from a saved state on it ends in the same bytes as if it had not been cut off.
 */
export const trainEmbedder = (
  spec: EmbedderSpec,
  train: readonly ChainSample[],
  valid: readonly ChainSample[],
  options: EmbedderTrainerOptions,
  open: OpenSession,
  onStep: (progress: EmbedderProgress) => boolean,
  resumed?: EmbedderTrainingState,
) => {
  const network = embedderNetwork(spec)
  const {seed, batch, maxSteps, learningRate, validateEvery, patience} = options
  const training = buildTraining(network, embedderObjective, {batch, ema: 0.99, weightDecay: 0.05})
  const session = open(writeOnnx(training.model), {threads: 1})
  const weights0 = initialWeights(training.parameters, createRng(seed, 'weights'))
  startFromPrior(weights0, spec.dimension)
  const optimisation = new Optimisation(training, session, resumed?.optimiser ?? initialState(training, weights0))
  const buffer = allocateEmbedderBatch(batch)
  let {best, loss} = resumed ?? {best: undefined, loss: Number.NaN}
  const state = (): EmbedderTrainingState => ({optimiser: optimisation.state(), best, loss})
  const isSpent = (step: number): boolean => best !== undefined && step - best.step >= patience * validateEvery
  for (let step = optimisation.step; step < maxSteps && !isSpent(step); step++) {
    fillTraining(buffer, train, spec.prior, createRng(seed, `batch/${step}`))
    const rate = warmupCosine(step, {peak: learningRate, warmup: 50, total: maxSteps})
    loss = optimisation.run(buffer, rate, createRng(seed, `dropout/${step}`)).parts[RECONSTRUCTION_LOSS]!
    const isCheck = (step + 1) % validateEvery === 0 || step + 1 === maxSteps
    if (isCheck) {
      const weights = optimisation.weights()
      const {rebuilt, error} = withSession(network, weights, open, served =>
        validationError(served, valid, spec.prior, seed),
      )
      if (best === undefined || error < best.error) best = {step: step + 1, error, weights}
      if (!onStep({step: step + 1, loss, validVolPoints: rebuilt, state})) break
    } else if (step % 20 === 0 && !onStep({step: step + 1, loss, state})) break
  }
  const steps = optimisation.step
  const weights = best?.weights ?? optimisation.weights()
  session.dispose()
  const parameters = training.parameters.reduce((sum, {shape}) => sum + shape.reduce((a, b) => a * b, 1), 0)
  return {weights, steps, loss, parameters}
}

/** Hidden cells against what the prior alone makes of them, plus the mean errors of the three heads. */
const validationError = (session: GraphSession, valid: readonly ChainSample[], prior: SurfacePrior, seed: number) => {
  const {model, kriging} = reconstructionError(session, valid, prior, seed)
  let heads = 0
  for (const sample of valid) {
    const outputs = runEmbedder(session, sample, prior, new Uint8Array(GRID))
    heads +=
      Math.abs(outputs['sentiment']![0]! - sample.sentiment) +
      Math.abs(outputs['arbitrage']![0]! - mispricing(prior, sample.tensor))
    if (sample.regime >= 0) heads += 1 - outputs['regime']![sample.regime]!
  }
  return {rebuilt: model, error: model / kriging + heads / Math.max(1, valid.length)}
}

const fillTraining = (batch: EmbedderBatch, samples: readonly ChainSample[], prior: SurfacePrior, rng: Rng): void => {
  for (let at = 0; at < batch.weight.length; at++) {
    const chosen = samples[rng.below(samples.length)]!
    const drawn = rng.uniform() < TRANSPLANTED ? transplanted(chosen, prior, rng) : chosen
    const quoted = rng.uniform() < ROUGHENED ? roughened(drawn, rng) : drawn
    const reshaped = reshapedSample(quoted, 0.35 * rng.normal(), Math.exp(0.25 * rng.normal()))
    const share = 0.1 + 0.5 * rng.uniform()
    const sample = withoutRows(
      reshaped,
      Uint8Array.from({length: ROWS}, () => (rng.uniform() < 0.15 ? 1 : 0)),
    )
    putSample(batch, at, sample, prior, drawHidden(sample, share, rng))
  }
}

/** Share of training chains that carry a random surface. */
const TRANSPLANTED = 0.7
/** Share whose quotes are off their surface by more than their spreads suggest. */
const ROUGHENED = 0.25

export const withSession = <T>(
  network: Network,
  weights: Weights,
  open: OpenSession,
  use: (session: GraphSession) => T,
): T => {
  const session = open(writeOnnx(exportInference(network, weights)), {threads: 1})
  try {
    return use(session)
  } finally {
    session.dispose()
  }
}

type Outputs = Readonly<Record<string, Float32Array>>

/** Runs a served embedder on one chain with some cells hidden. */
export const runEmbedder = (
  session: GraphSession,
  sample: Pick<ChainSample, 'tensor'>,
  prior: SurfacePrior,
  hidden: Uint8Array,
): Outputs => {
  const batch = allocateEmbedderBatch(1)
  putSample(batch, 0, unlabelled(sample), prior, hidden)
  return runBatch(session, batch, 1)
}

/** Runs it on several chains at once, all cells shown: one output a chain. */
export const runEmbedders = (
  session: GraphSession,
  samples: readonly Pick<ChainSample, 'tensor'>[],
  prior: SurfacePrior,
): Outputs[] => {
  const count = samples.length
  const batch = allocateEmbedderBatch(count)
  const none = new Uint8Array(GRID)
  for (const [at, sample] of samples.entries()) putSample(batch, at, unlabelled(sample), prior, none)
  const together = Object.entries(runBatch(session, batch, count))
  return samples.map((_, at) =>
    Object.fromEntries(
      together.map(([name, data]) => [name, data.slice((at * data.length) / count, ((at + 1) * data.length) / count)]),
    ),
  )
}

const unlabelled = (sample: Pick<ChainSample, 'tensor'>) => ({...NO_TARGETS, tensor: sample.tensor})
const NO_TARGETS = {symbol: '', tsUs: 0, quotes: 0, sentiment: 0, regime: UNLABELLED, volatility30: Number.NaN}

const runBatch = (session: GraphSession, batch: EmbedderBatch, count: number): Outputs => {
  const feeds = Object.fromEntries(
    EMBEDDER_INPUTS.map(({name, shape}) => [
      name,
      {type: 'float32' as const, dims: [count, ...shape], data: batch[name]},
    ]),
  )
  return Object.fromEntries(Object.entries(session.run(feeds)).map(([name, {data}]) => [name, data as Float32Array]))
}

export interface ReconstructionError {
  /** Mean absolute error of hidden cells in volatility points (1 = 0.01 of annual volatility). */
  readonly model: number
  readonly refit: number
  /** The prior alone, given the shown cells. */
  readonly kriging: number
  /** NaN without components. */
  readonly pca: number
  readonly cells: number
}

/** Hides 30 % of the cells of each chain, by the seed, and compares three ways to rebuild them from the others. */
export const reconstructionError = (
  session: GraphSession,
  samples: readonly ChainSample[],
  prior: SurfacePrior,
  seed: number,
  pca?: ChainPca,
): ReconstructionError => {
  let [model, refit, kriging, linear, cells] = [0, 0, 0, 0, 0]
  for (const [i, sample] of samples.entries()) {
    const hidden = drawHidden(sample, 0.3, createRng(seed, `hidden/${i}`))
    const rebuilt = runEmbedder(session, sample, prior, hidden)['volatility']!
    const smile = refitSmiles(sample, hidden)
    const expected = surfaceAt(prior, posteriorCoordinates(prior, sample.tensor, hidden))
    const components = pca === undefined ? undefined : pcaReconstruct(pca, sample, hidden)
    for (let cell = 0; cell < GRID; cell++) {
      if (hidden[cell] !== 1) continue
      const level = 100 * rowVolatility(sample, Math.floor(cell / COLUMNS))
      const truth = Math.exp(sample.tensor.cells[cell * CELLS]!)
      cells++
      model += level * Math.abs(Math.exp(rebuilt[cell]!) - truth)
      kriging += level * Math.abs(Math.exp(expected[cell]!) - truth)
      refit += level * Math.abs(Math.exp(smile[cell]!) - truth)
      linear += components === undefined ? Number.NaN : level * Math.abs(Math.exp(components[cell]!) - truth)
    }
  }
  const n = Math.max(1, cells)
  return {model: model / n, refit: refit / n, kriging: kriging / n, pca: linear / n, cells}
}
