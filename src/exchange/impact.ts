import type {MarketState} from '../data/market-state.ts'
import {type InstrumentTable, sizeToLots} from '../domain/instrument.ts'
import {MarketActivity} from './market-activity.ts'
import type {ImpactModel} from './venue.ts'

// A numeric kernel: columns are sized from the instrument table, so they are read under `!`.

export type ImpactModelName = 'none' | 'almgren' | 'resilience' | 'auto'

/**
 * Half-life of what our orders do to a market. Large (2007) measured 20 s at the London exchange where a book refills, and no
 * reliable refill after more than 60 % of large trades: five minutes is on the careful side.
 */
export const DEFAULT_HALF_LIFE_US = 300_000_000

export interface ImpactOptions {
  readonly instruments: InstrumentTable
  readonly market: MarketState
  /** Market time in which the temporary part of an impact halves. */
  readonly halfLifeUs: number
  /** Shares outstanding over a day's volume, where they are not known; 200 by default. Only `almgren` reads these two. */
  readonly inverseTurnover?: number | undefined
  /** By symbol, as of the first row: then the inverse turnover is theirs over the daily volume seen so far. */
  readonly sharesOutstanding?: Readonly<Record<string, number>> | undefined
}

/** The model of a name; undefined for `none`. `auto` is `resilience` where depth is shown, and `almgren` elsewhere. */
export const impactModel = (name: ImpactModelName, options: ImpactOptions): ImpactModel | undefined => {
  switch (name) {
    case 'none':
      return undefined
    case 'almgren':
      return almgrenImpact(options)
    case 'resilience':
      return bookResilience(options)
    case 'auto':
      return byDepth(options.market, bookResilience(options), almgrenImpact(options))
    default:
      return name satisfies never
  }
}

/** Lots that were taken on each side of each instrument, forgotten exponentially. */
class DecayingVolume {
  readonly #halfLifeUs: number
  readonly #lots: Float64Array
  readonly #atUs: Float64Array

  constructor(instruments: number, halfLifeUs: number) {
    if (!(halfLifeUs > 0)) throw new RangeError(`a half-life must be positive, was ${halfLifeUs}`)
    this.#halfLifeUs = halfLifeUs
    this.#lots = new Float64Array(2 * instruments)
    this.#atUs = new Float64Array(2 * instruments)
  }
  at(instrument: number, isBuy: boolean, atUs: number): number {
    const slot = 2 * instrument + (isBuy ? 1 : 0)
    const lots = this.#lots[slot]!
    return lots === 0 ? 0 : lots * 2 ** ((this.#atUs[slot]! - atUs) / this.#halfLifeUs)
  }
  add(instrument: number, isBuy: boolean, lots: number, atUs: number): void {
    const slot = 2 * instrument + (isBuy ? 1 : 0)
    this.#lots[slot] = this.at(instrument, isBuy, atUs) + lots
    this.#atUs[slot] = atUs
  }
  scale(instrument: number, factor: number): void {
    this.#lots[2 * instrument]! *= factor
    this.#lots[2 * instrument + 1]! *= factor
  }
}

/**
 * What we take from a book stays taken, wherever its levels move, and comes back exponentially: the next order begins
 * that deep in what is shown. A recorded book does not react to us, so a level that was really there may still be
 * missing; none is ever invented. Source: Obizhaeva & Wang, "Optimal trading strategy and supply/demand dynamics", J. of
 * Financial Markets 16 (2013), with the book's own shape for its block, as in Alfonsi, Fruth & Schied (2010).
 */
export const bookResilience = ({instruments, halfLifeUs}: ImpactOptions): ImpactModel => {
  const taken = new DecayingVolume(instruments.size, halfLifeUs)
  return {
    ticks: () => 0,
    missingLots: (instrument, isBuy, atUs) => taken.at(instrument, isBuy, atUs),
    onTaken: (instrument, isBuy, lots, atUs) => taken.add(instrument, isBuy, lots, atUs),
    onSplit: (instrument, numerator, denominator) => taken.scale(instrument, numerator / denominator),
  }
}

/** Coefficients of Almgren, Thum, Hauptmann & Li, "Direct estimation of equity market impact", Risk 18 (2005). */
const ETA = 0.142
const BETA = 0.6
const GAMMA = 0.314
/**
 * Shares outstanding over a day's volume, which no tape says: between the paper's two examples, 263 (IBM) and 87 (DRI). Its
 * fourth root counts: with half or twice the true one, the permanent part is 16 % too small or 19 % too large. The paper
 * measured large US shares; on coins the law is borrowed.
 */
export const INVERSE_TURNOVER = 200
const US_PER_SESSION = 6.5 * 3_600_000_000
const US_PER_COIN_DAY = 86_400_000_000

/** Temporary impact as a fraction of the price for trading `rate` times as fast as the whole market, by its daily volatility. */
export const temporaryImpact = (rate: number, dailyVolatility: number): number => ETA * dailyVolatility * rate ** BETA
/** Permanent impact of `share` of a day's volume, as a fraction of the price. */
export const permanentImpact = (
  share: number,
  dailyVolatility: number,
  inverseTurnover: number = INVERSE_TURNOVER,
): number => GAMMA * dailyVolatility * share * inverseTurnover ** 0.25

/**
 * Temporary impact by our rate of trading to the power of 3/5 and permanent impact by our net position, both in units of the
 * instrument's daily volatility and volume as the tape has shown them so far. The paper trades at a constant rate; here
 * the rate is an exponential mean of what we took lately, so one order pays the integral over its own lots, a second one
 * pays more, and steady trading pays what the paper says. Buying moves both sides; nobody gets a better price for it.
 * Instruments without any volume on the tape pay nothing.
 */
export const almgrenImpact = ({
  instruments,
  market,
  halfLifeUs,
  inverseTurnover = INVERSE_TURNOVER,
  sharesOutstanding = {},
}: ImpactOptions): ImpactModel => {
  if (!(inverseTurnover > 0)) throw new RangeError(`an inverse turnover must be positive, was ${inverseTurnover}`)
  // In lots; NaN where nobody said.
  const outstanding = Float64Array.from(instruments.all(), instrument =>
    Object.hasOwn(sharesOutstanding, instrument.symbol)
      ? sizeToLots(instrument, sharesOutstanding[instrument.symbol]!)
      : Number.NaN,
  )
  const activity = new MarketActivity(instruments, market)
  const taken = new DecayingVolume(instruments.size, halfLifeUs)
  const net = new Float64Array(instruments.size)
  // A rate is lots over the mean age of what is remembered, in days.
  const memoryDays = Float64Array.from(
    instruments.all(),
    ({kind}) => halfLifeUs / Math.LN2 / (kind === 'crypto' ? US_PER_COIN_DAY : US_PER_SESSION),
  )
  return {
    ticks({instrument: i, isBuy, lots, priceTicks, atUs}) {
      const dailyLots = activity.dailyLots(i)
      if (!(dailyLots > 0) || !(lots > 0)) return 0
      const volatility = activity.dailyVolatility(i)
      const before = taken.at(i, isBuy, atUs)
      // Mean over the order's own lots of η·σ·(rate)^β.
      const perLot = temporaryImpact(1 / (memoryDays[i]! * dailyLots), volatility)
      const temporary = (perLot * ((before + lots) ** (1 + BETA) - before ** (1 + BETA))) / ((1 + BETA) * lots)
      const held = isBuy ? net[i]! : -net[i]!
      const moved = (Math.max(0, held + lots) ** 2 - Math.max(0, held) ** 2) / (2 * lots)
      const turnover = outstanding[i]! > 0 ? outstanding[i]! / dailyLots : inverseTurnover
      return priceTicks * (temporary + permanentImpact(moved / dailyLots, volatility, turnover))
    },
    onTaken(instrument, isBuy, lots, atUs) {
      taken.add(instrument, isBuy, lots, atUs)
      net[instrument]! += isBuy ? lots : -lots
    },
    onRow: (chunk, row) => activity.onRow(chunk, row),
    onSplit(instrument, numerator, denominator) {
      taken.scale(instrument, numerator / denominator)
      net[instrument]! *= numerator / denominator
      outstanding[instrument]! *= numerator / denominator
      activity.onSplit(instrument, numerator, denominator)
    },
  }
}

const byDepth = (market: MarketState, deep: ImpactModel, shallow: ImpactModel): ImpactModel => {
  const of = (instrument: number): ImpactModel => (market.books[instrument] === undefined ? shallow : deep)
  return {
    ticks: take => of(take.instrument).ticks(take),
    missingLots: (instrument, isBuy, atUs) => of(instrument).missingLots?.(instrument, isBuy, atUs) ?? 0,
    onTaken(instrument, isBuy, lots, atUs) {
      deep.onTaken?.(instrument, isBuy, lots, atUs)
      shallow.onTaken?.(instrument, isBuy, lots, atUs)
    },
    onRow: (chunk, row) => shallow.onRow?.(chunk, row),
    onSplit(instrument, numerator, denominator) {
      deep.onSplit?.(instrument, numerator, denominator)
      shallow.onSplit?.(instrument, numerator, denominator)
    },
  }
}
