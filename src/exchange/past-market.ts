import type {Instrument, InstrumentTable} from '../domain/instrument.ts'
import type {Rng} from '../domain/rng.ts'
import {US_PER_DAY, US_PER_MINUTE, US_PER_SECOND} from '../domain/units.ts'
import {annualVolatilityOf, type Calibration, calibrationOf, PROCESS} from './calibration.ts'
import type {StoredBar} from './market-store.ts'
import {PriceProcess} from './price-process.ts'
import {newYorkDay, newYorkTime, type Session, sessionOf} from './sessions.ts'

// Columns are indexed by instrument numbers below their length, so they are read under `!`.

/** Bars from before a market began, oldest first; the last day may be a part that the market goes on with. */
export interface PastMarket {
  readonly minutes: (instrument: number) => readonly StoredBar[]
  readonly days: (instrument: number) => readonly StoredBar[]
}

export interface PastMarketOptions {
  readonly instruments: InstrumentTable
  readonly rng: Rng
  readonly startUs: number
  /** Where the market began, by instrument: the past ends there. */
  readonly openingPrices: readonly number[]
}

const PAST_DAYS = 365
const MINUTE_DAYS = 10
/** Prices are looked at this often: where only days are kept, and where minutes are. */
const COARSE_US = 30 * US_PER_MINUTE
const FINE_US = US_PER_MINUTE
/** Part of what is ordered that finds somebody to trade with. */
const TRADED = 0.8

/** A simulated market's past: the same price process run up to its start, made when somebody first asks for it. */
export const createPastMarket = (options: PastMarketOptions): PastMarket => {
  let made: readonly Past[] | undefined
  const of = (instrument: number): Past => {
    made ??= simulatePast(options)
    return made[instrument] ?? NONE
  }
  return {minutes: instrument => of(instrument).minutes, days: instrument => of(instrument).days}
}

/** Contracts have no past: nobody traded them here. */
const NONE: Past = {minutes: [], days: []}

interface Past {
  readonly minutes: StoredBar[]
  readonly days: StoredBar[]
}

/** Prices are floats until the level is known. */
interface Course extends Past {
  readonly instrument: Instrument
  readonly calibration: Calibration
  readonly isCoin: boolean
  readonly noise: Rng
  /** Volatility of a second while it trades. */
  readonly volatility: number
  /** When it was last looked at and what it was, while it traded. */
  lastUs: number
  last: number
}

const simulatePast = ({instruments, rng, startUs, openingPrices}: PastMarketOptions): readonly Past[] => {
  const all = instruments.all().filter(({kind}) => kind !== 'option')
  const fineUs = Math.floor(startUs / COARSE_US) * COARSE_US - MINUTE_DAYS * US_PER_DAY
  const firstUs = fineUs - (PAST_DAYS - MINUTE_DAYS) * US_PER_DAY
  const symbols = all.map(({symbol}) => symbol)
  const process = new PriceProcess(symbols, rng.fork('prices'), firstUs)
  const courses = all.map((instrument): Course => courseOf(instrument, rng))
  let day = Number.NaN
  let session: Session | undefined
  for (let atUs = firstUs; atUs <= startUs; atUs += atUs < fineUs ? COARSE_US : FINE_US) {
    if (newYorkDay(atUs) !== day) {
      day = newYorkDay(atUs)
      session = sessionOf(day)
    }
    const isOpen = session !== undefined && atUs >= session.openUs && atUs <= session.closeUs
    const sharesDayUs = isOpen ? newYorkTime(day, 0) : 0
    for (const [i, course] of courses.entries()) {
      if (!course.isCoin && !isOpen) {
        course.lastUs = Infinity
        continue
      }
      const price = process.advance(i, atUs)
      if (course.lastUs < atUs) {
        const dayUs = course.isCoin ? Math.floor(course.lastUs / US_PER_DAY) * US_PER_DAY : sharesDayUs
        addSpan(course, price, atUs, dayUs, course.lastUs >= fineUs)
      }
      course.last = price
      course.lastUs = atUs
    }
  }
  return courses.map((course, i) => inTicks(course, openingPrices[i]! / process.advance(i, startUs)))
}

const courseOf = (instrument: Instrument, rng: Rng): Course => {
  const {symbol, kind} = instrument
  const isCoin = kind === 'crypto'
  return {
    instrument,
    calibration: calibrationOf(symbol),
    isCoin,
    noise: rng.fork(`spans ${symbol}`),
    volatility: isCoin
      ? PROCESS.coinVolatility / Math.sqrt(365 * 86_400)
      : annualVolatilityOf(symbol) / Math.sqrt(252 * 23_400),
    minutes: [],
    days: [],
    lastUs: Infinity,
    last: 0,
  }
}

/** What happened since the last look: its extremes are those of a Brownian bridge between the two prices. */
const addSpan = (course: Course, price: number, atUs: number, dayUs: number, isFine: boolean): void => {
  const {last, lastUs, calibration, noise, volatility} = course
  const seconds = (atUs - lastUs) / US_PER_SECOND
  const move = Math.log(price / last)
  const reach = (): number => Math.sqrt(move ** 2 - 2 * volatility ** 2 * seconds * Math.log(1 - noise.uniform()))
  const high = last * Math.exp((move + reach()) / 2)
  const low = last * Math.exp((move - reach()) / 2)
  const orders = calibration.ordersPerSecond * seconds * TRADED * Math.exp(0.5 * noise.normal() - 0.125)
  const size = orders * calibration.orderSize * Math.exp(calibration.orderDeviation ** 2 / 2)
  const span = {startUs: lastUs, open: last, high, low, close: price, lots: size, count: orders, turnover: size * price}
  const today = course.days.at(-1)
  if (today?.startUs === dayUs) extend(today, span)
  else course.days.push({...span, startUs: dayUs})
  if (isFine) course.minutes.push(span)
}

const extend = (bar: StoredBar, {high, low, close, lots, count, turnover}: StoredBar): void => {
  bar.high = Math.max(bar.high, high)
  bar.low = Math.min(bar.low, low)
  bar.close = close
  bar.lots += lots
  bar.count += count
  bar.turnover += turnover
}

/** On the instrument's own scale, at the level that leads to the market's first price. */
const inTicks = ({minutes, days, instrument, calibration}: Course, level: number): Past => {
  const perUnit = 10 ** instrument.priceDecimals
  const step = Math.max(1, Math.round(calibration.increment * perUnit))
  const ticks = (price: number): number => Math.max(step, Math.round((price * level * perUnit) / step) * step)
  const isCoin = instrument.kind === 'crypto'
  const scaled = (bar: StoredBar): StoredBar => {
    const units = isCoin ? bar.lots : Math.round(bar.lots)
    const lots = Math.round(units * 10 ** instrument.sizeDecimals)
    return {
      startUs: bar.startUs,
      open: ticks(bar.open),
      high: ticks(bar.high),
      low: ticks(bar.low),
      close: ticks(bar.close),
      lots,
      count: Math.max(1, Math.round(bar.count)),
      turnover: bar.lots > 0 ? (bar.turnover / bar.lots) * level * perUnit * lots : 0,
    }
  }
  return {minutes: minutes.map(scaled), days: days.map(scaled)}
}

/** Bars of the past and of the market since, as one; a day that the market began in the middle of is one day. */
export const joined = (past: readonly StoredBar[], since: readonly StoredBar[]): StoredBar[] => {
  const [before, after] = [past.at(-1), since[0]]
  if (before === undefined || after === undefined || before.startUs !== after.startUs) return [...past, ...since]
  const whole: StoredBar = {
    startUs: before.startUs,
    open: before.open,
    high: Math.max(before.high, after.high),
    low: Math.min(before.low, after.low),
    close: after.close,
    lots: before.lots + after.lots,
    count: before.count + after.count,
    turnover: before.turnover + after.turnover,
  }
  return [...past.slice(0, -1), whole, ...since.slice(1)]
}
