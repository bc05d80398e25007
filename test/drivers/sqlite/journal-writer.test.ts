import {copyFileSync, existsSync, fstatSync, mkdtempSync, statSync} from 'node:fs'
import {tmpdir} from 'node:os'
import path from 'node:path'
import {DatabaseSync} from 'node:sqlite'
import {beforeEach, expect, test} from 'vitest'
import type {JournalEntry} from '../../../src/broker/journal.ts'
import {openSqliteJournal} from '../../../src/drivers/sqlite/journal.ts'
import {openJournalWriter} from '../../../src/drivers/sqlite/journal-writer.ts'

let folder: string
let file: string
beforeEach(() => {
  folder = mkdtempSync(path.join(tmpdir(), 'gpi-writer-'))
  file = path.join(folder, 'journal.sqlite')
})
const note = (n: number): JournalEntry => ({kind: 'note', tsUs: n as never, text: `entry ${n}`})
const pagesInLog = (): number => {
  using database = new DatabaseSync(file)
  return (database.prepare('PRAGMA wal_checkpoint(NOOP)').get() as {log: number}).log
}

test('a flush syncs the log that holds what was committed: what is there then is the whole journal', () => {
  const synced: {readonly inode: number; readonly texts: readonly string[]}[] = []
  using writer = openJournalWriter(file, handle => {
    const copy = path.join(folder, `copy-${synced.length}`)
    copyFileSync(file, copy)
    copyFileSync(`${file}-wal`, `${copy}-wal`)
    using journal = openSqliteJournal(copy)
    const texts = [...journal.entries()].map(({entry}) => (entry.kind === 'note' ? entry.text : ''))
    synced.push({inode: fstatSync(handle).ino, texts})
  })
  const inode = statSync(`${file}-wal`).ino
  writer.commit([note(1)], 1)
  writer.commit([note(2), note(3)], 2)
  expect(synced).toEqual([])
  writer.flush()
  writer.checkpoint()
  writer.commit([note(4)], 4)
  writer.flush()
  expect(synced).toEqual([
    {inode, texts: ['entry 1', 'entry 2', 'entry 3']},
    {inode, texts: ['entry 1', 'entry 2', 'entry 3', 'entry 4']},
  ])
})

test('a disk that refuses the sync is told of, and not taken for written', () => {
  using writer = openJournalWriter(file, () => {
    throw Object.assign(new Error('EIO: i/o error, fdatasync'), {code: 'EIO'})
  })
  writer.commit([note(1)], 1)
  expect(() => writer.flush()).toThrow(expect.objectContaining({code: 'JOURNAL_UNWRITABLE'}))
})

test('a checkpoint begins the log anew, unless somebody reads', () => {
  using writer = openJournalWriter(file)
  writer.reserve()
  const length = statSync(`${file}-wal`).size
  for (let n = 1; n <= 50; n++) writer.commit([note(n)], n)
  expect(pagesInLog()).toBeGreaterThanOrEqual(50)
  {
    using reader = new DatabaseSync(file, {readOnly: true})
    reader.exec('BEGIN')
    reader.prepare('SELECT count(*) FROM entries').get()
    writer.commit([note(51)], 51)
    expect(writer.checkpoint()).toBe(false)
  }
  expect(writer.checkpoint()).toBe(true)
  writer.commit([note(52)], 52)
  expect(pagesInLog()).toBeLessThan(10)
  expect(statSync(`${file}-wal`).size).toBe(length)
  writer[Symbol.dispose]()
  expect(existsSync(`${file}-wal`)).toBe(false)
  using journal = openSqliteJournal(file, {readOnly: true})
  expect([...journal.entries()]).toHaveLength(52)
})
