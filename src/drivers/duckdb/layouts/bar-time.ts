import {
  CALENDAR_FIRST_YEAR,
  CALENDAR_LAST_YEAR,
  dayOf,
  formatDay,
  isTradingDay,
  sessionCloseUs,
} from '../../../domain/calendar.ts'
import {UserError} from '../../../domain/errors.ts'
import {US_PER_DAY} from '../../../domain/units.ts'
import {type Database, identifier} from '../database.ts'
import {type LayoutContext, NEW_YORK, RAW} from './layout.ts'
import {parsePeriod} from './symbols.ts'

export interface BarTime {
  /** Epoch microseconds at which the bar was complete. */
  readonly closeUs: string
  readonly periodUs: string
  readonly counts: Readonly<Record<string, string>>
}

interface BarTimeInput {
  readonly time: {readonly utcUs: string; readonly date?: string}
  readonly symbol: string
  readonly timeframe: string | undefined
  readonly periodUs: string | undefined
  readonly namedPeriodUs: number | undefined
}

/**
 * When each bar of a table closed. Vendors stamp bars at their start; a daily bar of a US stock closes with the session
 * (13:00 on half days), one of a coin at the next UTC midnight.
 */
export const barTime = async (context: LayoutContext, input: BarTimeInput): Promise<BarTime> => {
  const {time, symbol} = input
  if (input.periodUs !== undefined) {
    return {closeUs: time.utcUs, periodUs: identifier(input.periodUs), counts: {}}
  }
  if (input.timeframe !== undefined) {
    const periodUs = await timeframeSql(context, input.timeframe)
    return {closeUs: `${time.utcUs} + ${periodUs}`, periodUs, counts: {}}
  }
  const periodUs = input.namedPeriodUs ?? (await modalPeriodUs(context, input))
  if (time.date !== undefined && periodUs === US_PER_DAY) {
    await createSessions(context.database, time.date)
    const isPair = `contains(${symbol}, '/')`
    return {
      closeUs: `CASE WHEN ${isPair} THEN ${time.utcUs} + ${US_PER_DAY} ELSE ${dayCloseSql(time.date)} END`,
      periodUs: String(US_PER_DAY),
      counts: {
        notATradingDay: `SELECT coalesce(sum(n), 0)::BIGINT FROM
          (SELECT ${time.date} AS day, count(*) AS n FROM ${RAW} WHERE NOT ${isPair} GROUP BY day)
          WHERE ${sessionCloseSql('day')} IS NULL AND day IS NOT NULL`,
      },
    }
  }
  const stamp = context.options.stamp ?? (await detectStamp(context, time.utcUs))
  const closeUs = stamp === 'end' ? time.utcUs : `${time.utcUs} + ${periodUs}`
  return {closeUs, periodUs: String(periodUs), counts: {}}
}

const CLOSES = 'session_closes'
const FIRST = 'session_first'
const FIRST_DAY = dayOf(CALENDAR_FIRST_YEAR, 1, 1)
const LAST_DAY = dayOf(CALENDAR_LAST_YEAR, 12, 31)

/**
 * Makes `sessionCloseSql` work for the days of a raw column: their closes as one list, NULL where there is no session. The
 * list covers those days only, for DuckDB copies it for every vector of rows.
 */
export const createSessions = async (database: Database, date: string): Promise<void> => {
  const days = await database.one<{first: number | null; last: number | null}>(
    `SELECT min(${date}) - DATE '1970-01-01' AS first, max(${date}) - DATE '1970-01-01' AS last FROM ${RAW}`,
  )
  const first = Math.max(days.first ?? FIRST_DAY, FIRST_DAY)
  const last = Math.min(days.last ?? FIRST_DAY, LAST_DAY)
  const closes: string[] = []
  for (let day = first; day <= last; day++) closes.push(isTradingDay(day) ? String(sessionCloseUs(day)) : 'NULL')
  await database.run(`SET VARIABLE ${CLOSES} = [${closes}]::BIGINT[]`)
  await database.run(`SET VARIABLE ${FIRST} = DATE '${formatDay(first)}'`)
}

/** UTC of the session's close on a day, NULL on other days. A look-up, not a join: a join does not keep the rows' order. */
export const sessionCloseSql = (date: string): string =>
  `CASE WHEN ${date} >= getvariable('${FIRST}') THEN getvariable('${CLOSES}')[(${date} - getvariable('${FIRST}')) + 1] END`

/** The same, with 16:00 in New York on days without a session. */
export const dayCloseSql = (date: string): string =>
  `coalesce(${sessionCloseSql(date)}, epoch_us(timezone('${NEW_YORK}', ${date} + TIME '16:00:00')))`

const timeframeSql = async ({database, fileName}: LayoutContext, column: string): Promise<string> => {
  const frames = await database.rows<{frame: string}>(`SELECT DISTINCT ${identifier(column)} AS frame FROM ${RAW}`)
  const cases = frames.map(({frame}) => {
    const period = parsePeriod(frame)
    if (period === undefined)
      throw new UserError('UNKNOWN_PERIOD', `${fileName}: ${column} holds ${frame}, which is no period such as 5m`)
    return `WHEN '${frame}' THEN ${period}`
  })
  return `CASE ${identifier(column)} ${cases.join(' ')} END`
}

/** The commonest distance between neighbouring stamps. */
const modalPeriodUs = async ({database, fileName}: LayoutContext, {time, symbol}: BarTimeInput): Promise<number> => {
  const {period} = await database.one<{period: number | null}>(
    `SELECT mode(gap) AS period FROM (
       SELECT ${time.utcUs} - lag(${time.utcUs}) OVER (PARTITION BY ${symbol} ORDER BY rowid) AS gap FROM (SELECT rowid, * FROM ${RAW} LIMIT 10000)
     ) WHERE gap > 0`,
  )
  if (period !== null) return period
  throw new UserError('UNKNOWN_PERIOD', `${fileName}: the bars' period cannot be told`, {
    hints: ['name it with --period 5m'],
  })
}

/**
 * Whether stamps are ends: true when the earliest bar of any New York day is the first minute's end (04:01, 09:31) and
 * the latest is the session's end itself (16:00, 20:00), which no bar stamped at its start can be.
 */
const detectStamp = async ({database}: LayoutContext, utcUs: string): Promise<'start' | 'end'> => {
  const {first, last} = await database.one<{first: number | null; last: number | null}>(
    `SELECT min(m) AS first, max(m) AS last FROM (
       SELECT hour(t) * 60 + minute(t) AS m FROM (SELECT timezone('${NEW_YORK}', timezone('UTC', make_timestamp(${utcUs}))) AS t FROM ${RAW}))`,
  )
  const endsOnly = (first === 241 || first === 571) && (last === 960 || last === 1200)
  return endsOnly ? 'end' : 'start'
}
