import {closeSync, openSync, readSync, rmSync, statSync} from 'node:fs'
import path from 'node:path'
import {UserError} from '../domain/errors.ts'
import {JOURNAL_APPLICATION_ID} from '../drivers/sqlite/journal.ts'
import {runFolder} from './run-folder.ts'

/**
 * Makes room for a back-test's journal, which is its result: a second run replaces it. Throws UserError, and touches nothing,
 * where the file is no journal at all, is the one that the run is compared with, or is the truth of a trading run.
 */
export const removeReplacedJournal = (file: string, home: string, compared: string | undefined): void => {
  const there = statSync(file, {throwIfNoEntry: false})
  if (there !== undefined) {
    const refuse = (why: string): never => {
      throw new UserError('WOULD_REPLACE', `--journal ${file} would be replaced, and ${why}`, {
        hints: ['name another file'],
      })
    }
    if (compared !== undefined && isSame(file, compared)) refuse('it is the journal to compare with')
    if (isSame(path.dirname(path.dirname(path.resolve(file))), path.dirname(runFolder(home, '-'))))
      refuse('it is the journal of a trading run')
    if (there.isFile() && there.size > 0 && !isJournal(file)) refuse('it is no journal of gpi')
  }
  for (const suffix of ['', '-wal', '-shm']) rmSync(`${file}${suffix}`, {force: true})
}

const isSame = (one: string, other: string): boolean => {
  const [a, b] = [one, other].map(place => statSync(place, {throwIfNoEntry: false}))
  return a !== undefined && b !== undefined && a.dev === b.dev && a.ino === b.ino
}

/** By SQLite's header: its magic, and the application's id at byte 68. */
const isJournal = (file: string): boolean => {
  const header = Buffer.alloc(72)
  const descriptor = openSync(file, 'r')
  try {
    readSync(descriptor, header, 0, header.length, 0)
  } finally {
    closeSync(descriptor)
  }
  return header.toString('latin1', 0, 15) === 'SQLite format 3' && header.readUInt32BE(68) === JOURNAL_APPLICATION_ID
}
