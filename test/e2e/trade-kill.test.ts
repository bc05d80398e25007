import {type ChildProcess, spawn} from 'node:child_process'
import {once} from 'node:events'
import {existsSync, mkdtempSync, rmSync} from 'node:fs'
import {tmpdir} from 'node:os'
import path from 'node:path'
import process from 'node:process'
import {setTimeout as sleep} from 'node:timers/promises'
import {fileURLToPath} from 'node:url'
import {afterEach, beforeEach, describe, expect, test} from 'vitest'
import {type ExchangeThread, startExchangeThread} from '../../src/core/exchange-thread.ts'
import type {KillResult} from '../../src/core/kill.ts'
import {findNodes} from '../../src/core/node-file.ts'
import type {TradeSummary} from '../../src/core/trade.ts'
import {openSqliteJournal} from '../../src/drivers/sqlite/journal.ts'
import {allOrders, ask, type Json} from './wire.ts'

/** Another build to test, or this checkout's own. */
const root = process.env['GPI_TEST_ROOT'] ?? fileURLToPath(new URL('../..', import.meta.url))
const run = path.join(root, 'bin/run.js')
const built = existsSync(path.join(root, 'dist/commands/trade.js'))

let home: string
beforeEach(() => {
  home = mkdtempSync(path.join(tmpdir(), 'gpi-e2e-'))
})
afterEach(() => rmSync(home, {recursive: true, force: true}))

interface Gpi {
  readonly child: ChildProcess
  readonly ended: Promise<{readonly code: number | null; readonly out: string; readonly words: string}>
}
const gpi = (...argv: string[]): Gpi => {
  const child = spawn(process.execPath, [run, ...argv, '--home', home], {
    stdio: ['ignore', 'pipe', 'pipe'],
    env: {...process.env, APCA_API_KEY_ID: '', APCA_API_SECRET_KEY: '', REDIS_URL: ''},
  })
  let [out, words] = ['', '']
  child.stdout?.on('data', chunk => {
    out += chunk
  })
  child.stderr?.on('data', chunk => {
    words += chunk
  })
  const ended = once(child, 'close').then(([code]) => ({code: code as number | null, out, words}))
  return {child, ended}
}
const until = async (done: () => boolean | Promise<boolean>, what: string): Promise<void> => {
  const deadline = Date.now() + 60_000
  while (!(await done())) {
    if (Date.now() > deadline) throw new Error(`waited in vain for ${what}`)
    await sleep(50)
  }
}
const hasFilled = async (): Promise<boolean> => {
  const [node] = findNodes(home).nodes
  if (node === undefined) return false
  return (await ask(node.exchangeUrl, '/v2/account/activities/FILL?page_size=5')).length >= 3
}

describe.skipIf(!built)('gpi trade and gpi kill as processes (needs npm run build)', () => {
  test('trade without keys fills orders over the wire and ends with exact books', {timeout: 120_000}, async () => {
    const {code, out, words} = await gpi('trade', '--paper', '--duration', '12s', '--speed', '60', '--json').ended
    expect(words).not.toMatch(/error/i)
    expect(code).toBe(0)
    const summary = JSON.parse(out) as TradeSummary
    expect(summary).toMatchObject({
      stoppedBy: 'duration',
      ledgerErrorMicros: 0,
      openOrders: 0,
      broker: 'local exchange',
    })
    expect(summary.fills).toBeGreaterThan(0)
    expect(summary.journalHash).toMatch(/^[0-9a-f]{64}$/)
    using journal = openSqliteJournal(path.join(home, 'runs', summary.runId, 'journal.sqlite'), {readOnly: true})
    expect(journal.hash()).toBe(summary.journalHash)
    expect(findNodes(home).nodes).toEqual([])
  })

  test('kill --flatten mid-way: exit 0 there, exit 3 here, flat, and no order after the latch', {
    timeout: 120_000,
  }, async () => {
    const trade = gpi('trade', '--paper', '--duration', '90s', '--speed', '60', '--json')
    await until(hasFilled, 'three fills')
    const kill = await gpi('kill', '--flatten', '--json').ended
    const {code, out} = await trade.ended
    expect(kill.code).toBe(0)
    expect(JSON.parse(kill.out) as KillResult).toMatchObject({latched: true, openOrders: 0, flat: true})
    expect(code).toBe(3)
    const summary = JSON.parse(out) as TradeSummary
    expect(summary).toMatchObject({
      stoppedBy: 'kill',
      openOrders: 0,
      flat: true,
      ledgerErrorMicros: 0,
      reconciliation: {differences: []},
    })
    using journal = openSqliteJournal(path.join(home, 'runs', summary.runId, 'journal.sqlite'), {readOnly: true})
    const kinds = [...journal.entries()].map(({entry}) => entry.kind)
    expect(kinds).toContain('latch')
    expect(kinds.slice(kinds.indexOf('latch'))).not.toContain('intent')

    const refused = await gpi('trade', '--paper', '--duration', '1s', '--json').ended
    expect(refused.code).toBe(3)
    expect(JSON.parse(refused.out)).toMatchObject({error: {code: 'LATCHED'}})
    expect((await gpi('kill', '--release', '--json').ended).code).toBe(0)
  })

  test.each(['SIGTERM', 'SIGHUP'] as const)(
    '%s ends a run cleanly, with a summary',
    {timeout: 120_000},
    async signal => {
      const trade = gpi('trade', '--paper', '--speed', '60', '--json')
      await until(hasFilled, 'three fills')
      trade.child.kill(signal)
      const {code, out} = await trade.ended
      expect(code).toBe(0)
      expect(JSON.parse(out)).toMatchObject({stoppedBy: 'signal', openOrders: 0, ledgerErrorMicros: 0})
    },
  )

  test('a reader that leaves early ends the run and leaves no order behind', {timeout: 120_000}, async () => {
    const trade = gpi('trade', '--paper', '--speed', '60', '--events')
    await until(() => findNodes(home).nodes.length > 0, 'a node')
    trade.child.stdout?.destroy()
    await trade.ended
    expect(findNodes(home).nodes).toEqual([])
  })

  test('a symbol the simulated market does not know is named, once', {timeout: 60_000}, async () => {
    const argv = [
      'trade',
      '--paper',
      '--symbols',
      'AAPL,AAPLE',
      '--strategy',
      'do-nothing',
      '--duration',
      '1s',
      '--json',
    ]
    const {code, words} = await gpi(...argv).ended
    expect(code).toBe(0)
    expect(words.match(/knows nothing of AAPLE:/g)).toHaveLength(1)
  })

  test.each([
    {argv: ['trade', '--broker', 'alpaca', '--json'], code: 2, error: 'MISSING_KEYS'},
    {argv: ['trade', '--broker', 'alpaca', '--speed', '60', '--json'], code: 2, error: 'SPEED_NEEDS_LOCAL'},
    {argv: ['trade', '--live', '--json'], code: 2, error: 'LIVE_NEEDS_ALPACA'},
    {argv: ['trade', '--duration', 'soon', '--json'], code: 2, error: 'BAD_DURATION'},
    {argv: ['trade', '--exchange', 'http://example.com', '--json'], code: 2, error: 'EXCHANGE_URL'},
    {argv: ['trade', '--strategy', 'market-makin', '--json'], code: 2, error: 'UNKNOWN_STRATEGY'},
    {argv: ['stress', '--scenario', 'flash-crsh', '--json'], code: 2, error: 'SCENARIO_UNKNOWN'},
  ])('$argv is refused with $error', {timeout: 60_000}, async ({argv, code, error}) => {
    const result = await gpi(...argv).ended
    expect(result.code).toBe(code)
    expect(JSON.parse(result.out)).toMatchObject({error: {code: error}})
    expect(result.words.trim().split('\n')[0]).toMatch(/^error /)
  })
})

describe('kill when the node is dead', () => {
  let exchange: ExchangeThread | undefined
  afterEach(async () => exchange?.[Symbol.asyncDispose]())

  test.skipIf(!built)(
    'its orders and positions at an exchange that lives on are closed',
    {timeout: 120_000},
    async () => {
      exchange = await startExchangeThread({seed: 3, speed: 30, symbols: [], port: 0})
      const {url} = exchange
      const trade = gpi('trade', '--exchange', url, '--speed', '30', '--strategy', 'market-making', '--json')
      const positions = () => ask(url, '/v2/positions')
      await until(async () => (await positions()).length > 0, 'a position')
      trade.child.kill('SIGKILL')
      await trade.ended
      expect(findNodes(home).nodes).toMatchObject([{alive: false}])

      const kill = await gpi('kill', '--flatten', '--json').ended
      expect(kill.code).toBe(0)
      expect(await positions()).toEqual([])
      expect(await ask(url, '/v2/orders?status=open')).toEqual([])

      // After a release the node goes on where it was, with books that know what the kill did.
      await gpi('kill', '--release').ended
      const again = await gpi(
        'trade',
        '--exchange',
        url,
        '--speed',
        '30',
        '--strategy',
        'market-making',
        '--duration',
        '2s',
        '--json',
      ).ended
      const summary = JSON.parse(again.out) as TradeSummary
      expect(summary).toMatchObject({resumed: true, ledgerErrorMicros: 0, reconciliation: {differences: []}})
      const ids = (await allOrders(url)).map((order: Json) => order['client_order_id'])
      expect(new Set(ids).size).toBe(ids.length)
    },
  )

  test.skipIf(!built)(
    'with no exchange up it latches, says that nobody was reached, and exits 1',
    {timeout: 60_000},
    async () => {
      const {code, out} = await gpi('kill', '--exchange', 'http://127.0.0.1:1', '--json').ended
      expect(code).toBe(1)
      expect(JSON.parse(out)).toMatchObject({latched: true, flat: null, venues: [{state: 'unreachable'}]})
      expect(existsSync(path.join(home, 'kill.latch'))).toBe(true)
    },
  )
})
