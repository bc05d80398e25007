import {statSync} from 'node:fs'
import path from 'node:path'
import {UserError} from '../domain/errors.ts'
import {openSqliteJournal, type SqliteJournal} from '../drivers/sqlite/journal.ts'
import {listRuns, runFolder} from './run-folder.ts'

/**
 * A trading node's journal for reading, by file, by the folder of its run, by run id, or `last` for the newest run of the
 * home that has one. Throws UserError naming what is wrong with it.
 */
export const openComparedJournal = (home: string, name: string): SqliteJournal => {
  const file = placeOf(home, name)
  if (file === undefined) {
    const known = runsWithJournal(home)
    throw new UserError('NO_JOURNAL', `there is no journal ${name}, and no run of that id in ${home}`, {
      hints: [
        'gpi trade leaves HOME/runs/ID/journal.sqlite',
        known.length === 0 ? `no trading run was kept in ${home}` : `newest runs: ${known.slice(-3).join(', ')}`,
      ],
    })
  }
  const there = statSync(file)
  if (!there.isFile() || there.size === 0)
    throw new UserError(
      'JOURNAL_UNREADABLE',
      `${file} is no journal: ${there.isFile() ? 'it is empty' : 'it is no file'}`,
      {
        hints: ['name the journal.sqlite of a trading run, its run id, or last'],
      },
    )
  return openSqliteJournal(file, {readOnly: true})
}

const placeOf = (home: string, name: string): string | undefined => {
  if (name === 'last') {
    const newest = runsWithJournal(home).at(-1)
    return newest === undefined ? undefined : journalOf(runFolder(home, newest))
  }
  return [name, runFolder(home, name)].flatMap(place => {
    const there = statSync(place, {throwIfNoEntry: false})
    if (there === undefined) return []
    if (!there.isDirectory()) return [place]
    return isThere(journalOf(place)) ? [journalOf(place)] : []
  })[0]
}

const journalOf = (folder: string): string => path.join(folder, 'journal.sqlite')
const isThere = (file: string): boolean => statSync(file, {throwIfNoEntry: false}) !== undefined
const runsWithJournal = (home: string): readonly string[] =>
  listRuns(home).filter(id => isThere(journalOf(runFolder(home, id))))
