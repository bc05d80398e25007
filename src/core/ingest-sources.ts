import {createHash} from 'node:crypto'
import {createWriteStream, openSync} from 'node:fs'
import {finished} from 'node:stream/promises'
import type {CatalogUnit} from '../data/catalog.ts'
import {syntheticTape} from '../data/synthetic.ts'
import type {TapeChunk} from '../data/tape.ts'
import {UserError} from '../domain/errors.ts'
import {ingestFile, type RejectedRow} from '../drivers/duckdb/ingest-file.ts'
import {type LayoutSource, layoutFor} from '../drivers/duckdb/layouts/registry.ts'
import {withoutBooks} from '../drivers/duckdb/lobster-pair.ts'
import {type SourceRef, sourceRefs} from '../drivers/duckdb/source-file.ts'
import {publishTape} from '../drivers/duckdb/tape-unit.ts'
import type {IngestRequest} from './ingest.ts'
import {expandPaths} from './ingest-paths.ts'
import type {IngestSession} from './ingest-session.ts'

export interface IngestedUnit {
  readonly unit: CatalogUnit
  readonly isNew: boolean
}

const TABLES = /\.(csv|txt|tsv)(\.gz)?$|\.zip$/i
const PARQUET = /\.parquet$/i

/** One unit a file. */
export async function* fileUnits(
  session: IngestSession,
  source: LayoutSource | 'parquet',
  request: IngestRequest,
): AsyncGenerator<IngestedUnit> {
  const files = await expandPaths(request.paths, source === 'parquet' ? PARQUET : TABLES, request.note)
  const all: SourceRef[] = []
  for (const file of files) all.push(...(source === 'parquet' ? [{file}] : await sourceRefs(file)))
  const refs = source === 'lobster' || source === 'csv' ? withoutBooks(all) : all
  // Opened at once, so that a path that cannot be written is refused before anything is read.
  const rejects =
    request.rejectsFile === undefined
      ? undefined
      : createWriteStream(request.rejectsFile, {fd: openSync(request.rejectsFile, 'w')})
  const onReject = (row: RejectedRow): Promise<void> | undefined => {
    if (rejects === undefined || rejects.write(`${JSON.stringify(row)}\n`)) return undefined
    return new Promise(resolve => rejects.once('drain', resolve))
  }
  const isMapped = request.options.map !== undefined
  try {
    for (const [i, ref] of refs.entries()) {
      request.signal?.throwIfAborted()
      request.onProgress?.(i, refs.length, ref.entry?.name ?? ref.file)
      let isNew = true
      const unit = await session.stage(async staging => {
        const ingested = await ingestFile({
          database: session.database,
          ref,
          refs: all,
          isParquet: source === 'parquet',
          dir: session.dir,
          staging,
          scratch: session.scratch,
          known: session.known,
          options: request.options,
          skipInvalid: request.skipInvalid,
          layoutFor: (header, name) => layoutFor(source === 'parquet' ? 'csv' : source, isMapped, header, name),
          note: request.note,
          onReject,
          ...(request.signal === undefined ? {} : {signal: request.signal}),
        })
        isNew = ingested.isNew
        return ingested.unit
      })
      yield {unit, isNew}
    }
    request.onProgress?.(refs.length, refs.length, '')
  } finally {
    if (rejects !== undefined) await finished(rejects.end())
  }
}

export interface SyntheticRequest {
  readonly events: number
  readonly symbols: readonly string[]
  readonly seed: number
  /** Mean market time between two events of one symbol; 20 ms by default. */
  readonly meanGapUs?: number
}

/** Rows of one synthetic unit: a killed run goes on from the last whole one. */
const SYNTHETIC_UNIT_ROWS = 16 * 65_536

/** The seeded tape in units of about a million rows. */
export async function* syntheticUnits(
  session: IngestSession,
  request: IngestRequest,
  synthetic: SyntheticRequest,
): AsyncGenerator<IngestedUnit> {
  if (synthetic.symbols.length === 0 || synthetic.events < 1) {
    throw new UserError('NO_EVENTS', 'a synthetic market needs symbols and events', {
      hints: ['gpi ingest synthetic --events 1000000 --symbols SPY,QQQ --seed 7 --out DIR'],
    })
  }
  const tape = syntheticTape(synthetic)
  const chunks = tape.chunks()[Symbol.asyncIterator]()
  const total = Math.ceil(synthetic.events / SYNTHETIC_UNIT_ROWS)
  for (let n = 0; n < total; n++) {
    request.signal?.throwIfAborted()
    request.onProgress?.(n, total, 'synthetic')
    // The number of all events is not in the key: a longer run of the same seed begins with the same units.
    const rows = Math.min(SYNTHETIC_UNIT_ROWS, synthetic.events - n * SYNTHETIC_UNIT_ROWS)
    const name = `synthetic seed ${synthetic.seed} ${synthetic.symbols.join(',')}${synthetic.meanGapUs === undefined ? '' : ` gap ${synthetic.meanGapUs}`} unit ${n} of ${rows} rows`
    const sha256 = createHash('sha256').update(`v1 ${name}`).digest('hex')
    const key = sha256.slice(0, 24)
    const there = session.known.get(key)
    const part = takeRows(chunks, rows)
    if (there !== undefined) {
      for await (const _ of part);
      yield {unit: there, isNew: false}
      continue
    }
    const unit = await session.stage(staging =>
      publishTape(
        {
          database: session.database,
          dir: session.dir,
          staging,
          about: {
            key,
            source: 'synthetic',
            layout: 'synthetic',
            file: {name, path: name, sha256, bytes: 0},
            replaces: [],
          },
          instruments: tape.instruments,
          ...(request.signal === undefined ? {} : {signal: request.signal}),
        },
        part,
      ),
    )
    yield {unit, isNew: true}
  }
  request.onProgress?.(total, total, '')
}

/** Whole chunks until `rows` rows were taken; the iterator stays open for the next unit. */
async function* takeRows(chunks: AsyncIterator<TapeChunk>, rows: number): AsyncGenerator<TapeChunk> {
  for (let taken = 0; taken < rows; ) {
    const {done, value} = await chunks.next()
    if (done === true) return
    taken += value.count
    yield value
  }
}
