import {
  currentOrNextSession,
  isoDay,
  isoNewYork,
  newYorkDay,
  nextTradingDay,
  parseDay,
  type Session,
  sessionOf,
  settlementDay,
} from '../sessions.ts'
import {badParameter, notFound, type Refusal} from '../wire-error.ts'
import {isoUtc} from '../wire-time.ts'
import {listParameter, timeParameter} from './request.ts'

type Json = Record<string, unknown>

const sessionAfter = (day: number): Session => sessionOf(nextTradingDay(day)) as Session

export const clockV2 = (nowUs: number): Json => {
  const session = currentOrNextSession(nowUs)
  const isOpen = nowUs >= session.openUs
  const next = isOpen ? sessionAfter(session.day) : session
  return {
    timestamp: isoNewYork(nowUs),
    is_open: isOpen,
    next_open: isoNewYork(next.openUs),
    next_close: isoNewYork(session.closeUs),
  }
}

const FIRST_DAY = parseDay('1970-01-01')
const LAST_DAY = parseDay('2029-12-31')

const clockText = (atUs: number): string => isoNewYork(atUs).slice(11, 16)

/** Days from `start` to `end`, both included; all that is known without them. */
export const calendarV2 = (query: URLSearchParams): Json[] | Refusal => {
  const range = dayRange(query, FIRST_DAY, LAST_DAY)
  if (!Array.isArray(range)) return range
  const settlement = query.get('date_type')?.toUpperCase() === 'SETTLEMENT'
  const [from, to] = range
  const days: Json[] = []
  for (let day = settlement ? from - 7 : from; day <= to; day++) {
    const session = sessionOf(day)
    if (session === undefined) continue
    const settles = settlementDay(day)
    if (settlement && (settles < from || settles > to)) continue
    days.push({
      date: isoDay(day),
      open: clockText(session.openUs),
      close: clockText(session.closeUs),
      session_open: clockText(session.preOpenUs).replace(':', ''),
      session_close: clockText(session.postCloseUs).replace(':', ''),
      settlement_date: isoDay(settles),
    })
  }
  return days
}

const dayRange = (query: URLSearchParams, first: number, last: number): [number, number] | Refusal => {
  const start = timeParameter(query, 'start')
  const end = timeParameter(query, 'end')
  if (typeof start === 'object') return start
  if (typeof end === 'object') return end
  const dayOf = (us: number): number => Math.floor(us / 86_400e6)
  return [
    Math.max(FIRST_DAY, start === undefined ? first : dayOf(start)),
    Math.min(LAST_DAY, end === undefined ? last : dayOf(end)),
  ]
}

const MARKETS: Readonly<Record<string, {acronym: string; bic: string; name: string}>> = {
  XNYS: {acronym: 'NYSE', bic: 'XNYS', name: 'New York Stock Exchange'},
  XNAS: {acronym: 'NASDAQ', bic: 'XNAS', name: 'Nasdaq'},
  ARCX: {acronym: 'NYSEARCA', bic: 'ARCX', name: 'NYSE Arca'},
}
const marketJson = (mic: string): Json => ({mic, ...MARKETS[mic], timezone: 'America/New_York'})

export const clockV3 = (nowUs: number, query: URLSearchParams): Json | Refusal => {
  const at = timeParameter(query, 'time')
  if (typeof at === 'object') return at
  const asked = listParameter(query, 'markets')
  const unknown = asked.find(mic => MARKETS[mic] === undefined)
  if (unknown !== undefined) return badParameter(`invalid market: ${unknown}`)
  const instant = at ?? nowUs
  const session = currentOrNextSession(instant)
  const today = sessionOf(newYorkDay(instant))
  const [phase, until] = phaseAt(instant, today)
  return {
    clocks: (asked.length === 0 ? Object.keys(MARKETS) : asked).map(mic => ({
      market: marketJson(mic),
      timestamp: isoUtc(instant),
      is_market_day: today !== undefined,
      next_market_open: isoNewYork((instant >= session.openUs ? sessionAfter(session.day) : session).openUs),
      next_market_close: isoNewYork(session.closeUs),
      phase,
      phase_until: isoNewYork(until),
    })),
  }
}

const phaseAt = (instant: number, today: Session | undefined): readonly [string, number] => {
  if (today !== undefined) {
    if (instant < today.preOpenUs) return ['closed', today.preOpenUs]
    if (instant < today.openUs) return ['pre', today.openUs]
    if (instant < today.closeUs) return ['core', today.closeUs]
    if (instant < today.postCloseUs) return ['post', today.postCloseUs]
  }
  return ['closed', sessionAfter(newYorkDay(instant)).preOpenUs]
}

/** One week from today unless asked otherwise. */
export const calendarV3 = (nowUs: number, mic: string, query: URLSearchParams): Json | Refusal => {
  if (MARKETS[mic] === undefined) return notFound(`market not found: ${mic}`)
  const today = newYorkDay(nowUs)
  const range = dayRange(query, today, today + 7)
  if (!Array.isArray(range)) return range
  const zone = query.get('timezone') === 'UTC' ? isoUtc : isoNewYork
  const calendar: Json[] = []
  for (let day = range[0]; day <= range[1]; day++) {
    const session = sessionOf(day)
    if (session === undefined) continue
    calendar.push({
      date: isoDay(day),
      core_start: zone(session.openUs),
      core_end: zone(session.closeUs),
      pre_start: zone(session.preOpenUs),
      pre_end: zone(session.openUs),
      post_start: zone(session.closeUs),
      post_end: zone(session.postCloseUs),
      settlement_date: isoDay(settlementDay(day)),
    })
  }
  return {market: marketJson(mic), calendar}
}
