import {CALENDAR_FIRST_YEAR, CALENDAR_LAST_YEAR, dayOf, isTradingDay, sessionCloseUs} from '../../../domain/calendar.ts'
import {UserError} from '../../../domain/errors.ts'
import {US_PER_DAY} from '../../../domain/units.ts'
import {type Database, identifier} from '../database.ts'
import {TableWriter} from '../table-writer.ts'
import {type LayoutContext, NEW_YORK, RAW} from './layout.ts'
import {parsePeriod} from './symbols.ts'

export interface BarTime {
  /** Epoch microseconds at which the bar was complete. */
  readonly closeUs: string
  readonly periodUs: string
  readonly join: string
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
    return {closeUs: time.utcUs, periodUs: identifier(input.periodUs), join: '', counts: {}}
  }
  if (input.timeframe !== undefined) {
    const periodUs = await timeframeSql(context, input.timeframe)
    return {closeUs: `${time.utcUs} + ${periodUs}`, periodUs, join: '', counts: {}}
  }
  const periodUs = input.namedPeriodUs ?? (await modalPeriodUs(context, input))
  if (time.date !== undefined && periodUs === US_PER_DAY) {
    await createSessions(context.database)
    const afternoon = `epoch_us(timezone('${NEW_YORK}', ${time.date} + TIME '16:00:00'))`
    const isPair = `contains(${symbol}, '/')`
    return {
      closeUs: `CASE WHEN ${isPair} THEN ${time.utcUs} + ${US_PER_DAY} ELSE coalesce(sessions.close_us, ${afternoon}) END`,
      periodUs: String(US_PER_DAY),
      join: `LEFT JOIN sessions ON sessions.day = ${time.date}`,
      counts: {
        notATradingDay: `SELECT count(*) FROM ${RAW} LEFT JOIN sessions ON sessions.day = ${time.date}
          WHERE sessions.day IS NULL AND NOT ${isPair} AND ${time.date} IS NOT NULL`,
      },
    }
  }
  const stamp = context.options.stamp ?? (await detectStamp(context, time.utcUs))
  const closeUs = stamp === 'end' ? time.utcUs : `${time.utcUs} + ${periodUs}`
  return {closeUs, periodUs: String(periodUs), join: '', counts: {}}
}

/** Trading days with the close of each, as a table to join. */
export const createSessions = async (database: Database): Promise<void> => {
  const [there] = await database.rows<object>("SELECT 1 FROM duckdb_tables() WHERE table_name = 'sessions'")
  if (there !== undefined) return
  const days = await TableWriter.create(database, 'session_days', ['day_number', 'close_us'])
  const last = dayOf(CALENDAR_LAST_YEAR, 12, 31)
  for (let day = dayOf(CALENDAR_FIRST_YEAR, 1, 1); day <= last; day++) {
    if (isTradingDay(day)) days.write(day, sessionCloseUs(day))
  }
  days.close()
  await database.run(
    `CREATE TEMP TABLE sessions AS SELECT DATE '1970-01-01' + day_number::INTEGER AS day, close_us::BIGINT AS close_us FROM session_days`,
  )
}

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
