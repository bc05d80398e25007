import {mkdirSync} from 'node:fs'
import path from 'node:path'
import {DatabaseSync, type StatementSync} from 'node:sqlite'
import type {Journal, JournalEntry} from '../../broker/journal.ts'
import {JournalHash} from '../../broker/journal-hash.ts'
import {ExitCode, UserError} from '../../domain/errors.ts'
import {writeAhead} from './write-ahead.ts'

export interface SqliteJournalOptions {
  /**
   * `each` (the default): an entry is on the disk when `append` returns. `sync`: when `sync` returns, all entries since the
   * last one together, for a caller that syncs before it sends. `end`: when the journal is disposed, for runs that can be
   * repeated.
   */
  readonly durable?: 'each' | 'sync' | 'end'
  /** Opens an existing journal for reading only; appending throws. */
  readonly readOnly?: boolean
}

export interface SqliteJournal extends Journal {
  readonly file: string
  readonly count: () => number
  /** Makes every entry so far durable, for `sync`; nothing to do otherwise. */
  readonly sync: () => void
}

const SCHEMA = `CREATE TABLE IF NOT EXISTS entries(
  seq INTEGER PRIMARY KEY, ts_us INTEGER NOT NULL, kind TEXT NOT NULL, body TEXT NOT NULL) STRICT`
/** Marks a file as a gpi journal of layout 1, so that another program's database is not written to. */
export const JOURNAL_APPLICATION_ID = 0x67_70_69_31

/**
 * The journal of a trading node: SQLite in WAL mode, synced at every append. A write that a crash tore is rolled back when
 * the file is opened, so what is there is whole entries without gaps. A second writer is noticed at its first append.
 */
export const openSqliteJournal = (file: string, options: SqliteJournalOptions = {}): SqliteJournal => {
  const {durable = 'each', readOnly = false} = options
  const database = openJournalDatabase(file, durable, readOnly)
  const hash = new JournalHash()
  let count = 0
  for (const {entry} of readEntries(database, file)) {
    hash.add(entry)
    count++
  }
  const insert: StatementSync | undefined = readOnly
    ? undefined
    : database.prepare('INSERT INTO entries(seq, ts_us, kind, body) VALUES (?, ?, ?, ?)')
  if (durable === 'end' && !readOnly) database.exec('BEGIN IMMEDIATE')
  let isOpen = true
  let isUnsynced = false
  const sync = (): void => {
    if (!isUnsynced) return
    try {
      database.exec('COMMIT')
    } catch (error) {
      throw writeFailure(file, error as Error)
    }
    isUnsynced = false
  }
  return {
    file,
    count: () => count,
    sync,
    append: entry => {
      if (insert === undefined) throw new Error(`the journal ${file} was opened for reading`)
      try {
        if (durable === 'sync' && !isUnsynced) {
          database.exec('BEGIN IMMEDIATE')
          isUnsynced = true
        }
        insert.run(count + 1, entry.tsUs, entry.kind, JSON.stringify(entry))
      } catch (error) {
        throw writeFailure(file, error as Error)
      }
      hash.add(entry)
      return ++count
    },
    entries: () => readEntries(database, file),
    hash: () => hash.digest(),
    [Symbol.dispose]: () => {
      if (!isOpen) return
      isOpen = false
      if (durable === 'end' && !readOnly) database.exec('COMMIT')
      sync()
      database.close()
    },
  }
}

/** Opens or creates the file. Throws UserError JOURNAL_UNREADABLE. */
export const openJournalDatabase = (
  file: string,
  durable: 'each' | 'sync' | 'end',
  readOnly: boolean,
): DatabaseSync => {
  try {
    if (!readOnly) mkdirSync(path.dirname(path.resolve(file)), {recursive: true})
    const database = new DatabaseSync(file, {readOnly, timeout: 5_000})
    if (readOnly) {
      // Fails here, not at the first row, when the file is something else.
      database.prepare('SELECT count(*) FROM entries').get()
      return database
    }
    const id = (database.prepare('PRAGMA application_id').get() as {application_id: number}).application_id
    const tables = (database.prepare('SELECT count(*) AS n FROM sqlite_master').get() as {n: number}).n
    if (tables > 0 && id !== JOURNAL_APPLICATION_ID) throw new Error('it is a database of another kind')
    writeAhead(database, durable === 'end' ? 'OFF' : 'FULL')
    database.exec(`PRAGMA application_id = ${JOURNAL_APPLICATION_ID}`)
    database.exec(SCHEMA)
    return database
  } catch (error) {
    throw new UserError('JOURNAL_UNREADABLE', `cannot open the journal ${file}: ${(error as Error).message}`, {
      hints: ['name another file, or check that its folder can be written to'],
      cause: error,
    })
  }
}

function* readEntries(database: DatabaseSync, file: string): Generator<{seq: number; entry: JournalEntry}> {
  let expected = 1
  for (const row of database.prepare('SELECT seq, body FROM entries ORDER BY seq').iterate()) {
    const {seq, body} = row as {seq: number; body: string}
    if (seq !== expected)
      throw new UserError('JOURNAL_DAMAGED', `the journal ${file} lacks entry ${expected}`, {
        exitCode: ExitCode.invalidData,
        hints: ['do not trade on it: restore the file from a backup, or start a new run and reconcile by hand'],
      })
    expected++
    yield {seq, entry: JSON.parse(body) as JournalEntry}
  }
}

/** The UserError of an entry that could not be written. */
export const writeFailure = (file: string, error: Error): Error =>
  /UNIQUE|PRIMARY KEY/i.test(error.message)
    ? new UserError('JOURNAL_TAKEN', `another process writes to the journal ${file}`, {
        hints: ['gpi status lists running nodes'],
        cause: error,
      })
    : new UserError('JOURNAL_UNWRITABLE', `cannot write to the journal ${file}: ${error.message}`, {
        exitCode: ExitCode.failure,
        hints: ['no order was sent for the entry that could not be written'],
        cause: error,
      })
