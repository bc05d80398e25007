import {closeSync, fdatasyncSync, fsyncSync, openSync} from 'node:fs'
import type {StatementSync} from 'node:sqlite'
import type {JournalEntry} from '../../broker/journal.ts'
import {openJournalDatabase, writeFailure} from './journal.ts'

/** One of several connections that append to the same journal in turn; its owner says which entry comes next. */
export interface JournalWriter extends Disposable {
  /**
   * Entries `firstSeq`, `firstSeq + 1`, … in one commit: they outlive this process when it returns, and the machine when a
   * `flush` after it has returned. Throws UserError when they are not written.
   */
  readonly commit: (entries: readonly JournalEntry[], firstSeq: number) => void
  /** Everything committed so far, by whichever connection, is on the disk when it returns. Throws UserError when it may not be. */
  readonly flush: () => void
  /**
   * Makes the write-ahead log as long as it will ever need to be, once, before anybody waits: a sync of a file that grows
   * must also commit the file system's own records, which takes twice as long and, where others write, a hundred times.
   */
  readonly reserve: () => void
  /**
   * Moves what the write-ahead log holds into the database, as far as nobody writes meanwhile, and begins the log anew, at the
   * price of a sync that the next commit would pay. False when somebody else reads or writes: then the log stays as long.
   * Never needed for durability.
   */
  readonly checkpoint: () => boolean
}

/** Several times what gathers between two checkpoints; the log is reused from its start after each and deleted at the end. */
const RESERVED_BYTES = 8 << 20

/**
 * A connection that only ever appends whole commits. The log is never checkpointed by a commit, which would make one in a
 * few hundred take many times as long as the others. A commit does not sync the log either; `flush` does, as
 * `synchronous=FULL` would, but without the file's times (SQLite calls `fsync`), which nobody needs and which wait for
 * everybody else's writes where the disk is shared.
 */
export const openJournalWriter = (file: string, datasync: (handle: number) => void = fdatasyncSync): JournalWriter => {
  const database = openJournalDatabase(file, 'sync', false)
  // The log's start is still synced before it is written over, and all of it before a checkpoint.
  database.exec('PRAGMA wal_autocheckpoint = 0; PRAGMA synchronous = NORMAL')
  const insert: StatementSync = database.prepare('INSERT INTO entries(seq, ts_us, kind, body) VALUES (?, ?, ?, ?)')
  let log: number | undefined
  let isOpen = true
  const backOut = (error: unknown): Error => {
    if (database.isTransaction) database.exec('ROLLBACK')
    return writeFailure(file, error as Error)
  }
  return {
    commit(entries, firstSeq) {
      if (entries.length === 0) return
      try {
        database.exec('BEGIN IMMEDIATE')
        let seq = firstSeq
        for (const entry of entries) insert.run(seq++, entry.tsUs, entry.kind, JSON.stringify(entry))
        database.exec('COMMIT')
      } catch (error) {
        throw backOut(error)
      }
    },
    flush() {
      try {
        log ??= openSync(`${file}-wal`, 'r+')
        datasync(log)
      } catch (error) {
        throw backOut(error)
      }
    },
    reserve() {
      try {
        // What a transaction cannot keep in its cache spills into the log; taken back, it leaves the log's length and no row.
        database.exec('PRAGMA cache_size = 16; BEGIN IMMEDIATE; CREATE TABLE reserve(bytes BLOB)')
        database.prepare('INSERT INTO reserve VALUES (zeroblob(?))').run(RESERVED_BYTES)
        database.exec('ROLLBACK; PRAGMA cache_size = -2000')
        log ??= openSync(`${file}-wal`, 'r+')
        fsyncSync(log)
      } catch (error) {
        throw backOut(error)
      }
    },
    checkpoint() {
      try {
        const found = database.prepare('PRAGMA wal_checkpoint(PASSIVE)').get() as Readonly<Record<string, number>>
        if (found['busy'] !== 0 || found['log'] !== found['checkpointed']) return false
        const {user_version: round} = database.prepare('PRAGMA user_version').get() as {user_version: number}
        database.exec(`BEGIN IMMEDIATE; PRAGMA user_version = ${(round + 1) % 1_000_000}; COMMIT`)
        return true
      } catch (error) {
        throw backOut(error)
      }
    },
    [Symbol.dispose]() {
      if (!isOpen) return
      isOpen = false
      database.close()
      if (log !== undefined) closeSync(log)
    },
  }
}
