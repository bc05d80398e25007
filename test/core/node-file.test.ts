import {spawn} from 'node:child_process'
import {once} from 'node:events'
import {mkdtempSync, readFileSync, rmSync, writeFileSync} from 'node:fs'
import {tmpdir} from 'node:os'
import path from 'node:path'
import process from 'node:process'
import {afterEach, beforeEach, expect, test} from 'vitest'
import {killHome, killVenues} from '../../src/core/kill.ts'
import {findNodes, isRunning, refuseSecondNode, sweepNodes, writeNodeFile} from '../../src/core/node-file.ts'
import {writeWhole} from '../../src/core/run-folder.ts'

let home: string
beforeEach(() => {
  home = mkdtempSync(path.join(tmpdir(), 'gpi-node-'))
})
afterEach(() => rmSync(home, {recursive: true, force: true}))

const node = {
  runId: 'r1',
  startedUs: 1,
  broker: 'local',
  exchangeUrl: 'http://127.0.0.1:4000',
  ownsExchange: true,
  credentials: 'local',
  journal: 'journal.sqlite',
  strategies: ['market-making'],
  symbols: ['SPY'],
} as const

test('a running node is found, and is gone when it ends cleanly', () => {
  const remove = writeNodeFile(home, node)
  expect(findNodes(home).nodes).toMatchObject([{runId: 'r1', pid: process.pid, alive: true}])
  remove()
  expect(findNodes(home).nodes).toEqual([])
})

test('an account whose journal a living node writes takes no second one', async () => {
  const journal = path.join(home, 'journal.sqlite')
  const remove = writeNodeFile(home, {...node, journal})
  expect(() => refuseSecondNode(home, journal)).toThrow(expect.objectContaining({code: 'ACCOUNT_IN_USE', exitCode: 3}))
  expect(() => refuseSecondNode(home, path.join(home, 'other.sqlite'))).not.toThrow()
  remove()
  expect(() => refuseSecondNode(home, journal)).not.toThrow()
})

test('a record of a dead process is found and known to be stale; so is one whose pid now belongs to another', async () => {
  const child = spawn(process.execPath, ['-e', '0'])
  await once(child, 'exit')
  expect(isRunning({pid: child.pid as number})).toBe(false)
  expect(isRunning({pid: process.pid, pidStart: '1'})).toBe(false)
  expect(isRunning({pid: process.pid})).toBe(true)
})

test('dead nodes whose exchange died with them, or whose journal goes on, are swept; the others stay for a kill', () => {
  const dead = {pid: 2 ** 22 - 7, startedUs: 1}
  const leave = (runId: string, over: object) =>
    writeWhole(path.join(home, 'nodes', `${runId}.json`), {...node, ...dead, runId, ...over})
  leave('own', {ownsExchange: true})
  leave('continued', {ownsExchange: false, journal: '/j/mine'})
  leave('other', {ownsExchange: false, journal: '/j/other', exchangeUrl: 'http://127.0.0.1:4999'})
  expect(killVenues({home, environment: {}}).map(({name}) => name)).toEqual([
    'http://127.0.0.1:4000',
    'http://127.0.0.1:4999',
  ])
  sweepNodes(home, '/j/mine')
  expect(findNodes(home).nodes.map(({runId}) => runId)).toEqual(['other'])
})

test('a record that cannot be read is named, and the others are still found', () => {
  writeNodeFile(home, node)
  const broken = path.join(home, 'nodes', 'broken.json')
  writeFileSync(broken, '{')
  expect(findNodes(home)).toMatchObject({nodes: [{runId: 'r1'}], unreadable: [broken]})
})

test('the record holds no secret', () => {
  process.env['APCA_API_SECRET_KEY'] = 'do-not-write-me'
  writeNodeFile(home, {...node, credentials: 'environment'})
  delete process.env['APCA_API_SECRET_KEY']
  expect(readFileSync(path.join(home, 'nodes', 'r1.json'), 'utf8')).not.toContain('do-not-write-me')
})

test('a kill goes to every exchange that a node left, once each, and to Alpaca only when told or left', () => {
  writeNodeFile(home, node)
  writeNodeFile(home, {...node, runId: 'r2'})
  const names = (options: Partial<Parameters<typeof killVenues>[0]> = {}) =>
    killVenues({home, environment: {}, ...options}).map(({name}) => name)
  expect(names()).toEqual(['http://127.0.0.1:4000'])
  expect(names({broker: 'alpaca'})).toEqual(['https://paper-api.alpaca.markets'])
  expect(names({exchange: 'http://127.0.0.1:5000'})).toEqual(['http://127.0.0.1:4000', 'http://127.0.0.1:5000'])
})

test('Alpaca without keys is refused and does not throw before the others were killed at', async () => {
  const [venue] = killVenues({home, broker: 'alpaca', environment: {}})
  await expect(venue?.cancelAll()).rejects.toThrow('APCA_API_KEY_ID')
})

test('the home of a kill: flag, then environment, then the last file that names one, then .gpi; a broken file is passed over', () => {
  const file = path.join(home, 'a.json')
  writeFileSync(file, JSON.stringify({home: 'from-file', nonsense: true}))
  const broken = path.join(home, 'b.json')
  writeFileSync(broken, '{')
  expect(killHome('flag', [file], {GPI__HOME: 'env'})).toBe('flag')
  expect(killHome(undefined, [file], {GPI__HOME: 'env'})).toBe('env')
  expect(killHome(undefined, [file, broken], {})).toBe('from-file')
  expect(killHome(undefined, [broken], {})).toBe('.gpi')
})
