import {type DuckDBConnection, type DuckDBDataChunk, DuckDBInstance} from '@duckdb/node-api'

export interface DatabaseOptions {
  readonly threads?: number
  /** Where sorts larger than memory spill. */
  readonly tempDirectory?: string
  /** Such as `2GB`. */
  readonly memoryLimit?: string
}

/** Statements that run beside each other: more would only wait for the same cores. */
const CONNECTIONS = 2

/** One in-memory DuckDB with one connection: the engine that reads CSV and reads and writes Parquet. */
export class Database implements AsyncDisposable {
  readonly #instance: DuckDBInstance
  readonly connection: DuckDBConnection
  #isStreaming = false

  private constructor(instance: DuckDBInstance, connection: DuckDBConnection) {
    this.#instance = instance
    this.connection = connection
  }

  static async open({threads, tempDirectory, memoryLimit}: DatabaseOptions = {}): Promise<Database> {
    const instance = await DuckDBInstance.create(':memory:', {
      ...(threads === undefined ? {} : {threads: String(threads)}),
      ...(tempDirectory === undefined ? {} : {temp_directory: tempDirectory}),
      ...(memoryLimit === undefined ? {} : {memory_limit: memoryLimit}),
    })
    const connection = await instance.connect()
    // Extensions are never fetched: gpi works without a network.
    await connection.run('SET autoinstall_known_extensions = false')
    await connection.run("SET TimeZone = 'UTC'")
    return new Database(instance, connection)
  }

  async run(sql: string): Promise<void> {
    this.#refuseWhileStreaming()
    await this.connection.run(sql)
  }

  /** A connection of its own; temporary tables are not seen by it. Close it. */
  connect(): Promise<DuckDBConnection> {
    return this.#instance.connect()
  }

  /** Runs `task` for each item over several connections at once; results in the items' order. Temporary tables are not seen. */
  async inParallel<T, R>(
    items: readonly T[],
    task: (connection: DuckDBConnection, item: T) => Promise<R>,
  ): Promise<R[]> {
    const results = new Array<R>(items.length)
    const pending = items.entries()
    const workers = Array.from({length: Math.min(CONNECTIONS, items.length)}, async () => {
      const connection = await this.connect()
      try {
        for (const [i, item] of pending) results[i] = await task(connection, item)
      } finally {
        connection.closeSync()
      }
    })
    const settled = await Promise.allSettled(workers)
    for (const worker of settled) if (worker.status === 'rejected') throw worker.reason
    return results
  }

  /** Small results as objects; 64-bit integers arrive as numbers. */
  async rows<T extends object>(sql: string): Promise<T[]> {
    this.#refuseWhileStreaming()
    const reader = await this.connection.runAndReadAll(sql)
    return reader.getRowObjectsJS().map(row => {
      const entries = Object.entries(row).map(([name, value]) => [
        name,
        typeof value === 'bigint' ? Number(value) : value,
      ])
      return Object.fromEntries(entries) as T
    })
  }

  async one<T extends object>(sql: string): Promise<T> {
    const [row] = await this.rows<T>(sql)
    if (row === undefined) throw new Error(`a query returned no row: ${sql.slice(0, 200)}`)
    return row
  }

  /** Large results, 2,048 rows at a time, as column vectors. Until its end the connection takes no other statement. */
  async *stream(sql: string): AsyncGenerator<DuckDBDataChunk> {
    this.#refuseWhileStreaming()
    this.#isStreaming = true
    try {
      const result = await this.connection.stream(sql)
      for (;;) {
        const chunk = await result.fetchChunk()
        if (chunk === null || chunk.rowCount === 0) return
        yield chunk
      }
    } finally {
      this.#isStreaming = false
    }
  }

  /** Another statement would end the stream early, and it would look as if that were all its rows. */
  #refuseWhileStreaming(): void {
    if (this.#isStreaming)
      throw new Error('a statement was run on a connection that streams: its rows would be cut off')
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.connection.closeSync()
    this.#instance.closeSync()
  }
}

/** SQL string literal. */
export const quoted = (text: string): string => `'${text.replaceAll("'", "''")}'`
/** SQL identifier. */
export const identifier = (name: string): string => `"${name.replaceAll('"', '""')}"`
