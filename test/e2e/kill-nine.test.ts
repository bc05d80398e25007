import {type ChildProcess, spawn} from 'node:child_process'
import {once} from 'node:events'
import {mkdtempSync, readdirSync, rmSync} from 'node:fs'
import {tmpdir} from 'node:os'
import path from 'node:path'
import process from 'node:process'
import {setTimeout as sleep} from 'node:timers/promises'
import {fileURLToPath} from 'node:url'
import {afterAll, beforeAll, expect, test} from 'vitest'
import {type ExchangeThread, startExchangeThread} from '../../src/core/exchange-thread.ts'
import {findNodes} from '../../src/core/node-file.ts'
import type {TradeSummary} from '../../src/core/trade.ts'
import {createRng} from '../../src/domain/rng.ts'
import {openSqliteJournal} from '../../src/drivers/sqlite/journal.ts'
import {allFills, allOrders, ask} from './wire.ts'

const KILLS = Number(process.env['GPI_TEST_KILLS'] ?? 50)
const SPEED = 30
const CHILD = fileURLToPath(new URL('./trade-child.ts', import.meta.url))

let exchange: ExchangeThread
let home: string
beforeAll(async () => {
  home = mkdtempSync(path.join(tmpdir(), 'gpi-soak-'))
  exchange = await startExchangeThread({seed: 5, speed: SPEED, symbols: [], port: 0})
})
afterAll(async () => {
  await exchange?.[Symbol.asyncDispose]()
  rmSync(home, {recursive: true, force: true})
})

const startNode = (durationMs: number): ChildProcess & {said: () => string; words: () => string} => {
  const child = spawn(process.execPath, [CHILD, home, exchange.url, String(durationMs), String(SPEED)], {
    env: {...process.env, NODE_COMPILE_CACHE: path.join(tmpdir(), 'gpi-compile-cache')},
    stdio: ['ignore', 'pipe', 'pipe'],
  })
  let [out, errors] = ['', '']
  child.stdout?.on('data', chunk => {
    out += chunk
  })
  child.stderr?.on('data', chunk => {
    errors += chunk
  })
  return Object.assign(child, {said: () => out, words: () => errors})
}

/** Resolves when the node has left its record: it is connected, reconciled or about to be, and trades from here on. */
const trading = async (node: ChildProcess): Promise<void> => {
  const deadline = Date.now() + 60_000
  while (Date.now() < deadline && node.exitCode === null) {
    if (findNodes(home).nodes.some(({pid}) => pid === node.pid)) return
    await sleep(20)
  }
}

const journalFile = (): string => {
  const [account] = readdirSync(path.join(home, 'accounts'))
  return path.join(home, 'accounts', account as string, 'journal.sqlite')
}

test(`killed with -9 at ${KILLS} random moments: no order twice, no fill lost, ledger exact`, {
  timeout: 600_000,
}, async () => {
  const rng = createRng(11, 'kills')
  for (let k = 0; k < KILLS; k++) {
    const node = startNode(60_000)
    const exited = once(node, 'exit')
    // Half of them anywhere from the first instruction on, half while the node trades.
    if (k % 2 === 0) await sleep(rng.uniform() * 1_500)
    else {
      await trading(node)
      await sleep(rng.uniform() * 800)
    }
    if (node.exitCode !== null) throw new Error(`the node ended by itself (${node.exitCode}): ${node.words()}`)
    node.kill('SIGKILL')
    await exited
  }

  const last = startNode(3_000)
  const [code] = (await once(last, 'exit')) as [number]
  expect(last.words()).not.toMatch(/Error/)
  expect(code).toBe(0)
  const summary = JSON.parse(last.said()) as TradeSummary
  expect(summary).toMatchObject({ledgerErrorMicros: 0, openOrders: 0, reconciliation: {differences: [], orphans: []}})
  expect(summary.resumed).toBe(true)

  using journal = openSqliteJournal(journalFile(), {readOnly: true})
  const intents = new Map<string, number>()
  const fillIds: string[] = []
  let bought = 0
  for (const {entry} of journal.entries()) {
    if (entry.kind === 'intent')
      intents.set(entry.intent.clientOrderId, (intents.get(entry.intent.clientOrderId) ?? 0) + 1)
    if (entry.kind === 'report' && entry.report.kind === 'fill') {
      fillIds.push(entry.report.fill.fillId)
      bought++
    }
  }
  const orders = await allOrders(exchange.url)
  const fills = await allFills(exchange.url)

  // Every order the exchange ever saw was in the journal first, and none was sent twice.
  expect([...intents.values()].filter(count => count > 1)).toEqual([])
  const clientIds = orders.map(order => String(order['client_order_id']))
  expect(new Set(clientIds).size).toBe(clientIds.length)
  expect(clientIds.filter(id => !intents.has(id))).toEqual([])
  // Every fill the exchange made is in the journal exactly once.
  expect(new Set(fillIds).size).toBe(fillIds.length)
  expect(fillIds.length).toBe(fills.length)
  // Nothing is left working, and the test was about something.
  expect(await ask(exchange.url, '/v2/orders?status=open')).toEqual([])
  expect(bought).toBeGreaterThan(0)
  expect(orders.length).toBeGreaterThan(KILLS)
})
