import type {z} from 'zod'
import {nearest, UserError} from '../domain/errors.ts'
import {BuyAndHoldParams, buyAndHold, DoNothingParams, doNothing, RandomEntryParams, randomEntry} from './baselines.ts'
import {MarketMakingParams, marketMaking} from './market-making.ts'
import {ModelSignalParams, modelSignal} from './model-signal.ts'
import {OptionSentimentParams, optionSentiment} from './option-sentiment.ts'
import {PatternRecognitionParams, patternRecognition} from './pattern-recognition.ts'
import type {StrategyServices} from './services.ts'
import {StatisticalArbitrageParams, statisticalArbitrage} from './statistical-arbitrage.ts'
import type {Strategy} from './strategy.ts'
import {TriangularArbitrageParams, triangularArbitrage} from './triangular-arbitrage.ts'

interface StrategyEntry {
  readonly summary: string
  readonly params: z.ZodType
  readonly create: (params: never, services: StrategyServices) => Strategy
}

const entry = <S extends z.ZodType>(
  summary: string,
  params: S,
  create: (params: z.output<S>, services: StrategyServices) => Strategy,
): StrategyEntry => ({summary, params, create})

export type {StrategyServices}

/** Built-in strategies by name. */
export const STRATEGIES: Readonly<Record<string, StrategyEntry>> = {
  'market-making': entry(
    'quotes both sides around a learned fair price, skewed against inventory',
    MarketMakingParams,
    marketMaking,
  ),
  'statistical-arbitrage': entry(
    'trades the distance of cointegrated pairs',
    StatisticalArbitrageParams,
    statisticalArbitrage,
  ),
  'triangular-arbitrage': entry(
    'converts dollars through two coins and back when three books allow it',
    TriangularArbitrageParams,
    triangularArbitrage,
  ),
  'pattern-recognition': entry(
    'trades what followed when the market last looked like this',
    PatternRecognitionParams,
    patternRecognition,
  ),
  'option-sentiment': entry(
    'holds the underlying or a debit spread in the direction its option chain leans',
    OptionSentimentParams,
    optionSentiment,
  ),
  'model-signal': entry('trades what a trained signal model says, net of costs', ModelSignalParams, modelSignal),
  'buy-and-hold': entry('baseline: buys once, never sells', BuyAndHoldParams, buyAndHold),
  'random-entry': entry('baseline: random entries, fixed holding time', RandomEntryParams, randomEntry),
  'do-nothing': entry('baseline: no orders', DoNothingParams, doNothing),
}

/**
 * A fresh strategy for one run. Throws UserError UNKNOWN_STRATEGY, UNKNOWN_PARAMETER or INVALID_PARAMETER, each naming
 * the nearest right one or what was wrong.
 */
export const createStrategy = (name: string, params: unknown = {}, services: StrategyServices = {}): Strategy => {
  const found = STRATEGIES[name]
  if (found === undefined || !Object.hasOwn(STRATEGIES, name)) throw unknownStrategy(name)
  const parsed = found.params.safeParse(params)
  if (!parsed.success) throw invalidParams(name, found, parsed.error)
  return found.create(parsed.data as never, services)
}

/** Signal models that the strategy will ask for with these parameters; none when they are not valid. */
export const modelsAskedFor = (name: string, params: unknown = {}): readonly string[] => {
  const parsed = STRATEGIES[name]?.params.safeParse(params)
  const model = parsed?.success === true ? (parsed.data as {readonly model?: unknown}).model : undefined
  return typeof model === 'string' && model !== '' ? [model] : []
}

const unknownStrategy = (name: string): UserError => {
  const names = Object.keys(STRATEGIES)
  const near = nearest(name, names)
  return new UserError('UNKNOWN_STRATEGY', `no strategy is named ${JSON.stringify(name)}`, {
    hints: [...(near === undefined ? [] : [`did you mean ${near}?`]), `strategies: ${names.join(', ')}`],
  })
}

const invalidParams = (name: string, {params}: StrategyEntry, error: z.ZodError): UserError => {
  const unknown = error.issues.find(issue => issue.code === 'unrecognized_keys')
  if (unknown !== undefined) {
    const key = unknown.keys[0] as string
    const known = Object.keys((params as unknown as {readonly shape: object}).shape)
    const near = nearest(key, known)
    return new UserError('UNKNOWN_PARAMETER', `${name} has no parameter ${JSON.stringify(key)}`, {
      hints: [
        ...(near === undefined ? [] : [`did you mean ${near}?`]),
        known.length === 0 ? 'it takes none' : `parameters: ${known.join(', ')}`,
      ],
      cause: error,
    })
  }
  return new UserError('INVALID_PARAMETER', `${name} was given a parameter it cannot use`, {
    hints: error.issues.map(issue => `${issue.path.join('.')}: ${issue.message}`),
    cause: error,
  })
}

/** Parameters of a strategy with type, default and meaning, for help texts and docs. */
export const describeParams = (
  name: string,
): readonly {readonly name: string; readonly default: unknown; readonly description: string}[] => {
  const shape = (STRATEGIES[name]?.params as unknown as {shape?: Record<string, z.ZodType>} | undefined)?.shape ?? {}
  return Object.entries(shape).map(([key, schema]) => ({
    name: key,
    default: schema.safeParse(undefined).data,
    description: schema.description ?? '',
  }))
}
