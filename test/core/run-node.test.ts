import v8 from 'node:v8'
import {describe, expect, test} from 'vitest'
import type {Journal} from '../../src/broker/journal.ts'
import {openLatch} from '../../src/broker/kill-latch.ts'
import {memoryJournal} from '../../src/broker/memory-journal.ts'
import type {NodeOptions} from '../../src/core/node-options.ts'
import {runNode} from '../../src/core/run-node.ts'
import type {TradeEvent} from '../../src/core/trade-events.ts'
import {InstrumentTable} from '../../src/domain/instrument.ts'
import {ManualClock, type Scheduler} from '../../src/domain/time.ts'
import {tsUs} from '../../src/domain/units.ts'
import {staticAllocator} from '../../src/engine/ports.ts'
import type {Feed} from '../../src/feed/feed.ts'
import {limits, scripted} from '../engine/engine-rig.ts'
import {FakeBroker} from '../support/fake-broker.ts'
import {chunkOf} from '../support/rows.ts'

const START = 1_700_000_000_000_000
const SECOND = 1_000_000
const instruments = InstrumentTable.of(['BTC/USD'])
const COIN = 1e8

/** Timers that run as soon as the event loop turns; time itself moves with the feed. */
const eager: Scheduler = {
  after: (_delayUs, run) => {
    const handle = setImmediate(run)
    return () => clearImmediate(handle)
  },
}
/** Wall timers of a day that is fifty times as short. */
const quick: Scheduler = {
  after: (delayUs, run) => {
    const handle = setTimeout(run, delayUs / 50_000)
    return () => clearTimeout(handle)
  },
}
const never: Scheduler = {after: () => () => undefined}

interface Rig {
  readonly rows?: number
  readonly targets?: readonly number[]
  readonly journal?: Journal
  readonly broker?: FakeBroker
  /** Runs before row `n` is delivered. */
  readonly before?: (row: number) => void
  readonly options?: Partial<NodeOptions>
}

const run = async ({
  rows = 4,
  targets = [COIN],
  journal = memoryJournal(),
  broker = new FakeBroker(instruments),
  before,
  options,
}: Rig) => {
  const clock = new ManualClock(tsUs(START))
  const events: TradeEvent[] = []
  const turn = () => new Promise(resolve => setImmediate(resolve))
  const feed: Feed = {
    name: 'test',
    instruments,
    chunks: async function* () {
      for (let n = 0; n < rows; n++) {
        before?.(n)
        clock.advanceTo(tsUs(START + n * SECOND))
        broker.nowUs = clock.nowUs()
        yield chunkOf([{at: clock.nowUs(), quote: [990_000, 1_010_000, 100 * COIN, 100 * COIN]}])
        for (let k = 0; k < 10; k++) await turn()
        for (const [id, held] of [...broker.held])
          if (held.order.type === 'market') broker.fill(id, held.order.lots, 1_010_000)
      }
    },
    [Symbol.asyncDispose]: async () => undefined,
  }
  const summary = await runNode({
    runId: 'node',
    seed: 1,
    configHash: 'c',
    feed,
    broker,
    strategies: [
      scripted('s', (row, context) => context.target(0, targets[Math.min(row, targets.length - 1)] as number)),
    ],
    allocator: staticAllocator([1]),
    limits,
    rules: [],
    journal,
    latch: openLatch,
    clock,
    scheduler: never,
    wallScheduler: eager,
    onEvent: event => events.push(event),
    signal: new AbortController().signal,
    ...options,
  })
  return {summary, events, broker, journal, kinds: events.map(event => event.kind)}
}

describe('runNode', () => {
  test('trades what its strategy wants and says so', async () => {
    const {summary, events, broker} = await run({targets: [COIN, COIN, 0]})
    expect(summary).toMatchObject({
      events: 4,
      orders: 2,
      fills: 2,
      rejected: 0,
      ledgerErrorMicros: 0,
      stoppedBy: 'feed-end',
      openOrders: 0,
      reconciliation: {missedFills: [], differences: []},
    })
    expect(summary.equityMicros).toBe(1e12 - 2 * 3)
    expect(broker.submitted).toEqual(['node-0-1', 'node-0-2'])
    expect(events[0]).toMatchObject({kind: 'run', phase: 'started'})
    expect(events.at(-1)).toMatchObject({kind: 'run', phase: 'ended', journalHash: summary.journalHash})
  })

  test('a chunk that takes long lets timers and reports have their turn before its end', async () => {
    const rowsAtTurn: number[] = []
    let row = 0
    const feed: Feed = {
      name: 'burst',
      instruments,
      chunks: async function* () {
        setImmediate(() => rowsAtTurn.push(row))
        yield chunkOf(
          Array.from({length: 64}, (_, n) => ({at: tsUs(START + n), quote: [990_000, 1_010_000, COIN, COIN] as const})),
        )
      },
      [Symbol.asyncDispose]: async () => undefined,
    }
    const slow = scripted('s', () => {
      row++
      const untilMs = performance.now() + 1
      while (performance.now() < untilMs);
    })
    const {summary} = await run({options: {feed, strategies: [slow]}})
    expect(summary.events).toBe(64)
    expect(rowsAtTurn).toHaveLength(1)
    expect(rowsAtTurn[0]).toBeLessThan(16)
  })

  test('an order does not wait for the rest of its chunk', async () => {
    const rowsAtTurn: number[] = []
    let row = 0
    const feed: Feed = {
      name: 'burst',
      instruments,
      chunks: async function* () {
        yield chunkOf(
          Array.from({length: 6}, (_, n) => ({at: tsUs(START + n), quote: [990_000, 1_010_000, COIN, COIN] as const})),
        )
      },
      [Symbol.asyncDispose]: async () => undefined,
    }
    const slow = scripted('s', (_, context) => {
      row++
      if (row === 2) {
        context.target(0, COIN)
        setImmediate(() => rowsAtTurn.push(row))
      }
      const untilMs = performance.now() + 0.3
      while (performance.now() < untilMs);
    })
    await run({options: {feed, strategies: [slow]}})
    expect(rowsAtTurn).toHaveLength(1)
    expect(rowsAtTurn[0]).toBeLessThan(6)
  })

  test('keeps nothing of the chunks it has taken, however long it runs', async () => {
    const live: number[] = []
    await run({
      rows: 600,
      before: row => {
        if (row % 250 === 50) live.push(v8.queryObjects(Promise, {format: 'count'}))
      },
    })
    expect(live).toHaveLength(3)
    expect((live[2] as number) - (live[0] as number)).toBeLessThan(250)
  })

  test('an answer that was lost is asked for, and never sent again', async () => {
    const broker = new FakeBroker(instruments)
    broker.outcome = () => 'unclear'
    const {summary} = await run({broker})
    expect(broker.submitted).toEqual(['node-0-1'])
    expect(summary).toMatchObject({fills: 1, openOrders: 0})
  })

  test('a request that is never answered does not keep a node that was told to stop: the broker is asked instead', async () => {
    const broker = new FakeBroker(instruments)
    const arrived = broker.submit
    Object.assign(broker, {
      submit: (order: Parameters<typeof arrived>[0]) => {
        // It arrives, its answer and every report of it are lost, and nobody says so.
        broker.deliver = () => {}
        void arrived(order).catch(() => {})
        return new Promise<void>(() => {})
      },
    })
    const stop = new AbortController()
    const {summary, events} = await run({
      broker,
      rows: 3,
      before: row => {
        if (row === 2) stop.abort('signal')
      },
      options: {signal: stop.signal, wallScheduler: quick, answerMs: 200},
    })
    expect(summary).toMatchObject({stoppedBy: 'signal', fills: 1, ledgerErrorMicros: 0, openOrders: 0})
    expect(summary.reconciliation).toMatchObject({missedFills: ['fill-1'], differences: []})
    expect(events.some(event => event.kind === 'log' && event.text.includes('1 requests were not answered'))).toBe(true)
    expect(broker.submitted).toHaveLength(1)
  })

  test('a comparison that the network spoils is made again; a run of them ends the node with what it has', async () => {
    const broker = new FakeBroker(instruments)
    const trouble = Object.assign(new Error('The request was aborted'), {name: 'FetchError'})
    const ask = broker.fillsSince
    const failing = (from: number, until: number) => (row: number) => {
      const fillsSince = row >= from && row < until ? () => Promise.reject(trouble) : ask
      Object.assign(broker, {fillsSince})
    }
    const options = {scheduler: eager, reconcileEveryUs: SECOND}
    const once = await run({broker, rows: 12, before: failing(4, 6), options})
    expect(once.summary).toMatchObject({stoppedBy: 'feed-end', fills: 1})
    expect(once.events.some(event => event.kind === 'log' && event.text.includes('could not be compared'))).toBe(true)
    await expect(
      run({
        rows: 40,
        before: () => undefined,
        broker: Object.assign(new FakeBroker(instruments), {
          fillsSince: (sinceUs: number) =>
            sinceUs > START - 61 * SECOND + 6 * SECOND ? Promise.reject(trouble) : Promise.resolve([]),
        }),
        options: {...options, wallScheduler: quick, answerMs: 200},
      }),
    ).rejects.toMatchObject({code: 'BROKER_SILENT'})
  })

  test('holdings that stay different from the books are told of once, and once more at the end', async () => {
    const broker = new FakeBroker(instruments)
    const {positions} = broker
    const before = (row: number): void => {
      if (row === 4)
        Object.assign(broker, {positions: async () => [{symbol: 'BTC/USD', lots: 7 * COIN, averageMicros: 0}]})
      if (row === 24) Object.assign(broker, {positions})
    }
    const texts = async (rows: number): Promise<string[]> => {
      const {events} = await run({
        broker,
        rows,
        targets: [0],
        before,
        options: {scheduler: eager, reconcileEveryUs: SECOND},
      })
      return events.flatMap(event =>
        event.kind === 'log' && event.text.includes('than the books') ? [event.text] : [],
      )
    }
    const [twice, atEnd, ...more] = await texts(20)
    expect(twice).toMatch(/twice in a row: .* 7 there, 0 here/)
    expect([atEnd, ...more]).toEqual([expect.stringContaining('at the end')])
    expect(await texts(40)).toEqual([twice])
  })

  test('what works in the market is taken back when the market is not seen any more', async () => {
    const broker = new FakeBroker(instruments)
    let isBlind = false
    const cancels: number[] = []
    const before = (row: number): void => {
      if (row === 3 || row === 8) cancels.push(broker.cancels)
      isBlind = row >= 3 && row < 8
    }
    const quoting = scripted('s', (row, context) => {
      if (row === 0) context.target(0, COIN, {limitTicks: 900_000})
    })
    const {events} = await run({
      broker,
      rows: 12,
      before,
      options: {scheduler: eager, strategies: [quoting], isBlind: () => isBlind},
    })
    // Taken back while it lasts, and sent again after.
    expect(cancels).toEqual([0, 1])
    expect(broker.submitted).toEqual(['node-0-1', 'node-0-2'])
    const told = events.filter(event => event.kind === 'log' && event.text.includes('the market is not seen'))
    expect(told).toHaveLength(1)
  })

  test('a broker that says nothing at all is left with the names of what is unclear, as a timeout', async () => {
    const broker = new FakeBroker(instruments)
    const stop = new AbortController()
    const mute = () => new Promise<never>(() => {})
    const before = (row: number): void => {
      if (row === 1) Object.assign(broker, {submit: mute, cancel: mute, orderByClientId: mute, fillsSince: mute})
      if (row === 3) stop.abort('signal')
    }
    await expect(
      run({
        broker,
        rows: 4,
        targets: [0, COIN],
        before,
        options: {signal: stop.signal, wallScheduler: quick, answerMs: 200},
      }),
    ).rejects.toMatchObject({code: 'BROKER_SILENT', exitCode: 5, message: expect.stringContaining('node-0-1')})
  })

  test('an order that never arrived is given up after asking, and its target is tried again with a new id', async () => {
    const broker = new FakeBroker(instruments)
    broker.outcome = ({clientOrderId}) => (clientOrderId === 'node-0-1' ? 'lost' : 'ok')
    const {summary} = await run({broker, rows: 60, options: {scheduler: eager, reconcileEveryUs: 10 * SECOND}})
    expect(broker.submitted).toEqual(['node-0-1', 'node-0-2'])
    expect(summary).toMatchObject({fills: 1, rejected: 1})
  })

  test('stops for the latch: cancels what works, sends nothing more, flattens nothing', async () => {
    let latched = false
    const broker = new FakeBroker(instruments)
    const {summary} = await run({
      broker,
      targets: [COIN, 2 * COIN, 3 * COIN],
      before: row => {
        latched = row >= 2
      },
      options: {latch: {check: () => (latched ? {latched, reason: 'drill'} : {latched: false})}, flattenOnStop: true},
    })
    expect(summary).toMatchObject({stoppedBy: 'kill', latched: true, openOrders: 0})
    expect(broker.submitted).toHaveLength(2)
  })

  test('a stop with flatten closes what is held', async () => {
    const stop = new AbortController()
    const broker = new FakeBroker(instruments)
    broker.deliver = report => {
      broker.tell(report)
      if (report.kind === 'accepted') broker.fill(report.clientOrderId, COIN, 1_000_000)
    }
    const {summary} = await run({
      broker,
      before: row => row === 2 && stop.abort('duration'),
      options: {signal: stop.signal, flattenOnStop: true},
    })
    expect(summary).toMatchObject({stoppedBy: 'duration', fills: 2, openOrders: 0})
    expect(await broker.positions()).toEqual([])
  })

  test('goes on after a crash where the journal stopped', async () => {
    const journal = memoryJournal()
    const broker = new FakeBroker(instruments)
    const first = await run({journal, broker, targets: [COIN]})
    broker.hangUp()
    // Filled while nobody listened.
    const second = await run({journal, broker, targets: [COIN, 3 * COIN]})
    expect(second.summary).toMatchObject({orders: 2, fills: 2, ledgerErrorMicros: 0})
    expect(broker.submitted).toEqual(['node-0-1', 'node-0-2'])
    expect(first.summary.journalHash).not.toBe(second.summary.journalHash)
    expect([...journal.entries()].filter(({entry}) => entry.kind === 'run')).toHaveLength(1)
  })

  test('a strategy that throws stops the node after its orders are cancelled, and the error comes out', async () => {
    const broker = new FakeBroker(instruments)
    const failing = run({
      broker,
      options: {
        strategies: [
          {
            name: 'bad',
            onEvent: (context, chunk) => {
              if ((chunk.tsUs[0] as number) > START) throw new Error('a bug in a strategy')
              context.target(0, COIN, {limitTicks: 900_000})
            },
          },
        ],
      },
    })
    await expect(failing).rejects.toThrow('a bug in a strategy')
    expect(await broker.openOrders()).toEqual([])
    expect(broker.cancels).toBe(1)
  })
})
