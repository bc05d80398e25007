import {US_PER_DAY} from '../../../domain/units.ts'
import {type LayoutContext, RAW, toUtcUs} from './layout.ts'

/** A file of more days than this is converted row by row. */
const MOST_DAYS = 4_000
const MOST_PIECES = 6

interface Change {
  /** Local midnights around it. */
  readonly from: string
  readonly to: string
  /** How far the clock went back; negative where it went forward. */
  readonly backUs: number
  readonly offsetBefore: number
}

export interface LocalRows {
  /** SQL of what has an order of its own in the file, such as a symbol. */
  readonly series?: string
  /** Two rows of a series with one stamp are the doubled hour's, not repeats. */
  readonly isBar?: boolean
}

/**
 * UTC microseconds of a zone-less TIMESTAMP of the raw table. The same as `toUtcUs`, whose look-up of the zone's rules for
 * every row costs more than all else that is done to the row: here each stretch of days without a change of the clock
 * gets its one offset, and only the days of a change are looked up.
 *
 * An hour that the clock shows twice is told by the order of the rows: where a series goes back within it once, what came
 * before is the first showing. Where order does not tell, it is read as the second and counted as `ambiguousTimes`. A time
 * that the clock leaves out is read as if it had not yet been put forward, and counted as `nonexistentTimes`.
 */
export const localToUtcUs = async (
  context: Pick<LayoutContext, 'database' | 'count'>,
  timestampSql: string,
  timeZone: string,
  rows: LocalRows = {},
): Promise<string> => {
  const {database} = context
  const exact = toUtcUs(timestampSql, timeZone)
  if (timeZone === 'UTC') return exact
  const range = await database.one<{first: number | null; last: number | null}>(
    `SELECT epoch_us(date_trunc('day', min(t))) // ${US_PER_DAY} AS first, epoch_us(date_trunc('day', max(t))) // ${US_PER_DAY} AS last
     FROM (SELECT ${timestampSql} AS t FROM ${RAW} WHERE isfinite(${timestampSql}))`,
  )
  if (range.first === null || range.last === null) return exact
  const offsets = await database.rows<{midnight: string; offset: number}>(
    `SELECT strftime(t, '%Y-%m-%d %H:%M:%S') AS midnight, ${toUtcUs('t', timeZone)} - epoch_us(t) AS "offset"
     FROM (SELECT make_timestamp(day * ${US_PER_DAY}) AS t FROM range(${range.first}, ${range.last + 2}) AS days(day)) ORDER BY t`,
  )
  const changes: Change[] = []
  for (const [i, next] of offsets.entries()) {
    const before = offsets[i - 1]
    if (before === undefined || next.offset === before.offset) continue
    // Somewhere in the day before this midnight the clock changed.
    const backUs = next.offset - before.offset
    changes.push({from: before.midnight, to: next.midnight, backUs, offsetBefore: before.offset})
  }
  const back = changes.length === 0 ? '' : await firstShowings(context, timestampSql, exact, timeZone, changes, rows)
  if (changes.length * 2 > MOST_PIECES || range.last - range.first > MOST_DAYS) return `(${exact}${back})`
  const pieces = changes.flatMap(({from, to, offsetBefore}) => [
    `WHEN ${timestampSql} < TIMESTAMP '${from}' THEN epoch_us(${timestampSql}) + ${offsetBefore}`,
    `WHEN ${timestampSql} < TIMESTAMP '${to}' THEN ${exact}`,
  ])
  const last = `epoch_us(${timestampSql}) + ${offsets.at(-1)?.offset ?? 0}`
  return pieces.length === 0 ? `(${last})` : `(CASE ${pieces.join(' ')} ELSE ${last} END${back})`
}

const BACK = 'clock_back_us'

/** Marks the rows of a doubled hour's first showing in the raw table; returns what to take off the second's time. */
const firstShowings = async (
  {database, count}: Pick<LayoutContext, 'database' | 'count'>,
  timestampSql: string,
  exact: string,
  timeZone: string,
  changes: readonly Change[],
  {series = "''", isBar = false}: LocalRows,
): Promise<string> => {
  const within = ({from, to}: Change) => `(t >= TIMESTAMP '${from}' AND t < TIMESTAMP '${to}')`
  const local = (us: string) => `timezone('${timeZone}', timezone('UTC', make_timestamp(${us})))`
  await database.run(
    `CREATE OR REPLACE TEMP TABLE clock_changes AS SELECT *, CASE ${changes.map(change => `WHEN ${within(change)} THEN ${change.backUs}`).join(' ')} END AS back
     FROM (SELECT rowid AS id, ${series} AS series, ${timestampSql} AS t, ${exact} AS us FROM ${RAW}) WHERE ${changes.map(within).join(' OR ')}`,
  )
  const ambiguous = `SELECT *, t::DATE AS day FROM clock_changes WHERE back > 0 AND ${local('us - back')} = t`
  const {nonexistent, doubled} = await database.one<{nonexistent: number; doubled: number}>(
    `SELECT (SELECT count(*) FROM clock_changes WHERE ${local('us')} != t) AS nonexistent, (SELECT count(*) FROM (${ambiguous})) AS doubled`,
  )
  if (nonexistent > 0) count('nonexistentTimes', nonexistent)
  if (doubled === 0) return ''
  const inFile = 'PARTITION BY series, day ORDER BY id'
  await database.run(
    `CREATE OR REPLACE TEMP TABLE clock_showings AS SELECT id, back, run, max(run) OVER (PARTITION BY series, day) AS runs FROM
       (SELECT *, sum(step) OVER (${inFile}) AS run FROM
         (SELECT *, (t ${isBar ? '<=' : '<'} lag(t) OVER (${inFile}))::INTEGER AS step FROM (${ambiguous})))`,
  )
  const {unclear} = await database.one<{unclear: number}>(
    'SELECT count_if(coalesce(runs, 0) != 1) AS unclear FROM clock_showings',
  )
  if (unclear > 0) count('ambiguousTimes', unclear)
  if (unclear === doubled) return ''
  await database.run(`ALTER TABLE ${RAW} ADD COLUMN ${BACK} BIGINT DEFAULT 0`)
  await database.run(
    `UPDATE ${RAW} SET ${BACK} = back FROM clock_showings WHERE ${RAW}.rowid = clock_showings.id AND runs = 1 AND coalesce(run, 0) = 0`,
  )
  return ` - ${BACK}`
}
