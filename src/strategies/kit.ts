/**
 * What `import … from 'gpi'` gives: the types a strategy of one's own is written in, and the few values it reads the market
 * with. Nothing here starts anything.
 */
import type {Strategy} from './strategy.ts'

export type {MarketState} from '../data/market-state.ts'
// biome-ignore-start lint/performance/noBarrelFile: the package's one way in
export {midTicks} from '../data/market-state.ts'
export type {OrderBook} from '../data/order-book.ts'
export type {TapeChunk} from '../data/tape.ts'
export {Aggressor, Depth, EventKind, OrderAction} from '../data/tape.ts'
export type {Auction} from '../domain/auction-hours.ts'
export type {Instrument, InstrumentKind, InstrumentTable} from '../domain/instrument.ts'
export {lotsToSize, ticksToPrice} from '../domain/instrument.ts'
export type {Fill} from '../domain/order.ts'
export type {Rng} from '../domain/rng.ts'
export type {Signal} from '../domain/signal.ts'
export type {Lots, Micros, Side, Ticks, TsUs} from '../domain/units.ts'
export {US_PER_DAY, US_PER_HOUR, US_PER_MINUTE, US_PER_SECOND} from '../domain/units.ts'
export {lotsOfCapital} from './sizing.ts'
export type {Strategy, StrategyContext} from './strategy.ts'
// biome-ignore-end lint/performance/noBarrelFile: the package's one way in

/** Values a parameter may have; also what `--param key=value` can say. */
export type ParamValue = number | string | boolean | readonly ParamValue[] | {readonly [key: string]: ParamValue}

/** Parameters of a strategy with their defaults. */
export type ParamDefaults = Readonly<Record<string, ParamValue>>

/** Literal types of the defaults widened: a parameter that is 20 by default is a number. */
export type ParamsOf<D extends ParamDefaults> = {
  readonly [K in keyof D]: D[K] extends number
    ? number
    : D[K] extends string
      ? string
      : D[K] extends boolean
        ? boolean
        : D[K]
}

/**
 * What a strategy file exports by default: makes a fresh strategy, with all its state inside, for one run. A named export
 * `params` with defaults makes gpi refuse parameters that are not among them, and fill in those not given.
 */
export type StrategyFactory<D extends ParamDefaults = ParamDefaults> = (params: ParamsOf<D>) => Strategy
