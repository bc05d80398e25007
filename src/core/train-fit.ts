import {existsSync, rmSync} from 'node:fs'
import os from 'node:os'
import path from 'node:path'
import {ExitCode, UserError} from '../domain/errors.ts'
import {openOrtSession} from '../drivers/onnx/ort-session.ts'
import {fitPlatt, fitTemperature} from '../models/calibration.ts'
import type {ModelCard} from '../models/card.ts'
import {ENSEMBLE_MEMBERS} from '../models/catalogue.ts'
import {decodeCheckpoint, encodeCheckpoint} from '../models/checkpoint.ts'
import {fitDecision} from '../models/decision.ts'
import {ensembleNetwork, ensembleWeights, fitMixture} from '../models/ensemble.ts'
import {rightOf} from '../models/head-metrics.ts'
import {decide, mcNemar, probabilisticMetrics} from '../models/metrics.ts'
import {sha256} from '../models/model-file.ts'
import {type Architecture, withConfidence, withTemperature} from '../models/networks.ts'
import {labelsOf, predictRows, SignalTrainer, type Spent, type ValidationPoint} from '../models/trainer.ts'
import {exportInference, type Network, type Weights} from '../nn/nn.ts'
import {writeOnnx} from '../nn/onnx-writer.ts'
import {writeWhole} from './model-files.ts'
import {askedFlags} from './train-asked.ts'
import {
  drive,
  networkOf,
  type Prepared,
  readCheckpointFile,
  spread,
  stopwatch,
  type TrainHooks,
  type TrainRequest,
  trainerOptions,
} from './train-parts.ts'

/** What training gave, whichever way the model is built. */
export interface Made {
  readonly network: Network
  readonly weights: Weights
  readonly temperature: number
  readonly parameters: number
  readonly steps: number
  /** What the steps took, over all sittings. */
  readonly spent: Spent
  readonly history: readonly ValidationPoint[]
  readonly stoppedBy: ModelCard['training']['stoppedBy']
  /** Ensembles only: beside the best member, on the test part. */
  readonly compare?: (bytes: Uint8Array, testRows: Int32Array) => NonNullable<ModelCard['ensemble']>
}

export const checkpointPath = ({out, model}: TrainRequest): string => path.join(out, `${model}.checkpoint`)

const memberOf = (request: TrainRequest, architecture: Architecture): TrainRequest => ({
  ...request,
  model: `${request.model}-${architecture}`,
})

/** One network, trained, with its probabilities calibrated on the validation part. */
export const trainSingle = (
  request: TrainRequest,
  architecture: Architecture,
  learningRate: number,
  prepared: Prepared,
  hooks: TrainHooks,
): Made => {
  const {trainer, stoppedBy, spent} = trainMain(request, architecture, learningRate, prepared, hooks)
  const network = networkOf(request, architecture, prepared)
  const {temperature, weights} = calibrated(network, trainer.weights(), prepared, request)
  const made = {
    network,
    weights,
    temperature,
    parameters: trainer.parameters,
    steps: trainer.stepCount,
    spent,
    history: trainer.history,
    stoppedBy,
  }
  trainer.dispose()
  return made
}

/** Each member alone, then the mixture that fits the validation part best, shown beside its best member. */
export const trainEnsemble = (request: TrainRequest, prepared: Prepared, hooks: TrainHooks): Made => {
  const {dataset, split} = prepared
  const members = ENSEMBLE_MEMBERS.map((architecture, i) => {
    const member = memberOf(request, architecture)
    // Members before this one may have filled the time until the run was cut off.
    const resume = request.resume && (i === 0 || existsSync(checkpointPath(member)))
    // What an earlier run left must not be taken for this one's when it is resumed.
    if (!request.resume) rmSync(checkpointPath(member), {force: true})
    return {member: {...member, resume}, architecture}
  }).map(({member, architecture}) => trainSingle(member, architecture, 1e-3, prepared, hooks))
  const rows = spread(split.valid, request.maxEvaluated)
  const truth = labelsOf(dataset, rows)
  const probabilitiesOf = ({network, weights}: Made, at: Int32Array): Float32Array => {
    const session = openOrtSession(writeOnnx(exportInference(network, weights)), {threads: 1})
    const {probabilities} = predictRows(session, dataset, at, request.window)
    session.dispose()
    return probabilities
  }
  const forecasts = members.map(member => probabilitiesOf(member, rows))
  const losses = forecasts.map(forecast => probabilisticMetrics(truth, forecast).logLoss)
  const best = losses.indexOf(Math.min(...losses))
  const mixture = fitMixture(truth, forecasts)
  const network = ensembleNetwork(
    members.map(member => member.network),
    mixture,
  )
  const total = (of: (member: Made) => number): number => members.reduce((sum, member) => sum + of(member), 0)
  return {
    network,
    weights: ensembleWeights(members.map(({weights}) => weights)),
    temperature: 1,
    parameters: total(({parameters}) => parameters),
    steps: total(({steps}) => steps),
    spent: {steps: total(({spent}) => spent.steps), ms: total(({spent}) => spent.ms)},
    history: (members[best] as Made).history,
    stoppedBy: members.some(({stoppedBy}) => stoppedBy === 'signal') ? 'signal' : 'steps',
    compare: (bytes, testRows) => {
      const session = openOrtSession(bytes, {threads: 1})
      const mixed = predictRows(session, dataset, testRows, request.window).probabilities
      session.dispose()
      const answers = labelsOf(dataset, testRows)
      const alone = members.map(member => probabilitiesOf(member, testRows))
      // The test compares error rates, which the likeliest class keeps lowest.
      const pair = mcNemar(answers, decide(mixed), decide(alone[best] as Float32Array))
      const name = ENSEMBLE_MEMBERS[best] as string
      return {
        members: ENSEMBLE_MEMBERS.map((architecture, m) => ({
          architecture,
          weight: mixture[m] as number,
          validLogLoss: losses[m] as number,
          test: probabilisticMetrics(
            answers,
            alone[m] as Float32Array,
            fitDecision(truth, forecasts[m] as Float32Array),
          ),
        })),
        bestMember: name,
        pairedTest: pair,
        verdict: `against its best member by validation, ${name}: right alone on ${pair.onlyFirst} windows, wrong alone on ${pair.onlySecond}, McNemar p ${pair.pValue.toFixed(4)} (windows overlap, so the true p is larger)`,
      }
    },
  }
}

const trainMain = (
  request: TrainRequest,
  architecture: Architecture,
  learningRate: number,
  prepared: Prepared,
  hooks: TrainHooks,
) => {
  const options = trainerOptions(request, learningRate, prepared)
  const {dataset, split} = prepared
  const runHash = sha256(JSON.stringify({options, architecture, size: request.size, data: dataset.dataHash}))
  const file = checkpointPath(request)
  const asked = askedFlags(request)
  const resumed = request.resume ? decodeCheckpoint(readCheckpointFile(file), runHash, file, asked) : undefined
  const trainer = new SignalTrainer(
    dataset,
    split,
    networkOf(request, architecture, prepared),
    options,
    openOrtSession,
    resumed,
  )
  refuseTooLarge(trainer.stepBytes)
  const spent = stopwatch(resumed?.spent, trainer.stepCount)
  const save = (): Spent => {
    const took = spent(trainer.stepCount)
    writeWhole(file, encodeCheckpoint({...trainer.state(), spent: took}, runHash, asked))
    return took
  }
  const isDrained = drive(trainer, 'train', request.maxSteps, hooks, save)
  if (trainer.stepCount === 0) {
    trainer.dispose()
    refuseUntrained(request.model)
  }
  const took = save()
  const stoppedBy = !isDrained
    ? ('signal' as const)
    : trainer.stepCount >= request.maxSteps
      ? ('steps' as const)
      : ('patience' as const)
  return {trainer, stoppedBy, spent: took}
}

const refuseUntrained = (model: string): never => {
  throw new UserError('STOPPED', `stopped before the first step of ${model}: no model was written`, {
    hints: ['the same command goes on: with --resume where another member of an ensemble was trained before'],
    exitCode: ExitCode.failure,
  })
}

/** Refuses a step that this machine's memory cannot hold, before it is tried. */
export const refuseTooLarge = (stepBytes: number, memoryBytes = os.totalmem()): void => {
  if (stepBytes <= 0.8 * memoryBytes) return
  const gib = (bytes: number): string => `${(bytes / 2 ** 30).toFixed(1)} GiB`
  throw new UserError('MODEL_TOO_LARGE', `a step may need ${gib(stepBytes)}; this machine has ${gib(memoryBytes)}`, {
    hints: ['choose a smaller --size, --batch or --window'],
  })
}

/** Temperature of the classes and slope and offset of the confidence, both fitted on the validation part. */
const calibrated = (
  network: ReturnType<typeof networkOf>,
  weights: Weights,
  {dataset, split}: Prepared,
  {window, maxEvaluated}: TrainRequest,
): {readonly temperature: number; readonly weights: Weights} => {
  const rows = spread(split.valid, maxEvaluated)
  const session = openOrtSession(writeOnnx(exportInference(network, weights)), {threads: 1})
  const {probabilities, confidence = new Float32Array(0)} = predictRows(session, dataset, rows, window)
  session.dispose()
  const truth = labelsOf(dataset, rows)
  const temperature = fitTemperature(truth, probabilities)
  const platt = fitPlatt(rightOf(truth, probabilities), confidence)
  return {temperature, weights: withConfidence(withTemperature(weights, temperature), platt)}
}
