import {Flags} from '@oclif/core'
import {STRATEGY_NAMES} from '../config/schema.ts'
import {allocationOverride} from './allocation-flag.ts'

/** Which strategies, and how: for commands whose strategies are the configuration's unless they are named. */
export const strategyFlags = {
  strategy: Flags.string({
    description: 'built-in name or a file such as ./mine.ts, repeatable; the configured ones by default',
    multiple: true,
    helpValue: 'NAME',
  }),
  param: Flags.string({
    description: 'parameter of the strategy; strategy.key=value where several run',
    multiple: true,
    helpValue: 'KEY=VALUE',
  }),
}

/** What the flags change in the configuration. Throws UserError for a `--param` that names no strategy that runs. */
export const strategyOverrides = async (flags: {
  readonly strategy?: readonly string[] | undefined
  readonly param?: readonly string[] | undefined
  readonly allocation?: string | undefined
}): Promise<Record<string, unknown>> => {
  const override = allocationOverride(flags.allocation) as {readonly strategies?: object}
  if (flags.param === undefined) return override
  const {paramsByStrategy} = await import('../core/strategy-params.ts')
  const parameters = Object.fromEntries(paramsByStrategy(flags.param, flags.strategy ?? STRATEGY_NAMES))
  return {...override, strategies: {...override.strategies, parameters}}
}
