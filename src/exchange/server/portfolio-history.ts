import {type Decimal, quotient, roundTo, toNumber} from '../decimal.ts'
import type {PaperExchange} from '../exchange.ts'
import {isoDay, newYorkDay, newYorkTime, previousTradingDay, sessionOf} from '../sessions.ts'
import {isRefusal, malformed, type Refusal} from '../wire-error.ts'
import {timeParameter} from './request.ts'

const FRAMES: Readonly<Record<string, number>> = {'1Min': 1, '5Min': 5, '15Min': 15, '1H': 60, '1D': 1_440}
const PERIOD_DAYS: Readonly<Record<string, number>> = {D: 1, W: 7, M: 30, A: 365}

/** `GET /v2/account/portfolio/history`; every figure is a JSON number and none is ever null. */
export const portfolioHistory = (
  exchange: PaperExchange,
  query: URLSearchParams,
): Record<string, unknown> | Refusal => {
  const start = timeParameter(query, 'start')
  const end = timeParameter(query, 'end')
  if (isRefusal(start) || isRefusal(end)) return malformed('invalid start or end')
  const period = query.get('period')
  if (start !== undefined && end !== undefined && period !== null)
    return malformed('at most two of start, end and period may be given')
  const match = /^(\d+)([DWMA])$/.exec(period ?? '1M')
  if (match === null) return malformed(`invalid period: ${period}`)
  const days = Number(match[1]) * (PERIOD_DAYS[match[2] as string] as number)
  const untilUs = end ?? exchange.nowUs
  const fromUs = start ?? untilUs - days * 86_400e6
  const span = (untilUs - fromUs) / 86_400e6
  const timeframe = query.get('timeframe') ?? (span < 7 ? '1Min' : span < 30 ? '15Min' : '1D')
  const minutes = FRAMES[timeframe]
  if (minutes === undefined) return malformed(`invalid timeframe: ${timeframe}`)
  if (span > 30 && timeframe !== '1D') return malformed('only the timeframe 1D is available for periods over 30 days')
  return timeframe === '1D'
    ? daily(exchange, fromUs, untilUs)
    : intraday(exchange, {fromUs, untilUs, minutes, timeframe, continuous: isContinuous(query)})
}

const isContinuous = (query: URLSearchParams): boolean => query.get('intraday_reporting') === 'continuous'

/** Each day against the day before; stamped at the end of its session in New York, which is midnight UTC in summer. */
const daily = (exchange: PaperExchange, fromUs: number, untilUs: number): Record<string, unknown> => {
  const all = [...exchange.dailyEquity]
  const today = newYorkDay(exchange.nowUs)
  if (all.at(-1)?.day !== today && sessionOf(today) !== undefined) all.push({day: today, equity: exchange.equity()})
  const rows = all.filter(({day}) => day >= newYorkDay(fromUs) && day <= newYorkDay(untilUs))
  const first = rows[0]
  const before = first === undefined ? undefined : all[all.indexOf(first) - 1]
  const base = before?.equity ?? exchange.baseEquity
  const baseDay = before?.day ?? previousTradingDay(first?.day ?? today)
  const previous = (i: number): Decimal => (i === 0 ? base : (rows[i - 1]?.equity as Decimal))
  return {
    timestamp: rows.map(({day}) => newYorkTime(day, 1_200) / 1e6),
    equity: rows.map(({equity}) => money(equity)),
    profit_loss: rows.map(({equity}, i) => money(equity - previous(i))),
    profit_loss_pct: rows.map(({equity}, i) => share(equity - previous(i), previous(i))),
    base_value: money(base),
    base_value_asof: isoDay(baseDay),
    timeframe: '1D',
    cashflow: {},
  }
}

interface Intraday {
  readonly fromUs: number
  readonly untilUs: number
  readonly minutes: number
  readonly timeframe: string
  readonly continuous: boolean
}

/** Against the close before; each point is labelled with the start of its interval. */
const intraday = (exchange: PaperExchange, options: Intraday): Record<string, unknown> => {
  const frameUs = options.minutes * 60e6
  const points = new Map<number, Decimal>()
  for (const {atUs, equity} of exchange.equityHistory) {
    if (atUs < options.fromUs || atUs > options.untilUs) continue
    if (!options.continuous && !inSession(atUs)) continue
    points.set(Math.floor(atUs / frameUs) * frameUs, equity)
  }
  const base = exchange.lastEquity
  const rows = [...points].map(([atUs, equity]) => ({atUs, equity}))
  return {
    timestamp: rows.map(({atUs}) => atUs / 1e6),
    equity: rows.map(({equity}) => money(equity)),
    profit_loss: rows.map(({equity}) => money(equity - base)),
    profit_loss_pct: rows.map(({equity}) => share(equity - base, base)),
    base_value: money(base),
    base_value_asof: isoDay(previousTradingDay(newYorkDay(exchange.nowUs))),
    timeframe: options.timeframe,
    cashflow: {},
  }
}

const inSession = (atUs: number): boolean => {
  const session = sessionOf(newYorkDay(atUs))
  return session !== undefined && atUs >= session.openUs && atUs <= session.closeUs
}

const money = (value: Decimal): number => toNumber(roundTo(value, 2))
const share = (part: Decimal, whole: Decimal): number => (whole === 0n ? 0 : toNumber(quotient(part, whole, 4)))
