import {createReadStream, createWriteStream, openSync, type WriteStream} from 'node:fs'
import {stat} from 'node:fs/promises'
import {tmpdir} from 'node:os'
import process from 'node:process'
import {createGunzip} from 'node:zlib'
import {TAPE_KINDS, type TapeKind} from '../data/catalog.ts'
import {type NumberedRecord, Rejects, readNdjson} from '../data/ndjson.ts'
import {recordsToTape} from '../data/records-to-tape.ts'
import type {TapeSource} from '../data/tape-source.ts'
import {ExitCode, nearest, UserError} from '../domain/errors.ts'

export interface SourceRequest {
  /** NDJSON records: a file (plain or .gz), or - for standard input. */
  readonly from?: string
  /** A catalog folder. */
  readonly data?: string
  readonly symbols: readonly string[]
  /** Epoch microseconds; `toUs` exclusive. */
  readonly fromUs?: number
  readonly toUs?: number
  /** Kinds of rows; of a catalog quotes, trades, bars, depth and notices by default, of records all. */
  readonly kinds?: readonly string[]
  readonly rejectsFile?: string
  readonly skipInvalid: boolean
}

export interface OpenedSource extends AsyncDisposable {
  readonly source: TapeSource
  /** Records that were left out because they were not valid. */
  readonly rejected: number
}

/** Opens what is to be replayed. Throws UserError when neither or both are named, or nothing is there. */
export const openSource = async (request: SourceRequest): Promise<OpenedSource> => {
  const {from, data} = request
  if ((from === undefined) === (data === undefined))
    throw new UserError(
      'NO_INPUT',
      `name the market data with ${from === undefined ? '' : 'either '}--from FILE|- or --data DIR`,
      {
        hints: [
          'gpi ingest SOURCE FILE --out DIR fills a catalog',
          'gpi ingest SOURCE FILE --out - | gpi backtest --from -',
        ],
      },
    )
  return data === undefined ? openRecords(from as string, request) : openCatalogSource(data, request)
}

const openCatalogSource = async (dir: string, request: SourceRequest): Promise<OpenedSource> => {
  const {symbols, fromUs, toUs, kinds} = request
  const {readCatalog} = await import('../drivers/duckdb/catalog.ts')
  const catalog = await readCatalog(dir)
  const source = await catalog
    .tape({
      ...(symbols.length === 0 ? {} : {symbols}),
      ...(fromUs === undefined ? {} : {fromUs}),
      ...(toUs === undefined ? {} : {toUs}),
      ...(kinds === undefined ? {} : {kinds: kinds.map(tapeKind)}),
    })
    .catch((error: unknown) => {
      if (!(error instanceof UserError) || error.code !== 'NO_ROWS') throw error
      // What is there says at once which of symbols, kinds or times was wrong.
      const held = catalog
        .list()
        .slice(0, 6)
        .map(({symbol, kind, fromUs: first, toUs: last}) => `${symbol} ${kind} ${day(first)} to ${day(last)}`)
      throw new UserError(error.code, error.message, {
        exitCode: error.exitCode,
        hints: [`${dir} holds ${held.join(', ')}${catalog.list().length > 6 ? ', …' : ''}`, ...error.hints],
        cause: error,
      })
    })
  return {source, rejected: 0, [Symbol.asyncDispose]: async () => undefined}
}

const day = (tsUs: number): string => new Date(tsUs / 1000).toISOString().slice(0, 10)

const tapeKind = (name: string): TapeKind => {
  const found = TAPE_KINDS.find(kind => kind === name)
  if (found !== undefined) return found
  const near = nearest(name, TAPE_KINDS)
  throw new UserError('UNKNOWN_KIND', `--kinds does not know ${JSON.stringify(name)}`, {
    hints: [near === undefined ? `kinds: ${TAPE_KINDS.join(', ')}` : `did you mean ${near}?`],
  })
}

const openRecords = async (from: string, request: SourceRequest): Promise<OpenedSource> => {
  const kinds = request.kinds?.map(tapeKind)
  const name = from === '-' ? 'standard input' : from
  const input = from === '-' ? process.stdin : await openFile(from)
  const out =
    request.rejectsFile === undefined
      ? undefined
      : createWriteStream(request.rejectsFile, {fd: openSync(request.rejectsFile, 'w')})
  const rejects = new Rejects(invalid => void out?.write(`${JSON.stringify(invalid)}\n`))
  try {
    const records = selected(readNdjson(input, rejects), request, kinds)
    const tape = await recordsToTape(records, {spoolDirectory: tmpdir(), rejects})
    try {
      if (!request.skipInvalid) rejects.throwIfAny(name)
      if (tape.rows === 0)
        throw new UserError('NO_ROWS', `${name} holds no market records for what was asked`, {
          exitCode: ExitCode.invalidData,
          hints: [
            'quotes, trades, bars, book and option records are replayed',
            'widen --symbols, --kinds, --start or --end',
          ],
        })
    } catch (error) {
      await tape[Symbol.asyncDispose]()
      throw error
    }
    return {source: tape, rejected: rejects.count, [Symbol.asyncDispose]: () => tape[Symbol.asyncDispose]()}
  } finally {
    await closed(out)
  }
}

const openFile = async (file: string): Promise<AsyncIterable<Uint8Array>> => {
  const found = await stat(file).catch(() => undefined)
  if (found === undefined || found.isDirectory())
    throw new UserError('INPUT_NOT_FOUND', found === undefined ? `there is no file ${file}` : `${file} is a folder`, {
      hints: ['a catalog folder is named with --data DIR'],
    })
  const stream = createReadStream(file)
  if (!file.endsWith('.gz')) return stream
  const unpacked = createGunzip()
  stream.on('error', error => unpacked.destroy(error))
  return stream.pipe(unpacked)
}

async function* selected(
  records: AsyncIterable<NumberedRecord>,
  {symbols, fromUs = Number.NEGATIVE_INFINITY, toUs = Number.POSITIVE_INFINITY}: SourceRequest,
  kinds?: readonly TapeKind[],
): AsyncGenerator<NumberedRecord> {
  const wanted = new Set(symbols)
  for await (const numbered of records) {
    // Every record kind that has these fields has them as its schema checked.
    const {tsUs = fromUs, symbol} = numbered.record as {readonly tsUs?: number; readonly symbol?: string}
    if (tsUs < fromUs || tsUs >= toUs) continue
    if (wanted.size > 0 && symbol !== undefined && !wanted.has(symbol)) continue
    const kind = ROW_OF[numbered.record.kind]
    if (kinds !== undefined && kind !== undefined && !kinds.includes(kind)) continue
    yield numbered
  }
}

/** What a record becomes on a tape; halts, bands and corporate actions belong to every kind. */
const ROW_OF: Readonly<Record<string, TapeKind>> = {
  quote: 'quote',
  trade: 'trade',
  bar: 'bar',
  'book-snapshot': 'depth',
  'book-delta': 'depth',
  'book-order': 'order',
  'option-quote': 'option',
}

const closed = (out: WriteStream | undefined): Promise<void> =>
  new Promise((resolve, reject) => {
    if (out === undefined) resolve()
    else out.on('error', reject).end((error?: Error | null) => (error ? reject(error) : resolve()))
  })

/** Epoch microseconds of `2024-08-08`, `2024-08-08T13:30:00Z`, or bare microseconds. Throws UserError. */
export const parseTimeUs = (text: string, flag: string): number => {
  if (/^\d{12,}$/.test(text)) return Number(text)
  const hasZone = /[zZ]$|[+-]\d{2}:?\d{2}$/.test(text)
  const ms = Date.parse(text.length > 10 && !hasZone ? `${text}Z` : text)
  // The 30th of February would be taken for the 1st of March.
  const isDay = /^\d{4}-\d{2}-\d{2}/.test(text) && dayOf(text.slice(0, 10)) === text.slice(0, 10)
  if (!isDay || Number.isNaN(ms))
    throw new UserError('BAD_TIME', `--${flag} must be a time such as 2024-08-08 or 2024-08-08T13:30:00Z, was ${text}`)
  return ms * 1000
}

/** The day that a date is taken for. */
const dayOf = (date: string): string | undefined => {
  const ms = Date.parse(date)
  return Number.isNaN(ms) ? undefined : new Date(ms).toISOString().slice(0, 10)
}
