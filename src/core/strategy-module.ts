import {stat} from 'node:fs/promises'
import {registerHooks} from 'node:module'
import path from 'node:path'
import process from 'node:process'
import {pathToFileURL} from 'node:url'
import {nearest, UserError} from '../domain/errors.ts'
import type {Strategy} from '../strategies/strategy.ts'
import {noteImport} from './strategy-code.ts'

type Params = Readonly<Record<string, unknown>>

/** What a user's file exports by default: makes a fresh strategy from its parameters. */
export type StrategyFactory = (params: Params) => Strategy

/** A name that is a path to a module, rather than a built-in strategy. */
export const isModulePath = (name: string): boolean => /[\\/]|\.[cm]?[jt]s$/.test(name)

/** The same for `./mine.ts`, `mine.ts` and the absolute path: what runs and trials of a strategy are known by. */
export const strategyLabel = (name: string): string =>
  isModulePath(name) ? path.relative(process.cwd(), path.resolve(name)) : name

/** What the trials of these strategies are counted under: they compete with each other. */
export const trialFamily = (strategies: readonly {readonly name: string}[]): string =>
  strategies.map(({name}) => strategyLabel(name)).join('+')

/** The user's files among the names of strategies, loaded. Throws UserError for the first that cannot be. */
export const loadStrategyModules = async (names: readonly string[]): Promise<ReadonlyMap<string, StrategyFactory>> =>
  new Map(
    await Promise.all(names.filter(isModulePath).map(async name => [name, await loadStrategyModule(name)] as const)),
  )

/** Loads a user's strategy. Throws UserError naming the file and what is wrong with it. */
export const loadStrategyModule = async (file: string): Promise<StrategyFactory> => {
  const absolute = path.resolve(file)
  const found = await stat(absolute).catch(() => undefined)
  if (found === undefined || !found.isFile())
    throw new UserError('STRATEGY_FILE', `there is no strategy file ${file}`, {
      hints: ['gpi backtest --help lists the built-in strategies'],
    })
  const module = (await importTypeScript(absolute).catch((error: unknown) => {
    throw new UserError('STRATEGY_FILE', `${file} cannot be loaded: ${(error as Error).message}`, {cause: error})
  })) as {readonly default?: unknown; readonly params?: unknown}
  const factory = module.default
  if (typeof factory !== 'function')
    throw new UserError('STRATEGY_FILE', `${file} must export a function by default, was ${typeof factory}`, {
      hints: ['export default params => ({name: "mine", onEvent(context, chunk, row) {}})'],
    })
  const {params: defaults} = module
  if (defaults !== undefined && (typeof defaults !== 'object' || defaults === null || Array.isArray(defaults)))
    throw new UserError('STRATEGY_FILE', `${file} must export params as an object of defaults, was ${String(defaults)}`)
  return given => {
    const params = defaults === undefined ? given : withDefaults(defaults as Params, given, file)
    const strategy = (factory as StrategyFactory)(params)
    if (typeof strategy?.name !== 'string' || typeof strategy.onEvent !== 'function')
      throw new UserError('STRATEGY_FILE', `${file} must make an object with a name and onEvent(context, chunk, row)`)
    return strategy
  }
}

/** What `import … from 'gpi'` means in a strategy: the gpi that runs it, wherever its file lies and whatever is installed there. */
const OWN_KIT = new URL(`../strategies/kit${path.extname(import.meta.url)}`, import.meta.url).href

/**
 * TypeScript beside a package.json of "type": "commonjs", which `npm init` writes, would be read as CommonJS and fail at its
 * first `export`: strategy files and what lies beside them are modules whatever it says.
 */
const importTypeScript = async (absolute: string): Promise<unknown> => {
  const folder = pathToFileURL(`${path.dirname(absolute)}${path.sep}`).href
  const hooks = registerHooks({
    resolve: (specifier, context, next) => {
      if (specifier === 'gpi') return {url: OWN_KIT, shortCircuit: true}
      const found = next(specifier, context)
      noteImport(context.parentURL, found.url)
      const isOurs = found.url.startsWith(folder) && !found.url.slice(folder.length).includes('node_modules/')
      return isOurs && found.format === 'commonjs-typescript' ? {...found, format: 'module-typescript'} : found
    },
  })
  try {
    return await import(pathToFileURL(absolute).href)
  } finally {
    hooks.deregister()
  }
}

/** The parameters given over the file's own defaults. Throws UserError for a name or a type that is not among them. */
const withDefaults = (defaults: Params, given: Params, file: string): Params => {
  const known = Object.keys(defaults)
  for (const [key, value] of Object.entries(given)) {
    if (!Object.hasOwn(defaults, key)) {
      const near = nearest(key, known)
      throw new UserError('UNKNOWN_PARAMETER', `${file} has no parameter ${JSON.stringify(key)}`, {
        hints: [
          ...(near === undefined ? [] : [`did you mean ${near}?`]),
          known.length === 0 ? 'it takes none' : `parameters: ${known.join(', ')}`,
        ],
      })
    }
    const wanted = kindOf(defaults[key])
    if (kindOf(value) !== wanted)
      throw new UserError('INVALID_PARAMETER', `${file} was given a parameter it cannot use`, {
        hints: [`${key}: expected ${wanted}, was ${JSON.stringify(value)}`],
      })
  }
  return {...defaults, ...given}
}

const kindOf = (value: unknown): string => (Array.isArray(value) ? 'list' : typeof value)
