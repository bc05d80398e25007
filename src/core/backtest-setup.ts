import type {ResolvedConfig} from '../config/resolve.ts'
import {configHash} from '../config/resolve.ts'
import {type Config, STRATEGY_NAMES} from '../config/schema.ts'
import {UserError} from '../domain/errors.ts'
import type {InstrumentTable} from '../domain/instrument.ts'
import type {FeeScheduleName} from '../exchange/fees.ts'
import type {QueueModelName} from '../exchange/venue.ts'
import {createStrategy, modelsAskedFor} from '../strategies/registry.ts'
import type {BacktestOptions, BacktestStrategy} from './backtest.ts'
import {type LatencyRecording, readRecordedLatency} from './recorded-latency.ts'
import {chooseAllocation, policyHashOf, withAllocation} from './risk-setup.ts'
import {strategyCodeOf} from './strategy-code.ts'
import {isModulePath, loadStrategyModule} from './strategy-module.ts'
import {paramsByStrategy} from './strategy-params.ts'
import {openRunServices, type RunServices} from './strategy-services.ts'
import {chooseStrategies} from './strategy-setup.ts'

export interface BacktestRequest {
  readonly resolved: ResolvedConfig
  readonly instruments: InstrumentTable
  /** Built-in names, `all`, or paths of modules. */
  readonly names: readonly string[]
  /** `key=value`, or `strategy.key=value` where several run. */
  readonly params: readonly string[]
  readonly capitalDollars: number
  readonly latencyUs: number
  readonly fees: FeeScheduleName
  readonly queue: QueueModelName
  /** Folder of a pattern bank that the run may read. */
  readonly bank?: string | undefined
  /** The folder may be missing: the bank begins with this run. */
  readonly newBank?: boolean
  readonly environment?: Readonly<Record<string, string | undefined>>
}

export type BacktestSetup = Pick<
  BacktestOptions,
  | 'config'
  | 'configHash'
  | 'allocation'
  | 'seed'
  | 'strategies'
  | 'capitalMicros'
  | 'latencyUs'
  | 'latency'
  | 'fees'
  | 'queue'
> & {
  readonly idle: readonly {readonly strategy: string; readonly reason: string}[]
  /** What strategies of the run may ask; open as long as the run. */
  readonly services: RunServices
}

/** Resolves strategies, parameters and the hash of everything that shapes the run. */
export const backtestSetup = async (request: BacktestRequest): Promise<BacktestSetup> => {
  const {resolved, capitalDollars, latencyUs, fees, queue} = request
  const {config: asked} = resolved
  // A policy that is not what its card says is told before anything is opened.
  policyHashOf(asked, request.names.includes('all') ? STRATEGY_NAMES : request.names)
  const latency = await latencyOf(asked)
  const {strategies, idle, services} = await strategiesOf(request)
  const names = strategies.map(({name}) => name)
  const allocation = chooseAllocation(asked, names)
  // A run is the same whether what it does was asked for or chosen.
  const config = withAllocation(asked, allocation)
  const policy = policyHashOf(config, names)
  const inputs = services.inputs()
  const shape = {
    config: {...shapingConfig(config), seed: undefined},
    strategies: strategies.map(({name, weight, params}) => ({code: codeOf(name), weight, params})),
    capitalDollars,
    latencyUs,
    fees,
    queue,
    ...(Object.keys(inputs).length === 0 ? {} : {inputs}),
    ...(policy === undefined ? {} : {policy}),
    ...(latency === undefined ? {} : {latency: latency.hash}),
  }
  return {
    services,
    config,
    configHash: configHash(shape),
    seed: config.seed,
    allocation,
    strategies,
    idle,
    capitalMicros: Math.round(capitalDollars * 1_000_000),
    latencyUs,
    fees,
    queue,
    ...(latency === undefined ? {} : {latency}),
  }
}

const latencyOf = async ({backtest}: Config): Promise<LatencyRecording | undefined> =>
  backtest.latency.startsWith(RECORDED) ? readRecordedLatency(backtest.latency.slice(RECORDED.length)) : undefined
const RECORDED = 'recorded:'

/**
 * What of a configuration shapes a result. Settings that came later are left out while they change nothing, so that a run is
 * the one that it was before they could be set: borrow, impact, exercise, recorded latencies (whose content counts, not place).
 */
export const shapingConfig = (config: Config): Record<string, unknown> => {
  const {backtest, risk, ...rest} = config
  const {borrowBpsAnnual, ...otherRisk} = risk
  return {
    ...rest,
    home: undefined,
    risk: borrowBpsAnnual === 0 ? otherRisk : risk,
    ...(backtest.exercise === 'expiry' ? {} : {exercise: backtest.exercise}),
    ...(backtest.impact === 'none'
      ? {}
      : {
          impact: [backtest.impact, backtest.impactHalfLifeMs],
          inverseTurnover: backtest.impactInverseTurnover,
          sharesOutstanding: backtest.sharesOutstanding,
        }),
  }
}

/** A built-in strategy's name; of a user's module its content and that of what it imports, wherever they lie. */
const codeOf = (name: string): string => (isModulePath(name) ? strategyCodeOf(name).sha256 : name)

const strategiesOf = async ({resolved, instruments, names, params, bank, newBank, environment}: BacktestRequest) => {
  const {config} = resolved
  const all = names.includes('all')
  if (all && names.length > 1) throw new UserError('STRATEGY_CHOICE', '--strategy all goes alone')
  const choice = all ? chooseStrategies({config, instruments, names: []}) : undefined
  const listed = choice?.running.map(({name}) => name) ?? [...new Set(names)]
  const given = paramsByStrategy(params, listed)
  const shares = weightsOf(config, listed, all)
  const ownParams = (name: string): Record<string, unknown> => ({
    ...(config.strategies.parameters[name] ?? {}),
    ...given.get(name),
  })
  const services = await openRunServices({
    config,
    heads: listed.includes('option-sentiment') && instruments.all().some(({kind}) => kind === 'option'),
    models: listed.flatMap(name => modelsAskedFor(name, ownParams(name))),
    bank,
    newBank: newBank === true,
    ...(environment === undefined ? {} : {environment}),
  })
  const strategies = await Promise.all(
    listed.map(async (name, k): Promise<BacktestStrategy> => {
      const own = ownParams(name)
      const weight = shares[k] as number
      if (!isModulePath(name)) {
        // A wrong name or parameter is told now, not when the first replay starts.
        createStrategy(name, own)
        return {name, weight, params: own, create: () => createStrategy(name, own, services.services())}
      }
      const factory = await loadStrategyModule(name)
      return {name, weight, params: own, create: () => factory(own)}
    }),
  )
  return {strategies, idle: choice?.idle ?? [], services}
}

/**
 * Refuses lists of parameters that a strategy cannot use, before the first replay. `where` says who asks for them, such as
 * a sweep's file.
 */
export const checkParameters = async (
  {config, strategies}: Pick<BacktestSetup, 'config' | 'strategies'>,
  given: readonly string[],
  lists: readonly (readonly string[])[],
  where: string,
): Promise<void> => {
  const names = strategies.map(({name}) => name)
  const makers = await Promise.all(
    names.map(async name =>
      isModulePath(name) ? loadStrategyModule(name) : (own: object) => createStrategy(name, own),
    ),
  )
  for (const list of lists) {
    try {
      const wanted = paramsByStrategy([...given, ...list], names)
      for (const [k, name] of names.entries())
        makers[k]?.({...(config.strategies.parameters[name] ?? {}), ...wanted.get(name)})
    } catch (error) {
      if (!(error instanceof UserError)) throw error
      const {code, message, hints, exitCode} = error
      throw new UserError(code, message, {hints: [...hints, `${where} asks for ${list.join(' ')}`], exitCode})
    }
  }
}

/** `all` keeps the configured weights; strategies named one by one share the whole capital in proportion to theirs. */
const weightsOf = ({strategies}: Config, names: readonly string[], all: boolean): number[] => {
  const configured: Readonly<Record<string, number>> = strategies.weights
  const raw = names.map(name => configured[name] ?? 1 / STRATEGY_NAMES.length)
  const total = raw.reduce((sum, weight) => sum + weight, 0)
  return all || total === 0 ? raw : raw.map(weight => weight / total)
}
