import {BIGINT, DOUBLE, FLOAT, LIST, listValue, VARCHAR} from '@duckdb/node-api'
import type {StoredPattern} from '../../memory/pattern.ts'
import {Database} from './database.ts'

const COLUMNS = `id VARCHAR, symbol VARCHAR, strategy VARCHAR, regime VARCHAR, tsUs BIGINT, vector FLOAT[],
  atUs BIGINT[], pnlBps DOUBLE[], tier VARCHAR, lastUseUs BIGINT, uses BIGINT`

const quoted = (file: string): string => `'${file.replaceAll("'", "''")}'`

/** One row a pattern; `atUs` and `pnlBps` are its outcomes side by side. */
export const writePatternParquet = async (file: string, patterns: Iterable<StoredPattern>): Promise<void> => {
  await using database = await Database.open()
  await database.run(`CREATE TABLE pattern (${COLUMNS})`)
  const appender = await database.connection.createAppender('pattern')
  for (const pattern of patterns) {
    const {observations} = pattern
    for (const text of [pattern.id, pattern.symbol, pattern.strategy, pattern.regime]) appender.appendVarchar(text)
    appender.appendBigInt(BigInt(pattern.tsUs))
    appender.appendList(listValue([...pattern.vector]), LIST(FLOAT))
    appender.appendList(listValue(observations.map(({atUs}) => BigInt(atUs))), LIST(BIGINT))
    appender.appendList(listValue(observations.map(({pnlBps}) => pnlBps)), LIST(DOUBLE))
    appender.appendValue(pattern.tier, VARCHAR)
    appender.appendBigInt(BigInt(pattern.lastUseUs))
    appender.appendBigInt(BigInt(pattern.uses))
    appender.endRow()
  }
  appender.closeSync()
  await database.run(`COPY pattern TO ${quoted(file)} (FORMAT parquet, COMPRESSION zstd)`)
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
