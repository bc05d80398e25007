import {
  type AllocationOptions,
  inverseVolatility,
  riskParity,
  staticAllocation,
  type WeightAllocator,
  type WeightRecord,
} from '../allocation/allocation.ts'
import {attribute, type StrategyAttribution} from '../allocation/attribution.ts'
import {policyAllocation} from '../allocation/policy-allocation.ts'
import type {JournalEntry} from '../broker/journal.ts'
import type {Config} from '../config/schema.ts'
import {UserError} from '../domain/errors.ts'
import {US_PER_MINUTE} from '../domain/units.ts'
import type {ExitRules} from '../risk/position-exit.ts'
import {type LoadedPolicy, loadPolicy, openPolicy, slotsOf} from './policy-weights.ts'

/** The exits of positions that trade, stress and back-test share. */
export const exitRulesOf = ({risk}: Config): ExitRules => ({
  stopLoss: risk.stopLoss,
  takeProfit: risk.takeProfit,
  maxHoldingUs: risk.maxHoldingMinutes * US_PER_MINUTE,
})

export type AllocationMethod = Exclude<Config['strategies']['allocation'], 'auto'>

/** How capital is shared, and why that way. */
export interface AllocationChoice {
  readonly method: AllocationMethod
  readonly reason: string
}

/**
 * What the configuration asks for; `model.useReinforcementLearning` asks for the policy, whatever the allocation says. Where
 * it leaves the choice (`auto`), the policy shares capital between several strategies that it knows. A policy that is there
 * and not what its card says is refused, not passed over.
 */
export const chooseAllocation = (config: Config, running: readonly string[]): AllocationChoice => {
  const {strategies, model} = config
  if (model.useReinforcementLearning) return {method: 'policy', reason: 'model.useReinforcementLearning is on'}
  if (strategies.allocation !== 'auto') return {method: strategies.allocation, reason: 'asked for'}
  if (running.length < 2) return {method: 'static', reason: 'there are not several strategies to share between'}
  const policy = shippedOrOwnPolicy(config)
  if (policy === undefined) return {method: 'static', reason: 'there is no trained policy'}
  const unknown = running.filter(name => !policy.description.strategies.includes(name))
  return unknown.length > 0
    ? {method: 'static', reason: `the policy does not know ${unknown.join(', ')}`}
    : {method: 'policy', reason: 'several strategies share capital, and the policy knows them all'}
}

const shippedOrOwnPolicy = (config: Config): LoadedPolicy | undefined => {
  try {
    return loadPolicy(config)
  } catch (error) {
    if (error instanceof UserError && error.code === 'NO_POLICY') return undefined
    throw error
  }
}

/** The configuration with its choice made: what a run of these strategies does, and is known by. */
export const withAllocation = (config: Config, {method}: Pick<AllocationChoice, 'method'>): Config => ({
  ...config,
  strategies: {...config.strategies, allocation: method},
})

/** What must agree for two runs to be the same beside their configuration: the policy they ask. Undefined without one. */
export const policyHashOf = (config: Config, running: readonly string[]): string | undefined =>
  chooseAllocation(config, running).method === 'policy' ? loadPolicy(config).file.sha256 : undefined

export interface AllocatorExtras {
  /** Shares of the running strategies, instead of the configuration's. */
  readonly base?: readonly number[]
  readonly onWeights?: (record: WeightRecord) => void
  /** Weights by strategy that a policy goes on from after a restart (`lastWeights`). */
  readonly resume?: Readonly<Record<string, number>>
}

/** The configured shares of the strategies that run, in their order, of at most 1 in all. */
export const baseWeights = ({strategies}: Pick<Config, 'strategies'>, running: readonly string[]): number[] => {
  const configured: Readonly<Record<string, number>> = strategies.weights
  const weights = running.map(name => configured[name] ?? 1 / running.length)
  const total = weights.reduce((sum, weight) => sum + weight, 0)
  return total > 1 ? weights.map(weight => weight / total) : weights
}

/**
 * The configured allocation over the strategies that run, in their order. One that the configuration does not list (a
 * baseline) is asked for by name and gets an equal share. What idle strategies would have had stays in cash: a missing
 * strategy must not make the others bolder than the configuration says.
 */
export const allocatorOf = (
  config: Config,
  running: readonly string[],
  capitalMicros: number,
  {base = baseWeights(config, running), onWeights, resume}: AllocatorExtras = {},
): WeightAllocator => {
  const options: AllocationOptions = {
    base,
    capitalMicros,
    ...(onWeights === undefined ? {} : {onWeights}),
  }
  const {method} = chooseAllocation(config, running)
  switch (method) {
    case 'static':
      return staticAllocation(options)
    case 'inverse-volatility':
      return inverseVolatility(options)
    case 'risk-parity':
      return riskParity(options)
    case 'policy': {
      const loaded = loadPolicy(config)
      const start = resume === undefined ? {} : {start: running.map((name, k) => resume[name] ?? base[k] ?? 0)}
      return policyAllocation({...options, ...start, slots: slotsOf(loaded.description, running)}, openPolicy(loaded))
    }
    default:
      return method satisfies never
  }
}

/** How capital was shared, and what that earned or cost. */
export interface AllocationSummary {
  readonly method: AllocationMethod
  /** Why that one. */
  readonly reason: string
  /** Changes of the weights, the start among them. */
  readonly changes: number
  /** At most a hundred of them, evenly spread, the first and the last included. */
  readonly weights: readonly {readonly tsUs: number; readonly weights: Readonly<Record<string, number>>}[]
  readonly attribution: readonly StrategyAttribution[]
  /** Profit of the account that is no strategy's; with `attribution` it makes up the whole, to the micro. */
  readonly unattributedMicros: number
}

export interface AccountAtEnd {
  readonly tsUs: number
  /** By strategy, since the account began. */
  readonly profitMicros: readonly number[]
  readonly equityMicros: number
  readonly initialCashMicros: number
}

const SHOWN = 100

export const allocationSummary = (
  {method, reason}: AllocationChoice,
  names: readonly string[],
  base: ArrayLike<number>,
  allocator: WeightAllocator,
  {profitMicros, equityMicros, initialCashMicros, tsUs}: AccountAtEnd,
): AllocationSummary => {
  const history = allocator.history()
  const attribution = attribute(names, base, history, {tsUs, profitMicros})
  const stride = Math.max(1, Math.ceil((history.length - 1) / (SHOWN - 1)))
  const shown = history.filter((_, k) => k % stride === 0 || k === history.length - 1)
  return {
    method,
    reason,
    changes: history.length,
    weights: shown.map(record => ({tsUs: record.tsUs, weights: weightsByName(names, record.weights)})),
    attribution,
    unattributedMicros: equityMicros - initialCashMicros - profitMicros.reduce((sum, profit) => sum + profit, 0),
  }
}

export const weightsByName = (names: readonly string[], weights: ArrayLike<number>): Record<string, number> =>
  Object.fromEntries(names.map((name, k) => [name, weights[k] ?? 0]))

const NOTE = 'weights '

/** A change of weights as the journal keeps it. */
export const weightsNote = (names: readonly string[], {weights}: WeightRecord): string =>
  `${NOTE}${JSON.stringify(weightsByName(names, weights))}`

/** The weights that a journal says were held last; undefined where it says none. */
export const lastWeights = (
  entries: Iterable<{readonly entry: JournalEntry}>,
): Readonly<Record<string, number>> | undefined => {
  let last: string | undefined
  for (const {entry} of entries) if (entry.kind === 'note' && entry.text.startsWith(NOTE)) last = entry.text
  return last === undefined ? undefined : (JSON.parse(last.slice(NOTE.length)) as Record<string, number>)
}
