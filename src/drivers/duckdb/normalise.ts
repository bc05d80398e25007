import type {CatalogKind} from '../../data/catalog.ts'
import {type Instrument, instrumentOf} from '../../domain/instrument.ts'
import {US_PER_DAY, US_PER_HOUR, US_PER_MINUTE} from '../../domain/units.ts'
import {type Database, identifier, quoted} from './database.ts'
import {KIND_TABLES, type KindTable} from './kinds.ts'
import {type IngestOptions, type LayoutOutput, RAW} from './layouts/layout.ts'

/** One output of a layout, checked and counted, waiting in a temporary table to be written. */
export interface NormalisedOutput {
  readonly kind: CatalogKind
  readonly table: string
  readonly groups: readonly RowGroup[]
  /** Each group's rows lie together in the table, in order of time. */
  readonly isInFileOrder: boolean
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
  /** The most decimals at which the greatest value is still an integer that a double holds. */
  readonly most: {readonly price: number; readonly size: number}
  /** Some values may have more decimals than the scale. */
  readonly isRounded: {readonly price: boolean; readonly size: boolean}
}

export interface InvalidRow {
  /** Ordinal in the raw table, from 0. */
  readonly row: number
  readonly reason: string
}

const INVALID_SAMPLE = 10_000
const EARLIEST_US = Date.UTC(1900, 0, 1) * 1000
const LATEST_US = Date.UTC(2200, 0, 1) * 1000

/** Runs a layout's SELECT, names what is wrong with each row, and gathers what the parts need to know. */
export const normaliseOutput = async (
  database: Database,
  output: LayoutOutput,
  table: string,
  options: IngestOptions,
): Promise<NormalisedOutput> => {
  const kind = KIND_TABLES[output.kind]
  // Not a temporary table: the parts are written through several connections.
  await database.run(`CREATE TABLE ${table} AS ${await checkedSelect(database, output, kind, options)}`)
  const keys = output.kind === 'bar' ? ['symbol', 'period_us'] : ['symbol']
  const measured = await measure(database, kind, table, keys)
  const defects: Record<string, number> = {}
  let invalidCount = 0
  for (const {defect, rows} of measured) {
    if (defect === null || defect === '-') continue
    if (defect.startsWith('!')) invalidCount += rows
    else defects[defect] = (defects[defect] ?? 0) + rows
  }
  const invalid: InvalidRow[] =
    invalidCount === 0
      ? []
      : [
          ...(await database.rows<InvalidRow>(
            `SELECT line AS row, substr(defect, 2) AS reason FROM ${table} WHERE defect LIKE '!%' ORDER BY line LIMIT ${INVALID_SAMPLE}`,
          )),
        ]
  for (const row of await unusableRows(database, output)) {
    invalidCount++
    invalid.push(row)
  }
  const good = measured.filter(({defect}) => defect === null)
  for (const [i, [, name]] of kind.noted.entries()) {
    defects[name] = good.reduce((sum, row) => sum + (row[`noted${i}`] as number), 0)
  }
  for (const [name, sql] of Object.entries(output.counts ?? {})) {
    defects[name] = (await database.one<{n: number}>(`SELECT (${sql}) AS n`)).n
  }
  const {groups, isInFileOrder} = await groupsOf(database, output, kind, table, keys, good, defects)
  return {
    kind: output.kind,
    table,
    groups,
    isInFileOrder,
    defects: Object.fromEntries(Object.entries(defects).filter(([, count]) => count > 0)),
    invalid,
    invalidCount,
  }
}

const unusableRows = async (database: Database, {unusable = []}: LayoutOutput): Promise<readonly InvalidRow[]> => {
  if (unusable.length === 0) return []
  const rules = unusable.map(([condition, reason]) => `WHEN ${condition} THEN ${quoted(reason)}`)
  return database.rows<InvalidRow>(
    `SELECT * FROM (SELECT rowid AS row, CASE ${rules.join(' ')} END AS reason FROM ${RAW}) WHERE reason IS NOT NULL ORDER BY row`,
  )
}

/** One pass over the table: rows by symbol, period and verdict, with all that is to be known of each group. */
const measure = (
  database: Database,
  kind: KindTable,
  table: string,
  keys: readonly string[],
): Promise<readonly GroupRow[]> => {
  const noted = kind.noted.map(([condition], i) => `count_if(${condition}) AS noted${i}`)
  return database.rows<GroupRow>(
    `SELECT ${keys}, defect, count(*) AS rows, min(ts_us) AS from_us, max(ts_us) AS to_us,
       ${needs(kind.prices, '1e4')} AS price4, ${needs(kind.sizes, '1', "NOT contains(symbol, '/') AND ")} AS size0,
       ${mayNeed(kind.sizes, MOST_DECIMALS)} AS size8,
       ${greatestOf(kind.prices)} AS max_price, ${greatestOf(kind.sizes)} AS max_size
       ${noted.map(sql => `, ${sql}`).join('')}
     FROM ${table} GROUP BY ${keys}, defect ORDER BY ${keys}`,
  )
}

const checkedSelect = async (
  database: Database,
  output: LayoutOutput,
  kind: KindTable,
  {fromUs, toUs}: IngestOptions,
): Promise<string> => {
  const range = [
    ...(fromUs === undefined ? [] : [`ts_us < ${fromUs}`]),
    ...(toUs === undefined ? [] : [`ts_us >= ${toUs}`]),
  ]
  const rules = [
    `WHEN ts_us IS NULL THEN '!time is missing'`,
    // Microseconds of later days are no integers that a double holds.
    `WHEN ts_us < ${EARLIEST_US} OR ts_us >= ${LATEST_US} THEN '!time is not between 1900 and 2200'`,
    `WHEN symbol IS NULL OR symbol = '' THEN '!symbol is missing'`,
    ...kind.invalid.map(([condition, reason]) => `WHEN ${condition} THEN ${quoted(`!${reason}`)}`),
    ...kind.dropped.map(([condition, name]) => `WHEN ${condition} THEN ${quoted(name)}`),
    ...range.map(condition => `WHEN ${condition} THEN '-'`),
  ]
  const described = await database.rows<{column_name: string}>(`DESCRIBE ${output.select}`)
  const names = new Set(described.map(row => row.column_name))
  const missing = Object.entries({dropped: 'NULL::VARCHAR', ...kind.defaults}).filter(([name]) => !names.has(name))
  const filled = missing.map(([name, sql]) => `, ${sql} AS ${identifier(name)}`).join('')
  return `SELECT *, CASE WHEN dropped IS NOT NULL THEN dropped ${rules.join(' ')} END AS defect
    FROM (SELECT *${filled} FROM (${output.select}))`
}

/** Removes repeats, then says of each symbol's rows: count, range, order, and the decimals its numbers need. */
const groupsOf = async (
  database: Database,
  output: LayoutOutput,
  kind: KindTable,
  table: string,
  keys: readonly string[],
  measured: readonly GroupRow[],
  defects: Record<string, number>,
): Promise<{readonly groups: RowGroup[]; readonly isInFileOrder: boolean}> => {
  const isBar = output.kind === 'bar'
  const order = await fileOrderOf(database, table, keys, kind, measured.length, isBar)
  // Rising stamps cannot repeat; contracts and names share theirs.
  const isRising = order.isGrouped && order.late === 0 && order.repeats === 0
  let rows = measured
  if (kind.unique.length > 0 && !(isBar && isRising) && (await dropDuplicates(database, kind, table, defects))) {
    rows = (await measure(database, kind, table, keys)).filter(({defect}) => defect === null)
  }
  if (order.late > 0) defects['outOfOrder'] = order.late
  if (isBar) {
    const gaps = isRising ? order.gaps : (await database.one<{gaps: number}>(gapsSql(table))).gaps
    if (gaps > 0) defects['gaps'] = gaps
  }
  const isCoarse = rows.every(row => !row.price4 && !row.size0)
  const decimals = isCoarse ? new Map<string, Decimals>() : await decimalsOf(database, table, kind, keys)
  const isOrdered = TICKS.has(output.kind) && order.isGrouped && order.late === 0 && order.unsorted === 0
  const groups = rows.map(row => {
    const base = output.instrument?.(row.symbol) ?? instrumentOf(row.symbol)
    const needed = decimals.get(groupKey(row))
    // Four decimals hold most prices and none most sizes; only where they do not is a finer scale looked for.
    const priceDecimals = row.price4 ? Math.max(base.priceDecimals, needed?.price ?? 0) : base.priceDecimals
    const sizeDecimals = row.size0 ? Math.max(base.sizeDecimals, needed?.size ?? 0) : base.sizeDecimals
    const most = {price: mostDecimals(row.max_price), size: mostDecimals(row.max_size)}
    return {
      symbol: row.symbol,
      ...(row.period_us === undefined ? {} : {periodUs: row.period_us}),
      rows: row.rows,
      fromUs: row.from_us,
      toUs: row.to_us,
      isOrdered,
      isRounded: {
        price: row.price4 && (needed?.isPriceRounded === true || priceDecimals > most.price),
        size:
          (row.size8 && row.symbol.includes('/')) ||
          (row.size0 && needed?.isSizeRounded === true) ||
          sizeDecimals > most.size,
      },
      most,
      instrument: atScale(base, Math.min(priceDecimals, most.price), Math.min(sizeDecimals, most.size)),
    }
  })
  return {groups, isInFileOrder: isRising}
}

interface GroupRow {
  readonly symbol: string
  readonly period_us?: number
  /** NULL for rows that are kept. */
  readonly defect: string | null
  readonly rows: number
  readonly from_us: number
  readonly to_us: number
  readonly price4: boolean
  readonly size0: boolean
  /** A size may have more than eight decimals. */
  readonly size8: boolean
  readonly max_price: number | null
  readonly max_size: number | null
  /** Counts of the kind's noted conditions, by number. */
  readonly [noted: `noted${number}`]: number
}

const groupKey = (row: {readonly symbol: string; readonly period_us?: number}): string =>
  `${row.symbol}\0${row.period_us ?? ''}`

/**
 * SQL of whether any of the columns has more decimals than the scale holds; NULLs need none. What is left over may be a
 * thousandth of a tick, but no more than a ten-millionth of the value: a coin of 0.000006 is not nothing.
 */
const needs = (columns: readonly string[], scale: string, only = ''): string => {
  if (columns.length === 0) return 'false'
  return `coalesce(bool_or(${only}(${unfit(columns, scale)})), false)`
}

const unfit = (columns: readonly string[], scale: string): string =>
  columns
    .map(
      x =>
        `abs(${x} * ${scale} - round(${x} * ${scale})) > least(0.001, abs(${x} * ${scale}) * 1e-7) + abs(${x} * ${scale}) * 4e-16`,
    )
    .join(' OR ')

/** The same, roughly and at half the cost: what it finds is counted exactly afterwards. */
const mayNeed = (columns: readonly string[], decimals: number): string =>
  columns.length === 0
    ? 'false'
    : `coalesce(bool_or(${columns.map(x => `abs(${x} * 1e${decimals} - round(${x} * 1e${decimals})) > 0.01`).join(' OR ')}), false)`

const greatestOf = (columns: readonly string[]): string =>
  columns.length === 0 ? 'NULL::DOUBLE' : `max(greatest(${columns}))`

/** Most prices and sizes are held at this or fewer; what is finer is rounded and counted. */
const MOST_DECIMALS = 8
/** For prices of which rounding to eight decimals would leave less than seven digits. */
const FINER_DECIMALS = [10, 12, 14] as const
const GREATEST_INTEGER = 9e15

/** The most decimals at which a value is an integer that a double holds. */
const mostDecimals = (greatest: number | null): number =>
  greatest === null || greatest <= 0 ? 22 : Math.max(0, Math.floor(Math.log10(GREATEST_INTEGER / greatest)))

/** An instrument at other scales; the venue's increments keep their value where they can. */
export const atScale = (base: Instrument, priceDecimals: number, sizeDecimals: number): Instrument => ({
  ...base,
  priceDecimals,
  sizeDecimals,
  incrementTicks: Math.max(1, Math.round(base.incrementTicks * 10 ** (priceDecimals - base.priceDecimals))),
  minLots: Math.max(1, Math.round(base.minLots * 10 ** (sizeDecimals - base.sizeDecimals))),
})

interface FileOrder {
  /** Rows lie in file order, each symbol's in one run. */
  readonly isGrouped: boolean
  /** Rows stamped before the row of their symbol that precedes them in the file. */
  readonly late: number
  /** Rows with the stamp of the one before; meaningful where grouped. */
  readonly repeats: number
  /** Rows of one stamp whose sequence goes back. */
  readonly unsorted: number
  /** Bars missing before a row; meaningful where stamps rise. */
  readonly gaps: number
}

/** The value of the row before, if it is of the same group. A window without an order streams over the table as it lies. */
const previousInFile = (column: string, keys: readonly string[]): string =>
  `CASE WHEN ${keys.map(key => `lag(${key}) OVER () = ${key}`).join(' AND ')} THEN lag(${column}) OVER () END`

const fileOrderOf = async (
  database: Database,
  table: string,
  keys: readonly string[],
  kind: KindTable,
  groups: number,
  isBar: boolean,
): Promise<FileOrder> => {
  const streamed = await database.one<{
    backwards: number
    starts: number
    late: number
    repeats: number
    unsorted: number
    gaps: number
  }>(
    `SELECT count_if(line < previous_line) AS backwards, count_if(previous IS NULL) AS starts, count_if(ts_us < previous) AS late,
       count_if(ts_us = previous) AS repeats, count_if(ts_us = previous AND seq < previous_seq) AS unsorted,
       ${isBar ? `count_if(${IS_GAP})` : '0'} AS gaps
     FROM (SELECT ${keys}, line, ts_us, seq, lag(line) OVER () AS previous_line, ${previousInFile('ts_us', keys)} AS previous,
       ${previousInFile('seq', keys)} AS previous_seq FROM ${table} WHERE defect IS NULL)`,
  )
  // Contracts and names of one symbol take turns in a file: each has an order of its own.
  const series = [...keys, ...kind.unique.filter(name => name !== 'ts_us' && !keys.includes(name))]
  const isPlain = series.length === keys.length || streamed.late === 0
  if (streamed.backwards === 0 && streamed.starts === groups && isPlain) return {isGrouped: true, ...streamed}
  const {late} = await database.one<{late: number}>(
    `SELECT count_if(ts_us < previous) AS late FROM
       (SELECT ts_us, lag(ts_us) OVER (PARTITION BY ${series} ORDER BY line, seq) AS previous FROM ${table} WHERE defect IS NULL)`,
  )
  return {isGrouped: false, late, repeats: 0, unsorted: 0, gaps: 0}
}

/**
 * Where bars are missing: intraday within one New York day (coins trade through), daily where more than the longest
 * weekend lies between. Ticks have no gaps that could be told from silence.
 */
const IS_GAP = `CASE
    WHEN contains(symbol, '/') THEN ts_us - previous > period_us
    WHEN period_us >= ${US_PER_DAY} THEN ts_us - previous > greatest(period_us, 5 * ${US_PER_DAY}) + ${US_PER_HOUR}
    WHEN period_us < ${US_PER_MINUTE} THEN false
    ELSE ts_us - previous > period_us AND (ts_us - 5 * ${US_PER_HOUR}) // ${US_PER_DAY} = (previous - 5 * ${US_PER_HOUR}) // ${US_PER_DAY}
  END`

/** Gaps of bars that do not lie in order. */
const gapsSql = (table: string): string => `SELECT count_if(${IS_GAP}) AS gaps FROM (
  SELECT symbol, ts_us, period_us, lag(ts_us) OVER (PARTITION BY symbol, period_us ORDER BY ts_us, seq) AS previous
  FROM ${table} WHERE defect IS NULL)`

/** Kinds whose rows come in such numbers that they are kept in file order where that is time order. */
const TICKS: ReadonlySet<CatalogKind> = new Set(['quote', 'trade', 'depth', 'order'])

export const isTickKind = (kind: CatalogKind): boolean => TICKS.has(kind)

/** Marks all but the first of equal rows; tells whether there were any. */
const dropDuplicates = async (
  database: Database,
  kind: KindTable,
  table: string,
  defects: Record<string, number>,
): Promise<boolean> => {
  const keys = ['symbol', ...kind.unique]
  const {duplicates} = await database.one<{duplicates: number}>(
    `SELECT coalesce(sum(n - 1), 0)::BIGINT AS duplicates FROM
       (SELECT count(*) AS n FROM ${table} WHERE defect IS NULL GROUP BY ${keys} HAVING count(*) > 1)`,
  )
  if (duplicates === 0) return false
  defects['duplicates'] = duplicates
  await database.run(
    `UPDATE ${table} SET defect = 'duplicates' WHERE rowid IN (
       SELECT id FROM (SELECT rowid AS id, row_number() OVER (PARTITION BY ${keys} ORDER BY seq) AS nth FROM ${table} WHERE defect IS NULL)
       WHERE nth > 1)`,
  )
  return true
}

interface Decimals {
  readonly price: number
  readonly size: number
  readonly isPriceRounded: boolean
  readonly isSizeRounded: boolean
}

/**
 * The fewest even decimals that hold every value, at most eight: what is finer is rounded. Only prices of so little that
 * eight decimals leave less than seven digits of them get more.
 */
const decimalsOf = async (
  database: Database,
  table: string,
  kind: KindTable,
  keys: readonly string[],
): Promise<Map<string, Decimals>> => {
  const scales = [2, 4, 6, MOST_DECIMALS]
  const isCrude = (d: number) =>
    kind.prices.length === 0
      ? 'false'
      : `coalesce(bool_or(${kind.prices.map(x => `abs(${x} * 1e${d} - round(${x} * 1e${d})) > abs(${x} * 1e${d}) * 1.001e-7`).join(' OR ')}), false)`
  const rows = await database.rows<Record<string, boolean> & {symbol: string; period_us?: number}>(
    `SELECT ${keys}, ${scales.map(d => `${needs(kind.prices, `1e${d}`)} AS price${d}, ${needs(kind.sizes, `1e${d}`)} AS size${d}`)},
       ${[MOST_DECIMALS, ...FINER_DECIMALS].map(d => `${isCrude(d)} AS crude${d}`)}
     FROM ${table} WHERE defect IS NULL GROUP BY ${keys}`,
  )
  const fewest = (row: Record<string, boolean>, name: string) => scales.find(d => !row[`${name}${d}`]) ?? MOST_DECIMALS
  return new Map(
    rows.map(row => {
      const finer = row[`crude${MOST_DECIMALS}`] ? (FINER_DECIMALS.find(d => !row[`crude${d}`]) ?? 14) : undefined
      return [
        groupKey(row),
        {
          price: finer ?? fewest(row, 'price'),
          size: fewest(row, 'size'),
          isPriceRounded: row[`price${MOST_DECIMALS}`] === true,
          isSizeRounded: row[`size${MOST_DECIMALS}`] === true,
        },
      ]
    }),
  )
}

/** Rows of which a price or a size has more decimals than the scale it will be stored at. */
export const countRounded = async (
  database: Database,
  {kind, table, groups}: NormalisedOutput,
): Promise<Record<string, number>> => {
  const counts: Record<string, number> = {}
  const {prices, sizes} = KIND_TABLES[kind]
  const count = async (name: string, columns: readonly string[], of: 'price' | 'size') => {
    const byDecimals = Map.groupBy(
      groups.filter(group => group.isRounded[of]),
      ({instrument}) => (of === 'price' ? instrument.priceDecimals : instrument.sizeDecimals),
    )
    for (const [decimals, same] of byDecimals) {
      const wanted = same.map(({symbol, periodUs}) => `(${quoted(symbol)}, ${periodUs ?? 0})`)
      const {n} = await database.one<{n: number}>(
        `SELECT count_if(${unfit(columns, `1e${decimals}`)}) AS n FROM ${table}
         WHERE defect IS NULL AND (symbol, ${kind === 'bar' ? 'period_us' : '0'}) IN (${wanted})`,
      )
      counts[name] = (counts[name] ?? 0) + n
    }
  }
  await count('roundedPrices', prices, 'price')
  await count('roundedSizes', sizes, 'size')
  return counts
}

/** A kind's stored columns, prices and sizes multiplied by SQL scales into ticks and lots. */
export const scaledColumns = (kind: CatalogKind, priceScale: string, sizeScale: string): string => {
  const scaled = (sql: string): string =>
    replaceCalls(
      replaceCalls(sql, 'P', x => `round((${x}) * ${priceScale})::BIGINT`),
      'S',
      x => `round((${x}) * ${sizeScale})::BIGINT`,
    )
  return Object.entries(KIND_TABLES[kind].stored)
    .map(([name, sql]) => `${scaled(sql)} AS ${identifier(name)}`)
    .join(', ')
}

/** The SELECT that yields a group's stored columns, in ticks and lots. */
export const storedSelect = (kind: CatalogKind, table: string, group: RowGroup, range = ''): string => {
  const {priceDecimals, sizeDecimals} = group.instrument
  const period = group.periodUs === undefined ? '' : ` AND period_us = ${group.periodUs}`
  // Ticks are read as they lie; the others are sorted where they are read.
  const order = group.isOrdered || !isTickKind(kind) ? '' : ' ORDER BY ts_us, seq'
  return `SELECT ts_us, seq::BIGINT AS seq, ${scaledColumns(kind, `1e${priceDecimals}`, `1e${sizeDecimals}`)} FROM ${table}
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
