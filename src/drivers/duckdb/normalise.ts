import type {CatalogKind} from '../../data/catalog.ts'
import {type Instrument, instrumentOf} from '../../domain/instrument.ts'
import {US_PER_DAY, US_PER_HOUR, US_PER_MINUTE} from '../../domain/units.ts'
import {type Database, identifier, quoted} from './database.ts'
import {KIND_TABLES, type KindTable} from './kinds.ts'
import type {IngestOptions, LayoutOutput} from './layouts/layout.ts'

/** One output of a layout, checked and counted, waiting in a temporary table to be written. */
export interface NormalisedOutput {
  readonly kind: CatalogKind
  readonly table: string
  readonly groups: readonly RowGroup[]
  readonly defects: Readonly<Record<string, number>>
  readonly invalid: readonly InvalidRow[]
  readonly invalidCount: number
}

/** Rows of one symbol (and period, for bars): what becomes parts. */
export interface RowGroup {
  readonly symbol: string
  readonly periodUs?: number
  readonly rows: number
  readonly fromUs: number
  readonly toUs: number
  readonly isOrdered: boolean
  readonly instrument: Instrument
}

export interface InvalidRow {
  /** Ordinal in the raw table, from 0. */
  readonly row: number
  readonly reason: string
}

const INVALID_SAMPLE = 10_000

/** Runs a layout's SELECT, names what is wrong with each row, and gathers what the parts need to know. */
export const normaliseOutput = async (
  database: Database,
  output: LayoutOutput,
  table: string,
  options: IngestOptions,
): Promise<NormalisedOutput> => {
  const kind = KIND_TABLES[output.kind]
  await database.run(`CREATE TEMP TABLE ${table} AS ${checkedSelect(output, kind, options)}`)
  const defects: Record<string, number> = {}
  let invalidCount = 0
  const verdicts = await database.rows<{defect: string; count: number}>(
    `SELECT defect, count(*) AS count FROM ${table} WHERE defect IS NOT NULL GROUP BY defect ORDER BY defect`,
  )
  for (const {defect, count} of verdicts) {
    if (defect.startsWith('!')) invalidCount += count
    else if (defect !== '-') defects[defect] = count
  }
  const invalid = await database.rows<InvalidRow>(
    `SELECT line AS row, substr(defect, 2) AS reason FROM ${table} WHERE defect LIKE '!%' ORDER BY line LIMIT ${INVALID_SAMPLE}`,
  )
  if (kind.noted.length > 0) {
    const counts = kind.noted.map(([condition, name]) => `count_if(${condition}) AS ${identifier(name)}`)
    Object.assign(
      defects,
      await database.one<Record<string, number>>(`SELECT ${counts} FROM ${table} WHERE defect IS NULL`),
    )
  }
  for (const [name, sql] of Object.entries(output.counts ?? {})) {
    defects[name] = (await database.one<{n: number}>(`SELECT (${sql}) AS n`)).n
  }
  const groups = await groupsOf(database, output, kind, table, defects)
  return {
    kind: output.kind,
    table,
    groups,
    defects: Object.fromEntries(Object.entries(defects).filter(([, count]) => count > 0)),
    invalid,
    invalidCount,
  }
}

const checkedSelect = (output: LayoutOutput, kind: KindTable, {fromUs, toUs}: IngestOptions): string => {
  // NULLs of the optional columns come first, so that a layout's own column of the name wins.
  const fill = Object.entries(kind.defaults)
  const range = [
    ...(fromUs === undefined ? [] : [`ts_us < ${fromUs}`]),
    ...(toUs === undefined ? [] : [`ts_us >= ${toUs}`]),
  ]
  const rules = [
    `WHEN ts_us IS NULL THEN '!time is missing'`,
    `WHEN symbol IS NULL OR symbol = '' THEN '!symbol is missing'`,
    ...kind.invalid.map(([condition, reason]) => `WHEN ${condition} THEN ${quoted(`!${reason}`)}`),
    ...kind.dropped.map(([condition, name]) => `WHEN ${condition} THEN ${quoted(name)}`),
    ...range.map(condition => `WHEN ${condition} THEN '-'`),
  ]
  const filled = fill.map(([name, sql]) => `${sql} AS ${identifier(name)}`)
  const select =
    filled.length === 0
      ? output.select
      : `SELECT * FROM (${output.select}) UNION ALL BY NAME SELECT ${filled} WHERE false`
  return `SELECT *, CASE WHEN dropped IS NOT NULL THEN dropped ${rules.join(' ')} END AS defect
    FROM (${select} UNION ALL BY NAME SELECT NULL::VARCHAR AS dropped WHERE false)`
}

/** Removes repeats, then measures each symbol's rows: count, range, order, and the decimals its numbers need. */
const groupsOf = async (
  database: Database,
  output: LayoutOutput,
  kind: KindTable,
  table: string,
  defects: Record<string, number>,
): Promise<RowGroup[]> => {
  const period = output.kind === 'bar' ? ', period_us' : ''
  if (kind.unique.length > 0) await dropDuplicates(database, kind, table, defects)
  const needs = (columns: readonly string[], scale: string, only = '') =>
    columns.length === 0 ? 'false' : `bool_or(${only}(${columns.map(c => `needs(${c}, ${scale})`).join(' OR ')}))`
  await database.run(
    `CREATE OR REPLACE TEMP MACRO needs(x, scale) AS
       coalesce(abs(x * scale - round(x * scale)) > 0.001 + abs(x * scale) * 4e-16, false)`,
  )
  const rows = await database.rows<{
    symbol: string
    period_us?: number
    rows: number
    from_us: number
    to_us: number
    late: number
    price4: boolean
    size0: boolean
  }>(
    `SELECT symbol${period}, count(*) AS rows, min(ts_us) AS from_us, max(ts_us) AS to_us, count_if(ts_us < previous) AS late,
       ${needs(kind.prices, '1e4')} AS price4,
       ${needs(kind.sizes, '1', "NOT contains(symbol, '/') AND ")} AS size0
     FROM (SELECT *, ${await previousSql(database, output.kind, table)} AS previous FROM ${table} WHERE defect IS NULL)
     GROUP BY symbol${period} ORDER BY symbol${period}`,
  )
  const late = rows.reduce((sum, row) => sum + row.late, 0)
  if (late > 0) defects['outOfOrder'] = late
  if (output.kind === 'bar') {
    const {gaps} = await database.one<{gaps: number}>(gapsSql(table))
    if (gaps > 0) defects['gaps'] = gaps
  }
  const groups: RowGroup[] = []
  for (const row of rows) {
    const base = output.instrument?.(row.symbol) ?? instrumentOf(row.symbol)
    const where = `defect IS NULL AND symbol = ${quoted(row.symbol)}${row.period_us === undefined ? '' : ` AND period_us = ${row.period_us}`}`
    // Four decimals hold most prices and none most sizes; only where they do not is a finer scale looked for.
    const priceDecimals =
      row.price4 && base.priceDecimals < MOST_DECIMALS
        ? Math.max(base.priceDecimals, await decimalsOf(database, table, kind.prices, where))
        : base.priceDecimals
    const sizeDecimals =
      row.size0 && base.sizeDecimals === 0 ? await decimalsOf(database, table, kind.sizes, where) : base.sizeDecimals
    groups.push({
      symbol: row.symbol,
      ...(row.period_us === undefined ? {} : {periodUs: row.period_us}),
      rows: row.rows,
      fromUs: row.from_us,
      toUs: row.to_us,
      isOrdered: row.late === 0 && TICKS.has(output.kind),
      instrument: {
        ...base,
        priceDecimals,
        sizeDecimals,
        // The order increment is a price: it keeps its value when ticks get finer.
        incrementTicks: base.incrementTicks * 10 ** (priceDecimals - base.priceDecimals),
        minLots: base.minLots * 10 ** (sizeDecimals - base.sizeDecimals),
      },
    })
  }
  return groups
}

/**
 * Places where bars are missing: intraday within one New York day (coins trade through), daily where more than the
 * longest weekend lies between. Ticks have no gaps that could be told from silence.
 */
const gapsSql = (table: string): string => `SELECT count(*) AS gaps FROM (
  SELECT *, lag(ts_us) OVER (PARTITION BY symbol, period_us ORDER BY ts_us, seq) AS previous FROM ${table} WHERE defect IS NULL
) WHERE CASE
    WHEN contains(symbol, '/') THEN ts_us - previous > period_us
    WHEN period_us >= ${US_PER_DAY} THEN ts_us - previous > greatest(period_us, 5 * ${US_PER_DAY}) + ${US_PER_HOUR}
    WHEN period_us < ${US_PER_MINUTE} THEN false
    ELSE ts_us - previous > period_us AND (ts_us - 5 * ${US_PER_HOUR}) // ${US_PER_DAY} = (previous - 5 * ${US_PER_HOUR}) // ${US_PER_DAY}
  END`

const TICKS: ReadonlySet<CatalogKind> = new Set(['quote', 'trade', 'depth', 'order'])

/** `lag` without ordering streams in file order, which is all one symbol's ticks need; the rest need partitions. */
const previousSql = async (database: Database, kind: CatalogKind, table: string): Promise<string> => {
  const partition = `lag(ts_us) OVER (PARTITION BY symbol${kind === 'bar' ? ', period_us' : ''} ORDER BY seq)`
  if (!TICKS.has(kind)) return partition
  const {symbols} = await database.one<{symbols: number}>(
    `SELECT approx_count_distinct(symbol) AS symbols FROM ${table}`,
  )
  return symbols > 1 ? partition : 'lag(ts_us) OVER ()'
}

const dropDuplicates = async (
  database: Database,
  kind: KindTable,
  table: string,
  defects: Record<string, number>,
): Promise<void> => {
  const keys = ['symbol', ...kind.unique]
  const {duplicates} = await database.one<{duplicates: number}>(
    `SELECT count(*) - count(DISTINCT (${keys})) AS duplicates FROM ${table} WHERE defect IS NULL`,
  )
  if (duplicates === 0) return
  defects['duplicates'] = duplicates
  await database.run(
    `UPDATE ${table} SET defect = 'duplicates' WHERE rowid IN (
       SELECT id FROM (SELECT rowid AS id, row_number() OVER (PARTITION BY ${keys} ORDER BY seq) AS nth FROM ${table} WHERE defect IS NULL)
       WHERE nth > 1)`,
  )
}

const MOST_DECIMALS = 8

/** The fewest even decimals that hold every value, at most eight: what is finer is rounded. */
const decimalsOf = async (
  database: Database,
  table: string,
  columns: readonly string[],
  where: string,
): Promise<number> => {
  const unfit = await database.one<Record<string, boolean>>(
    `SELECT ${[2, 4, 6].map(d => `bool_or(${columns.map(c => `needs(${c}, 1e${d})`).join(' OR ')}) AS d${d}`)} FROM ${table} WHERE ${where}`,
  )
  return !unfit['d2'] ? 2 : !unfit['d4'] ? 4 : !unfit['d6'] ? 6 : MOST_DECIMALS
}

/** The SELECT that yields a group's stored columns, in ticks and lots. */
export const storedSelect = (kind: CatalogKind, table: string, group: RowGroup, range = ''): string => {
  const {stored} = KIND_TABLES[kind]
  const {priceDecimals, sizeDecimals} = group.instrument
  const scaled = (sql: string): string =>
    replaceCalls(
      replaceCalls(sql, 'P', x => `round((${x}) * 1e${priceDecimals})::BIGINT`),
      'S',
      x => `round((${x}) * 1e${sizeDecimals})::BIGINT`,
    )
  const columns = Object.entries(stored).map(([name, sql]) => `${scaled(sql)} AS ${identifier(name)}`)
  const period = group.periodUs === undefined ? '' : ` AND period_us = ${group.periodUs}`
  const order = group.isOrdered ? '' : ' ORDER BY ts_us, seq'
  return `SELECT ts_us, seq::BIGINT AS seq, ${columns} FROM ${table}
    WHERE defect IS NULL AND symbol = ${quoted(group.symbol)}${period}${range}${order}`
}

/** Replaces NAME(argument), arguments nesting parentheses, by what `render` makes of the argument. */
const replaceCalls = (sql: string, name: string, render: (argument: string) => string): string => {
  let result = ''
  let at = 0
  for (const match of sql.matchAll(new RegExp(`\\b${name}\\(`, 'g'))) {
    const open = match.index + match[0].length
    let depth = 1
    let close = open
    while (depth > 0) {
      if (sql[close] === '(') depth++
      else if (sql[close] === ')') depth--
      close++
    }
    result += sql.slice(at, match.index) + render(sql.slice(open, close - 1))
    at = close
  }
  return result + sql.slice(at)
}
