import {DatabaseSync} from 'node:sqlite'
import type {Observation, StoredPattern} from '../../memory/pattern.ts'
import {observationChecksum} from '../../memory/pattern-checksum.ts'
import {CorruptRowError, observationOf, patternOfRow, type Row, stateOf} from './pattern-row.ts'
import {sqliteCode} from './sqlite-errors.ts'

/**
 * Whatever a damaged file still gives: patterns and outcomes that match their checksums, read from both ends so that one
 * bad page costs only itself. Empty for a file that SQLite cannot open at all.
 */
export const salvagePatterns = (file: string): StoredPattern[] => {
  const found = new Map<number, StoredPattern>()
  let db: DatabaseSync | undefined
  try {
    db = new DatabaseSync(file, {readOnly: true})
    const observations = db.prepare('SELECT at_us, pnl_bps, checksum FROM observation WHERE seq = ? ORDER BY at_us')
    for (const order of ['ASC', 'DESC']) {
      readUntilDamage(() => {
        for (const row of db?.prepare(`SELECT * FROM pattern ORDER BY seq ${order}`).iterate() ?? []) {
          const seq = Number(row['seq'])
          if (found.has(seq)) return
          const pattern = salvageRow(row, () => observations.all(seq))
          if (pattern !== undefined) found.set(seq, pattern)
        }
      })
    }
  } catch (error) {
    if (!isSqliteError(error)) throw error
  } finally {
    db?.close()
  }
  return [...found].sort(([a], [b]) => a - b).map(([, pattern]) => pattern)
}

const salvageRow = (row: Row, readObservations: () => Row[]): StoredPattern | undefined => {
  const pattern = patternOfRow(row)
  if (pattern === undefined) return undefined
  let observations: Observation[] = []
  readUntilDamage(() => {
    observations = readObservations()
      .filter(found => observationChecksum(pattern.id, observationOf(found)) === Number(found['checksum']))
      .map(observationOf)
  })
  return {...pattern, observations, ...stateOf(row)}
}

/** SQLite's own refusal ends the reading; anything else is a bug and goes on up. */
const readUntilDamage = (read: () => void): void => {
  try {
    read()
  } catch (error) {
    if (!isSqliteError(error)) throw error
  }
}

const isSqliteError = (error: unknown): boolean => sqliteCode(error) !== undefined

/** True for SQLITE_CORRUPT (11), SQLITE_NOTADB (26), a schema that is not ours, or a row against its checksum. */
export const isCorruption = (error: unknown): boolean => {
  if (error instanceof CorruptRowError) return true
  const code = sqliteCode(error)
  if (code === undefined) return false
  return code === 11 || code === 26 || /no such (table|column)|malformed/.test((error as Error).message)
}
