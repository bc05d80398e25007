import {mkdir, rename, rm} from 'node:fs/promises'
import path from 'node:path'
import type {DuckDBConnection} from '@duckdb/node-api'
import type {CatalogPart} from '../../data/catalog.ts'
import {civilOf, dayOf, formatDay, utcDayOf} from '../../domain/calendar.ts'
import {US_PER_DAY} from '../../domain/units.ts'
import {type Database, quoted} from './database.ts'
import {isTickKind, type NormalisedOutput, type RowGroup, scaledColumns, storedSelect} from './normalise.ts'

/** Writes an output's parts under `folder`: one Parquet file a kind, symbol and date, or one for many sparse symbols. */
export const writeParts = async (
  database: Database,
  folder: string,
  output: NormalisedOutput,
  signal: AbortSignal | undefined,
): Promise<CatalogPart[]> => {
  const sparse = output.kind === 'bar' ? output.groups.filter(isSparse) : []
  const isShared = sparse.length >= SYMBOLS_WORTH_SHARING
  const shared = isShared ? await writeShared(database, folder, output, sparse) : []
  const groups = isShared ? output.groups.filter(group => !isSparse(group)) : output.groups
  const slices = groups.flatMap(group => slicesOf(group).map(slice => ({group, ...slice})))
  // One statement for many parts does not keep the rows' order, which readers of ticks rely on.
  const alone =
    slices.length > MOST_STATEMENTS && !isTickKind(output.kind)
      ? await writeAtOnce(database, folder, {...output, groups}, signal)
      : await writeSlices(database, folder, output, slices, signal)
  return [...shared, ...alone]
}

const SYMBOLS_WORTH_SHARING = 9
const MOST_STATEMENTS = 40

const isSparse = (group: RowGroup): boolean => group.rows < ROWS_WORTH_A_PART || stepOf(group) === 'all'

interface GroupSlice extends Slice {
  readonly group: RowGroup
}

const writeSlices = async (
  database: Database,
  folder: string,
  output: NormalisedOutput,
  slices: readonly GroupSlice[],
  signal: AbortSignal | undefined,
): Promise<CatalogPart[]> => {
  const parts = await database.inParallel(slices, async (connection, {group, date, range}) => {
    signal?.throwIfAborted()
    const relative = partPath(output, group, date)
    const file = path.join(folder, relative)
    await mkdir(path.dirname(file), {recursive: true})
    const where = range === undefined ? '' : ` AND ts_us >= ${range[0]} AND ts_us < ${range[1]}`
    const select = storedSelect(output.kind, output.table, group, where)
    const [written] = await copy(connection, `COPY (${select}) TO ${quoted(file)} (FORMAT parquet, RETURN_STATS true)`)
    if (written !== undefined && written.rows > 0) return partOf(output, group, date, relative, written)
    await rm(path.dirname(file), {recursive: true})
    return undefined
  })
  return parts.filter(part => part !== undefined)
}

/** Bars of many symbols that would each make a file of hardly more than its own header: one file, sorted by symbol. */
const writeShared = async (
  database: Database,
  folder: string,
  output: NormalisedOutput,
  groups: readonly RowGroup[],
): Promise<CatalogPart[]> => {
  const {kind, table} = output
  const relative = path.join(`kind=${kind}`, 'many-symbols.parquet')
  const file = path.join(folder, relative)
  await mkdir(path.dirname(file), {recursive: true})
  const [{instrument}] = groups as [RowGroup]
  const isUniform =
    groups.length === output.groups.length &&
    groups.every(
      group =>
        group.instrument.priceDecimals === instrument.priceDecimals &&
        group.instrument.sizeDecimals === instrument.sizeDecimals,
    )
  const columns = (price: string, size: string) =>
    `rows.symbol, ts_us, seq::BIGINT AS seq, ${scaledColumns(kind, price, size)}`
  const order = output.isInFileOrder && isUniform ? '' : ' ORDER BY rows.symbol, rows.period_us, ts_us, seq'
  if (!isUniform) await createGroups(database, groups)
  const select = isUniform
    ? `SELECT ${columns(`1e${instrument.priceDecimals}`, `1e${instrument.sizeDecimals}`)} FROM ${table} AS rows WHERE defect IS NULL${order}`
    : `SELECT ${columns('price_scale', 'size_scale')} FROM (SELECT rows.*, price_scale, size_scale FROM ${table} AS rows
         JOIN part_groups ON part_groups.symbol = rows.symbol AND part_groups.period_us = rows.period_us) AS rows WHERE defect IS NULL${order}`
  await database.run(`COPY (${select}) TO ${quoted(file)} (FORMAT parquet)`)
  return groups.map(({symbol, periodUs, rows, fromUs, toUs}) => ({
    path: relative,
    kind,
    symbol,
    date: 'all',
    rows,
    fromUs,
    toUs,
    ...(periodUs === undefined ? {} : {periodUs}),
    isShared: true,
  }))
}

/** The groups as a table to join with: their number, keys, step and scales. */
const createGroups = async (database: Database, groups: readonly RowGroup[]): Promise<void> => {
  const rows = groups.map(
    ({symbol, periodUs, instrument, ...group}, g) =>
      `(${g}, ${quoted(symbol)}, ${periodUs ?? 'NULL'}, ${quoted(stepOf(group))}, 1e${instrument.priceDecimals}, 1e${instrument.sizeDecimals})`,
  )
  await database.run(
    `CREATE OR REPLACE TEMP TABLE part_groups AS SELECT * FROM (VALUES ${rows.join(',')}) AS t(g, symbol, period_us, step, price_scale, size_scale)`,
  )
}

/** The parts of many symbols or days by one partitioned COPY, then moved to their places. */
const writeAtOnce = async (
  database: Database,
  folder: string,
  output: NormalisedOutput,
  signal: AbortSignal | undefined,
): Promise<CatalogPart[]> => {
  const {kind, table, groups} = output
  await createGroups(database, groups)
  const date = `CASE step WHEN 'all' THEN 'all' ELSE left(strftime(make_timestamp(ts_us), '%Y-%m-%d'),
    CASE step WHEN 'day' THEN 10 WHEN 'month' THEN 7 ELSE 4 END) END`
  const period = kind === 'bar' ? 'AND part_groups.period_us = rows.period_us' : ''
  const staged = path.join(folder, 'at-once')
  // One thread writes one file a partition.
  const {threads} = await database.one<{threads: number}>("SELECT current_setting('threads') AS threads")
  await database.run('SET threads = 1')
  try {
    await database.run('SET partitioned_write_max_open_files = 4096')
    const written = await copy(
      database.connection,
      `COPY (SELECT g, ${date} AS part_date, ts_us, seq::BIGINT AS seq, ${scaledColumns(kind, 'price_scale', 'size_scale')}
         FROM (SELECT rows.* EXCLUDE (symbol), part_groups.* EXCLUDE (symbol, period_us) FROM ${table} AS rows
               JOIN part_groups ON part_groups.symbol = rows.symbol ${period} WHERE rows.defect IS NULL))
       TO ${quoted(staged)} (FORMAT parquet, PARTITION_BY (g, part_date), RETURN_STATS true)`,
    )
    const parts: CatalogPart[] = []
    for (const file of written) {
      signal?.throwIfAborted()
      const group = groups[Number(file.keys.get('g'))]
      const label = file.keys.get('part_date')
      if (group === undefined || label === undefined) throw new Error(`a part without a group: ${file.path}`)
      const nth = parts.filter(
        part => part.symbol === group.symbol && part.date === label && part.periodUs === group.periodUs,
      ).length
      const relative = partPath(output, group, label, nth)
      await mkdir(path.dirname(path.join(folder, relative)), {recursive: true})
      await rename(file.path, path.join(folder, relative))
      parts.push(partOf(output, group, label, relative, file))
    }
    return parts.sort((a, b) => (a.path < b.path ? -1 : 1))
  } finally {
    await database.run(`SET threads = ${threads}`)
    await rm(staged, {recursive: true, force: true})
  }
}

const partPath = ({kind}: NormalisedOutput, {symbol, periodUs}: RowGroup, date: string, nth = 0): string =>
  path.join(
    `kind=${kind}`,
    `symbol=${encodeURIComponent(symbol)}`,
    `date=${date}`,
    `part${periodUs === undefined ? '' : `-${periodUs / 1_000_000}s`}${nth === 0 ? '' : `-${nth}`}.parquet`,
  )

const partOf = (
  {kind}: NormalisedOutput,
  {symbol, periodUs}: RowGroup,
  date: string,
  relative: string,
  written: WrittenFile,
): CatalogPart => ({
  path: relative,
  kind,
  symbol,
  date,
  rows: written.rows,
  fromUs: written.fromUs,
  toUs: written.toUs,
  ...(periodUs === undefined ? {} : {periodUs}),
})

interface WrittenFile {
  readonly path: string
  readonly rows: number
  readonly fromUs: number
  readonly toUs: number
  readonly keys: ReadonlyMap<string, string>
}

interface Entry<T> {
  readonly key: string
  readonly value: T
}

/** Runs a COPY with RETURN_STATS: what it wrote, with the range of `ts_us`. */
const copy = async (connection: DuckDBConnection, sql: string): Promise<WrittenFile[]> => {
  const result = await connection.runAndReadAll(sql)
  return result.getRowObjectsJS().map(row => {
    const statistics = row['column_statistics'] as unknown as readonly Entry<readonly Entry<string>[]>[]
    const times = statistics.find(({key}) => key === '"ts_us"')?.value ?? []
    const bound = (name: string) => Number(times.find(({key}) => key === name)?.value ?? Number.NaN)
    const keys = (row['partition_keys'] ?? []) as unknown as readonly Entry<string>[]
    return {
      path: String(row['filename']),
      rows: Number(row['count']),
      fromUs: bound('min'),
      toUs: bound('max'),
      keys: new Map(keys.map(({key, value}) => [key, value])),
    }
  })
}

const ROWS_WORTH_A_PART = 5_000

type Step = 'day' | 'month' | 'year' | 'all'

/** How long a part lasts, so that it has about a part's worth of rows. */
const stepOf = ({rows, fromUs, toUs}: Pick<RowGroup, 'rows' | 'fromUs' | 'toUs'>): Step => {
  const perDay = rows / (utcDayOf(toUs) - utcDayOf(fromUs) + 1)
  if (perDay >= ROWS_WORTH_A_PART) return 'day'
  if (perDay * 30 >= ROWS_WORTH_A_PART) return 'month'
  return perDay * 365 >= ROWS_WORTH_A_PART ? 'year' : 'all'
}

interface Slice {
  readonly date: string
  readonly range?: readonly [number, number]
}

/** Time slices of about a part's worth of rows: days, months, years or everything, UTC. */
const slicesOf = (group: RowGroup): Slice[] => {
  const first = utcDayOf(group.fromUs)
  const last = utcDayOf(group.toUs)
  const step = stepOf(group)
  if (step === 'all') return [{date: 'all'}]
  const slices: {date: string; range: [number, number]}[] = []
  for (let day = first; day <= last; ) {
    const {year, month} = civilOf(day)
    const next =
      step === 'day'
        ? day + 1
        : step === 'year'
          ? dayOf(year + 1, 1, 1)
          : month === 12
            ? dayOf(year + 1, 1, 1)
            : dayOf(year, month + 1, 1)
    const text = formatDay(day)
    slices.push({
      date: step === 'day' ? text : step === 'month' ? text.slice(0, 7) : text.slice(0, 4),
      range: [day * US_PER_DAY, next * US_PER_DAY],
    })
    day = next
  }
  return slices.length === 1 && slices[0] !== undefined ? [{date: slices[0].date}] : slices
}
