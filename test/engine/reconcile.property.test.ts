import fc from 'fast-check'
import {describe, expect, test} from 'vitest'
import type {Journal} from '../../src/broker/journal.ts'
import {openLatch} from '../../src/broker/kill-latch.ts'
import {memoryJournal} from '../../src/broker/memory-journal.ts'
import {applyRow, createMarketState} from '../../src/data/market-state.ts'
import {InstrumentTable} from '../../src/domain/instrument.ts'
import type {ExecutionReport} from '../../src/domain/order.ts'
import {createRng} from '../../src/domain/rng.ts'
import {tsUs} from '../../src/domain/units.ts'
import {Engine} from '../../src/engine/engine.ts'
import {staticAllocator} from '../../src/engine/ports.ts'
import {reconcile, reconcileSince} from '../../src/engine/reconcile.ts'
import {createRiskGate} from '../../src/risk/gate.ts'
import {FakeBroker, type Outcome} from '../support/fake-broker.ts'
import {chunkOf} from '../support/rows.ts'
import {limits, scripted} from './engine-rig.ts'

const START = 1_700_000_000_000_000
const SECOND = 1_000_000
const instruments = InstrumentTable.of(['BTC/USD', 'ETH/USD'])

/** An engine whose orders go to the broker at once; `targets` is what its strategy wants at each row. */
const openEngine = (broker: FakeBroker, journal: Journal, targets: readonly number[]) => {
  const market = createMarketState(instruments.size)
  const engine = new Engine({
    runId: 'run',
    seed: 1,
    configHash: '',
    instruments,
    market,
    strategies: [scripted('s', (row, context) => context.target(0, targets[row] ?? 0))],
    allocator: staticAllocator([1]),
    risk: createRiskGate({limits, instruments, market, equityMicros: 1e12, rules: []}),
    journal,
    latch: openLatch,
    outbox: {
      submit: order => void broker.take(order),
      cancel: id => broker.end(id, 'cancelled'),
    },
    rng: createRng(1),
    cashMicros: 1e12,
  })
  return {engine, market}
}

/** How the line to the broker treats a report. */
type Line = 'through' | 'lost' | 'twice' | 'late'
const step = fc.record({
  target: fc.integer({min: -5, max: 5}),
  outcome: fc.constantFrom<Outcome>('ok', 'ok', 'ok', 'unclear', 'lost'),
  action: fc.constantFrom('fill', 'fill', 'part', 'expire', 'nothing'),
  line: fc.constantFrom<Line>('through', 'through', 'lost', 'twice', 'late'),
})
type Step = typeof step extends fc.Arbitrary<infer S> ? S : never

/** Trades the steps, then dies; returns what the broker and the journal know. */
const live = (steps: readonly Step[]) => {
  const broker = new FakeBroker(instruments)
  const journal = memoryJournal()
  const late: ExecutionReport[] = []
  const {engine, market} = openEngine(
    broker,
    journal,
    steps.map(({target}) => target * 1000),
  )
  let line: Line = 'through'
  let nowUs = START
  broker.onReport(report => engine.onReport(report, nowUs))
  broker.deliver = report => {
    if (line === 'late') late.push(report)
    else if (line !== 'lost') for (let n = 0; n < (line === 'twice' ? 2 : 1); n++) broker.tell(report)
  }
  const chunk = chunkOf(
    steps.map((_, n) => ({at: START + n * SECOND, quote: [990_000, 1_010_000, 1e10, 1e10] as const})),
  )
  engine.start(START)
  for (const [row, {outcome, action, line: next}] of steps.entries()) {
    nowUs = START + row * SECOND
    broker.nowUs = nowUs
    line = next
    broker.outcome = () => outcome
    applyRow(market, chunk, row)
    engine.onRow(chunk, row)
    for (const [id, held] of [...broker.held].filter(([, h]) => broker.isOpen(h))) {
      if (action === 'fill') broker.fill(id, held.order.lots, 1_000_000)
      else if (action === 'part') broker.fill(id, Math.ceil(held.order.lots / 3), 1_000_000)
      else if (action === 'expire') broker.end(id, 'expired')
    }
    if (row % 3 === 2) for (const report of late.splice(0).reverse()) broker.tell(report)
  }
  broker.hangUp()
  broker.deliver = report => broker.tell(report)
  return {broker, journal, engine, nowUs}
}

const reconciled = (engine: Engine, broker: FakeBroker, nowUs: number) =>
  reconcile({
    engine,
    broker,
    instruments,
    runId: 'run',
    sinceUs: reconcileSince(engine, START),
    nowUs: () => tsUs(nowUs),
  })

describe('whatever the line loses, doubles, delays or turns around, and wherever the process dies', () => {
  test('after a restart and a reconciliation, ledger and broker agree to the lot', async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(step, {minLength: 1, maxLength: 25}), async steps => {
        const {broker, journal, nowUs} = live(steps)
        const {engine} = openEngine(broker, journal, [])
        engine.restore(journal.entries())
        const result = await reconciled(engine, broker, nowUs + SECOND)
        expect(result.differences).toEqual([])
        expect(engine.ledger.errorMicros()).toBe(0)
        expect(engine.ledger.fills).toBe(broker.fills.length)
        const open = [...broker.held].filter(([, held]) => broker.isOpen(held)).map(([id]) => id)
        expect([...engine.desk.orders.keys()].sort()).toEqual(open.sort())
      }),
      {numRuns: 150},
    )
  })

  test('reconciling twice is reconciling once', async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(step, {minLength: 1, maxLength: 25}), async steps => {
        const {broker, journal, nowUs} = live(steps)
        const {engine} = openEngine(broker, journal, [])
        engine.restore(journal.entries())
        await reconciled(engine, broker, nowUs + SECOND)
        const hash = journal.hash()
        const again = await reconciled(engine, broker, nowUs + 2 * SECOND)
        expect(again).toMatchObject({missedFills: [], ended: [], neverArrived: [], differences: []})
        expect(journal.hash()).toBe(hash)
      }),
      {numRuns: 100},
    )
  })

  test('no order is ever submitted twice, before or after the restart', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.array(step, {minLength: 1, maxLength: 15}),
        fc.array(step, {maxLength: 15}),
        async (first, second) => {
          const {broker, journal, nowUs} = live(first)
          const {engine, market} = openEngine(
            broker,
            journal,
            second.map(({target}) => target * 1000),
          )
          engine.restore(journal.entries())
          broker.onReport(report => engine.onReport(report, nowUs + SECOND))
          await reconciled(engine, broker, nowUs + SECOND)
          engine.desk.cancelAll(nowUs + SECOND)
          engine.start(nowUs + SECOND)
          const chunk = chunkOf(
            second.map((_, n) => ({at: nowUs + (n + 2) * SECOND, quote: [990_000, 1_010_000, 1e10, 1e10] as const})),
          )
          for (let row = 0; row < second.length; row++) {
            applyRow(market, chunk, row)
            engine.onRow(chunk, row)
          }
          expect(new Set(broker.submitted).size).toBe(broker.submitted.length)
        },
      ),
      {numRuns: 100},
    )
  })

  test('a restored ledger is the ledger that died', () => {
    fc.assert(
      fc.property(fc.array(step, {minLength: 1, maxLength: 25}), steps => {
        const {broker, journal, engine: dead} = live(steps)
        const {engine} = openEngine(broker, journal, [])
        engine.restore(journal.entries())
        expect([...engine.ledger.tradedLots]).toEqual([...dead.ledger.tradedLots])
        expect(engine.ledger.cashMicros).toBe(dead.ledger.cashMicros)
        expect(engine.desk.sent).toBe(dead.desk.sent)
        expect([...engine.desk.orders.keys()]).toEqual([...dead.desk.orders.keys()])
        expect([...engine.desk.orders.values()].map(o => o.leavesLots)).toEqual(
          [...dead.desk.orders.values()].map(o => o.leavesLots),
        )
      }),
    )
  })
})

test('orders and fills of others are shown and left alone', async () => {
  const {broker, journal, nowUs} = live([{target: 1, outcome: 'ok', action: 'fill', line: 'through'}])
  const mine = broker.fills.length
  broker.take({...broker.held.values().next().value?.order, clientOrderId: 'someone-else-1', lots: 5} as never)
  broker.fill('someone-else-1', 2, 1_000_000)
  const {engine} = openEngine(broker, journal, [])
  engine.restore(journal.entries())
  const result = await reconciled(engine, broker, nowUs)
  expect(result.externalOrders).toEqual(['someone-else-1'])
  expect(result.externalFills).toHaveLength(1)
  expect(engine.ledger.fills).toBe(mine)
  expect(broker.cancels).toBe(0)
  expect(result.differences).toEqual([{symbol: 'BTC/USD', ledgerLots: 1000, brokerLots: 1002}])
})
