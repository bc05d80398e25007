// Batches are indexed inside their bounds, hence the `!`.
import {createRng, type Rng} from '../domain/rng.ts'
import type {GraphSession, OpenSession} from '../nn/execution.ts'
import {buildTraining, exportInference, initialWeights, type Network, type Weights} from '../nn/nn.ts'
import {writeOnnx} from '../nn/onnx-writer.ts'
import {initialState, Optimisation} from '../nn/optimisation.ts'
import {warmupCosine} from '../nn/schedule.ts'
import {TENSOR_SHAPE} from '../options/chain-tensor.ts'
import {type ChainPca, pcaReconstruct} from './chain-pca.ts'
import {type ChainSample, reshapedSample} from './chain-sample.ts'
import {EMBEDDER_INPUTS, embedderObjective, RECONSTRUCTION_LOSS} from './embedder.ts'
import {
  allocateEmbedderBatch,
  drawHidden,
  type EmbedderBatch,
  putSample,
  refitSmiles,
  rowVolatility,
} from './embedder-data.ts'

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

/** Trains an embedder on chains whose cells are hidden at random; keeps the weights that rebuild held-out chains best. */
export const trainEmbedder = (
  network: Network,
  train: readonly ChainSample[],
  valid: readonly ChainSample[],
  options: EmbedderTrainerOptions,
  open: OpenSession,
  start: (weights: Map<string, Float32Array>) => void,
  onStep: (step: number, loss: number, validVolPoints?: number) => boolean,
) => {
  const {seed, batch, maxSteps, learningRate, validateEvery, patience} = options
  const training = buildTraining(network, embedderObjective, {batch, ema: 0.99, weightDecay: 0.05})
  const session = open(writeOnnx(training.model), {threads: 1})
  const weights0 = initialWeights(training.parameters, createRng(seed, 'weights'))
  start(weights0)
  const optimisation = new Optimisation(training, session, initialState(training, weights0))
  const buffer = allocateEmbedderBatch(batch)
  let best: {step: number; error: number; weights: Weights} | undefined
  let loss = Number.NaN
  for (let step = 0; step < maxSteps; step++) {
    fillTraining(buffer, train, createRng(seed, `batch/${step}`))
    const rate = warmupCosine(step, {peak: learningRate, warmup: 50, total: maxSteps})
    loss = optimisation.run(buffer, rate, createRng(seed, `dropout/${step}`)).parts[RECONSTRUCTION_LOSS]!
    const isCheck = (step + 1) % validateEvery === 0 || step + 1 === maxSteps
    if (isCheck) {
      const weights = optimisation.weights()
      const error = withSession(network, weights, open, served => reconstructionError(served, valid, seed)).model
      if (best === undefined || error < best.error) best = {step: step + 1, error, weights}
      if (!onStep(step + 1, loss, error) || step + 1 - best.step >= patience * validateEvery) break
    } else if (step % 20 === 0 && !onStep(step + 1, loss)) break
  }
  const steps = optimisation.step
  const weights = best?.weights ?? optimisation.weights()
  session.dispose()
  const parameters = training.parameters.reduce((sum, {shape}) => sum + shape.reduce((a, b) => a * b, 1), 0)
  return {weights, steps, loss, parameters}
}

const fillTraining = (batch: EmbedderBatch, samples: readonly ChainSample[], rng: Rng): void => {
  for (let at = 0; at < batch.weight.length; at++) {
    const level = 0.35 * rng.normal()
    const steepness = Math.exp(0.25 * rng.normal())
    const sample = reshapedSample(samples[rng.below(samples.length)]!, level, steepness)
    const share = 0.1 + 0.5 * rng.uniform()
    const dropped = Uint8Array.from({length: ROWS}, () => (rng.uniform() < 0.15 ? 1 : 0))
    putSample(batch, at, sample, drawHidden(sample, share, rng), dropped)
  }
}

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

/** Runs a served embedder on one chain with some cells hidden. */
export const runEmbedder = (
  session: GraphSession,
  sample: ChainSample,
  hidden: Uint8Array,
): Readonly<Record<string, Float32Array>> => {
  const batch = allocateEmbedderBatch(1)
  putSample(batch, 0, sample, hidden)
  const feeds = Object.fromEntries(
    EMBEDDER_INPUTS.map(({name, shape}) => [name, {type: 'float32' as const, dims: [1, ...shape], data: batch[name]}]),
  )
  return Object.fromEntries(Object.entries(session.run(feeds)).map(([name, {data}]) => [name, data as Float32Array]))
}

export interface ReconstructionError {
  /** Mean absolute error of hidden cells in volatility points (1 = 0.01 of annual volatility). */
  readonly model: number
  readonly refit: number
  /** NaN without components. */
  readonly pca: number
  readonly cells: number
}

/** Hides 30 % of the cells of each chain, by the seed, and compares three ways to rebuild them from the others. */
export const reconstructionError = (
  session: GraphSession,
  samples: readonly ChainSample[],
  seed: number,
  pca?: ChainPca,
): ReconstructionError => {
  let [model, refit, linear, cells] = [0, 0, 0, 0]
  for (const [i, sample] of samples.entries()) {
    const hidden = drawHidden(sample, 0.3, createRng(seed, `hidden/${i}`))
    const rebuilt = runEmbedder(session, sample, hidden)['volatility']!
    const smile = refitSmiles(sample, hidden)
    const components = pca === undefined ? undefined : pcaReconstruct(pca, sample, hidden)
    for (let cell = 0; cell < GRID; cell++) {
      if (hidden[cell] !== 1) continue
      const level = 100 * rowVolatility(sample, Math.floor(cell / COLUMNS))
      const truth = Math.exp(sample.tensor.cells[cell * CELLS]!)
      cells++
      model += level * Math.abs(Math.exp(rebuilt[cell]!) - truth)
      refit += level * Math.abs(Math.exp(smile[cell]!) - truth)
      linear += components === undefined ? Number.NaN : level * Math.abs(Math.exp(components[cell]!) - truth)
    }
  }
  const n = Math.max(1, cells)
  return {model: model / n, refit: refit / n, pca: linear / n, cells}
}
