import {existsSync, readFileSync} from 'node:fs'
import os from 'node:os'
import path from 'node:path'
import {UserError} from '../domain/errors.ts'
import {openOrtSession} from '../drivers/onnx/ort-session.ts'
import {schemaKey} from '../features/features.ts'
import {majorityBaseline, persistenceBaseline} from '../models/baselines.ts'
import {fitPlatt, fitTemperature} from '../models/calibration.ts'
import {
  decisionVerdict,
  headVerdict,
  type ModelCard,
  marketVerdict,
  modalityVerdict,
  seedVerdict,
  verdictOf,
} from '../models/card.ts'
import {ENSEMBLE_MEMBERS, knownModel} from '../models/catalogue.ts'
import {decodeCheckpoint, encodeCheckpoint} from '../models/checkpoint.ts'
import {type Dataset, widthOf, windowEnds} from '../models/dataset.ts'
import {type DecisionRule, fitDecision} from '../models/decision.ts'
import {ensembleNetwork, ensembleWeights, fitMixture} from '../models/ensemble.ts'
import {rightOf} from '../models/head-metrics.ts'
import type {Prediction} from '../models/inference.ts'
import {decide, mcNemar, type ProbabilisticMetrics, probabilisticMetrics} from '../models/metrics.ts'
import {type ModelDescription, metadataOf, sha256} from '../models/model-file.ts'
import {type Architecture, withConfidence, withTemperature} from '../models/networks.ts'
import type {RowList} from '../models/row-runs.ts'
import {walkForward} from '../models/splits.ts'
import {STRATEGY_CHOICES} from '../models/strategy-labels.ts'
import {stressVerdict} from '../models/stressed-metrics.ts'
import {
  labelsOf,
  measureOutputs,
  predictRows,
  SignalTrainer,
  type Spent,
  type ValidationPoint,
} from '../models/trainer.ts'
import {exportInference, type Network, type Weights} from '../nn/nn.ts'
import {writeOnnx} from '../nn/onnx-writer.ts'
import {describeMix, prepareAdversarial, stressReport} from './adversarial-training.ts'
import {writeWhole} from './model-files.ts'
import {
  drive,
  measure,
  networkOf,
  type Prepared,
  predict,
  prepare,
  spread,
  stepMsOf,
  stopwatch,
  type TrainHooks,
  type TrainProgress,
  type TrainRequest,
  testOf,
  trainerOptions,
  trainLinear,
} from './train-parts.ts'

export interface TrainResult {
  readonly model: string
  readonly size: string
  readonly parameters: number
  readonly steps: number
  readonly epochs: number
  readonly seed: number
  readonly dataHash: string
  readonly trainLoss: number
  readonly valid: ProbabilisticMetrics
  readonly test: ProbabilisticMetrics
  readonly decision: DecisionRule
  readonly direction: ModelCard['direction']
  readonly baselines: ModelCard['baselines']
  readonly adversarial?: NonNullable<ModelCard['adversarial']>
  readonly stressed?: NonNullable<ModelCard['stressed']>
  readonly comparison?: NonNullable<ModelCard['comparison']>
  readonly verdict: readonly string[]
  readonly modelPath: string
  readonly cardPath: string
  readonly checkpointPath: string
  readonly stepMs: number
  readonly stoppedBy: ModelCard['training']['stoppedBy']
}

/** What training gave, whichever way the model is built. */
interface Made {
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

/** Loads, trains, measures and writes one signal model. Runs on the calling thread from start to end. */
export const runTraining = async (request: TrainRequest, hooks: TrainHooks): Promise<TrainResult> => {
  const known = knownModel(request.model)
  hooks.onProgress({phase: 'data', step: 0, total: request.maxSteps})
  const rows = request.rows ?? known.rows
  const market = await prepare(request, rows, hooks.isStopped)
  if (request.adversarial !== undefined) hooks.onProgress({phase: 'episodes', step: 0, total: request.maxSteps})
  const stress =
    request.adversarial === undefined ? undefined : await prepareAdversarial(request, rows, market, hooks.isStopped)
  const prepared = stress === undefined ? market : {...market, adversarial: stress.mix}
  const linear = trainLinear(request, prepared, hooks)
  const {architecture} = known
  const make = (asked: TrainRequest, from: Prepared, told: TrainHooks): Made =>
    architecture === 'ensemble'
      ? trainEnsemble(asked, from, told)
      : trainSingle(asked, architecture, known.learningRate, from, told)
  const made = make(request, prepared, hooks)
  let {stoppedBy} = made
  const folds =
    request.folds > 0 && stoppedBy !== 'signal' && architecture !== 'ensemble'
      ? crossValidate(request, architecture, known.learningRate, prepared, hooks)
      : undefined

  const seeds =
    (request.seeds ?? 0) > 0 && stoppedBy !== 'signal' && architecture !== 'ensemble'
      ? overSeeds(request, architecture, known.learningRate, prepared, hooks)
      : undefined

  const {dataset, split, scaler, data, presence, modalities} = prepared
  const [validRows, testRows] = [spread(split.valid, request.maxEvaluated), spread(split.test, request.maxEvaluated)]
  const plain = writeOnnx(exportInference(made.network, made.weights))
  const [onValid, onTest] = [validRows, testRows].map(rows => predict(plain, dataset, rows, request.window)) as [
    Prediction,
    Prediction,
  ]
  const decision = fitDecision(labelsOf(dataset, validRows), onValid.probabilities)
  const description: ModelDescription = {
    name: request.model,
    architecture,
    size: request.size,
    parameters: made.parameters,
    features: schemaKey(dataset.schema),
    width: widthOf(dataset),
    window: request.window,
    horizon: dataset.horizon,
    session: data.session,
    periodUs: data.periodUs,
    labels: data.labels,
    scaler,
    decision,
    precision: 'float32',
  }
  const bytes = writeOnnx(exportInference(made.network, made.weights, metadataOf(description)))
  const valid = measureOutputs(dataset, validRows, onValid, decision).metrics
  const {metrics: test, direction, regression, heads} = measureOutputs(dataset, testRows, onTest, decision)
  const likeliest = {
    valid: measureOutputs(dataset, validRows, onValid).metrics,
    test: measureOutputs(dataset, testRows, onTest).metrics,
  }
  const markets = marketsOf(dataset, testRows, rows => measure(bytes, dataset, rows, request.window, decision))
  const trainClean = (from: Prepared): Made => {
    const twin = {...request, model: `${request.model}-clean`}
    const resume = request.resume && existsSync(checkpointPath(twin))
    const told = {...hooks, onProgress: (progress: TrainProgress) => hooks.onProgress({...progress, phase: 'clean'})}
    return make({...twin, resume}, from, told)
  }
  const report =
    stress === undefined || stoppedBy === 'signal'
      ? undefined
      : stressReport(
          request,
          prepared,
          stress,
          {...made, bytes, test, decision, isTrainable: architecture !== 'ensemble'},
          request.compareClean === false ? undefined : trainClean,
        )
  if (report?.isStopped === true) stoppedBy = 'signal'
  const underStress =
    stress === undefined || report === undefined
      ? {}
      : {
          adversarial: describeMix(stress),
          stressed: report.stressed,
          ...(report.comparison === undefined ? {} : {comparison: report.comparison}),
        }
  const baselines = {
    majority: majorityBaseline(dataset, split.train, testRows),
    persistence: persistenceBaseline(dataset, testRows),
    linear,
  }
  const ensemble = made.compare?.(bytes, testRows)
  const learned = modalities === undefined ? undefined : {learned: modalities.map(({name}) => name), shares: presence}
  const verdict = [
    ...verdictOf(test, baselines, direction),
    decisionVerdict(decision, test, likeliest.test),
    ...(heads === undefined ? [] : headVerdict(heads)),
    ...(learned === undefined ? [] : modalityVerdict(learned)),
    ...(markets === undefined ? [] : marketVerdict(markets)),
    ...(seeds === undefined ? [] : [seedVerdict(seeds)]),
    ...(ensemble === undefined ? [] : [ensemble.verdict]),
    ...(report === undefined ? [] : stressVerdict(report.stressed)),
    ...(report?.comparison?.verdict ?? []),
  ]
  const modelPath = path.join(request.out, `${request.model}.onnx`)
  const cardPath = path.join(request.out, `${request.model}.card.json`)
  const training = {
    steps: made.steps,
    epochs: Number(((made.steps * request.batch) / split.train.length).toFixed(2)),
    seconds: Number((made.spent.ms / 1000).toFixed(1)),
    stepMs: stepMsOf(made.spent),
    trainLoss: made.history.at(-1)?.trainLoss ?? Number.NaN,
    temperature: made.temperature,
    stoppedBy,
    history: made.history,
    runtime: `node ${process.version}, onnxruntime-node 1.30.0, 1 thread, ${os.cpus()[0]?.model.trim() ?? 'unknown CPU'}`,
  }
  const {out: _out, data: _data, resume: _resume, memoryMiB: _memory, ...options} = request
  const card: ModelCard = {
    kind: 'model-card',
    model: description,
    command: commandOf(request),
    options,
    data: {
      dataHash: dataset.dataHash,
      sources: dataset.sources,
      split: {
        train: split.train.length,
        valid: split.valid.length,
        test: split.test.length,
        purged: split.purged,
        boundaries: split.boundaries.map(({symbols, validUs, testUs}) => ({
          symbols,
          valid: iso(validUs),
          test: iso(testUs),
        })),
      },
      classShares: {train: sharesOf(dataset, split.train), test: sharesOf(dataset, split.test)},
    },
    training,
    valid,
    test,
    likeliest,
    direction,
    regression,
    ...(heads === undefined ? {} : {heads}),
    ...(learned === undefined ? {} : {modalities: learned}),
    markets,
    baselines,
    ...(folds === undefined ? {} : {walkForward: folds}),
    ...(seeds === undefined ? {} : {seeds}),
    ...(ensemble === undefined ? {} : {ensemble}),
    ...underStress,
    verdict,
    outputs: {
      probabilities: '[batch, 3] calibrated probabilities of down, flat, up',
      holding: '[batch] expected share of the horizon until the exit',
      move: '[batch] expected signed move until the exit, in the unit of the labels',
      size: '[batch] signed share of the stake, -1 to 1: the one that maximises mean-variance utility after costs',
      confidence: '[batch] calibrated probability that the likeliest class is right',
      strategy: `[batch, ${STRATEGY_CHOICES.length}] probabilities of ${STRATEGY_CHOICES.join(', ')}`,
    },
    file: {name: path.basename(modelPath), bytes: bytes.length, sha256: sha256(bytes)},
  }
  writeWhole(modelPath, bytes)
  writeWhole(cardPath, `${JSON.stringify(card, undefined, 2)}\n`)
  return {
    model: request.model,
    size: request.size,
    parameters: made.parameters,
    steps: training.steps,
    epochs: training.epochs,
    seed: request.seed,
    dataHash: dataset.dataHash,
    trainLoss: training.trainLoss,
    valid,
    test,
    decision,
    direction,
    baselines,
    ...underStress,
    verdict,
    modelPath,
    cardPath,
    checkpointPath: checkpointPath(request),
    stepMs: training.stepMs,
    stoppedBy,
  }
}

const iso = (us: number): string => new Date(us / 1000).toISOString()
const checkpointPath = ({out, model}: TrainRequest): string => path.join(out, `${model}.checkpoint`)

/** Of `gpi train`; a flag that has another value is part of the command that makes the model again. */
const USUAL = {'validate-every': 250, patience: 6, 'max-evaluated': 200_000, 'baseline-steps': 3000} as const

const commandOf = (request: TrainRequest): string => {
  const {model, size, batch, window, maxSteps, seed, horizon, barrier, costBps, noise, folds, symbols} = request
  const {rows, periodUs, modalityDropout, seeds, adversarial, compareClean} = request
  const {validateEvery, patience, maxEvaluated, baselineSteps} = request
  const given: Record<keyof typeof USUAL, number> = {
    'validate-every': validateEvery,
    patience,
    'max-evaluated': maxEvaluated,
    'baseline-steps': baselineSteps,
  }
  const unusual = Object.entries(given).filter(([name, value]) => value !== USUAL[name as keyof typeof USUAL])
  const chosen = {
    ...(rows === undefined ? {} : {rows}),
    ...(periodUs === undefined ? {} : {period: periodUs / 1e6}),
    ...(modalityDropout === undefined ? {} : {'modality-dropout': modalityDropout}),
    ...(seeds === undefined ? {} : {seeds}),
    ...(adversarial === undefined ? {} : {adversarial}),
  }
  const flags = {
    ...chosen,
    size,
    batch,
    window,
    'max-steps': maxSteps,
    seed,
    horizon,
    barrier,
    'cost-bps': costBps,
    noise,
    folds,
    ...Object.fromEntries(unusual),
  }
  const text = Object.entries(flags).map(([name, value]) => `--${name} ${value}`)
  return [
    'gpi train',
    model,
    ...text,
    ...(compareClean === false ? ['--no-compare-clean'] : []),
    ...(symbols === undefined ? [] : [`--symbols ${symbols.join(',')}`]),
    '--data DIR',
  ].join(' ')
}

const trainSingle = (
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
const trainEnsemble = (request: TrainRequest, prepared: Prepared, hooks: TrainHooks): Made => {
  const {dataset, split} = prepared
  const members = ENSEMBLE_MEMBERS.map(architecture =>
    trainSingle({...request, model: `${request.model}-${architecture}`}, architecture, 1e-3, prepared, hooks),
  )
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
  const resumed = request.resume ? readCheckpoint(file, runHash) : undefined
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
    writeWhole(file, encodeCheckpoint({...trainer.state(), spent: took}, runHash))
    return took
  }
  const isDrained = drive(trainer, 'train', request.maxSteps, hooks, save)
  const took = save()
  const stoppedBy = !isDrained
    ? ('signal' as const)
    : trainer.stepCount >= request.maxSteps
      ? ('steps' as const)
      : ('patience' as const)
  return {trainer, stoppedBy, spent: took}
}

const readCheckpoint = (file: string, runHash: string) => {
  if (!existsSync(file)) {
    throw new UserError('NO_CHECKPOINT', `there is no checkpoint ${file} to resume`, {
      hints: ['start without --resume'],
    })
  }
  return decodeCheckpoint(new Uint8Array(readFileSync(file)), runHash, file)
}

/** Refuses a step that this machine's memory cannot hold, before it is tried. */
export const refuseTooLarge = (stepBytes: number, memoryBytes = os.totalmem()): void => {
  if (stepBytes <= 0.8 * memoryBytes) return
  const gib = (bytes: number): string => `${(bytes / 2 ** 30).toFixed(1)} GiB`
  throw new UserError('MODEL_TOO_LARGE', `a step may need ${gib(stepBytes)}; this machine has ${gib(memoryBytes)}`, {
    hints: ['choose a smaller --size, --batch or --window'],
  })
}

const crossValidate = (
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
    return {testFrom: iso(from), test, majority: majorityBaseline(dataset, split.train, rows)}
  })
}

/** The same training from other first weights, model and linear baseline alike: how much of a difference is luck. */
const overSeeds = (
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

/** The test part by instrument: one that is easy must not hide one that is not. */
const marketsOf = (
  dataset: Dataset,
  rows: Int32Array,
  judge: (rows: Int32Array) => ReturnType<typeof measure>,
): ModelCard['markets'] => {
  const bySymbol = Map.groupBy(rows, row => dataset.rows.field(row, 'symbol'))
  if (bySymbol.size > 12) return undefined
  return Object.fromEntries(
    [...bySymbol].map(([symbol, mine]) => {
      const own = Int32Array.from(mine)
      const {metrics, direction} = judge(own)
      return [
        dataset.symbols[symbol] as string,
        {test: metrics, direction, persistence: persistenceBaseline(dataset, own)},
      ]
    }),
  )
}

const sharesOf = (dataset: Dataset, rows: RowList): number[] => {
  const counts = [0, 0, 0]
  for (let i = 0; i < rows.length; i++) {
    const label = dataset.rows.field(rows.at(i) as number, 'label')
    counts[label] = (counts[label] as number) + 1
  }
  return counts.map(count => Number((count / Math.max(1, rows.length)).toFixed(4)))
}
