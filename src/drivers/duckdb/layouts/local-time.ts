import type {Database} from '../database.ts'
import {RAW, toUtcUs} from './layout.ts'

/** A file of more days than this is converted row by row. */
const MOST_DAYS = 4_000
const MOST_PIECES = 6

/**
 * UTC microseconds of a zone-less TIMESTAMP of the raw table. The same as `toUtcUs`, whose look-up of the zone's rules for
 * every row costs more than all else that is done to the row: here each stretch of days without a change of the clock
 * gets its one offset, and only the days of a change are looked up.
 */
export const localToUtcUs = async (database: Database, timestampSql: string, timeZone: string): Promise<string> => {
  const exact = toUtcUs(timestampSql, timeZone)
  if (timeZone === 'UTC') return exact
  const range = await database.one<{first: number | null; last: number | null}>(
    `SELECT epoch_us(date_trunc('day', min(t))) // 86400000000 AS first, epoch_us(date_trunc('day', max(t))) // 86400000000 AS last
     FROM (SELECT ${timestampSql} AS t FROM ${RAW})`,
  )
  if (range.first === null || range.last === null || range.last - range.first > MOST_DAYS) return exact
  const offsets = await database.rows<{midnight: string; offset: number}>(
    `SELECT strftime(t, '%Y-%m-%d %H:%M:%S') AS midnight, ${toUtcUs('t', timeZone)} - epoch_us(t) AS "offset"
     FROM (SELECT make_timestamp(day * 86400000000) AS t FROM range(${range.first}, ${range.last + 2}) AS days(day)) ORDER BY t`,
  )
  const pieces: string[] = []
  let offset = offsets[0]?.offset ?? 0
  for (const [i, next] of offsets.entries()) {
    if (i === 0 || next.offset === offset) continue
    // Somewhere in the day before this midnight the clock changed.
    pieces.push(
      `WHEN ${timestampSql} < TIMESTAMP '${offsets[i - 1]?.midnight}' THEN epoch_us(${timestampSql}) + ${offset}`,
    )
    pieces.push(`WHEN ${timestampSql} < TIMESTAMP '${next.midnight}' THEN ${exact}`)
    offset = next.offset
  }
  if (pieces.length > MOST_PIECES) return exact
  const last = `epoch_us(${timestampSql}) + ${offset}`
  return pieces.length === 0 ? `(${last})` : `CASE ${pieces.join(' ')} ELSE ${last} END`
}
