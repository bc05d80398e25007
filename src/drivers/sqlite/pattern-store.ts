import {statSync} from 'node:fs'
import {DatabaseSync} from 'node:sqlite'
import {setImmediate} from 'node:timers/promises'
import {ExitCode, UserError} from '../../domain/errors.ts'
import type {Observation, PatternWrite, StoredPattern} from '../../memory/pattern.ts'
import {observationChecksum, patternChecksum, vectorBytes} from '../../memory/pattern-checksum.ts'
import type {ChangeBatch, PatternStore, StoreReport} from '../../memory/pattern-store.ts'
import {CorruptRowError, observationOf, patternOfRow, type Row, stateOf} from './pattern-row.ts'
import {explained} from './sqlite-errors.ts'
import {writeAhead} from './write-ahead.ts'

const BATCH = 1_000
/** Milliseconds a writer waits for another process's transaction. */
const BUSY_TIMEOUT_MS = 5_000

const SCHEMA = `
  CREATE TABLE IF NOT EXISTS pattern (
    seq INTEGER PRIMARY KEY AUTOINCREMENT,
    id TEXT NOT NULL UNIQUE,
    symbol TEXT NOT NULL,
    strategy TEXT NOT NULL,
    regime TEXT NOT NULL,
    ts_us INTEGER NOT NULL,
    vector BLOB NOT NULL,
    checksum INTEGER NOT NULL,
    tier TEXT NOT NULL,
    last_use_us INTEGER NOT NULL,
    uses INTEGER NOT NULL,
    revision INTEGER NOT NULL
  ) STRICT;
  CREATE INDEX IF NOT EXISTS pattern_revision ON pattern (revision);
  CREATE TABLE IF NOT EXISTS observation (
    seq INTEGER NOT NULL,
    at_us INTEGER NOT NULL,
    pnl_bps REAL NOT NULL,
    checksum INTEGER NOT NULL,
    PRIMARY KEY (seq, at_us)
  ) STRICT, WITHOUT ROWID;
  CREATE TABLE IF NOT EXISTS removal (id TEXT PRIMARY KEY, revision INTEGER NOT NULL) STRICT, WITHOUT ROWID;
  CREATE INDEX IF NOT EXISTS removal_revision ON removal (revision);
  CREATE TABLE IF NOT EXISTS meta (name TEXT PRIMARY KEY, value TEXT NOT NULL) STRICT, WITHOUT ROWID;
  INSERT OR IGNORE INTO meta VALUES ('schema', '1'), ('revision', '0');
`

/**
 * Patterns in one SQLite file: WAL, every commit synced, a checksum on every row. Any number of processes may share it.
 * Vectors are little-endian float32.
 */
export const openSqlitePatternStore = (file: string): PatternStore => new SqlitePatternStore(file)

class SqlitePatternStore implements PatternStore {
  readonly kind = 'sqlite'
  readonly #file: string
  readonly #inode: number
  readonly #db: DatabaseSync
  readonly #sql: ReturnType<typeof prepare>

  constructor(file: string) {
    this.#file = file
    this.#db = explained(file, () => new DatabaseSync(file, {timeout: BUSY_TIMEOUT_MS}))
    try {
      explained(file, () => writeAhead(this.#db, 'FULL'))
      this.#inode = statSync(file).ino
      this.#transaction(() => this.#db.exec(SCHEMA))
      this.#sql = prepare(this.#db)
    } catch (error) {
      this.#db.close()
      throw error
    }
  }

  readonly apply = async (writes: readonly PatternWrite[]): Promise<number> => {
    if (writes.length === 0) return this.revision()
    return this.#transaction(() => {
      const revision = Number(this.#sql.nextRevision.get()?.['value'])
      for (const write of writes) this.#applyOne(write, revision)
      return revision
    })
  }

  readonly revision = async (): Promise<number> => Number(this.#sql.getMeta.get('revision')?.['value'])

  readonly count = async (): Promise<number> => Number(this.#sql.count.get()?.['n'])

  async *changesSince(since: number): AsyncGenerator<ChangeBatch> {
    const upTo = await this.revision()
    const removed = this.#sql.removedSince.all(since, upTo).map(row => String(row['id']))
    let [last, first] = [0, true]
    for (;;) {
      // Each batch is one statement: it sees a consistent store, and no reader holds up the write-ahead log between batches.
      const rows = this.#sql.changedSince.all(since, last, BATCH)
      if (rows.length === 0 && !first) return
      yield {revision: upTo, changed: this.#documents(rows), removed: first ? removed : []}
      first = false
      if (rows.length < BATCH) return
      last = Number(rows.at(-1)?.['seq'])
      // Reading a large store takes seconds: signals and timers have their turn meanwhile.
      await setImmediate()
    }
  }

  readonly verify = async (): Promise<StoreReport> => {
    const problems: string[] = []
    for (const row of this.#db.prepare('PRAGMA integrity_check').all()) {
      const text = String(Object.values(row)[0])
      if (text !== 'ok') problems.push(`SQLite integrity check: ${text}`)
    }
    let [patterns, observations] = [0, 0]
    for (const row of this.#sql.allPatterns.iterate()) {
      patterns++
      if (patternOfRow(row) === undefined) problems.push(`pattern ${row['id']} does not match its checksum`)
    }
    for (const row of this.#sql.allObservations.iterate()) {
      observations++
      if (row['id'] === null) problems.push(`an outcome belongs to no pattern (row ${row['seq']})`)
      else if (Number(row['checksum']) !== observationChecksum(String(row['id']), observationOf(row))) {
        problems.push(`an outcome of pattern ${row['id']} at ${row['at_us']} does not match its checksum`)
      }
    }
    return {patterns, observations, problems}
  }

  readonly getMeta = async (name: string): Promise<string | undefined> => {
    const row = this.#sql.getMeta.get(`user:${name}`)
    return row === undefined ? undefined : String(row['value'])
  }

  readonly setMeta = async (name: string, value: string): Promise<void> => {
    explained(this.#file, () => this.#sql.setMeta.run(`user:${name}`, value))
  }

  /** Adding nothing only reads: a bank on a full disk can still be searched and exported. */
  readonly increment = async (name: string, by: number): Promise<number> => {
    const counter = `counter:${name}`
    if (by === 0) return Number(this.#sql.getMeta.get(counter)?.['value'] ?? 0)
    return explained(this.#file, () => Number(this.#sql.increment.get(counter, String(by), by)?.['value']))
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#db.close()
  }

  #transaction<T>(run: () => T): T {
    return explained(this.#file, () => {
      this.#db.exec('BEGIN IMMEDIATE')
      try {
        const result = run()
        this.#requireInPlace()
        this.#db.exec('COMMIT')
        return result
      } catch (error) {
        if (this.#db.isTransaction) this.#db.exec('ROLLBACK')
        throw error
      }
    })
  }

  /** With a write-ahead log SQLite itself would go on writing to a file that was moved aside, where nobody looks. */
  #requireInPlace(): void {
    if (statSync(this.#file, {throwIfNoEntry: false})?.ino === this.#inode) return
    throw new UserError('STORE_MOVED', `${this.#file} was moved or replaced while it was open`, {
      hints: ['start again: if it was damaged, it is in quarantine/ and what could be read was carried over'],
      exitCode: ExitCode.failure,
    })
  }

  #applyOne(write: PatternWrite, revision: number): void {
    const sql = this.#sql
    switch (write.op) {
      case 'add': {
        const {id, symbol, strategy, regime, tsUs, vector, tier, lastUseUs, uses, observations} = write.pattern
        sql.insert.run(
          ...[id, symbol, strategy, regime, tsUs, vectorBytes(vector), patternChecksum(write.pattern)],
          ...[tier, lastUseUs, uses, revision],
        )
        sql.forgetRemoval.run(id)
        for (const observation of observations) this.#observe(id, observation, revision)
        break
      }
      case 'outcome':
        this.#observe(write.id, write.observation, revision)
        break
      case 'use':
        sql.use.run(write.atUs, write.count ?? 1, revision, write.id)
        break
      case 'tier':
        sql.tier.run(write.tier, revision, write.id)
        break
      case 'remove':
        sql.removeObservations.run(write.id)
        if (sql.remove.run(write.id).changes > 0) sql.recordRemoval.run(write.id, revision)
        break
      default:
        write satisfies never
    }
  }

  #observe(id: string, observation: Observation, revision: number): void {
    const touched = this.#sql.touch.get(revision, id)
    if (touched === undefined) return
    const {atUs, pnlBps} = observation
    this.#sql.observe.run(Number(touched['seq']), atUs, pnlBps, observationChecksum(id, observation))
  }

  #documents(rows: readonly Row[]): StoredPattern[] {
    return rows.map(row => {
      const pattern = patternOfRow(row)
      if (pattern === undefined) throw new CorruptRowError(`pattern ${row['id']} does not match its checksum`)
      const observations = this.#sql.observationsOf.all(row['seq'] as number).map(found => {
        const observation = observationOf(found)
        if (Number(found['checksum']) === observationChecksum(pattern.id, observation)) return observation
        throw new CorruptRowError(`an outcome of pattern ${pattern.id} does not match its checksum`)
      })
      return {...pattern, observations, ...stateOf(row)}
    })
  }
}

const prepare = (db: DatabaseSync) => ({
  nextRevision: db.prepare(
    `UPDATE meta SET value = CAST(CAST(value AS INTEGER) + 1 AS TEXT) WHERE name = 'revision' RETURNING value`,
  ),
  getMeta: db.prepare('SELECT value FROM meta WHERE name = ?'),
  setMeta: db.prepare('INSERT INTO meta VALUES (?, ?) ON CONFLICT (name) DO UPDATE SET value = excluded.value'),
  increment: db.prepare(
    `INSERT INTO meta VALUES (?, ?)
     ON CONFLICT (name) DO UPDATE SET value = CAST(CAST(value AS INTEGER) + ? AS TEXT) RETURNING value`,
  ),
  insert: db.prepare(
    `INSERT INTO pattern (id, symbol, strategy, regime, ts_us, vector, checksum, tier, last_use_us, uses, revision)
     VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT (id) DO NOTHING`,
  ),
  touch: db.prepare('UPDATE pattern SET revision = ? WHERE id = ? RETURNING seq'),
  observe: db.prepare('INSERT INTO observation VALUES (?, ?, ?, ?) ON CONFLICT DO NOTHING'),
  use: db.prepare('UPDATE pattern SET last_use_us = max(last_use_us, ?), uses = uses + ?, revision = ? WHERE id = ?'),
  tier: db.prepare('UPDATE pattern SET tier = ?, revision = ? WHERE id = ?'),
  removeObservations: db.prepare('DELETE FROM observation WHERE seq = (SELECT seq FROM pattern WHERE id = ?)'),
  remove: db.prepare('DELETE FROM pattern WHERE id = ?'),
  recordRemoval: db.prepare(
    'INSERT INTO removal VALUES (?, ?) ON CONFLICT (id) DO UPDATE SET revision = excluded.revision',
  ),
  forgetRemoval: db.prepare('DELETE FROM removal WHERE id = ?'),
  removedSince: db.prepare('SELECT id FROM removal WHERE revision > ? AND revision <= ? ORDER BY id'),
  changedSince: db.prepare('SELECT * FROM pattern WHERE revision > ? AND seq > ? ORDER BY seq LIMIT ?'),
  observationsOf: db.prepare('SELECT at_us, pnl_bps, checksum FROM observation WHERE seq = ? ORDER BY at_us'),
  count: db.prepare('SELECT count(*) AS n FROM pattern'),
  allPatterns: db.prepare('SELECT * FROM pattern ORDER BY seq'),
  allObservations: db.prepare(
    'SELECT o.*, p.id FROM observation o LEFT JOIN pattern p ON p.seq = o.seq ORDER BY o.seq, o.at_us',
  ),
})
