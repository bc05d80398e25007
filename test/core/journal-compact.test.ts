import {existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync} from 'node:fs'
import {tmpdir} from 'node:os'
import path from 'node:path'
import {gunzipSync} from 'node:zlib'
import {afterEach, beforeEach, expect, test} from 'vitest'
import type {JournalEntry} from '../../src/broker/journal.ts'
import {openLatch} from '../../src/broker/kill-latch.ts'
import {memoryJournal} from '../../src/broker/memory-journal.ts'
import {type CompactStep, compactJournal} from '../../src/core/journal-compact.ts'
import {createMarketState} from '../../src/data/market-state.ts'
import {InstrumentTable} from '../../src/domain/instrument.ts'
import type {Fill, OrderIntent} from '../../src/domain/order.ts'
import {createRng} from '../../src/domain/rng.ts'
import {tsUs} from '../../src/domain/units.ts'
import {openSqliteJournal} from '../../src/drivers/sqlite/journal.ts'
import {Engine} from '../../src/engine/engine.ts'
import {staticAllocator} from '../../src/engine/ports.ts'
import {createRiskGate} from '../../src/risk/gate.ts'
import {limits} from '../engine/engine-rig.ts'

const START = 1_700_000_000_000_000
const DAY = 86_400_000_000
let home: string
let file: string
beforeEach(() => {
  home = mkdtempSync(path.join(tmpdir(), 'gpi-compact-'))
  file = path.join(home, 'journal.sqlite')
})
afterEach(() => rmSync(home, {recursive: true, force: true}))

const instruments = InstrumentTable.of(['SPY', 'KO'])

/** Two strategies that quote a thousand times a day and are filled one time in thirty. */
const history = (orders: number): JournalEntry[] => {
  const rng = createRng(3, 'history')
  const entries: JournalEntry[] = [{kind: 'run', tsUs: tsUs(START), runId: 'r', seed: 1, configHash: 'c'}]
  for (let k = 1; k <= orders; k++) {
    const at = tsUs(START + Math.floor((k * 3 * DAY) / orders))
    const clientOrderId = `r-${k % 2}-${k.toString(36)}`
    const instrument = k % 3 === 0 ? 1 : 0
    const side = rng.uniform() < 0.5 ? 'buy' : 'sell'
    const intent = {
      clientOrderId,
      strategy: k % 2 === 0 ? 'a' : 'b',
      instrument,
      side,
      type: 'limit',
      timeInForce: 'day',
      lots: 10,
      limitTicks: 5_000 + k,
      postOnly: true,
      decidedUs: at,
    } as unknown as OrderIntent
    if (k % 11 === 0) {
      entries.push({kind: 'verdict', tsUs: at, clientOrderId, verdict: 'reject', rule: 'order-rate'})
      continue
    }
    entries.push({kind: 'intent', tsUs: at, symbol: 'SPY', intent})
    entries.push({kind: 'report', tsUs: at, report: {kind: 'accepted', clientOrderId, venueOrderId: `v${k}`, tsUs: at}})
    if (k % 30 === 1) {
      const fill = {
        fillId: `f${k}`,
        clientOrderId,
        instrument,
        side,
        lots: 10,
        priceTicks: 5_000 + k,
        feeMicros: 7,
        liquidity: 'maker',
        tsUs: at,
      } as unknown as Fill
      entries.push({
        kind: 'report',
        tsUs: at,
        report: {kind: 'fill', fill, venueOrderId: `v${k}`, leavesLots: 0, tsUs: at},
      })
    } else {
      entries.push({kind: 'cancel', tsUs: at, clientOrderId})
      if (k < orders - 2) entries.push({kind: 'report', tsUs: at, report: {kind: 'cancelled', clientOrderId, tsUs: at}})
    }
  }
  return entries
}

const write = (entries: readonly JournalEntry[]): void => {
  using journal = openSqliteJournal(file, {durable: 'end'})
  for (const entry of entries) journal.append(entry)
}

/** What a node knows after it has restored the file: books, open orders, and the next order ids. */
const restored = () => {
  using journal = openSqliteJournal(file, {readOnly: true})
  const market = createMarketState(instruments.size)
  const sent: string[] = []
  const engine = new Engine({
    runId: 'r',
    seed: 1,
    configHash: 'c',
    instruments,
    market,
    strategies: ['a', 'b'].map(name => ({name, onEvent: () => undefined})),
    allocator: staticAllocator([0.5, 0.5]),
    risk: createRiskGate({limits, instruments, market, equityMicros: 1e12, rules: []}),
    journal: memoryJournal(),
    latch: openLatch,
    outbox: {submit: order => sent.push(order.clientOrderId), cancel: () => undefined},
    rng: createRng(1, 'node'),
    cashMicros: 1e12,
  })
  engine.restore(journal.entries())
  market.bidTicks.fill(5_000)
  market.askTicks.fill(5_002)
  market.bidLots.fill(100)
  market.askLots.fill(100)
  const open = [...engine.desk.orders.keys()]
  engine.desk.wishes.quote(0, 4_990, 10, 0, 0)
  engine.desk.wishes.quote(2, 4_990, 10, 0, 0)
  engine.desk.settle(START + 4 * DAY)
  const {ledger} = engine
  return {
    open,
    sent,
    cash: ledger.cashMicros,
    realized: ledger.realizedMicros,
    fees: ledger.feesMicros,
    fills: ledger.fills,
    error: ledger.errorMicros(),
    lots: [...ledger.account.lots],
    own: [...ledger.own.lots],
    costs: [...ledger.own.costMicros],
  }
}

test('a journal without the orders that came to nothing restores the same books, open orders and next ids', async () => {
  const entries = history(3_000)
  write(entries)
  const before = restored()
  const compacted = await compactJournal(file, {leastEntries: 1_000})
  expect(compacted?.before).toBe(entries.length)
  // Two days of three are old enough to go.
  expect(compacted?.after).toBeLessThan(entries.length * 0.45)
  expect(restored()).toEqual(before)
  expect(before.error).toBe(0)
  expect(before.open.length).toBeGreaterThan(0)
  {
    using journal = openSqliteJournal(file)
    expect(journal.count()).toBe(compacted?.after)
    expect([...journal.entries()].at(-1)?.entry).toMatchObject({kind: 'note', text: expect.stringContaining('sha256')})
    journal.append({kind: 'note', tsUs: tsUs(START + 4 * DAY), text: 'goes on'})
  }
  // The whole of it is still there.
  const whole = path.join(home, 'whole.sqlite')
  writeFileSync(whole, gunzipSync(readFileSync(compacted?.archive ?? '')))
  using archived = openSqliteJournal(whole, {readOnly: true})
  expect([...archived.entries()].map(({entry}) => entry)).toEqual(JSON.parse(JSON.stringify(entries)))
})

test('short journals, and those of orders that mostly fill, are left alone', async () => {
  write(history(300))
  expect(await compactJournal(file, {leastEntries: 10_000})).toBeUndefined()
  expect(await compactJournal(file, {leastEntries: 10, keepUs: 30 * DAY})).toBeUndefined()
  expect(await compactJournal(path.join(home, 'none.sqlite'))).toBeUndefined()
  expect(readdirSync(home)).not.toContain('archive')
})

test.each<CompactStep>(['written', 'archived', 'replaced', 'packed'])(
  'a crash when it is %s loses nothing',
  async step => {
    write(history(1_500))
    const before = restored()
    const crash = compactJournal(file, {
      leastEntries: 100,
      at: reached => {
        if (reached === step) throw new Error('power failure')
      },
    })
    await expect(crash).rejects.toThrow('power failure')
    expect(restored()).toEqual(before)
    // The next start clears up and, where it was not done yet, does it again.
    await compactJournal(file, {leastEntries: 100})
    expect(restored()).toEqual(before)
    expect(existsSync(`${file}.compact`)).toBe(false)
    expect(readdirSync(path.join(home, 'archive')).filter(name => !name.endsWith('.gz'))).toEqual([])
  },
)

test('a journal that another node has open is not touched', async () => {
  write(history(1_500))
  using other = openSqliteJournal(file)
  other.append({kind: 'note', tsUs: tsUs(START + 4 * DAY), text: 'mine'})
  await expect(compactJournal(file, {leastEntries: 100})).rejects.toThrow(/locked/)
  expect(other.append({kind: 'note', tsUs: tsUs(START + 4 * DAY), text: 'still mine'})).toBe(other.count())
})
