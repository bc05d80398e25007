import type {ChildProcess} from 'node:child_process'
import {once} from 'node:events'
import {mkdtempSync, rmSync} from 'node:fs'
import {tmpdir} from 'node:os'
import path from 'node:path'
import process from 'node:process'
import {setTimeout as sleep} from 'node:timers/promises'
import {afterAll, beforeAll, expect, test} from 'vitest'
import {type ExchangeThread, startExchangeThread} from '../../src/core/exchange-thread.ts'
import type {TradeSummary} from '../../src/core/trade.ts'
import {createRng} from '../../src/domain/rng.ts'
import {journalled, startNode} from './child-node.ts'
import {allFills, ask, type Json} from './wire.ts'

const KILLS = Number(process.env['GPI_TEST_SPREAD_KILLS'] ?? 4)
const SPEED = 60

let exchange: ExchangeThread
let home: string
beforeAll(async () => {
  home = mkdtempSync(path.join(tmpdir(), 'gpi-spreads-'))
  exchange = await startExchangeThread({seed: 5, speed: SPEED, symbols: ['SPY'], optionsOn: ['SPY'], port: 0})
})
afterAll(async () => {
  await exchange?.[Symbol.asyncDispose]()
  rmSync(home, {recursive: true, force: true})
})

const start = (durationMs: number) => startNode('spread-child.ts', home, exchange.url, durationMs, SPEED)

const fillCount = async (): Promise<number> => (await allFills(exchange.url)).length

/** Waits until the node has traded more, then not long: the moment is anywhere between an order and its second leg. */
const tradedSome = async (node: ChildProcess, more: number): Promise<void> => {
  const before = await fillCount()
  const deadline = Date.now() + 40_000
  while (Date.now() < deadline && node.exitCode === null && (await fillCount()) < before + more) await sleep(10)
}

const parents = async (): Promise<Json[]> => {
  const found: Json[] = []
  let after = ''
  while (true) {
    const page = await ask(exchange.url, `/v2/orders?status=all&nested=true&limit=500&direction=asc${after}`)
    found.push(...page)
    const last = page.at(-1)
    if (page.length < 500 || last === undefined) return found
    after = `&after_order_id=${String(last['id'])}`
  }
}

test(`a node that trades spreads, killed with -9 ${KILLS} times: no leg lost, none twice`, {
  timeout: 400_000,
}, async () => {
  const rng = createRng(7, 'kills')
  for (let k = 0; k < KILLS; k++) {
    const node = start(120_000)
    const exited = once(node, 'exit')
    await tradedSome(node, 2)
    await sleep(rng.uniform() * 300)
    if (node.exitCode !== null) throw new Error(`the node ended by itself (${node.exitCode}): ${node.words()}`)
    node.kill('SIGKILL')
    await exited
  }
  const last = start(5_000)
  const [code] = (await once(last, 'exit')) as [number]
  expect(last.words()).not.toMatch(/Error/)
  expect(code).toBe(0)
  const summary = JSON.parse(last.said()) as TradeSummary
  expect(summary).toMatchObject({
    ledgerErrorMicros: 0,
    openOrders: 0,
    flat: true,
    resumed: true,
    reconciliation: {differences: [], orphans: []},
  })

  const {intents, fillIds} = journalled(home)
  const orders = await parents()
  const spreads = orders.filter(order => order['order_class'] === 'mleg')
  const fills = await allFills(exchange.url)

  expect([...intents.values()].filter(count => count > 1)).toEqual([])
  expect(orders.map(order => String(order['client_order_id'])).filter(id => !intents.has(id))).toEqual([])
  // Every leg's execution is in the journal once, under the id of the leg's own order.
  expect([...fillIds].sort()).toEqual(
    fills.map(fill => `${String(fill['order_id'])}#${String(fill['cum_qty'])}`).sort(),
  )
  for (const spread of spreads)
    for (const leg of spread['legs'] as Json[]) expect(leg['filled_qty']).toBe(spread['filled_qty'])
  expect(spreads.length).toBeGreaterThanOrEqual(KILLS)
  expect(await ask(exchange.url, '/v2/positions')).toEqual([])
})
