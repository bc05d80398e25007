import os from 'node:os'
import path from 'node:path'
import {performance} from 'node:perf_hooks'
import {type Config, STRATEGY_NAMES} from '../config/schema.ts'
import {UserError} from '../domain/errors.ts'
import {createRng} from '../domain/rng.ts'
import {openOrtSession} from '../drivers/onnx/ort-session.ts'
import {sharpeSample} from '../evaluation/sharpe.ts'
import {type DeflationResult, deflate, memoryTrialLog, type Trial} from '../evaluation/trial-log.ts'
import {strategySchemaKey} from '../features/strategy-features.ts'
import {sha256} from '../models/model-file.ts'
import {BASELINES, type BaselineName, baselineRuns, policyRun} from '../models/policy-baselines.ts'
import {decodePolicyCheckpoint, encodePolicyCheckpoint} from '../models/policy-checkpoint.ts'
import {type PolicyDescription, policyMetadata} from '../models/policy-file.ts'
import {actorNetwork, PolicyRunner} from '../models/policy-network.ts'
import {
  LEAST_FOLD_PERIODS,
  type PolicySplit,
  policyMarket,
  type StrategyStreams,
  type Stretch,
  splitStreams,
  walkForwardStreams,
} from '../models/policy-streams.ts'
import {
  type PolicyGround,
  type PolicyTrainerOptions,
  STEPS_AN_UPDATE,
  type TrainedPolicy,
  trainWeightPolicy,
} from '../models/policy-trainer.ts'
import type {AllocationRun} from '../models/strategy-environment.ts'
import {buildInference, exportInference} from '../nn/nn.ts'
import {writeOnnx} from '../nn/onnx-writer.ts'
import {sizeOf} from '../nn/shape.ts'
import {writeWhole} from './model-files.ts'
import {askedFlags} from './train-asked.ts'
import {readCheckpointFile, stepMsOf, stopwatch, type TrainHooks} from './train-parts.ts'
import {collectStreams, type MarketStreams} from './train-policy-streams.ts'
import {
  type PolicyTable,
  policyTable,
  policyVerdict,
  type RuleFigures,
  type RuleRuns,
  ruleFigures,
} from './train-policy-table.ts'

/** Plain and complete: a worker needs nothing else. */
export interface PolicyTrainRequest {
  readonly size: 'small' | 'medium' | 'full'
  readonly batch: number
  readonly maxSteps: number
  readonly validateEvery: number
  readonly patience: number
  readonly seed: number
  readonly out: string
  readonly data: string
  readonly symbols?: readonly string[]
  readonly folds: number
  readonly resume: boolean
  readonly config: Config
  /** Threads for the back-tests of the strategies. */
  readonly workers: number
  /** Policies that this project trained before. */
  readonly trials: readonly Trial[]
  /** Settings that were compared before this one and that no log of this home counts. */
  readonly earlierTrials?: number
}

export interface PolicyTrainResult {
  readonly model: 'policy'
  readonly size: string
  readonly parameters: number
  readonly steps: number
  readonly epochs: number
  readonly seed: number
  readonly dataHash: string
  readonly trainLoss: number
  readonly valid: RuleFigures
  readonly test: RuleFigures
  readonly baselines: PolicyTable<BaselineName>['baselines']
  readonly verdict: readonly string[]
  readonly modelPath: string
  readonly cardPath: string
  readonly checkpointPath: string
  readonly stepMs: number
  readonly stoppedBy: TrainedPolicy['stoppedBy']
  /** The test Sharpe ratio against the best that as many policies as were ever trained here would show by chance. */
  readonly deflation: DeflationResult | null
  /** For the project's count of trials. */
  readonly trial: Trial
}

const HIDDEN = {small: 32, medium: 64, full: 128}
const MAX_STEPS = 5_000_000

/** Back-tests the five strategies, learns weights over them, measures and writes. Runs on the calling thread. */
export const runPolicyTraining = async (request: PolicyTrainRequest, hooks: TrainHooks): Promise<PolicyTrainResult> => {
  const options = optionsOf(request)
  const checkpointPath = path.join(request.out, 'policy.checkpoint')
  const saved = request.resume ? readCheckpointFile(checkpointPath) : undefined
  const markets = await collectStreams(
    {...request, cache: path.join(request.out, 'policy-streams')},
    {
      isStopped: hooks.isStopped,
      onProgress: (done, total) => hooks.onProgress({phase: 'data', step: done, total}),
    },
  )
  const grounds = markets.map(({streams}): PolicyGround => {
    const split = splitStreams(streams)
    return {market: policyMarket(streams, split.train), split}
  })
  const dataHash = sha256(markets.map(({hash}) => hash).join())
  const runHash = sha256(JSON.stringify({options, seed: request.seed, dataHash}))
  const asked = askedFlags(request)
  const resumed = saved === undefined ? undefined : decodePolicyCheckpoint(saved, runHash, checkpointPath, asked)
  const ranFrom = resumed?.ppo.optimiser.step ?? 0
  const started = performance.now()
  const spent = stopwatch(resumed?.spent, ranFrom)
  let took = spent(ranFrom)
  const trained = trainWeightPolicy(
    grounds,
    options,
    createRng(request.seed, 'policy'),
    openOrtSession,
    ({step, total, loss, validation, state}) => {
      took = spent(step)
      const perStep = (performance.now() - started) / 1000 / (step - ranFrom)
      hooks.onProgress({
        phase: 'train',
        step,
        total,
        loss,
        etaSeconds: Math.round(perStep * (total - step)),
        ...(validation === undefined ? {} : {validLoss: -validation.validReward}),
      })
      const stops = hooks.isStopped()
      if (validation !== undefined || stops || step === total)
        writeWhole(checkpointPath, encodePolicyCheckpoint({...state(), spent: took}, runHash, asked))
      return !stops
    },
    resumed,
  )
  const folds =
    request.folds > 0 && trained.stoppedBy !== 'signal' ? walkForward(request, options, markets, hooks) : undefined

  const description: PolicyDescription = {
    name: 'policy',
    architecture: 'ppo-actor',
    size: request.size,
    parameters: actorParameters(trained),
    strategies: STRATEGY_NAMES,
    features: strategySchemaKey(STRATEGY_NAMES),
    width: trained.spec.observationSize,
    minWeight: options.minWeight,
    maxTurnover: options.maxTurnover,
    precision: 'float32',
  }
  const bytes = writeOnnx(exportInference(actorNetwork(trained.spec), trained.weights, policyMetadata(description)))
  const measured = measurePolicy(trained, grounds, options, request.seed)
  const verdict = policyVerdict(measured.table)
  const {trial, deflation} = judgeTrial(runHash, measured.byMarket, grounds, [
    ...request.trials,
    ...declaredTrials(request.earlierTrials),
  ])
  const [modelPath, cardPath] = [path.join(request.out, 'policy.onnx'), path.join(request.out, 'policy.card.json')]
  const trainPeriods = grounds.reduce((sum, {split}) => sum + split.train.to - split.train.from, 0)
  const training = {
    steps: trained.steps,
    environmentSteps: (trained.steps / STEPS_AN_UPDATE) * request.batch * 4,
    epochs: Number((((trained.steps / STEPS_AN_UPDATE) * request.batch * 4) / trainPeriods).toFixed(2)),
    seconds: Number((took.ms / 1000).toFixed(1)),
    stepMs: stepMsOf(took),
    trainLoss: trained.trainLoss,
    best: {step: trained.best.step, validReward: trained.best.validReward},
    stoppedBy: trained.stoppedBy,
    history: trained.history,
    runtime: `node ${process.version}, onnxruntime-node 1.30.0, 1 thread, ${os.cpus()[0]?.model.trim() ?? 'unknown CPU'}`,
  }
  const card = {
    kind: 'model-card',
    model: description,
    command: commandOf(request),
    options: {...options, seed: request.seed, folds: request.folds},
    data: {
      dataHash,
      sources: markets.flatMap(({sources}) => sources),
      markets: markets.map((market, m) =>
        marketCard(market, grounds[m] as PolicyGround, measured.byMarket[m] as MarketRuns),
      ),
      conventions: CONVENTIONS,
    },
    training,
    valid: measured.valid,
    ...measured.table,
    trials: deflation === null ? null : {...deflation, declared: request.earlierTrials ?? 0},
    ...(folds === undefined ? {} : {walkForward: folds}),
    verdict,
    outputs: {policy: '[batch, strategies + 1] scores; the last is for cash. A masked softmax makes them weights.'},
    file: {name: 'policy.onnx', bytes: bytes.length, sha256: sha256(bytes)},
  }
  writeWhole(modelPath, bytes)
  writeWhole(cardPath, `${JSON.stringify(card, undefined, 2)}\n`)
  return {
    model: 'policy',
    size: request.size,
    parameters: description.parameters,
    steps: trained.steps,
    epochs: training.epochs,
    seed: request.seed,
    dataHash,
    trainLoss: trained.trainLoss,
    valid: measured.valid,
    ...measured.table,
    verdict,
    modelPath,
    cardPath,
    checkpointPath,
    stepMs: training.stepMs,
    stoppedBy: trained.stoppedBy,
    deflation,
    trial,
  }
}

/** Trials of which only the number is known: they count, and say nothing of how far ratios spread. */
const declaredTrials = (count = 0): Trial[] =>
  Array.from({length: count}, (_, i) => ({
    id: `declared-${i + 1}`,
    family: 'policy',
    sharpe: undefined,
    observations: 0,
    tsUs: 0,
  }))

/** Test returns in the markets' own deviations, all markets one after the other, against all that was ever tried. */
const judgeTrial = (
  id: string,
  byMarket: readonly MarketRuns[],
  grounds: readonly PolicyGround[],
  before: readonly Trial[],
): {readonly trial: Trial; readonly deflation: DeflationResult | null} => {
  const returns = byMarket.flatMap(({policy}, m) =>
    Array.from(policy.returns, value => value / (grounds[m] as PolicyGround).market.scale),
  )
  const sample = sharpeSample(returns)
  const tsUs = Math.max(...grounds.map(({market}) => market.streams.endUs.at(-1) ?? 0))
  const trial: Trial = {id, family: 'policy', sharpe: sample?.sharpe, observations: returns.length, tsUs}
  const log = memoryTrialLog()
  for (const one of [...before, trial]) log.record(one)
  return {trial, deflation: sample === undefined ? null : deflate(sample, log, 'policy')}
}

const optionsOf = ({batch, maxSteps, size, validateEvery, patience}: PolicyTrainRequest): PolicyTrainerOptions => {
  if (maxSteps < STEPS_AN_UPDATE || maxSteps > MAX_STEPS)
    throw new UserError(
      'STEPS_OUT_OF_RANGE',
      `--max-steps must be ${STEPS_AN_UPDATE} to ${MAX_STEPS} for a policy, was ${maxSteps}`,
      {hints: [`one update of PPO is ${STEPS_AN_UPDATE} steps`]},
    )
  if (batch % 2 !== 0 || batch < 16 || batch > 8192)
    throw new UserError('BATCH_OUT_OF_RANGE', `--batch must be even and 16 to 8192 for a policy, was ${batch}`)
  return {
    hidden: HIDDEN[size],
    batch,
    maxSteps,
    validateEvery,
    patience,
    minWeight: 0.02,
    maxTurnover: 0.4,
    drawdownPenalty: 0.5,
    episode: 64,
    learningRate: 1e-3,
    discount: 0.9,
  }
}

const CONVENTIONS = [
  'asked once every market minute that saw the market, after ten of them; the least weight and the largest step of its training apply',
  'each strategy alone on 100,000 dollars, 500 µs latency, US fees, conservative queue, risk limits of the configuration but for the halts of the account',
  'a strategy that cannot run on a market returns zero there and gets no weight; one that runs and finds nothing returns zero and keeps its share',
  'a change of weight trades what the strategy held, at the cost the market was measured to have over the whole recording',
  'train 60 %, validation 15 %, test 25 % of each market in time, an embargo of 30 periods between; features are of periods that are over',
  'the test account plays the markets one after the other; bestFixed is chosen on the training part of each; the oracle is an upper mark, not a strategy',
]

const commandOf = ({
  size,
  batch,
  maxSteps,
  validateEvery,
  patience,
  seed,
  folds,
  symbols,
  ...rest
}: PolicyTrainRequest) => {
  const {earlierTrials = 0} = rest
  const declared = earlierTrials === 0 ? {} : {'earlier-trials': earlierTrials}
  const flags = {
    size,
    batch,
    'max-steps': maxSteps,
    'validate-every': validateEvery,
    patience,
    seed,
    folds,
    ...declared,
  }
  const text = Object.entries(flags).map(([name, value]) => `--${name} ${value}`)
  return [
    'gpi train policy',
    ...text,
    ...(symbols === undefined ? [] : [`--symbols ${symbols.join(',')}`]),
    '--data DIR',
  ].join(' ')
}

/** Before anything long begins. */
const actorParameters = ({spec}: TrainedPolicy): number =>
  buildInference(actorNetwork(spec)).scope.parameters.reduce((sum, {shape}) => sum + sizeOf(shape), 0)

interface MarketRuns {
  readonly policy: AllocationRun
  readonly baselines: Readonly<Record<BaselineName, AllocationRun>>
}

/** The table of a policy over the test parts of all grounds, and the runs behind it. */
export const measureRunner = (
  runner: Pick<PolicyRunner, 'act'>,
  grounds: readonly PolicyGround[],
  limits: Pick<PolicyTrainerOptions, 'minWeight' | 'maxTurnover'>,
  seed: number,
) => {
  const byMarket = grounds.map(
    ({market, split}): MarketRuns => ({
      policy: policyRun(market, split.test, runner, limits),
      baselines: baselineRuns(market, split.train, split.test),
    }),
  )
  const periodsPerYear = grounds.map(({market}) => market.streams.periodsPerYear)
  const rule = (of: (runs: MarketRuns) => AllocationRun): RuleRuns => ({runs: byMarket.map(of), periodsPerYear})
  const table = policyTable(
    rule(({policy}) => policy),
    Object.fromEntries(BASELINES.map(name => [name, rule(({baselines}) => baselines[name])])) as Record<
      BaselineName,
      RuleRuns
    >,
    createRng(seed, 'policy/bootstrap'),
  )
  return {byMarket, table}
}

const measurePolicy = (
  {spec, weights}: TrainedPolicy,
  grounds: readonly PolicyGround[],
  options: PolicyTrainerOptions,
  seed: number,
) => {
  const runner = new PolicyRunner(spec, weights, openOrtSession)
  try {
    const valid: RuleRuns = {
      runs: grounds.map(({market, split}) => policyRun(market, split.valid, runner, options)),
      periodsPerYear: grounds.map(({market}) => market.streams.periodsPerYear),
    }
    return {
      ...measureRunner(runner, grounds, options, seed),
      valid: ruleFigures(valid, createRng(seed, 'policy/bootstrap')),
    }
  } finally {
    runner.dispose()
  }
}

const growthOf = ({returns}: AllocationRun): number =>
  Math.expm1(returns.reduce((sum, value) => sum + Math.log1p(value), 0))

/** What a market was, how it was cut, and what each rule made of its test part. */
export const marketCard = (
  {streams, sources, idle, trades, hash}: MarketStreams,
  {split}: {readonly split: PolicySplit},
  {policy, baselines}: MarketRuns,
) => {
  const {market, period, endUs, costRate, strategies} = streams
  const span = ({from, to}: Stretch) => ({from: iso(endUs[from]), to: iso(endUs[to - 1]), periods: to - from})
  const count = strategies.length
  const periods = split.test.to - split.test.from
  const meanWeights = strategies.map((_, s) => {
    let sum = 0
    for (let at = 0; at < periods; at++) sum += policy.weights[at * count + s] as number
    return Number((sum / Math.max(1, periods)).toFixed(4))
  })
  return {
    market,
    hash,
    files: sources.length,
    period,
    split: {train: span(split.train), valid: span(split.valid), test: span(split.test)},
    costBps: Number((costRate * 1e4).toFixed(2)),
    cannotRun: idle,
    fills: trades,
    alone: Object.fromEntries(strategies.map((name, s) => [name, growthAlone(streams, s, split.test)])),
    meanWeights: Object.fromEntries(strategies.map((name, s) => [name, meanWeights[s]])),
    test: {
      policy: growthOf(policy),
      ...Object.fromEntries(BASELINES.map(name => [name, growthOf(baselines[name])])),
    },
  }
}

const growthAlone = ({returns, strategies}: StrategyStreams, s: number, {from, to}: Stretch): number => {
  let log = 0
  for (let at = from; at < to; at++) log += Math.log1p(returns[at * strategies.length + s] as number)
  return Math.expm1(log)
}

const iso = (us: number | undefined): string => new Date((us ?? 0) / 1000).toISOString()

/** Trained afresh on what lies before each test part. */
const walkForward = (
  request: PolicyTrainRequest,
  options: PolicyTrainerOptions,
  markets: readonly MarketStreams[],
  hooks: TrainHooks,
) => {
  const long = markets.filter(({streams}) => streams.endUs.length >= LEAST_FOLD_PERIODS)
  const folds = long.map(({streams}) => walkForwardStreams(streams, request.folds))
  return Array.from({length: long.length === 0 ? 0 : request.folds}, (_, k) => {
    const grounds = long.map(({streams}, m): PolicyGround => {
      const split = folds[m]?.[k] as PolicySplit
      return {market: policyMarket(streams, split.train), split}
    })
    const trained = trainWeightPolicy(
      grounds,
      options,
      createRng(request.seed, `policy/fold-${k}`),
      openOrtSession,
      ({step, total, loss}) => {
        hooks.onProgress({phase: 'walk-forward', step: k * total + step, total: request.folds * total, loss})
        return !hooks.isStopped()
      },
    )
    const {table} = measurePolicy(trained, grounds, options, request.seed)
    return {
      fold: k + 1,
      markets: long.map(({streams}) => streams.market),
      test: table.test,
      baselines: Object.fromEntries(BASELINES.map(name => [name, table.baselines[name].return])),
    }
  })
}
