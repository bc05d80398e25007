import {BIGINT, DOUBLE, type DuckDBAppender, type DuckDBConnection, DuckDBDataChunk} from '@duckdb/node-api'
import type {Database} from './database.ts'

const ROWS = 2048

/**
 * Fills a table from typed columns: how code that is not SQL hands rows to DuckDB. All columns are DOUBLE, except times,
 * counters and ids, which are BIGINT; NaN stands for NULL and is turned into one where the table is read. It writes through
 * a connection of its own: an appender flushes by itself every 204,800 rows, which ends whatever its connection streams.
 */
export class TableWriter {
  readonly #connection: DuckDBConnection
  readonly #appender: DuckDBAppender
  readonly #chunk: DuckDBDataChunk
  readonly #columns: readonly Float64Array[]
  readonly #isBigint: readonly boolean[]
  #rows = 0
  #flushed = 0

  private constructor(connection: DuckDBConnection, appender: DuckDBAppender, names: readonly string[]) {
    this.#connection = connection
    this.#appender = appender
    this.#isBigint = names.map(name => INTEGER.has(name))
    this.#columns = names.map(() => new Float64Array(ROWS))
    this.#chunk = DuckDBDataChunk.create(
      this.#isBigint.map(isBigint => (isBigint ? BIGINT : DOUBLE)),
      ROWS,
    )
  }

  static async create(database: Database, table: string, names: readonly string[]): Promise<TableWriter> {
    const columns = names.map(name => `"${name}" ${INTEGER.has(name) ? 'BIGINT' : 'DOUBLE'}`)
    await database.run(`CREATE OR REPLACE TABLE ${table}(${columns})`)
    const connection = await database.connect()
    return new TableWriter(connection, await connection.createAppender(table), names)
  }

  /** Rows written so far. */
  get rows(): number {
    return this.#flushed + this.#rows
  }

  /** One row, values in the order of the columns. */
  write(...values: readonly number[]): void {
    const row = this.#rows
    for (let i = 0; i < values.length; i++) (this.#columns[i] as Float64Array)[row] = values[i] as number
    this.#rows = row + 1
    if (this.#rows === ROWS) this.#flush()
  }

  close(): void {
    if (this.#rows > 0) this.#flush()
    this.#appender.closeSync()
    this.#connection.closeSync()
  }

  #flush(): void {
    const rows = this.#rows
    this.#chunk.rowCount = rows
    for (const [i, column] of this.#columns.entries()) {
      const vector = this.#chunk.getColumnVector(i) as unknown as {
        readonly items: Float64Array | BigInt64Array
        readonly flush: () => void
      }
      if (this.#isBigint[i]) {
        const items = vector.items as BigInt64Array
        for (let row = 0; row < rows; row++) items[row] = BigInt(column[row] as number)
      } else {
        ;(vector.items as Float64Array).set(column.subarray(0, Math.min(rows, vector.items.length)))
      }
      vector.flush()
    }
    this.#appender.appendDataChunk(this.#chunk)
    this.#flushed += rows
    this.#rows = 0
  }
}

const INTEGER = new Set(['line', 'seq', 'ts_us', 'order_id', 'period_us'])

/** The DOUBLE columns of a SELECT, one row block at a time; every expression must be a DOUBLE, NULL reads as NaN. */
export async function* doubleColumns(
  database: Database,
  expressions: readonly string[],
  from: string,
): AsyncGenerator<{readonly rows: number; readonly columns: readonly Float64Array[]}> {
  const select = expressions.map(sql => `coalesce((${sql})::DOUBLE, 'nan'::DOUBLE)`)
  for await (const chunk of database.stream(`SELECT ${select} FROM ${from}`)) {
    const columns = expressions.map((_, i) => (chunk.getColumnVector(i) as unknown as {items: Float64Array}).items)
    yield {rows: chunk.rowCount, columns}
  }
}
