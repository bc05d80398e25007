// Columns are indexed inside their bounds, hence the `!`.
import type {TapeChunk} from '../data/tape.ts'
import type {TapeSource} from '../data/tape-source.ts'
import {UserError} from '../domain/errors.ts'
import {instrumentOf} from '../domain/instrument.ts'
import {US_PER_DAY, US_PER_HOUR, US_PER_SECOND} from '../domain/units.ts'
import {type Listing, standardListings} from '../exchange/scenarios/listings.ts'
import {concerns, type Scenario} from '../exchange/scenarios/scenario.ts'
import {ScenarioMarket} from '../exchange/scenarios/scenario-market.ts'
import {SCENARIOS} from '../exchange/scenarios/scenarios.ts'
import {fromNewYork, type SessionClock} from '../features/session-clock.ts'
import type {Episodes} from '../models/adversarial.ts'
import {barDataset, type SymbolHistory} from '../models/bar-dataset.ts'
import {windowEnds} from '../models/dataset.ts'
import {sha256} from '../models/model-file.ts'
import {patternEvidence} from './pattern-evidence.ts'
import {heedStop, replay} from './training-market.ts'

export interface EpisodeRequest {
  readonly rows: 'bar' | 'multi'
  readonly session: SessionClock['name']
  readonly periodUs: number
  readonly window: number
  readonly horizon: number
  readonly barrier: number
  readonly costBps: number
  readonly scenarios: readonly Scenario[]
  /** Each draws its own paths of every scenario. */
  readonly seeds: readonly number[]
  /** True once playing shall end: nothing comes of it then but a refusal. */
  readonly isStopped?: () => boolean
}

/** Bars of an episode at most: a trading day of 5-minute bars. */
const MOST_BARS = 78
/** Days are only names here; this one is long before any recording. */
const FIRST_DAY = 10_957
const DAY_OF = {'us-equity': 6.5 * US_PER_HOUR, utc: US_PER_DAY} as const

/** Scenarios whose every path is kept out of training: how a model fares in a kind of trouble it has never met. */
export const UNSEEN_SCENARIOS: readonly string[] = ['limit-cascade', 'short-squeeze', 'depeg']
export const seenScenarios = (): readonly Scenario[] => SCENARIOS.filter(({name}) => !UNSEEN_SCENARIOS.includes(name))

/** Name of an episode's row source, by which it can be told from every market's. */
export const episodeName = (scenario: string, symbol: string, seed: number): string =>
  `scenario:${scenario}/${symbol}#${seed}`
export const scenarioOfEpisode = (name: string): string => /^scenario:([^/]+)\//.exec(name)?.[1] ?? ''

/**
 * Labelled rows of scenarios that the stress simulator plays, made by the feature and label code of the market's rows. A
 * scenario is slowed until it fills a session of the data's own bars: times are stretched and volatilities rise by the
 * square root of the stretch, so that its moves, halts and jumps keep their sizes and its calm keeps the market's.
 */
export const scenarioEpisodes = async (request: EpisodeRequest): Promise<Episodes> => {
  const {rows, session, periodUs, window, horizon, barrier, costBps, scenarios, seeds, isStopped} = request
  const bars = Math.min(MOST_BARS, Math.floor(DAY_OF[session] / periodUs))
  if (bars < window + horizon + 1) {
    throw new UserError(
      'NO_EPISODES',
      `a scenario episode has ${bars} bars of ${periodUs / US_PER_SECOND} s: too few for a window of ${window} and a horizon of ${horizon}`,
      {hints: ['give a shorter --window or --horizon, or shorter bars']},
    )
  }
  const listings = standardListings()
  let day = FIRST_DAY
  const histories = scenarios.flatMap(scenario =>
    seeds.flatMap(seed => {
      day++
      return listings
        .filter(({symbol}) => isTouched(scenario, symbol, session))
        .map(listing =>
          episode({scenario, listing, listings, seed, day, bars, session, periodUs, isMulti: rows === 'multi'}),
        )
    }),
  )
  const dataset = await barDataset(
    {session, periodUs, histories: heedStop(histories, isStopped)},
    {horizon, barrier, costBps, rows, ...(rows === 'multi' ? {patterns: patternEvidence} : {})},
  )
  return {dataset, ends: windowEnds(dataset, window)}
}

/** An instrument of the session's kind to which the scenario does something. */
const isTouched = ({phases}: Scenario, symbol: string, session: SessionClock['name']): boolean => {
  const instrument = instrumentOf(symbol)
  const kind = instrument.kind === 'crypto' ? 'utc' : 'us-equity'
  return kind === session && phases.some(phase => concerns(phase, instrument))
}

interface EpisodeOptions {
  readonly scenario: Scenario
  readonly listing: Listing
  readonly listings: readonly Listing[]
  readonly seed: number
  readonly day: number
  readonly bars: number
  readonly session: SessionClock['name']
  readonly periodUs: number
  readonly isMulti: boolean
}

const episode = (options: EpisodeOptions): SymbolHistory => {
  const {scenario, listing, listings, seed, day, bars, session, periodUs, isMulti} = options
  const stretch = (bars * periodUs) / (scenario.durationS * US_PER_SECOND)
  const needed = [listing.symbol, ...(listing.cross ?? [])]
  const slowed = listings
    .filter(({symbol}) => needed.includes(symbol))
    .map(each => ({...each, annualVolatility: each.annualVolatility * Math.sqrt(stretch)}))
  const startUs = session === 'utc' ? day * US_PER_DAY : fromNewYork(day * US_PER_DAY + 9.5 * US_PER_HOUR)
  return {
    symbol: episodeName(scenario.name, listing.symbol, seed),
    sha256: sha256(JSON.stringify({scenario, slowed, seed, bars, periodUs})),
    read: async sink => {
      const market = new ScenarioMarket({scenario, seed, startUs, listings: slowed})
      const tape: TapeSource = {
        instruments: market.instruments,
        dataHash: async () => '',
        chunks: () => slow(market.chunks(), startUs, stretch),
      }
      await replay(tape, listing.symbol, {periodUs, hasBars: false, isMulti}, sink, undefined)
    },
  }
}

/** The same rows, further apart. */
async function* slow(chunks: Iterable<TapeChunk>, startUs: number, stretch: number): AsyncGenerator<TapeChunk> {
  for (const chunk of chunks) {
    for (let row = 0; row < chunk.count; row++)
      chunk.tsUs[row] = startUs + Math.round((chunk.tsUs[row]! - startUs) * stretch)
    yield chunk
  }
}
