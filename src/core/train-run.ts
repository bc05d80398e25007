import {existsSync} from 'node:fs'
import os from 'node:os'
import path from 'node:path'
import {UserError} from '../domain/errors.ts'
import {schemaKey} from '../features/features.ts'
import {majorityBaseline, persistenceBaseline} from '../models/baselines.ts'
import {
  type BaselineMargins,
  decisionVerdict,
  headVerdict,
  type ModelCard,
  marketVerdict,
  modalityVerdict,
  seedVerdict,
  verdictOf,
} from '../models/card.ts'
import {knownModel} from '../models/catalogue.ts'
import {type Dataset, widthOf} from '../models/dataset.ts'
import {type DecisionRule, fitDecision} from '../models/decision.ts'
import type {Prediction} from '../models/inference.ts'
import {decide, type ProbabilisticMetrics} from '../models/metrics.ts'
import {type ModelDescription, metadataOf, sha256} from '../models/model-file.ts'
import type {RowList} from '../models/row-runs.ts'
import {sketchRows} from '../models/seen-rows.ts'
import {STRATEGY_CHOICES} from '../models/strategy-labels.ts'
import {stressVerdict} from '../models/stressed-metrics.ts'
import {labelsOf, measureOutputs} from '../models/trainer.ts'
import {exportInference} from '../nn/nn.ts'
import {writeOnnx} from '../nn/onnx-writer.ts'
import {describeMix, prepareAdversarial, stressReport} from './adversarial-training.ts'
import {writeWhole} from './model-files.ts'
import {commandOf} from './train-command.ts'
import {checkpointPath, type Made, trainEnsemble, trainSingle} from './train-fit.ts'
import {
  marginsOverBaselines,
  measure,
  type Prepared,
  predict,
  prepare,
  spread,
  stepMsOf,
  type TrainHooks,
  type TrainProgress,
  type TrainRequest,
  trainLinear,
} from './train-parts.ts'
import {crossValidate, overSeeds} from './train-repeats.ts'
import {refuseWhenStopped} from './training-market.ts'

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
  readonly margins: BaselineMargins
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
  refuseWhenStopped(hooks.isStopped)
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

  const isCut = (done: readonly unknown[] | undefined, asked = 0): boolean => done !== undefined && done.length < asked
  if (isCut(folds, request.folds) || isCut(seeds, request.seeds)) stoppedBy = 'signal'
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
  /** Undefined where a stop came before its first step: what is already trained is written all the same. */
  const trainClean = (from: Prepared): Made | undefined => {
    const twin = {...request, model: `${request.model}-clean`}
    const resume = request.resume && existsSync(checkpointPath(twin))
    const told = {...hooks, onProgress: (progress: TrainProgress) => hooks.onProgress({...progress, phase: 'clean'})}
    try {
      return make({...twin, resume}, from, told)
    } catch (error) {
      if (error instanceof UserError && error.code === 'STOPPED') return undefined
      throw error
    }
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
    linear: linear.metrics,
  }
  const decided = decide(onTest.probabilities, decision)
  const margins = marginsOverBaselines(dataset, split, testRows, decided, linear.decided)
  const ensemble = made.compare?.(bytes, testRows)
  const learned = modalities === undefined ? undefined : {learned: modalities.map(({name}) => name), shares: presence}
  const verdict = [
    ...verdictOf(test, baselines, margins, direction),
    decisionVerdict(decision, test, likeliest.test),
    ...(heads === undefined ? [] : headVerdict(heads)),
    ...(learned === undefined ? [] : modalityVerdict(learned)),
    ...(markets === undefined ? [] : marketVerdict(markets)),
    ...(seeds === undefined || seeds.length === 0 ? [] : [seedVerdict(seeds)]),
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
        embargoSeconds: prepared.embargoUs / 1e6,
        boundaries: split.boundaries.map(({symbols, validUs, testUs}) => ({
          symbols,
          valid: iso(validUs),
          test: iso(testUs),
        })),
      },
      seenRows: sketchRows(dataset.rows, [split.train, split.valid]),
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
    margins,
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
    margins,
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
