import {mkdtempSync, readFileSync, writeFileSync} from 'node:fs'
import {tmpdir} from 'node:os'
import path from 'node:path'
import {expect, test} from 'vitest'
import {fileTrialLog} from '../../../src/drivers/files/trial-log.ts'

const homeWith = (lines: readonly string[], torn = ''): string => {
  const home = mkdtempSync(path.join(tmpdir(), 'gpi-trials-'))
  writeFileSync(path.join(home, 'trials.ndjson'), lines.map(line => `${line}\n`).join('') + torn)
  return home
}
const trial = (id: string, family: string) => ({id, family, sharpe: 0.1, observations: 30, tsUs: 1})

test('counts a trial once, over runs, and passes over what a crash cut short', () => {
  const home = homeWith([JSON.stringify(trial('a', 'pairs'))], '{"id":"torn","fam')
  const log = fileTrialLog(home)
  log.record(trial('a', 'pairs'))
  log.record({...trial('b', 'pairs'), sharpe: undefined})
  expect(log.trials('pairs').map(({id}) => id)).toEqual(['a', 'b'])
  expect(readFileSync(log.file, 'utf8').trimEnd().split('\n')).toHaveLength(3)
  expect(fileTrialLog(home).trials('pairs')).toEqual(log.trials('pairs'))
})

test('a strategy’s file that was once written in another way is the same strategy', () => {
  const families = ['./mine.ts', 'mine.ts', 'pairs+./mine.ts', 'strategies/../mine.ts', 'other.ts']
  const log = fileTrialLog(homeWith(families.map((family, k) => JSON.stringify(trial(String(k), family)))))
  expect(log.trials('mine.ts').map(({id}) => id)).toEqual(['0', '1', '3'])
  expect(log.trials('pairs+mine.ts').map(({id}) => id)).toEqual(['2'])
})
