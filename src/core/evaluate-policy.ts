import path from 'node:path'
import {type Config, STRATEGY_NAMES} from '../config/schema.ts'
import {ExitCode, UserError} from '../domain/errors.ts'
import {sha256} from '../models/model-file.ts'
import type {BaselineName} from '../models/policy-baselines.ts'
import {policyMarket, splitStreams} from '../models/policy-streams.ts'
import type {PolicyGround} from '../models/policy-trainer.ts'
import {loadPolicy, openPolicy} from './policy-weights.ts'
import {marketCard, measureRunner} from './train-policy-run.ts'
import {collectStreams, type StreamsHooks} from './train-policy-streams.ts'
import {type PolicyTable, policyVerdict, type RuleFigures} from './train-policy-table.ts'

export interface EvaluatePolicyRequest {
  /** Name or path of the policy. */
  readonly model: string
  readonly data: string
  readonly symbols?: readonly string[]
  readonly config: Config
  readonly workers: number
  /** Measure even where the policy has seen (part of) the data. */
  readonly allowSeen: boolean
}

export interface EvaluatePolicyResult {
  readonly model: 'policy'
  readonly modelHash: string
  readonly dataHash: string
  /** `own-test`: the data it was trained on, of which only its own test stretch is measured. */
  readonly relation: 'unseen' | 'own-test' | 'overlapping'
  readonly periods: number
  readonly test: RuleFigures
  readonly baselines: PolicyTable<BaselineName>['baselines']
  readonly markets: readonly ReturnType<typeof marketCard>[]
  readonly verdict: readonly string[]
}

/** What of a policy's card tells which data it has seen. */
interface SeenData {
  readonly data?: {readonly dataHash?: string; readonly sources?: readonly {readonly sha256: string}[]}
}

/** The table of a policy's card on any data: the last quarter of each market, the best fixed chosen on the first part. */
export const evaluatePolicy = async (
  {model, config, allowSeen, ...request}: EvaluatePolicyRequest,
  hooks: StreamsHooks,
): Promise<EvaluatePolicyResult> => {
  const loaded = loadPolicy(config, model)
  const {description, file} = loaded
  if (description.strategies.join() !== STRATEGY_NAMES.join())
    throw new UserError('POLICY_STRATEGIES', `${model} weighs ${description.strategies.join(', ')}`, {
      hints: [`this version runs ${STRATEGY_NAMES.join(', ')}: train it again`],
      exitCode: ExitCode.invalidData,
    })
  const cache = path.join(config.home, 'models', 'policy-streams')
  const {dataHash: own, sources = []} = (file.card as SeenData | undefined)?.data ?? {}
  const seen = new Set(sources.map(source => source.sha256))
  const refuseSeen = (): void => {
    if (allowSeen) return
    throw new UserError('DATA_SEEN', `${model} was trained on part of this data: its figures here would flatter it`, {
      hints: ['give data it has not seen, or --allow-seen to measure all the same'],
      exitCode: ExitCode.invalidData,
    })
  }
  let overlaps = false
  const onSources = (given: readonly {readonly sha256: string}[]): void => {
    overlaps = given.some(source => seen.has(source.sha256))
    // The very same files may be its own data, of which its test stretch may be looked at: their returns will tell.
    const same = new Set(given.map(source => source.sha256))
    if (overlaps && !(same.size === seen.size && [...same].every(hash => seen.has(hash)))) refuseSeen()
  }
  const markets = await collectStreams({...request, config, cache}, {...hooks, onSources})
  const dataHash = sha256(markets.map(({hash}) => hash).join())
  const relation = own === dataHash ? 'own-test' : overlaps ? 'overlapping' : 'unseen'
  if (relation === 'overlapping') refuseSeen()
  const grounds = markets.map(({streams}): PolicyGround => {
    const split = splitStreams(streams)
    return {market: policyMarket(streams, split.train), split}
  })
  const policy = openPolicy(loaded)
  const act = (observation: Float32Array): Float32Array => Float32Array.from(policy.act(observation))
  const {byMarket, table} = measureRunner({act}, grounds, description, config.seed)
  return {
    model: 'policy',
    modelHash: file.sha256,
    dataHash,
    relation,
    periods: grounds.reduce((sum, {split}) => sum + split.test.to - split.test.from, 0),
    ...table,
    markets: markets.map((market, m) =>
      marketCard(market, grounds[m] as PolicyGround, byMarket[m] as (typeof byMarket)[number]),
    ),
    verdict: [
      ...(relation === 'overlapping'
        ? ['part of this data was seen in training: these figures flatter the policy']
        : []),
      ...policyVerdict(table),
    ],
  }
}
