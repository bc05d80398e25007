import type {Config} from '../config/schema.ts'
import {UserError} from '../domain/errors.ts'
import type {InstrumentTable} from '../domain/instrument.ts'
import {createStrategy, STRATEGIES, type StrategyServices} from '../strategies/registry.ts'
import type {Strategy} from '../strategies/strategy.ts'
import type {StrategyFactory} from './strategy-module.ts'
import {ownServices} from './strategy-services.ts'

export interface StrategyChoice {
  readonly running: readonly Strategy[]
  readonly idle: readonly {readonly strategy: string; readonly reason: string}[]
}

export interface StrategyChoiceOptions {
  readonly config: Config
  readonly instruments: InstrumentTable
  /** Names from `--strategy`; the configuration's five with a weight above 0 when empty. */
  readonly names: readonly string[]
  readonly services?: StrategyServices
  /** The user's own among the names, loaded. */
  readonly modules?: ReadonlyMap<string, StrategyFactory>
}

/**
 * Fresh strategies for a run. One that is asked for by name and cannot run is an error; one that the configuration
 * merely lists is left out and named with its reason.
 */
export const chooseStrategies = ({
  config,
  instruments,
  names,
  services = ownServices(),
  modules = new Map(),
}: StrategyChoiceOptions): StrategyChoice => {
  const asked = names.length > 0
  const listed = listedStrategies(config, names)
  const running: Strategy[] = []
  const idle: {strategy: string; reason: string}[] = []
  for (const name of listed) {
    const reason = asked ? undefined : reasonIdle(name, instruments)
    if (reason !== undefined) idle.push({strategy: name, reason})
    else {
      const parameters = config.strategies.parameters[name] ?? {}
      running.push(modules.get(name)?.(parameters) ?? createStrategy(name, parameters, services))
    }
  }
  if (running.length === 0)
    throw new UserError('NO_STRATEGY', 'no strategy can run on these instruments', {
      hints: idle.map(({strategy, reason}) => `${strategy}: ${reason}`),
    })
  requireOwnNames(running)
  return {running, idle}
}

/** Orders, profit and weights are kept by name. */
const requireOwnNames = (running: readonly Strategy[]): void => {
  const names = running.map(({name}) => name)
  const twice = names.find((name, k) => names.indexOf(name) !== k)
  if (twice !== undefined)
    throw new UserError('STRATEGY_CHOICE', `two strategies are named ${JSON.stringify(twice)}`, {
      hints: ['give the strategy of your own another name in its file'],
    })
}

/** Those named, else the five of the configuration that have a weight. `model-signal` runs when it is named. */
export const listedStrategies = ({strategies}: Config, names: readonly string[]): readonly string[] => {
  const weights: Readonly<Record<string, number>> = strategies.weights
  return names.length > 0 ? [...new Set(names)] : Object.keys(weights).filter(name => (weights[name] ?? 0) > 0)
}

const reasonIdle = (name: string, instruments: InstrumentTable): string | undefined => {
  if (!Object.hasOwn(STRATEGIES, name)) return 'not built into this version'
  const all = instruments.all()
  switch (name) {
    case 'option-sentiment':
      return all.some(({kind}) => kind === 'option') ? undefined : 'the feed has no option chains'
    case 'triangular-arbitrage':
      return all.some(({kind, quote}) => kind === 'option' || (kind === 'crypto' && !/^USD[TC]?$/.test(quote)))
        ? undefined
        : 'the feed has no cross rate and no option chains'
    case 'statistical-arbitrage':
      return all.length >= 2 ? undefined : 'one instrument makes no pair'
    default:
      return undefined
  }
}
