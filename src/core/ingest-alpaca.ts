import {createHash} from 'node:crypto'
import type {CatalogUnit} from '../data/catalog.ts'
import {civilOf, dayOf, formatDay, inCalendar, isTradingDay, newYorkDayOf, sessionCloseUs} from '../domain/calendar.ts'
import {UserError} from '../domain/errors.ts'
import {InstrumentTable} from '../domain/instrument.ts'
import type {Clock, Scheduler} from '../domain/time.ts'
import {US_PER_DAY, US_PER_HOUR, US_PER_MINUTE} from '../domain/units.ts'
import {
  fetchHistory,
  type HistoryDependencies,
  type HistoryItem,
  type HistoryKind,
  parseStampUs,
} from '../drivers/alpaca/history.ts'
import {publishRows, type RowWriters} from '../drivers/duckdb/tape-unit.ts'
import type {IngestRequest} from './ingest.ts'
import type {IngestSession} from './ingest-session.ts'
import type {IngestedUnit} from './ingest-sources.ts'

export interface AlpacaRequest {
  readonly kind: HistoryKind
  readonly symbols: readonly string[]
  readonly feed?: string
  readonly adjustment: string
  readonly baseUrl: string
  readonly keyId?: string
  readonly secret?: string
  readonly clock: Clock
  readonly scheduler: Scheduler
  readonly fetch?: typeof fetch
}

/** One fetch, one unit: a month of bars or a day of ticks of one symbol. */
interface Slice {
  readonly symbol: string
  readonly label: string
  readonly fromUs: number
  readonly toUs: number
}

/**
 * Alpaca's REST history, oldest first. A slice that is over is fetched once and never again, so a killed run goes on
 * where it was; one that still grows is fetched anew and takes the place of what was there.
 */
export async function* alpacaUnits(
  session: IngestSession,
  request: IngestRequest,
  alpaca: AlpacaRequest,
): AsyncGenerator<IngestedUnit> {
  checkAlpaca(alpaca)
  const periodUs = request.options.periodUs ?? US_PER_MINUTE
  const nowUs = alpaca.clock.nowUs()
  const toUs = Math.min(request.options.toUs ?? nowUs, nowUs)
  const fromUs = request.options.fromUs
  if (fromUs === undefined || fromUs >= toUs) {
    throw new UserError('NO_RANGE', 'the first day to fetch is missing, or not before the last', {
      hints: ['gpi ingest alpaca --symbols AAPL --from-date 2025-01-02 --to-date 2025-02-01 --out DIR'],
    })
  }
  const slices = alpaca.symbols.flatMap(symbol => slicesOf(symbol, alpaca.kind, fromUs, toUs))
  const dependencies: HistoryDependencies = {
    ...alpaca,
    note: request.note,
    ...(request.signal === undefined ? {} : {signal: request.signal}),
  }
  let empty = 0
  for (const [i, slice] of slices.entries()) {
    request.signal?.throwIfAborted()
    request.onProgress?.(i, slices.length, `${slice.symbol} ${slice.label}`)
    const shape = `${alpaca.kind} ${slice.symbol} ${slice.label} ${periodUs} ${alpaca.feed ?? ''} ${alpaca.adjustment}`
    const sha256 = createHash('sha256').update(`v1 ${shape} ${slice.fromUs} ${slice.toUs}`).digest('hex')
    const key = sha256.slice(0, 24)
    const there = session.known.get(key)
    if (there !== undefined) {
      yield {unit: there, isNew: false}
      continue
    }
    const replaces = [...session.known.values()]
      .filter(unit => unit.file.path === `alpaca ${shape}`)
      .map(unit => unit.key)
    const about = {
      key,
      source: 'alpaca',
      layout: `alpaca-${alpaca.kind}`,
      file: {name: shape, path: `alpaca ${shape}`, sha256, bytes: 0},
      replaces,
    }
    const unit = await fetchUnit(session, request, {slice, alpaca, periodUs, about, dependencies})
    if (unit === undefined) empty++
    else yield {unit, isNew: true}
  }
  request.onProgress?.(slices.length, slices.length, '')
  if (empty > 0) request.note(`${empty} of ${slices.length} periods hold nothing`)
}

const checkAlpaca = ({symbols, keyId, secret}: AlpacaRequest): void => {
  if (symbols.length === 0) {
    throw new UserError('NO_SYMBOLS', 'no symbol to fetch was named', {
      hints: ['name them with --symbols AAPL,BTC/USD'],
    })
  }
  // Coin history is open to all.
  if (symbols.every(symbol => symbol.includes('/'))) return
  if (!keyId || !secret) {
    throw new UserError('MISSING_KEYS', 'APCA_API_KEY_ID and APCA_API_SECRET_KEY are not set', {
      hints: [
        'export both, or name a 0600 file that holds them in GPI_SECRETS_FILE',
        'keys are free: alpaca.markets, paper account',
      ],
    })
  }
}

const slicesOf = (symbol: string, kind: HistoryKind, fromUs: number, toUs: number): Slice[] => {
  const slices: Slice[] = []
  const isPair = symbol.includes('/')
  for (let day = Math.floor(fromUs / US_PER_DAY); day * US_PER_DAY < toUs; ) {
    const {year, month} = civilOf(day)
    const next = kind === 'bars' ? (month === 12 ? dayOf(year + 1, 1, 1) : dayOf(year, month + 1, 1)) : day + 1
    const isClosed = kind !== 'bars' && !isPair && inCalendar(day) && !isTradingDay(day)
    if (!isClosed) {
      slices.push({
        symbol,
        label: kind === 'bars' ? formatDay(day).slice(0, 7) : formatDay(day),
        fromUs: Math.max(fromUs, day * US_PER_DAY),
        toUs: Math.min(toUs, next * US_PER_DAY),
      })
    }
    day = next
  }
  return slices
}

interface UnitFetch {
  readonly slice: Slice
  readonly alpaca: AlpacaRequest
  readonly periodUs: number
  readonly about: Pick<CatalogUnit, 'key' | 'source' | 'layout' | 'file' | 'replaces'>
  readonly dependencies: HistoryDependencies
}

/** Fetches and publishes a slice; undefined when it holds nothing. */
const fetchUnit = async (
  session: IngestSession,
  request: IngestRequest,
  fetching: UnitFetch,
): Promise<CatalogUnit | undefined> => {
  const {slice, alpaca, periodUs, about, dependencies} = fetching
  const defects = {withdrawnTrades: 0}
  let items = 0
  try {
    return await session.stage(staging =>
      publishRows(
        {
          database: session.database,
          dir: session.dir,
          staging,
          about,
          instruments: InstrumentTable.of([slice.symbol]),
          defects: () => defects,
          ...(request.signal === undefined ? {} : {signal: request.signal}),
        },
        async writers => {
          const {feed, adjustment, kind} = alpaca
          const wire = {
            ...slice,
            kind,
            adjustment,
            timeframe: timeframeOf(periodUs),
            ...(feed === undefined ? {} : {feed}),
          }
          const write = ROW_OF[kind]
          for await (const item of fetchHistory(wire, dependencies)) {
            if (!write(writers, item, items++, slice.symbol, periodUs)) defects.withdrawnTrades++
          }
        },
      ),
    )
  } catch (error) {
    if (error instanceof UserError && error.code === 'NO_ROWS' && items === 0) return undefined
    throw error
  }
}

const number = (value: unknown): number => (typeof value === 'number' ? value : Number.NaN)

type RowOf = (writers: RowWriters, item: HistoryItem, n: number, symbol: string, periodUs: number) => boolean

/** Stock quote sizes were round lots until this day, and have been shares since. */
const SHARES_SINCE_US = dayOf(2025, 11, 3) * US_PER_DAY

const ROW_OF: Readonly<Record<HistoryKind, RowOf>> = {
  bars: ({bar}, item, n, symbol, periodUs) => {
    bar.write(
      n,
      barCloseUs(item.t, symbol, periodUs),
      n,
      0,
      number(item['o']),
      number(item['h']),
      number(item['l']),
      number(item['c']),
      number(item['v']),
      periodUs,
    )
    return true
  },
  quotes: ({quote}, item, n, symbol) => {
    const tsUs = parseStampUs(item.t)
    const lot = symbol.includes('/') || tsUs >= SHARES_SINCE_US ? 1 : 100
    quote.write(
      n,
      tsUs,
      n,
      0,
      number(item['bp']),
      number(item['ap']),
      number(item['bs']) * lot,
      number(item['as']) * lot,
    )
    return true
  },
  trades: ({trade}, item, n) => {
    if (item['u'] !== undefined) return false
    const aggressor = item['tks'] === 'B' ? 1 : item['tks'] === 'S' ? 2 : 0
    trade.write(n, parseStampUs(item.t), n, 0, number(item['p']), number(item['s']), aggressor)
    return true
  },
}

/** A bar is stamped at its start on the wire: a stock's day at New York's midnight. */
const barCloseUs = (stamp: string, symbol: string, periodUs: number): number => {
  const startUs = parseStampUs(stamp)
  if (periodUs !== US_PER_DAY || symbol.includes('/')) return startUs + periodUs
  const day = newYorkDayOf(startUs)
  return inCalendar(day) && isTradingDay(day) ? sessionCloseUs(day) : startUs + 16 * US_PER_HOUR
}

const timeframeOf = (periodUs: number): string => {
  if (periodUs === US_PER_DAY) return '1Day'
  const minutes = periodUs / US_PER_MINUTE
  if (Number.isInteger(minutes) && minutes < 60) return `${minutes}Min`
  const hours = periodUs / US_PER_HOUR
  if (Number.isInteger(hours) && hours < 24) return `${hours}Hour`
  throw new UserError('BAD_PERIOD', 'Alpaca has bars of 1–59 minutes, 1–23 hours and 1 day', {hints: ['--period 5m']})
}
