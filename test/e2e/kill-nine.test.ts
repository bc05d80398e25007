import type {ChildProcess} from 'node:child_process'
import {once} from 'node:events'
import {mkdtempSync, rmSync} from 'node:fs'
import {tmpdir} from 'node:os'
import path from 'node:path'
import process from 'node:process'
import {setTimeout as sleep} from 'node:timers/promises'
import {afterAll, beforeAll, expect, test} from 'vitest'
import {type ExchangeThread, startExchangeThread} from '../../src/core/exchange-thread.ts'
import {findNodes} from '../../src/core/node-file.ts'
import type {TradeSummary} from '../../src/core/trade.ts'
import {createRng} from '../../src/domain/rng.ts'
import {journalled, startNode} from './child-node.ts'
import {allFills, allOrders, ask} from './wire.ts'

const KILLS = Number(process.env['GPI_TEST_KILLS'] ?? 50)
const SPEED = 30

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

const start = (durationMs: number) => startNode('trade-child.ts', home, exchange.url, durationMs, SPEED)

/** Resolves when the node has left its record: it is connected, reconciled or about to be, and trades from here on. */
const trading = async (node: ChildProcess): Promise<void> => {
  const deadline = Date.now() + 60_000
  while (Date.now() < deadline && node.exitCode === null) {
    if (findNodes(home).nodes.some(({pid}) => pid === node.pid)) return
    await sleep(20)
  }
}

test(`killed with -9 at ${KILLS} random moments: no order twice, no fill lost, ledger exact`, {
  timeout: 600_000,
}, async () => {
  const rng = createRng(11, 'kills')
  for (let k = 0; k < KILLS; k++) {
    const node = start(60_000)
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

  const last = start(3_000)
  const [code] = (await once(last, 'exit')) as [number]
  expect(last.words()).not.toMatch(/Error/)
  expect(code).toBe(0)
  const summary = JSON.parse(last.said()) as TradeSummary
  expect(summary).toMatchObject({ledgerErrorMicros: 0, openOrders: 0, reconciliation: {differences: [], orphans: []}})
  expect(summary.resumed).toBe(true)

  const {intents, fillIds} = journalled(home)
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
  expect(fillIds.length).toBeGreaterThan(0)
  expect(orders.length).toBeGreaterThan(KILLS)
})
