import {closeSync, fsyncSync, openSync} from 'node:fs'
import type {StatementSync} from 'node:sqlite'
import type {JournalEntry} from '../../broker/journal.ts'
import {openJournalDatabase, writeFailure} from './journal.ts'

/** One of several connections that append to the same journal in turn; its owner says which entry comes next. */
export interface JournalWriter extends Disposable {
  /** Entries `firstSeq`, `firstSeq + 1`, … in one commit; on the disk when it returns. Throws UserError when they are not. */
  readonly commit: (entries: readonly JournalEntry[], firstSeq: number) => void
  /**
   * Makes the write-ahead log as long as it will ever need to be, once, before anybody waits: a sync of a file that grows
   * must also commit the file system's own records, which takes twice as long and, where others write, a hundred times.
   */
  readonly reserve: () => void
  /** Moves what the write-ahead log holds into the database, as far as nobody writes. Never needed for durability. */
  readonly checkpoint: () => void
}

/** Several times what gathers between two checkpoints; the log is reused from its start after each and deleted at the end. */
const RESERVED_BYTES = 8 << 20

/**
 * A connection that only ever appends whole commits. The log is never checkpointed by a commit, which would make one in a
 * few hundred take many times as long as the others.
 */
export const openJournalWriter = (file: string): JournalWriter => {
  const database = openJournalDatabase(file, 'sync', false)
  database.exec('PRAGMA wal_autocheckpoint = 0')
  const insert: StatementSync = database.prepare('INSERT INTO entries(seq, ts_us, kind, body) VALUES (?, ?, ?, ?)')
  let isOpen = true
  return {
    commit(entries, firstSeq) {
      if (entries.length === 0) return
      try {
        database.exec('BEGIN IMMEDIATE')
        let seq = firstSeq
        for (const entry of entries) insert.run(seq++, entry.tsUs, entry.kind, JSON.stringify(entry))
        database.exec('COMMIT')
      } catch (error) {
        if (database.isTransaction) database.exec('ROLLBACK')
        throw writeFailure(file, error as Error)
      }
    },
    reserve() {
      try {
        // What a transaction cannot keep in its cache spills into the log; taken back, it leaves the log's length and no row.
        database.exec('PRAGMA cache_size = 16; BEGIN IMMEDIATE; CREATE TABLE reserve(bytes BLOB)')
        database.prepare('INSERT INTO reserve VALUES (zeroblob(?))').run(RESERVED_BYTES)
        database.exec('ROLLBACK; PRAGMA cache_size = -2000')
        const log = openSync(`${file}-wal`, 'r')
        try {
          fsyncSync(log)
        } finally {
          closeSync(log)
        }
      } catch (error) {
        if (database.isTransaction) database.exec('ROLLBACK')
        throw writeFailure(file, error as Error)
      }
    },
    checkpoint: () => database.exec('PRAGMA wal_checkpoint(PASSIVE)'),
    [Symbol.dispose]() {
      if (!isOpen) return
      isOpen = false
      database.close()
    },
  }
}
