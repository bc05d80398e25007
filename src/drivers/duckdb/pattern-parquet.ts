import {createWriteStream, rmSync} from 'node:fs'
import {Readable} from 'node:stream'
import {pipeline} from 'node:stream/promises'
import type {StoredPattern} from '../../memory/pattern.ts'
import {Database} from './database.ts'

const COLUMNS = `{id: 'VARCHAR', symbol: 'VARCHAR', strategy: 'VARCHAR', regime: 'VARCHAR', tsUs: 'BIGINT',
  vector: 'FLOAT[]', atUs: 'BIGINT[]', pnlBps: 'DOUBLE[]', tier: 'VARCHAR', lastUseUs: 'BIGINT', uses: 'BIGINT'}`

/** Writing needs this much at most, whatever the size of the bank: rows are grouped by 16 MB of vectors, not by 126. */
const MEMORY_LIMIT = '1GB'
const FORMAT = 'FORMAT parquet, COMPRESSION zstd, ROW_GROUP_SIZE 16384'

const quoted = (file: string): string => `'${file.replaceAll("'", "''")}'`

/**
 * One row a pattern; `atUs` and `pnlBps` are its outcomes side by side. Goes through a JSON file beside the target: the
 * row appender takes lists one boxed number at a time, ten times slower.
 */
export const writePatternParquet = async (
  file: string,
  patterns: Iterable<StoredPattern> | AsyncIterable<StoredPattern>,
): Promise<void> => {
  const lines = `${file}.ndjson`
  try {
    await pipeline(Readable.from(jsonRows(patterns)), createWriteStream(lines))
    await using database = await Database.open({memoryLimit: MEMORY_LIMIT, tempDirectory: `${file}.spill`})
    const rows = `read_json(${quoted(lines)}, format = 'newline_delimited', columns = ${COLUMNS})`
    await database.run(`COPY (SELECT * FROM ${rows}) TO ${quoted(file)} (${FORMAT})`)
  } finally {
    rmSync(lines, {force: true})
    rmSync(`${file}.spill`, {recursive: true, force: true})
  }
}

async function* jsonRows(patterns: Iterable<StoredPattern> | AsyncIterable<StoredPattern>): AsyncGenerator<string> {
  for await (const {observations, vector, ...pattern} of patterns) {
    const [atUs, pnlBps] = [observations.map(item => item.atUs), observations.map(item => item.pnlBps)]
    yield `${JSON.stringify({...pattern, vector: [...vector], atUs, pnlBps})}\n`
  }
}

/** Pattern records, to be validated like any others. Columns that others' files lack are left out. */
export async function* readPatternParquet(file: string): AsyncGenerator<Record<string, unknown>> {
  await using database = await Database.open()
  const result = await database.connection.stream(`SELECT * FROM read_parquet(${quoted(file)})`)
  for await (const rows of result.yieldRowObjectJs()) {
    for (const row of rows) yield recordOf(row)
  }
}

const recordOf = ({atUs, pnlBps, ...row}: Record<string, unknown>): Record<string, unknown> => {
  const numbers = Object.entries(row).map(([name, value]) => [name, typeof value === 'bigint' ? Number(value) : value])
  const known = Array.isArray(atUs) && Array.isArray(pnlBps)
  const outcome = known
    ? {pnlBps: pnlBps[0] ?? null, observations: atUs.map((at, i) => [Number(at), pnlBps[i]])}
    : {pnlBps: typeof pnlBps === 'number' ? pnlBps : null}
  return {outcome, ...Object.fromEntries(numbers), kind: 'pattern'}
}
