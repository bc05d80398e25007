import {DatabaseSync} from 'node:sqlite'
import type {Observation, StoredPattern} from '../../memory/pattern.ts'
import {observationChecksum} from '../../memory/pattern-checksum.ts'
import {CorruptRowError, observationOf, patternOfRow, type Row, stateOf} from './pattern-row.ts'
import {sqliteCode} from './sqlite-errors.ts'

/**
 * Whatever a damaged file still gives: patterns and outcomes that match their checksums. Read from both ends and, where
 * those do not meet, number by number between them, so that a bad page costs only itself. Empty for a file that SQLite
 * cannot open at all.
 */
export const salvagePatterns = (file: string): StoredPattern[] => {
  const found = new Map<number, StoredPattern>()
  let db: DatabaseSync | undefined
  try {
    db = new DatabaseSync(file, {readOnly: true})
    const observations = db.prepare('SELECT at_us, pnl_bps, checksum FROM observation WHERE seq = ? ORDER BY at_us')
    const keep = (row: Row): void => {
      const seq = Number(row['seq'])
      const pattern = salvageRow(row, () => observations.all(seq))
      if (pattern !== undefined) found.set(seq, pattern)
    }
    const reached = (['ASC', 'DESC'] as const).map(order => {
      let last: number | undefined
      readUntilDamage(() => {
        for (const row of db?.prepare(`SELECT * FROM pattern ORDER BY seq ${order}`).iterate() ?? []) {
          last = Number(row['seq'])
          if (found.has(last)) return
          keep(row)
        }
      })
      return last
    })
    const one = db.prepare('SELECT * FROM pattern WHERE seq = ?')
    for (let seq = (reached[0] ?? 0) + 1; seq < (reached[1] ?? lastNumber(db) + 1); seq++) {
      readUntilDamage(() => {
        const row = one.get(seq)
        if (row !== undefined) keep(row)
      })
    }
  } catch (error) {
    if (!isSqliteError(error)) throw error
  } finally {
    db?.close()
  }
  return [...found].sort(([a], [b]) => a - b).map(([, pattern]) => pattern)
}

/** The greatest number that was ever given; 0 where even that cannot be read. */
const lastNumber = (db: DatabaseSync): number => {
  let last = 0
  readUntilDamage(() => {
    last = Number(db.prepare(`SELECT seq FROM sqlite_sequence WHERE name = 'pattern'`).get()?.['seq'] ?? 0)
  })
  return last
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
