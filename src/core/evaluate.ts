import {ExitCode, UserError} from '../domain/errors.ts'
import {majorityBaseline, persistenceBaseline} from '../models/baselines.ts'
import {type BaselineMargins, type Baselines, verdictOf} from '../models/card.ts'
import {type DecisionRule, LIKELIEST} from '../models/decision.ts'
import {type ClusteredDirection, decide, type ProbabilisticMetrics} from '../models/metrics.ts'
import type {ModelSize} from '../models/networks.ts'
import {seenShare} from '../models/seen-rows.ts'
import {measureOutputs} from '../models/trainer.ts'
import type {LoadedModel} from './model-files.ts'
import {
  marginsOverBaselines,
  type Prepared,
  predict,
  prepare,
  rowKindOf,
  spread,
  type TrainRequest,
  trainLinear,
} from './train-parts.ts'

export interface EvaluateRequest {
  readonly data: string
  readonly symbols?: readonly string[]
  readonly seed: number
  /** Windows measured at most, evenly spread. */
  readonly maxEvaluated: number
  /** Steps that the linear baseline gets. */
  readonly baselineSteps: number
  /** Measure even where the model has seen (part of) the data. */
  readonly allowSeen: boolean
}

export interface EvaluateResult {
  readonly model: string
  readonly modelHash: string
  readonly dataHash: string
  /** `own-test`: the data it was trained on, of which only its own test stretch is measured. */
  readonly relation: 'unseen' | 'own-test' | 'overlapping'
  readonly windows: number
  readonly test: ProbabilisticMetrics
  /** The model's own rule; the linear baseline has one of its own, fitted on the earlier part of this data, if the model has. */
  readonly decision: DecisionRule
  readonly direction: ClusteredDirection
  readonly regression: {readonly holding: number; readonly move: number}
  readonly baselines: Baselines
  readonly margins: BaselineMargins
  readonly verdict: readonly string[]
}

/**
 * The table of a model's card on any data: the last stretch of it in time, with labels made as in training. The linear
 * baseline is fitted on the earlier part of this same data.
 */
export const evaluate = async (loaded: LoadedModel, request: EvaluateRequest): Promise<EvaluateResult> => {
  const {description, bytes} = loaded
  const rows = rowKindOf(description)
  const train = trainRequestOf(loaded, request)
  const prepared = await prepare(train, rows, undefined, ENOUGH)
  const {relation, share} = relationOf(loaded, prepared)
  const part =
    share === 0 ? 'part of this data' : `about ${(100 * share).toFixed(share < 0.01 ? 2 : 0)} % of these windows`
  if (relation === 'overlapping' && !request.allowSeen) {
    throw new UserError('DATA_SEEN', `${description.name} was trained on ${part}: its figures here would flatter it`, {
      hints: [`give data it has not seen${newOf(loaded)}, or --allow-seen to measure all the same`],
      exitCode: ExitCode.invalidData,
    })
  }
  const {dataset, split} = prepared
  const testRows = spread(split.test, request.maxEvaluated)
  const outputs = predict(bytes, dataset, testRows, description.window)
  const {metrics: test, direction, regression} = measureOutputs(dataset, testRows, outputs, description.decision)
  const quiet = {onProgress: () => {}, isStopped: () => false}
  const linear = trainLinear(train, prepared, quiet, description.decision !== undefined)
  const baselines = {
    majority: majorityBaseline(dataset, split.train, testRows),
    persistence: persistenceBaseline(dataset, testRows),
    linear: linear.metrics,
  }
  const decided = decide(outputs.probabilities, description.decision)
  const margins = marginsOverBaselines(dataset, split, testRows, decided, linear.decided)
  const seen = relation === 'overlapping' ? [`${part} was seen in training: these figures flatter the model`] : []
  const other = prepared.data.periodUs === description.periodUs ? [] : [periodsDiffer(prepared, description)]
  return {
    model: description.name,
    modelHash: loaded.sha256,
    dataHash: dataset.dataHash,
    relation,
    windows: testRows.length,
    test,
    decision: description.decision ?? LIKELIEST,
    direction,
    regression,
    baselines,
    margins,
    verdict: [...seen, ...other, ...verdictOf(test, baselines, margins, direction)],
  }
}

const ENOUGH =
  'the last fifth of the data is measured, and the linear baseline is fitted to what comes before: give five days of bars or more, or an hour of books; a missing bar ends a window'

const periodsDiffer = ({data}: Prepared, {periodUs}: LoadedModel['description']): string =>
  `these bars are of ${data.periodUs / 1e6} s, those it was trained on of ${periodUs / 1e6} s: it was not made for them`

const trainRequestOf = ({description}: LoadedModel, request: EvaluateRequest): TrainRequest => ({
  model: description.name,
  size: description.size as ModelSize,
  batch: 64,
  window: description.window,
  maxSteps: 1,
  out: '',
  seed: request.seed,
  data: request.data,
  ...(request.symbols === undefined ? {} : {symbols: request.symbols}),
  horizon: description.horizon,
  barrier: Number(description.labels['barrierDeviations'] ?? description.labels['thresholdSpreads']),
  costBps: Number(description.labels['costBps'] ?? 0),
  ...(description.labels['builtPeriodUs'] === undefined ? {} : {periodUs: Number(description.labels['builtPeriodUs'])}),
  noise: 0,
  folds: 0,
  resume: false,
  validateEvery: 250,
  patience: 6,
  maxEvaluated: request.maxEvaluated,
  baselineSteps: request.baselineSteps,
})

/** By the files, and by the rows themselves, which may lie in other files: a longer one, a part, a copy. */
const relationOf = (
  {card}: LoadedModel,
  {dataset, split}: Prepared,
): {readonly relation: EvaluateResult['relation']; readonly share: number} => {
  if (card === undefined) return {relation: 'unseen', share: 0}
  if (card.data.dataHash === dataset.dataHash) return {relation: 'own-test', share: 0}
  const {sources, seenRows} = card.data
  const share = seenRows === undefined ? 0 : seenShare(seenRows, dataset.rows, split.test)
  const known = new Set(sources.map(source => source.sha256))
  const isKnown = share > 0 || dataset.sources.some(source => known.has(source.sha256))
  return {relation: isKnown ? 'overlapping' : 'unseen', share}
}

/** Where what it was not trained on begins, if all its instruments agree. */
const newOf = ({card}: LoadedModel): string => {
  const from = new Set(card?.data.split.boundaries.map(({test}) => test))
  return from.size === 1 ? `, such as from ${[...from]} on` : ''
}
