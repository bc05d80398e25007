import {mkdirSync} from 'node:fs'
import path from 'node:path'
import {DatabaseSync} from 'node:sqlite'
import {crc32} from 'node:zlib'
import type {Cache} from '../../data/cache.ts'
import {writeAhead} from './write-ahead.ts'

export interface SqliteCacheOptions {
  readonly file: string
  /** The oldest entries go beyond this many. */
  readonly maxEntries: number
}

const SCHEMA = `
  CREATE TABLE IF NOT EXISTS entry (
    seq INTEGER PRIMARY KEY AUTOINCREMENT,
    key TEXT NOT NULL UNIQUE,
    value BLOB NOT NULL,
    checksum INTEGER NOT NULL
  ) STRICT`

/**
 * Values in a SQLite file that outlives the process and may be shared by several. Commits are not synced one by one: a
 * power cut may cost the newest entries, never the file. A value that does not match its checksum is a miss.
 */
export const openSqliteCache = ({file, maxEntries}: SqliteCacheOptions): Cache => {
  mkdirSync(path.dirname(file), {recursive: true})
  const db = new DatabaseSync(file, {timeout: 5_000})
  writeAhead(db, 'NORMAL')
  db.exec(SCHEMA)
  const get = db.prepare('SELECT value, checksum FROM entry WHERE key = ?')
  const set = db.prepare('INSERT INTO entry (key, value, checksum) VALUES (?, ?, ?) ON CONFLICT (key) DO NOTHING')
  const remove = db.prepare('DELETE FROM entry WHERE key = ?')
  const trim = db.prepare('DELETE FROM entry WHERE seq <= (SELECT max(seq) FROM entry) - ?')
  return {
    name: 'sqlite',
    get: async key => {
      const row = get.get(key)
      if (row === undefined) return undefined
      const value = Uint8Array.from(row['value'] as Uint8Array)
      if (crc32(value) === row['checksum']) return value
      remove.run(key)
      return undefined
    },
    set: async (key, value) => {
      const {changes} = set.run(key, value, crc32(value))
      if (changes > 0) trim.run(maxEntries)
    },
    delete: async key => {
      remove.run(key)
    },
    [Symbol.asyncDispose]: async () => db.close(),
  }
}
