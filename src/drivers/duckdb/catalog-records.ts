import type {CatalogQuery} from '../../data/catalog.ts'
import {tapeToNdjson} from '../../data/tape-to-records.ts'
import {readCatalog} from './catalog.ts'

/** A catalog's rows as NDJSON in time order, many lines a string. */
export async function* catalogNdjson(dir: string, query: CatalogQuery = {}): AsyncGenerator<string> {
  const catalog = await readCatalog(dir)
  const tape = await catalog.tape({...query, kinds: ['quote', 'trade', 'bar', 'depth', 'order']})
  yield* tapeToNdjson(tape)
}
