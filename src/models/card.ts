import type {DecisionRule} from './decision.ts'
import type {HeadMetrics} from './head-metrics.ts'
import {type Margins, MIN_BLOCKS, marginText, relationOf} from './margins.ts'
import type {ClusteredDirection, Metrics, ProbabilisticMetrics} from './metrics.ts'
import type {ModelDescription} from './model-file.ts'
import type {AdversarialComparison, StressedMetrics} from './stressed-metrics.ts'
import type {ValidationPoint} from './trainer.ts'

export interface Baselines {
  readonly majority: Metrics
  readonly persistence: Metrics
  /** Logistic regression on the same windows, trained by the same code. */
  readonly linear: ProbabilisticMetrics
}

/** By how much the model is ahead of each, and whether that is more than noise. */
export type BaselineMargins = Readonly<Record<keyof Baselines, Margins>>

/** What a model is, how it was made and what it is worth; published beside its file. */
export interface ModelCard {
  readonly kind: 'model-card'
  readonly model: ModelDescription
  readonly command: string
  readonly options: Readonly<Record<string, unknown>>
  readonly data: {
    readonly dataHash: string
    readonly sources: readonly {readonly name: string; readonly rows: number; readonly sha256: string}[]
    readonly split: {
      readonly train: number
      readonly valid: number
      readonly test: number
      readonly purged: number
      /** Absent in cards of before it: a day for bars, a minute for books. */
      readonly embargoSeconds?: number
      readonly boundaries: readonly {
        readonly symbols: readonly string[]
        readonly valid: string
        readonly test: string
      }[]
    }
    /** Sketch of the rows that it was trained and chosen on (`sketchRows`); absent in cards of before it. */
    readonly seenRows?: string
    readonly classShares: {readonly train: readonly number[]; readonly test: readonly number[]}
  }
  readonly training: {
    readonly steps: number
    readonly epochs: number
    readonly seconds: number
    readonly stepMs: number
    readonly trainLoss: number
    readonly temperature: number
    readonly stoppedBy: 'steps' | 'patience' | 'signal'
    readonly history: readonly ValidationPoint[]
    readonly runtime: string
  }
  readonly valid: ProbabilisticMetrics
  readonly test: ProbabilisticMetrics
  /** The same by the likeliest class, which shows what the decision rule changed. Absent in cards of before it. */
  readonly likeliest?: {readonly valid: ProbabilisticMetrics; readonly test: ProbabilisticMetrics}
  readonly direction: ClusteredDirection
  /** R² of the two regressions on the test part; below 0 is worse than their mean. */
  readonly regression: {readonly holding: number; readonly move: number}
  /** The further heads: stake, confidence, strategy. */
  readonly heads?: HeadMetrics
  /** Share of the training windows on which each kind of information was there, and those the model looks at. */
  readonly modalities?: {readonly learned: readonly string[]; readonly shares: Readonly<Record<string, number>>}
  /** The test part by instrument, where they are few. */
  readonly markets?:
    | Readonly<
        Record<
          string,
          {readonly test: ProbabilisticMetrics; readonly direction: ClusteredDirection; readonly persistence: Metrics}
        >
      >
    | undefined
  readonly baselines: Baselines
  /** Absent in cards of before it. */
  readonly margins?: BaselineMargins
  readonly walkForward?: readonly {
    readonly testFrom: string
    readonly test: ProbabilisticMetrics
    readonly majority: Metrics
  }[]
  /** The same training with other seeds, and the linear baseline's with the same ones. */
  readonly seeds?: readonly {
    readonly seed: number
    readonly test: ProbabilisticMetrics
    readonly linear: ProbabilisticMetrics
  }[]
  /** Beside its best member (by validation), which is the honest rival of an ensemble. */
  readonly ensemble?: {
    readonly members: readonly {
      readonly architecture: string
      readonly weight: number
      readonly validLogLoss: number
      readonly test: ProbabilisticMetrics
    }[]
    readonly bestMember: string
    readonly pairedTest: {
      readonly onlyFirst: number
      readonly onlySecond: number
      readonly statistic: number
      readonly pValue: number
    }
    readonly verdict: string
  }
  /** The adversarial rows that training mixed in, the metrics under stress, and both beside training without them. */
  readonly adversarial?: Readonly<Record<string, unknown>>
  readonly stressed?: StressedMetrics
  readonly comparison?: AdversarialComparison
  readonly verdict: readonly string[]
  readonly outputs: Readonly<Record<string, string>>
  readonly file: {readonly name: string; readonly bytes: number; readonly sha256: string}
}

const percent = (share: number): string => `${(100 * share).toFixed(1)} %`

/** Plain sentences on what the figures show, bad ones included. */
export const verdictOf = (
  test: ProbabilisticMetrics,
  baselines: Baselines,
  margins: BaselineMargins,
  direction: ClusteredDirection,
): string[] => {
  const sentences = (['majority', 'persistence', 'linear'] as const).map(name => {
    const {macroF1, mcc, blocks} = margins[name]
    const f1 = `macro-F1 ${test.macroF1.toFixed(4)} against ${baselines[name].macroF1.toFixed(4)}, ${marginText(macroF1, blocks)}`
    const correlation = `MCC ${test.mcc.toFixed(4)} against ${baselines[name].mcc.toFixed(4)}, ${marginText(mcc, blocks)}`
    return `${relationOf(margins[name])} the ${name} baseline: ${f1}; ${correlation}`
  })
  const {accuracy, standardError, blocks} = direction
  const figure = `up against down, where the price did move: ${percent(accuracy)} right, standard error ${percent(standardError)} clustered over ${blocks} blocks of time`
  const isAhead = accuracy - 0.5 > 2 * standardError
  const conclusion = !isAhead
    ? 'this is NOT evidence that the direction is predictable: what the model knows is mostly whether a move comes, not where to'
    : blocks < MIN_BLOCKS
      ? `better than a coin, over too few blocks of time (${blocks}) to be evidence that the direction is predictable`
      : 'the direction is predicted better than by a coin on this test stretch; nothing here says that it pays after costs'
  return [...sentences, figure, conclusion]
}

/** How classes were decided, and what that gained and cost. */
export const decisionVerdict = ({method, weights}: DecisionRule, test: Metrics, likeliest: Metrics): string => {
  if (method === 'likeliest') return 'classes are the likeliest ones: no weights did better on the validation part'
  const [down, , up] = weights
  const change = (name: string, of: (metrics: Metrics) => number): string =>
    `${name} ${of(test).toFixed(4)} instead of ${of(likeliest).toFixed(4)}`
  const figures = [
    change('macro-F1', ({macroF1}) => macroF1),
    change('MCC', ({mcc}) => mcc),
    change('accuracy', ({accuracy}) => accuracy),
  ]
  return `classes are decided by probabilities times ${down.toFixed(2)} (down), 1 (flat), ${up.toFixed(2)} (up), fitted to macro-F1 on the validation part as the linear baseline's own are; against the likeliest class that gives ${figures.join(', ')}`
}

/** Whether the model's lead over the linear baseline is more than what another seed changes. */
export const seedVerdict = (seeds: NonNullable<ModelCard['seeds']>): string => {
  const spreadOf = (values: readonly number[]): {mean: number; deviation: number} => {
    const mean = values.reduce((sum, value) => sum + value, 0) / values.length
    const square = values.reduce((sum, value) => sum + (value - mean) ** 2, 0) / Math.max(1, values.length - 1)
    return {mean, deviation: Math.sqrt(square)}
  }
  const model = spreadOf(seeds.map(({test}) => test.macroF1))
  const linear = spreadOf(seeds.map(seed => seed.linear.macroF1))
  const lead = spreadOf(seeds.map(({test, linear: base}) => test.macroF1 - base.macroF1))
  const isMore = seeds.length > 1 && lead.mean > (2 * lead.deviation) / Math.sqrt(seeds.length)
  const text = ({mean, deviation}: typeof model): string => `${mean.toFixed(4)} ± ${deviation.toFixed(4)}`
  return `over ${seeds.length} further seeds macro-F1 is ${text(model)} against ${text(linear)} linear: ${isMore ? 'the difference is more than luck of the seed' : 'the difference is NOT more than luck of the seed'}`
}

/** What the further heads show, bad or good. */
export const headVerdict = ({size, confidence, strategy}: HeadMetrics): string[] => {
  const gain = `stakes of ${percent(size.meanStake)} on average make ${(1e4 * size.meanGain).toFixed(2)} ± ${(1e4 * size.standardError).toFixed(2)} ten-thousandths of the label's unit a window after costs`
  const pays = size.meanGain > 2 * size.standardError
  const chooses = strategy.logLoss < strategy.baseLogLoss
  return [
    `${gain}: they ${pays ? 'pay on this test stretch, by rows taken as independent' : 'do NOT pay'}`,
    `confidence is off by ${percent(confidence.calibrationError)} on average, its log loss ${confidence.logLoss.toFixed(4)} against ${confidence.baseLogLoss.toFixed(4)} of the base rate`,
    `strategy choice ${chooses ? 'beats' : 'does NOT beat'} the base rates: log loss ${strategy.logLoss.toFixed(4)} against ${strategy.baseLogLoss.toFixed(4)}, ${percent(strategy.accuracy)} right against ${percent(strategy.majority)}; its labels are proxies, see labels.strategy`,
  ]
}

/** Kinds of information that the training data hardly had, which the model therefore ignores. */
export const modalityVerdict = ({learned, shares}: NonNullable<ModelCard['modalities']>): string[] =>
  Object.entries(shares)
    .filter(([name]) => !learned.includes(name))
    .map(
      ([name, share]) =>
        `${name} were there on ${percent(share)} of the training windows: too few to learn from, the model ignores them`,
    )

const MIN_MARKET_WINDOWS = 1000

/** Instruments on which the model is no better than repeating the last label that was known, and those with too few windows to say. */
export const marketVerdict = (markets: NonNullable<ModelCard['markets']>): string[] => {
  const entries = Object.entries(markets)
  const enough = entries.filter(([, {test}]) => test.count >= MIN_MARKET_WINDOWS)
  const few = entries.filter(([, {test}]) => test.count < MIN_MARKET_WINDOWS).map(([name]) => name)
  return [
    ...enough.map(([name, {test, direction, persistence}]) => {
      const relation =
        test.macroF1 > persistence.macroF1 && test.mcc > persistence.mcc ? 'is ahead of' : 'does NOT beat'
      return `on ${name} alone it ${relation} persistence: macro-F1 ${test.macroF1.toFixed(4)} against ${persistence.macroF1.toFixed(4)}, MCC ${test.mcc.toFixed(4)} against ${persistence.mcc.toFixed(4)}, up against down ${percent(direction.accuracy)} right`
    }),
    ...(few.length === 0 || entries.length === 1 ? [] : [`too few windows to judge: ${few.join(', ')}`]),
  ]
}
