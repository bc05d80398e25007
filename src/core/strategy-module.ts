import {stat} from 'node:fs/promises'
import path from 'node:path'
import {pathToFileURL} from 'node:url'
import {UserError} from '../domain/errors.ts'
import type {Strategy} from '../strategies/strategy.ts'

/** What a user's file exports by default: makes a fresh strategy from its parameters. */
export type StrategyFactory = (params: Readonly<Record<string, unknown>>) => Strategy

/** A name that is a path to a module, rather than a built-in strategy. */
export const isModulePath = (name: string): boolean => /[\\/]|\.[cm]?[jt]s$/.test(name)

/** Loads a user's strategy. Throws UserError naming the file and what is wrong with it. */
export const loadStrategyModule = async (file: string): Promise<StrategyFactory> => {
  const absolute = path.resolve(file)
  const found = await stat(absolute).catch(() => undefined)
  if (found === undefined || !found.isFile())
    throw new UserError('STRATEGY_FILE', `there is no strategy file ${file}`, {
      hints: ['gpi backtest --help lists the built-in strategies'],
    })
  const module = (await import(pathToFileURL(absolute).href).catch((error: unknown) => {
    throw new UserError('STRATEGY_FILE', `${file} cannot be loaded: ${(error as Error).message}`, {cause: error})
  })) as {readonly default?: unknown}
  const factory = module.default
  if (typeof factory !== 'function')
    throw new UserError('STRATEGY_FILE', `${file} must export a function by default, was ${typeof factory}`, {
      hints: ['export default params => ({name: "mine", onEvent(context, chunk, row) {}})'],
    })
  return params => {
    const strategy = (factory as StrategyFactory)(params)
    if (typeof strategy?.name !== 'string' || typeof strategy.onEvent !== 'function')
      throw new UserError('STRATEGY_FILE', `${file} must make an object with a name and onEvent(context, chunk, row)`)
    return strategy
  }
}
