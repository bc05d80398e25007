import {existsSync, linkSync, mkdirSync, readFileSync, writeFileSync} from 'node:fs'
import {expect, test} from 'vitest'
import {removeReplacedJournal} from '../../src/core/replaced-journal.ts'
import {openSqliteJournal} from '../../src/drivers/sqlite/journal.ts'
import {temporaryFolder} from '../support/run-gpi.ts'

test('an earlier journal, an empty file and none make room', () => {
  using folder = temporaryFolder()
  const file = folder.join('run.db')
  openSqliteJournal(file, {durable: 'end'})[Symbol.dispose]()
  removeReplacedJournal(file, folder.join('home'), undefined)
  expect(existsSync(file)).toBe(false)
  writeFileSync(file, '')
  removeReplacedJournal(file, folder.join('home'), folder.join('other.db'))
  expect(existsSync(file)).toBe(false)
  removeReplacedJournal(file, folder.join('home'), undefined)
})

test('nothing else is replaced', () => {
  using folder = temporaryFolder()
  const home = folder.join('home')
  const refused = (file: string, compared?: string): void =>
    expect(() => removeReplacedJournal(file, home, compared)).toThrow(
      expect.objectContaining({code: 'WOULD_REPLACE', message: expect.stringContaining(file)}),
    )
  writeFileSync(folder.join('data.csv'), 'time,price\n')
  refused(folder.join('data.csv'))
  expect(readFileSync(folder.join('data.csv'), 'utf8')).toBe('time,price\n')

  mkdirSync(folder.join('home/runs/20260101-000000-abcd'), {recursive: true})
  const live = folder.join('home/runs/20260101-000000-abcd/journal.sqlite')
  openSqliteJournal(live)[Symbol.dispose]()
  refused(live)
  linkSync(live, folder.join('same.db'))
  refused(folder.join('same.db'), live)
  expect(existsSync(live)).toBe(true)
})
