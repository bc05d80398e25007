import type {DuckDBDataChunk} from '@duckdb/node-api'
import type {CatalogKind, CatalogQuery} from '../../data/catalog.ts'
import {EventKind, emptyChunk, type TapeChunk} from '../../data/tape.ts'
import {hashTape} from '../../data/tape-hash.ts'
import type {TapeSource} from '../../data/tape-source.ts'
import {UserError} from '../../domain/errors.ts'
import {type Instrument, InstrumentTable, optionFromOcc} from '../../domain/instrument.ts'
import {Database, identifier, quoted} from './database.ts'
import {instrumentsOf, type LocatedPart} from './located-part.ts'
import {isTickKind} from './normalise.ts'

/** Rows of a delivered chunk. */
export const CHUNK_ROWS = 65_536
/** Rows sorted at once: bounds memory however long the history is. */
const WINDOW_ROWS = 2_000_000

/**
 * Market history from Parquet parts, merged in order of (time, instrument, sequence, kind). Time is cut into windows of
 * at most about two million rows, each sorted by DuckDB; where one part alone covers a window, its own order is used.
 */
export const openTape = async (parts: readonly LocatedPart[], query: CatalogQuery): Promise<TapeSource> => {
  const tapeParts = parts.filter(part => part.kind !== 'observation' && part.kind !== 'option-volatility')
  if (tapeParts.length === 0) {
    throw new UserError('NO_ROWS', 'the catalog holds no rows to replay for what was asked', {
      hints: ['widen symbols, kinds or dates'],
    })
  }
  const scales = new Map(instrumentsOf(tapeParts).map(instrument => [instrument.symbol, instrument]))
  const optionParts = tapeParts.filter(part => part.kind === 'option')
  const plain = new Set(tapeParts.flatMap(part => (part.kind === 'option' ? [] : [part.symbol])))
  const instruments = InstrumentTable.of([
    ...[...scales.values()].filter(({symbol}) => plain.has(symbol)),
    ...(optionParts.length === 0 ? [] : await contractsOf(optionParts, scales)),
  ])
  const exact = query.fromUs === undefined && query.toUs === undefined && !overlappingBars(tapeParts)
  const chunks = () => readChunks(tapeParts, instruments, scales, query)
  let hash: Promise<string> | undefined
  return {
    instruments,
    dataHash: () => (hash ??= hashTape(instruments, chunks())),
    chunks,
    ...(exact ? {rows: tapeParts.reduce((sum, part) => sum + part.rows, 0)} : {}),
  }
}

type Scales = ReadonlyMap<string, Instrument>

const contractsOf = async (optionParts: readonly LocatedPart[], scales: Scales): Promise<Instrument[]> => {
  await using database = await Database.open({threads: 2})
  const bySymbol = new Map<string, string[]>()
  for (const part of optionParts) bySymbol.set(part.symbol, [...(bySymbol.get(part.symbol) ?? []), part.file])
  const contracts: Instrument[] = []
  for (const [symbol, files] of bySymbol) {
    const rows = await database.rows<{contract: string; right: 'call' | 'put'; strike: number; expiry: string}>(
      `SELECT contract, any_value("right") AS "right", any_value(strike) AS strike, any_value(expiry)::VARCHAR AS expiry
       FROM read_parquet([${files.map(quoted)}], hive_partitioning = false) GROUP BY contract ORDER BY contract`,
    )
    const scale = scales.get(symbol)
    for (const {contract, right, strike, expiry} of rows) {
      const standard = optionFromOcc(contract)
      contracts.push({
        ...(standard ?? {kind: 'option', base: contract, quote: 'USD', multiplier: 100, incrementTicks: 1, minLots: 1}),
        symbol: contract,
        priceDecimals: scale?.priceDecimals ?? 4,
        sizeDecimals: scale?.sizeDecimals ?? 0,
        option: {underlying: symbol, right, strike, expiry, style: standard?.option?.style ?? 'european'},
      })
    }
  }
  if (contracts.length > 65_535) {
    throw new UserError('TOO_MANY_CONTRACTS', `${contracts.length} option contracts are more than a tape can number`, {
      hints: ['narrow the dates with --from-date and --to-date, or name fewer symbols'],
    })
  }
  return contracts
}

/** Tape columns of a kind in its stored names; P and S multiply to the common scale. */
const TAPE_SQL: Readonly<Partial<Record<CatalogKind, {kind: number; flags: string; values: readonly string[]}>>> = {
  quote: {kind: EventKind.quote, flags: '0', values: ['P bid_ticks', 'P ask_ticks', 'S bid_lots', 'S ask_lots']},
  trade: {kind: EventKind.trade, flags: 'aggressor', values: ['P price_ticks', 'S size_lots']},
  bar: {
    kind: EventKind.bar,
    flags: '0',
    values: ['P open_ticks', 'P high_ticks', 'P low_ticks', 'P close_ticks', 'S volume_lots', 'period_us'],
  },
  depth: {kind: EventKind.depth, flags: 'flags', values: ['P price_ticks', 'S total_lots']},
  order: {kind: EventKind.order, flags: 'flags', values: ['P price_ticks', 'S size_lots', 'order_id']},
  option: {
    kind: EventKind.option,
    flags: '0',
    // Trading needs a size: where the source gives none, a quoted side counts one contract.
    values: [
      'P bid_ticks',
      'P ask_ticks',
      'S coalesce(bid_lots,(bid_ticks>0)::BIGINT)',
      'S coalesce(ask_lots,(ask_ticks>0)::BIGINT)',
      'S volume_lots',
      'S open_interest_lots',
    ],
  },
  notice: {kind: EventKind.notice, flags: 'code', values: ['first', 'second', 'P lower_ticks', 'P upper_ticks']},
}

interface Window {
  readonly fromUs: number
  readonly toUs: number
  readonly parts: readonly LocatedPart[]
}

async function* readChunks(
  parts: readonly LocatedPart[],
  instruments: InstrumentTable,
  scales: Scales,
  query: CatalogQuery,
): AsyncGenerator<TapeChunk> {
  // Two engines take turns: while one window is replayed, the next is read and sorted.
  const windows = windowsOf(parts, query)
  await using first = await openReader(parts, instruments)
  await using second = windows.length > 1 ? await openReader(parts, instruments) : undefined
  const readers = [first, second ?? first] as const
  const begin = (n: number): WindowRows | undefined => {
    const window = windows[n]
    return window === undefined ? undefined : beginWindow(readers[(n % 2) as 0 | 1], window, instruments, scales)
  }
  const chunk = emptyChunk(CHUNK_ROWS)
  let current = begin(0)
  for (let n = 0; current !== undefined; n++) {
    const {values} = current
    let vectors = await current.head
    const next = begin(n + 1)
    next?.head.catch(() => {}) // reported when it is awaited
    while (vectors !== undefined) {
      const rows = vectors.rowCount
      if (chunk.count + rows > CHUNK_ROWS) {
        yield chunk
        chunk.count = 0
      }
      copyRows(vectors, values, chunk)
      vectors = await nextOf(current.rows)
    }
    current = next
  }
  if (chunk.count > 0) yield chunk
}

const openReader = async (parts: readonly LocatedPart[], instruments: InstrumentTable): Promise<Database> => {
  const database = await Database.open()
  if (parts.some(part => part.kind === 'option')) await createContracts(database, instruments)
  return database
}

interface WindowRows {
  /** How many of v0…v5 the window's kinds use. */
  readonly values: number
  readonly rows: AsyncIterator<DuckDBDataChunk>
  readonly head: Promise<DuckDBDataChunk | undefined>
}

const beginWindow = (database: Database, window: Window, instruments: InstrumentTable, scales: Scales): WindowRows => {
  const values = Math.max(...window.parts.map(part => TAPE_SQL[part.kind]?.values.length ?? 0))
  const rows = database.stream(windowSql(window, values, instruments, scales))
  return {values, rows, head: nextOf(rows)}
}

const nextOf = async (rows: AsyncIterator<DuckDBDataChunk>): Promise<DuckDBDataChunk | undefined> => {
  const {done, value} = await rows.next()
  return done === true ? undefined : value
}

const VALUE_COLUMNS = ['v0', 'v1', 'v2', 'v3', 'v4', 'v5'] as const

/** Appends a block: time, then kind, flags and instrument in one integer (`kind << 24 | flags << 16 | instrument`), then values. */
const copyRows = (vectors: DuckDBDataChunk, values: number, chunk: TapeChunk & {count: number}): void => {
  const rows = vectors.rowCount
  const at = chunk.count
  const column = <T>(i: number): T => (vectors.getColumnVector(i) as unknown as {items: T}).items
  const times = column<Float64Array>(0)
  chunk.tsUs.set(times.length > rows ? times.subarray(0, rows) : times, at)
  const packed = column<Int32Array>(1)
  for (let row = 0; row < rows; row++) {
    const bits = packed[row] as number
    chunk.kind[at + row] = bits >>> 24
    chunk.flags[at + row] = (bits >>> 16) & 0xff
    chunk.instrument[at + row] = bits & 0xffff
  }
  for (const [i, name] of VALUE_COLUMNS.entries()) {
    if (i >= values) chunk[name].fill(0, at, at + rows)
    else {
      const items = column<Float64Array>(2 + i)
      chunk[name].set(items.length > rows ? items.subarray(0, rows) : items, at)
    }
  }
  chunk.count = at + rows
}

const createContracts = async (database: Database, instruments: InstrumentTable): Promise<void> => {
  const rows = instruments
    .all()
    .flatMap((instrument, i) => (instrument.kind === 'option' ? [`(${quoted(instrument.symbol)},${i})`] : []))
  await database.run('CREATE TEMP TABLE contracts(contract VARCHAR, instrument USMALLINT)')
  await database.run(`INSERT INTO contracts VALUES ${rows.join(',')}`)
}

/** Cuts the queried time at quantiles of the parts' rows, taking each part as evenly spread over its own range. */
const windowsOf = (parts: readonly LocatedPart[], query: CatalogQuery): Window[] => {
  const fromUs = Math.max(query.fromUs ?? Number.NEGATIVE_INFINITY, Math.min(...parts.map(part => part.fromUs)))
  const toUs = Math.min(query.toUs ?? Number.POSITIVE_INFINITY, Math.max(...parts.map(part => part.toUs)) + 1)
  const windows: Window[] = []
  const overlapping = (from: number, to: number) => parts.filter(part => part.toUs >= from && part.fromUs < to)
  const rowsIn = (part: LocatedPart, from: number, to: number) =>
    (part.rows * (Math.min(to, part.toUs + 1) - Math.max(from, part.fromUs))) / (part.toUs + 1 - part.fromUs)
  const cut = (from: number, to: number): void => {
    const inside = overlapping(from, to)
    const rows = inside.reduce((sum, part) => sum + rowsIn(part, from, to), 0)
    const middle = Math.floor((from + to) / 2)
    if (inside.length > 1 && rows > WINDOW_ROWS && middle > from) {
      cut(from, middle)
      cut(middle, to)
    } else if (inside.length > 0) windows.push({fromUs: from, toUs: to, parts: inside})
  }
  if (fromUs < toUs) cut(fromUs, toUs)
  return windows
}

const windowSql = (
  {fromUs, toUs, parts}: Window,
  valueCount: number,
  instruments: InstrumentTable,
  scales: Scales,
): string => {
  const context = {instruments, scales, fromUs, toUs, valueCount}
  const shared = new Map<string, NumberedPart[]>()
  const selects: string[] = []
  for (const [nth, part] of parts.entries()) {
    const together = shared.get(part.file)
    if (part.isShared !== true) selects.push(partSql(part, nth, context))
    else if (together === undefined) shared.set(part.file, [{part, nth}])
    else together.push({part, nth})
  }
  for (const [file, together] of shared) selects.push(sharedSql(file, together, context))
  const columns = ['ts_us', 'packed', ...VALUE_COLUMNS.slice(0, valueCount)].join(', ')
  const [only] = parts
  if (parts.length === 1 && only !== undefined && isTickKind(only.kind)) return `SELECT ${columns} FROM (${selects[0]})`
  // Bars of the same close in two files are one bar; the earlier unit's stands.
  const once = overlappingBars(parts)
    ? `QUALIFY kind != ${EventKind.bar} OR row_number() OVER (PARTITION BY ts_us, instrument, kind, v5 ORDER BY part) = 1`
    : ''
  return `SELECT ${columns} FROM (${selects.join(' UNION ALL ')}) ${once} ORDER BY ts_us, instrument, seq, kind, part`
}

const overlappingBars = (parts: readonly LocatedPart[]): boolean => {
  const lastUs = new Map<string, number>()
  for (const part of parts) {
    if (part.kind !== 'bar') continue
    const key = `${part.symbol}\0${part.periodUs}`
    if ((lastUs.get(key) ?? Number.NEGATIVE_INFINITY) >= part.fromUs) return true
    lastUs.set(key, Math.max(lastUs.get(key) ?? part.toUs, part.toUs))
  }
  return false
}

interface PartContext {
  readonly instruments: InstrumentTable
  readonly scales: Scales
  readonly valueCount: number
  readonly fromUs: number
  readonly toUs: number
}

interface NumberedPart {
  readonly part: LocatedPart
  readonly nth: number
}

/** The rows of bar parts that share a file, by one scan of it. */
const sharedSql = (
  file: string,
  parts: readonly NumberedPart[],
  {instruments, scales, valueCount, fromUs, toUs}: PartContext,
): string => {
  const rows = parts.map(({part, nth}) => {
    const times = timesOf(part, scales)
    return `(${quoted(part.symbol)}, ${part.periodUs}::BIGINT, ${instruments.indexOf(part.symbol)}::USMALLINT, ${times.P}::BIGINT, ${times.S}::BIGINT, ${nth})`
  })
  const values = valueColumns('bar', valueCount, {P: 'wanted.price_times', S: 'wanted.size_times'})
  const [{part: only}] = parts as [NumberedPart]
  const one = parts.length === 1 ? ` AND rows.symbol = ${quoted(only.symbol)}` : ''
  return `SELECT ts_us::DOUBLE AS ts_us, (${EventKind.bar << 24} + wanted.instrument::INTEGER) AS packed, wanted.instrument AS instrument,
    ${EventKind.bar}::UTINYINT AS kind, ${values}, seq, wanted.nth AS part FROM read_parquet(${quoted(file)}, hive_partitioning = false) AS rows
    JOIN (VALUES ${rows}) AS wanted(symbol, period_us, instrument, price_times, size_times, nth)
      ON wanted.symbol = rows.symbol AND wanted.period_us = rows.period_us
    WHERE ts_us >= ${fromUs} AND ts_us < ${toUs}${one}`
}

const timesOf = (part: LocatedPart, scales: Scales): {readonly P: number; readonly S: number} => {
  const scale = scales.get(part.symbol) ?? part.instrument
  return {
    P: 10 ** (scale.priceDecimals - part.instrument.priceDecimals),
    S: 10 ** (scale.sizeDecimals - part.instrument.sizeDecimals),
  }
}

/** SQL of v0…, with prices and sizes multiplied by what brings them to the common scale. */
const valueColumns = (
  kind: CatalogKind,
  count: number,
  times: {readonly P: number | string; readonly S: number | string},
): string[] =>
  Array.from({length: count}, (_, i) => {
    const [first = '', second] = (TAPE_SQL[kind]?.values[i] ?? '0').split(' ')
    const factor = second === undefined ? 1 : times[first as 'P' | 'S']
    const name = second ?? (first === 'period_us' && kind === 'bar' ? 'rows.period_us' : first)
    return `${factor === 1 ? `(${name})::DOUBLE` : `(${name})::DOUBLE * ${factor}`} AS v${i}`
  })

const partSql = (
  part: LocatedPart,
  nth: number,
  {instruments, scales, valueCount, fromUs, toUs}: PartContext,
): string => {
  const tape = TAPE_SQL[part.kind]
  if (tape === undefined) throw new Error(`rows of kind ${part.kind} are not on a tape`)
  const isOption = part.kind === 'option'
  const values = valueColumns(part.kind, valueCount, timesOf(part, scales))
  const inside = [
    ...(part.fromUs < fromUs ? [`ts_us >= ${fromUs}`] : []),
    ...(part.toUs >= toUs ? [`ts_us < ${toUs}`] : []),
  ]
  const where = inside.length === 0 ? '' : ` WHERE ${inside.join(' AND ')}`
  const instrument = isOption ? 'contracts.instrument' : `${instruments.indexOf(part.symbol)}::USMALLINT`
  const from = `read_parquet(${quoted(part.file)}, hive_partitioning = false) AS rows${isOption ? ` JOIN contracts ON contracts.contract = rows.${identifier('contract')}` : ''}`
  return `SELECT ts_us::DOUBLE AS ts_us, (${tape.kind << 24} + coalesce(${tape.flags}, 0)::INTEGER * 65536 + (${instrument})::INTEGER) AS packed,
    ${instrument} AS instrument, ${tape.kind}::UTINYINT AS kind, ${values}, seq, ${nth} AS part FROM ${from}${where}`
}
