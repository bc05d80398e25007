import type {DatabaseSync} from 'node:sqlite'
import {sqliteCode} from './sqlite-errors.ts'

const BUSY = 5
const PATIENCE_MS = 5_000
const PAUSE_MS = 10

/**
 * Puts a database into WAL mode. SQLite answers "busy" at once, whatever its timeout, while another process changes the
 * mode or recovers the log that a killed one left (sqlite.org/wal.html, "Sometimes queries return SQLITE_BUSY"), so it is
 * asked again for up to five seconds.
 */
export const writeAhead = (database: DatabaseSync, synchronous: 'OFF' | 'NORMAL' | 'FULL'): void => {
  for (let waitedMs = 0; ; waitedMs += PAUSE_MS) {
    try {
      database.exec(`PRAGMA journal_mode = WAL; PRAGMA synchronous = ${synchronous}`)
      return
    } catch (error) {
      if (sqliteCode(error) !== BUSY || waitedMs >= PATIENCE_MS) throw error
      Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, PAUSE_MS)
    }
  }
}
