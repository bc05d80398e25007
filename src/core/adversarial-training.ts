import {openOrtSession} from '../drivers/onnx/ort-session.ts'
import {SCENARIOS} from '../exchange/scenarios/scenarios.ts'
import {AdversarialMix, ATTACKS, EPSILON, type Episodes} from '../models/adversarial.ts'
import {majorityBaseline, persistenceBaseline} from '../models/baselines.ts'
import type {Dataset} from '../models/dataset.ts'
import type {DecisionRule} from '../models/decision.ts'
import {decide, mcNemar, type ProbabilisticMetrics} from '../models/metrics.ts'
import {perturbedWindows} from '../models/perturbed-windows.ts'
import {RowRuns, spread} from '../models/row-runs.ts'
import {
  type AdversarialComparison,
  comparisonVerdict,
  type Measured,
  type PairedTest,
  type StressedMetrics,
} from '../models/stressed-metrics.ts'
import {labelsOf} from '../models/trainer.ts'
import {exportInference, type Network, type Weights} from '../nn/nn.ts'
import {writeOnnx} from '../nn/onnx-writer.ts'
import {scenarioEpisodes, scenarioOfEpisode, seenScenarios, UNSEEN_SCENARIOS} from './scenario-episodes.ts'
import {measure, type Prepared, predict, ruleOf, type TrainRequest} from './train-parts.ts'
import type {RowKind} from './training-data.ts'

/** Seeds of the paths trained on, and of those measured on; the same for every run, so that runs can be compared. */
const TRAIN_SEEDS = [101, 102, 103]
const TEST_SEEDS = [901, 902]
/** Of the perturbations of test windows; training draws from streams of other labels and another seed. */
const PERTURBATION_SEED = 903
/** Windows measured at most in each stressed set. */
const MOST_WINDOWS = 4000

/** Training mix and held-out stress of one run. */
export interface AdversarialData {
  readonly mix: AdversarialMix
  /** Paths of other seeds, of the scenarios trained on and of ones kept out altogether. None for books. */
  readonly held: Episodes | undefined
}

/** What a card says of how stress was made. */
export const describeMix = ({mix, held}: AdversarialData): Readonly<Record<string, unknown>> => ({
  ...mix.toJSON(),
  trainEpisodes: mix.episodes?.dataset.sources.length ?? 0,
  trainEpisodeWindows: mix.episodes?.ends.length ?? 0,
  trainSeeds: mix.episodes === undefined ? [] : TRAIN_SEEDS,
  heldEpisodes: held?.dataset.sources.length ?? 0,
  heldSeeds: held === undefined ? [] : TEST_SEEDS,
  unseenScenarios: UNSEEN_SCENARIOS.filter(name =>
    held?.dataset.symbols.some(each => scenarioOfEpisode(each) === name),
  ),
  ...(held === undefined
    ? {note: 'rows are books of several levels, which scenarios do not have: perturbed rows only'}
    : {}),
})

/** Plays the scenarios. Only where rows are bars: books of scenarios have one level. */
export const prepareAdversarial = async (
  request: TrainRequest,
  rows: RowKind,
  {data, dataset, scaler}: Prepared,
  isStopped?: () => boolean,
): Promise<AdversarialData> => {
  const {adversarial: ratio = 0, window, horizon, barrier, costBps} = request
  const isFlag = (i: number): boolean => dataset.schema.modalities?.some(({flag}) => flag === i) ?? false
  const shape = {
    schema: dataset.schema,
    window,
    mean: scaler.mean,
    deviation: scaler.deviation.map((value, i) => (isFlag(i) ? 0 : value)),
  }
  if (rows === 'book') return {mix: new AdversarialMix(ratio, shape), held: undefined}
  const common = {
    ...{rows, session: data.session, periodUs: data.periodUs, window, horizon, barrier, costBps},
    ...(isStopped === undefined ? {} : {isStopped}),
  }
  const trained =
    ratio === 0 ? undefined : await scenarioEpisodes({...common, scenarios: seenScenarios(), seeds: TRAIN_SEEDS})
  return {
    mix: new AdversarialMix(ratio, shape, trained),
    held: await scenarioEpisodes({...common, scenarios: SCENARIOS, seeds: TEST_SEEDS}),
  }
}

export interface StressedModel {
  /** The served file. */
  readonly bytes: Uint8Array
  readonly network: Network
  readonly weights: Weights
  /** How it decides, fitted on the market's validation part: nothing is fitted to stress. */
  readonly decision: DecisionRule
  /** Whether the network can be differentiated: an ensemble's mixture only serves. */
  readonly isTrainable: boolean
}

/** Held-out scenario episodes and perturbed test windows, each perturbation from its own seed. */
export const measureStressed = (
  model: StressedModel,
  {dataset, split}: Prepared,
  {mix, held}: AdversarialData,
  maxEvaluated: number,
): StressedMetrics => {
  const {bytes, network, weights, decision, isTrainable} = model
  const {shape} = mix
  const {window} = shape
  const most = Math.min(MOST_WINDOWS, maxEvaluated)
  const rows = spread(split.test, most)
  const attacks = ATTACKS.filter(attack => isTrainable || attack !== 'gradient-sign')
  const target = {network, weights, open: openOrtSession}
  const perturbed = attacks.map(attack => {
    const windows = perturbedWindows(dataset, rows, {attack, shape, seed: PERTURBATION_SEED, target})
    return [attack, measure(bytes, windows, rows, window, decision).metrics] as const
  })
  return {
    ...(held === undefined ? {} : {scenarios: measureScenarios(bytes, held, window, decision)}),
    perturbed: Object.fromEntries(perturbed),
    seed: PERTURBATION_SEED,
    epsilon: EPSILON,
  }
}

const measureScenarios = (bytes: Uint8Array, {dataset, ends}: Episodes, window: number, decision: DecisionRule) => {
  const scenarioOf = (row: number): string =>
    scenarioOfEpisode(dataset.symbols[dataset.rows.field(row, 'symbol')] as string)
  const of = (rows: Int32Array): ProbabilisticMetrics => measure(bytes, dataset, rows, window, decision).metrics
  const rows = Int32Array.from(ends)
  const {metrics, direction} = measure(bytes, dataset, rows, window, decision)
  return {
    test: metrics,
    direction,
    known: of(rows.filter(row => !UNSEEN_SCENARIOS.includes(scenarioOf(row)))),
    unseen: of(rows.filter(row => UNSEEN_SCENARIOS.includes(scenarioOf(row)))),
    byScenario: Object.fromEntries(
      [...Map.groupBy(rows, scenarioOf)].map(([name, mine]) => [name, of(Int32Array.from(mine))]),
    ),
    baselines: {
      majority: majorityBaseline(dataset, RowRuns.from(rows), rows),
      persistence: persistenceBaseline(dataset, rows),
    },
    seeds: TEST_SEEDS,
    dataHash: dataset.dataHash,
  }
}

/** Both models on the same windows. */
export const compareWithClean = (
  adversarial: Measured & {readonly bytes: Uint8Array},
  clean: Measured & {readonly bytes: Uint8Array},
  {dataset, split}: Prepared,
  {mix, held}: AdversarialData,
  maxEvaluated: number,
): AdversarialComparison => {
  const {window} = mix.shape
  const paired = (of: Dataset, rows: Int32Array): PairedTest => {
    // The test compares error rates, which the likeliest class keeps lowest.
    const decisions = (bytes: Uint8Array): Int8Array => decide(predict(bytes, of, rows, window).probabilities)
    return mcNemar(labelsOf(of, rows), decisions(adversarial.bytes), decisions(clean.bytes))
  }
  const pairs = {
    test: paired(dataset, spread(split.test, maxEvaluated)),
    ...(held === undefined ? {} : {scenarios: paired(held.dataset, Int32Array.from(held.ends))}),
  }
  const plain = ({test, stressed}: Measured): Measured => ({test, stressed})
  return {
    adversarial: plain(adversarial),
    clean: plain(clean),
    paired: pairs,
    verdict: comparisonVerdict(mix.ratio, adversarial, clean, pairs),
  }
}

/** What training gave, as far as stress is concerned. */
export interface Trained {
  readonly network: Network
  readonly weights: Weights
  readonly stoppedBy: 'steps' | 'patience' | 'signal'
}

export interface StressReport {
  readonly stressed: StressedMetrics
  readonly comparison?: AdversarialComparison
  /** The training to compare with was stopped. */
  readonly isStopped: boolean
}

/** Measures a trained model under stress and, where it learned from adversarial rows, trains its twin without any. */
export const stressReport = (
  request: TrainRequest,
  prepared: Prepared,
  data: AdversarialData,
  model: StressedModel & Pick<Measured, 'test'>,
  trainClean: ((prepared: Prepared) => Trained | undefined) | undefined,
): StressReport => {
  const {maxEvaluated, window} = request
  const own = {...model, stressed: measureStressed(model, prepared, data, maxEvaluated)}
  const {stressed} = own
  if (trainClean === undefined || data.mix.ratio === 0) return {stressed, isStopped: false}
  const {adversarial: _none, ...plain} = prepared
  const trained = trainClean(plain)
  if (trained === undefined || trained.stoppedBy === 'signal') return {stressed, isStopped: true}
  const {network, weights} = trained
  const {dataset, split} = prepared
  const bytes = writeOnnx(exportInference(network, weights))
  const decision = ruleOf(bytes, dataset, spread(split.valid, maxEvaluated), window)
  const twin = {network, weights, bytes, decision, isTrainable: model.isTrainable}
  const test = measure(bytes, dataset, spread(split.test, maxEvaluated), window, decision).metrics
  const clean = {...twin, test, stressed: measureStressed(twin, prepared, data, maxEvaluated)}
  return {stressed, comparison: compareWithClean(own, clean, prepared, data, maxEvaluated), isStopped: false}
}
