import {CATALOG_KINDS, type CatalogKind, type CatalogQuery, DEFAULT_TAPE_KINDS} from '../../data/catalog.ts'
import {mergeByTime, type TimedText} from '../../data/merge-by-time.ts'
import {tapeToNdjson} from '../../data/tape-to-records.ts'
import {type Catalog, nothingHeld, readCatalog} from './catalog.ts'
import {Database, quoted} from './database.ts'
import type {LocatedPart} from './located-part.ts'

const TAPE: ReadonlySet<CatalogKind> = new Set<CatalogKind>([...DEFAULT_TAPE_KINDS, 'order'])

/** A catalog's rows as NDJSON in time order, many lines a string. */
export async function* catalogNdjson(dir: string, query: CatalogQuery = {}): AsyncGenerator<string> {
  const catalog = await readCatalog(dir)
  const parts = catalog.parts(query)
  if (parts.length === 0) throw nothingHeld(catalog, query.kinds ?? CATALOG_KINDS)
  const tables = parts.filter(part => !TAPE.has(part.kind))
  const onTape = parts.some(part => TAPE.has(part.kind))
  if (tables.length === 0) {
    yield* tapeToNdjson(await tapeOf(catalog, query))
    return
  }
  const streams: AsyncIterable<TimedText>[] = [asText(tableRecords(tables, query))]
  if (onTape) streams.push(timed(tapeToNdjson(await tapeOf(catalog, query))))
  let text = ''
  for await (const record of mergeByTime(streams)) {
    text += `${record.text}\n`
    if (text.length < 65_536) continue
    yield text
    text = ''
  }
  if (text !== '') yield text
}

const tapeOf = (catalog: Catalog, query: CatalogQuery) =>
  catalog.tape({...query, kinds: query.kinds?.filter(kind => TAPE.has(kind)) ?? [...TAPE]})

async function* timed(batches: AsyncIterable<string>): AsyncGenerator<TimedText> {
  for await (const batch of batches) {
    for (const text of batch.split('\n')) {
      if (text !== '') yield {tsUs: (JSON.parse(text) as {tsUs: number}).tsUs, text}
    }
  }
}

async function* asText(records: AsyncIterable<TableRecord>): AsyncGenerator<TimedText> {
  for await (const record of records) yield {tsUs: record.tsUs, text: JSON.stringify(record)}
}

const RECORD_SQL: Readonly<Partial<Record<CatalogKind, (part: LocatedPart) => Readonly<Record<string, string>>>>> = {
  option: ({instrument: {priceDecimals, sizeDecimals}}) => ({
    contract: 'contract',
    right: '"right"',
    strike: 'strike',
    expiry: 'expiry::VARCHAR',
    bid: `bid_ticks / 1e${priceDecimals}`,
    ask: `ask_ticks / 1e${priceDecimals}`,
    bidSize: `bid_lots / 1e${sizeDecimals}`,
    askSize: `ask_lots / 1e${sizeDecimals}`,
    underlying: 'underlying',
    volume: `volume_lots / 1e${sizeDecimals}`,
    openInterest: `open_interest_lots / 1e${sizeDecimals}`,
    impliedVolatility: 'implied_volatility',
    delta: 'delta',
    gamma: 'gamma',
  }),
  'option-volatility': () => ({
    contract: 'contract',
    right: '"right"',
    strike: 'strike',
    expiry: 'expiry::VARCHAR',
    bidVolatility: 'bid_volatility',
    askVolatility: 'ask_volatility',
    markVolatility: 'mark_volatility',
    mark: 'mark',
    forward: 'forward',
    underlying: 'underlying',
    delta: 'delta',
    volume: 'volume',
    openInterest: 'open_interest',
  }),
  observation: () => ({name: 'name', value: 'value'}),
}

const RECORD_KINDS: Readonly<Partial<Record<CatalogKind, string>>> = {
  option: 'option-quote',
  'option-volatility': 'option-volatility',
  observation: 'observation',
}

/** Rows of the kinds that are tables, ordered by time, then symbol, as records with absent fields left out. */
export async function* tableRecords(
  parts: readonly LocatedPart[],
  {fromUs, toUs}: CatalogQuery,
): AsyncGenerator<TableRecord> {
  if (parts.length === 0) return
  await using database = await Database.open()
  const names = [...new Set(parts.flatMap(part => Object.keys(RECORD_SQL[part.kind]?.(part) ?? {})))]
  const selects = parts.map((part, nth) => {
    const columns = RECORD_SQL[part.kind]?.(part) ?? {}
    const values = names.map(name => `${columns[name] ?? 'NULL'} AS "${name}"`)
    return `SELECT ts_us, ${nth} AS part, seq, ${quoted(RECORD_KINDS[part.kind] ?? part.kind)} AS kind, ${quoted(part.symbol)} AS symbol, ${values}
      FROM read_parquet(${quoted(part.file)}, hive_partitioning = false)`
  })
  // Numbers of one line of a wide table share its sequence: their names keep the order one and the same.
  const range = `ts_us >= ${fromUs ?? Number.MIN_SAFE_INTEGER} AND ts_us < ${toUs ?? Number.MAX_SAFE_INTEGER}`
  const sql = `SELECT ts_us::DOUBLE AS ts_us, kind, symbol, ${names.map(name => `"${name}"`)} FROM (${selects.join(' UNION ALL ')})
    WHERE ${range} ORDER BY ts_us, symbol, seq, part${names.includes('name') ? ', "name"' : ''}`
  for await (const chunk of database.stream(sql)) {
    for (const [tsUs, kind, symbol, ...values] of chunk.getRows()) {
      const record: Record<string, unknown> & TableRecord = {
        kind: kind as string,
        symbol: symbol as string,
        tsUs: tsUs as number,
      }
      for (const [i, name] of names.entries()) {
        const value = values[i]
        if (value !== null && value !== undefined) record[name] = typeof value === 'bigint' ? Number(value) : value
      }
      yield record
    }
  }
}

/** An `option-quote`, `option-volatility` or `observation` record. */
export interface TableRecord {
  readonly kind: string
  readonly symbol: string
  readonly tsUs: number
}
