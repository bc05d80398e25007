import {execFile, spawn} from 'node:child_process'
import {once} from 'node:events'
import {appendFileSync, mkdtempSync, readFileSync, truncateSync, writeFileSync} from 'node:fs'
import {tmpdir} from 'node:os'
import path from 'node:path'
import process from 'node:process'
import {promisify} from 'node:util'
import fc from 'fast-check'
import {beforeEach, describe, expect, test} from 'vitest'
import type {JournalEntry} from '../../../src/broker/journal.ts'
import {memoryJournal} from '../../../src/broker/memory-journal.ts'
import {openSqliteJournal} from '../../../src/drivers/sqlite/journal.ts'
import {anyEntry} from '../../broker/any-entry.ts'

let folder: string
let file: string
beforeEach(() => {
  folder = mkdtempSync(path.join(tmpdir(), 'gpi-journal-'))
  file = path.join(folder, 'journal.sqlite')
})
const note = (n: number): JournalEntry => ({kind: 'note', tsUs: n as never, text: `entry ${n}`})
const moduleUrl = new URL('../../../src/drivers/sqlite/journal.ts', import.meta.url).href

describe('openSqliteJournal', () => {
  test('keeps entries, order and hash over a restart, equal to the journal in memory', () => {
    fc.assert(
      fc.property(fc.array(anyEntry, {maxLength: 12}), entries => {
        file = path.join(mkdtempSync(path.join(folder, 'run-')), 'j')
        const memory = memoryJournal()
        using first = openSqliteJournal(file)
        for (const entry of entries) {
          memory.append(entry)
          first.append(entry)
        }
        first[Symbol.dispose]()
        using second = openSqliteJournal(file)
        expect([...second.entries()]).toEqual([...memory.entries()])
        expect(second.hash()).toBe(memory.hash())
        second.append(note(1))
        memory.append(note(1))
        expect(second.hash()).toBe(memory.hash())
      }),
      {numRuns: 15},
    )
  })

  test('notices a second writer at its first append', () => {
    using one = openSqliteJournal(file)
    using two = openSqliteJournal(file)
    one.append(note(1))
    expect(() => two.append(note(2))).toThrow(expect.objectContaining({code: 'JOURNAL_TAKEN'}))
    expect(one.append(note(3))).toBe(2)
  })

  test('can be read while it is written', () => {
    using writer = openSqliteJournal(file)
    writer.append(note(1))
    using reader = openSqliteJournal(file, {readOnly: true})
    expect([...reader.entries()]).toHaveLength(1)
    expect(() => reader.append(note(2))).toThrow('opened for reading')
  })

  test.each([
    ['text', 'hello, this is not a database at all, although it is long enough to look like one'],
    ['nothing readable', '\u0000'.repeat(4096)],
  ])('refuses a file of %s', (_, content) => {
    writeFileSync(file, content)
    expect(() => openSqliteJournal(file)).toThrow(expect.objectContaining({code: 'JOURNAL_UNREADABLE'}))
  })

  test('survives a last write that was torn', () => {
    const journal = openSqliteJournal(file)
    for (let n = 1; n <= 20; n++) journal.append(note(n))
    // What a crash leaves: the files as they are, the last frame of the log cut short or followed by rubbish.
    const log = readFileSync(`${file}-wal`)
    const base = readFileSync(file)
    for (const damage of ['cut', 'rubbish'] as const) {
      const copy = path.join(mkdtempSync(path.join(folder, 'torn-')), 'j')
      writeFileSync(copy, base)
      writeFileSync(`${copy}-wal`, log)
      if (damage === 'cut') truncateSync(`${copy}-wal`, log.length - 1000)
      else appendFileSync(`${copy}-wal`, Buffer.alloc(3000, 7))
      using recovered = openSqliteJournal(copy)
      const texts = [...recovered.entries()].map(({entry}) => (entry.kind === 'note' ? entry.text : ''))
      expect(texts).toEqual(Array.from({length: damage === 'cut' ? 19 : 20}, (_, n) => `entry ${n + 1}`))
      expect(recovered.append(note(99))).toBe(texts.length + 1)
    }
    journal[Symbol.dispose]()
  })

  test('what append returned for is there after kill -9', async () => {
    const script = `
      const {openSqliteJournal} = await import(${JSON.stringify(moduleUrl)})
      const journal = openSqliteJournal(${JSON.stringify(file)})
      for (let n = 1; ; n++) {
        journal.append({kind: 'note', tsUs: n, text: 'entry ' + n})
        process.stdout.write(n + '\\n')
      }`
    const child = spawn(process.execPath, ['--input-type=module', '-e', script], {stdio: ['ignore', 'pipe', 'inherit']})
    let said = ''
    child.stdout.on('data', chunk => {
      said += String(chunk)
      if (said.length > 400) child.kill('SIGKILL')
    })
    await once(child, 'close')
    const confirmed = Number(said.trimEnd().split('\n').at(-1))
    using journal = openSqliteJournal(file)
    expect(journal.count()).toBeGreaterThanOrEqual(confirmed)
    expect([...journal.entries()].every(({seq, entry}) => entry.tsUs === seq)).toBe(true)
  })

  test('another process reads the same hash', async () => {
    using journal = openSqliteJournal(file)
    for (let n = 1; n <= 5; n++) journal.append(note(n))
    const script = `
      const {openSqliteJournal} = await import(${JSON.stringify(moduleUrl)})
      process.stdout.write(openSqliteJournal(${JSON.stringify(file)}, {readOnly: true}).hash())`
    const {stdout} = await promisify(execFile)(process.execPath, ['--input-type=module', '-e', script])
    expect(stdout).toBe(journal.hash())
  })
})
