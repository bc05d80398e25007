import {existsSync, mkdirSync, mkdtempSync, rmSync, statSync, writeFileSync} from 'node:fs'
import {tmpdir} from 'node:os'
import path from 'node:path'
import {afterEach, beforeEach, describe, expect, test, vi} from 'vitest'
import type {ApprovedOrder} from '../../src/broker/broker.ts'
import type {JournalEntry} from '../../src/broker/journal.ts'
import {openLatch} from '../../src/broker/kill-latch.ts'
import {memoryJournal} from '../../src/broker/memory-journal.ts'
import {adoptForeignFills, openAccountRun} from '../../src/core/account-journal.ts'
import {EventQueue} from '../../src/core/event-queue.ts'
import {feedClock} from '../../src/core/feed-clock.ts'
import {openJournalThread} from '../../src/core/journal-thread.ts'
import {checklist, requireChecklist} from '../../src/core/live-checklist.ts'
import {journaledBroker, observedJournal, patientBroker} from '../../src/core/observed.ts'
import {inDollars} from '../../src/core/replay-source.ts'
import {writeWhole} from '../../src/core/run-folder.ts'
import {readStatus} from '../../src/core/status.ts'
import {type StrategyCode, strategyCodeOf} from '../../src/core/strategy-code.ts'
import {parseDurationMs} from '../../src/core/system-clock.ts'
import {targetOf, tradingUrlOf} from '../../src/core/trade-target.ts'
import {InstrumentTable} from '../../src/domain/instrument.ts'
import type {ExecutionReport, Fill} from '../../src/domain/order.ts'
import {ManualClock} from '../../src/domain/time.ts'
import {lots, micros, ticks, tsUs} from '../../src/domain/units.ts'
import {fileLatch} from '../../src/drivers/files/file-latch.ts'
import {openSqliteJournal} from '../../src/drivers/sqlite/journal.ts'
import {FakeBroker} from '../support/fake-broker.ts'

let home: string
beforeEach(() => {
  home = mkdtempSync(path.join(tmpdir(), 'gpi-trade-'))
})
afterEach(() => rmSync(home, {recursive: true, force: true}))

const instruments = InstrumentTable.of(['SPY', 'KO'])
const anOrder = (clientOrderId: string): ApprovedOrder =>
  ({
    clientOrderId,
    strategy: 'mm',
    instrument: 0,
    side: 'buy',
    type: 'market',
    timeInForce: 'day',
    lots: lots(5),
    decidedUs: tsUs(1),
  }) as ApprovedOrder
const aFill = (clientOrderId: string, fillId: string): Fill => ({
  fillId,
  clientOrderId,
  instrument: 0,
  side: 'buy',
  lots: lots(5),
  priceTicks: ticks(1_000_000),
  feeMicros: micros(0),
  liquidity: 'taker',
  tsUs: tsUs(10),
})
const note = (text: string): JournalEntry => ({kind: 'note', tsUs: tsUs(1), text})

describe('the clock of a fed market', () => {
  const setup = () => {
    const wall = new ManualClock(tsUs(0))
    return {wall, clock: feedClock(wall, tsUs(1_000), 60, 6_000_000)}
  }
  test('runs at the market’s speed between two events and jumps with them', () => {
    const {wall, clock} = setup()
    wall.advanceTo(tsUs(1_000))
    expect(clock.nowUs()).toBe(61_000)
    clock.observe(500_000)
    expect(clock.nowUs()).toBe(500_000)
  })
  test('never goes back when a late event arrives, and stops soon after the last one', () => {
    const {wall, clock} = setup()
    wall.advanceTo(tsUs(50_000))
    const before = clock.nowUs()
    clock.observe(2_000)
    expect(clock.nowUs()).toBe(before)
    wall.advanceTo(tsUs(60_000_000))
    expect(clock.nowUs()).toBe(2_000 + 6_000_000)
  })
})

test.each([
  ['30s', 30_000],
  ['2m', 120_000],
  ['1.5h', 5_400_000],
  ['250ms', 250],
  ['7', 7_000],
  ['soon', undefined],
  ['-3s', undefined],
  ['0', undefined],
])('a duration of %s is %s ms', (text, expected) => {
  expect(parseDurationMs(text)).toBe(expected)
})

describe('the queue to a slow reader', () => {
  test('keeps order, ends when closed, and loses only snapshots', async () => {
    const queue = new EventQueue<{kind: string; n: number}>()
    for (let n = 0; n < 6_000; n++) queue.push({kind: n % 2 === 0 ? 'fill' : 'risk', n})
    queue.close()
    const read: {kind: string; n: number}[] = []
    for await (const item of queue) read.push(item)
    expect(read.filter(({kind}) => kind === 'fill')).toHaveLength(3_000)
    expect(read.map(({n}) => n)).toEqual(read.map(({n}) => n).toSorted((a, b) => a - b))
    expect(read.length + queue.dropped).toBe(6_000)
    expect(queue.dropped).toBeGreaterThan(0)
  })
  test('wakes a reader that waits', async () => {
    const queue = new EventQueue<{kind: string}>()
    const first = queue[Symbol.asyncIterator]().next()
    queue.push({kind: 'fill'})
    expect(await first).toEqual({done: false, value: {kind: 'fill'}})
  })
})

describe('where orders go', () => {
  const base = {broker: 'alpaca', live: false, understandsLive: false, environment: {}} as const
  const keys = {APCA_API_KEY_ID: 'id', APCA_API_SECRET_KEY: 'secret'}
  test('without keys and with the local broker: an exchange of the node’s own', () => {
    expect(targetOf({...base, broker: 'local'})).toBeUndefined()
  })
  test('keys alone lead to paper, never to real money', () => {
    const target = targetOf({...base, environment: keys})
    expect(target).toEqual({kind: 'paper', keyId: 'id', secret: 'secret'})
    expect(tradingUrlOf(target as NonNullable<typeof target>)).toBe('https://paper-api.alpaca.markets')
  })
  test.each([
    {options: base, code: 'MISSING_KEYS'},
    {options: {...base, live: true, environment: keys}, code: 'LIVE_NOT_CONFIRMED'},
    {options: {...base, broker: 'local', live: true} as const, code: 'LIVE_NEEDS_ALPACA'},
    {options: {...base, broker: 'local', exchange: 'http://10.0.0.1:80'} as const, code: 'EXCHANGE_URL'},
    {options: {...base, broker: 'local', exchange: 'nonsense'} as const, code: 'EXCHANGE_URL'},
  ])('$code', ({options, code}) => {
    expect(() => targetOf(options)).toThrow(expect.objectContaining({code, exitCode: 2}))
  })
  test('real money needs a rehearsal with the same configuration, capital, no open orders and a clock that agrees', () => {
    const input = {
      home,
      strategies: ['market-making'],
      configHash: 'h',
      equityMicros: 200_000_000_000,
      minimumCapitalDollars: 100_000,
      openOrders: 0,
      clockSkewMs: 3,
      code: [],
    }
    expect(() => requireChecklist(input)).toThrow(
      expect.objectContaining({code: 'CHECKLIST_FAILED', exitCode: 3, hints: [expect.stringContaining('paper run')]}),
    )
    writeWhole(path.join(home, 'runs', 'r', 'summary.json'), {configHash: 'h', ledgerErrorMicros: 0, fills: 3})
    expect(() => requireChecklist(input)).not.toThrow()
    const bad = checklist({
      ...input,
      configHash: 'other',
      equityMicros: 1,
      openOrders: 2,
      clockSkewMs: 5_000,
      strategies: [],
    })
    expect(bad.every(({passed}) => !passed)).toBe(true)
  })
  test('real money needs a paper run from the very code of a strategy file', () => {
    const codeOf = (folder: string, text: string): StrategyCode => {
      mkdirSync(path.join(home, folder), {recursive: true})
      writeFileSync(path.join(home, folder, 'mine.ts'), text)
      return strategyCodeOf(path.join(home, folder, 'mine.ts'))
    }
    const point = (code: StrategyCode) =>
      checklist({
        home,
        strategies: [code.strategy],
        configHash: 'h',
        equityMicros: 0,
        minimumCapitalDollars: 0,
        openOrders: 0,
        clockSkewMs: 0,
        code: [code],
      }).find(({name}) => name === 'code of the paper run')
    const [code, edited, elsewhere] = [codeOf('a', 'one'), codeOf('b', 'two'), codeOf('c', 'one')]
    expect(point(code)).toMatchObject({passed: false, found: expect.stringContaining('no paper run was made from it')})
    const run = {configHash: 'h', ledgerErrorMicros: 0, fills: 3, strategyCode: [code]}
    writeWhole(path.join(home, 'runs', 'r', 'summary.json'), run)
    expect([code, elsewhere].map(point)).toMatchObject([{passed: true}, {passed: true}])
    expect(point(edited)).toMatchObject({
      passed: false,
      found: expect.stringMatching(
        /mine\.ts is [0-9a-f]{12}; the last paper run was made from [0-9a-f]{12}: mine\.ts differs/,
      ),
    })
  })
})

describe('the run of an account', () => {
  test('is new for an account that holds nothing, and the same one ever after', async () => {
    const broker = new FakeBroker(instruments)
    const first = await openAccountRun(path.join(home, 'a'), broker, () => 'r1')
    expect(first).toMatchObject({runId: 'r1', resumed: false})
    expect(await openAccountRun(path.join(home, 'a'), broker, () => 'r2')).toEqual({...first, resumed: true})
  })
  test('is refused for an account that holds what nobody here traded', async () => {
    const broker = new FakeBroker(instruments)
    broker.take(anOrder('someone-1'))
    broker.fill('someone-1', 5, 1_000_000)
    await expect(openAccountRun(path.join(home, 'a'), broker, () => 'r1')).rejects.toMatchObject({
      code: 'ACCOUNT_NOT_FLAT',
      exitCode: 3,
    })
  })
  test('takes over what a kill traded since, once', async () => {
    const broker = new FakeBroker(instruments)
    const journal = memoryJournal()
    broker.nowUs = 10
    broker.take(anOrder('r1-0-1'))
    broker.fill('r1-0-1', 5, 1_000_000)
    journal.append({kind: 'report', tsUs: tsUs(10), report: broker.fills[0] as (typeof broker.fills)[number]})
    broker.take(anOrder('kill-1'))
    broker.fill('kill-1', 5, 1_000_000)
    expect(await adoptForeignFills(journal, broker, 'r1')).toBe(1)
    expect(await adoptForeignFills(journal, broker, 'r1')).toBe(0)
  })
  test('adopts nothing before the account’s journal has begun', async () => {
    const broker = new FakeBroker(instruments)
    broker.take(anOrder('person-1'))
    broker.fill('person-1', 5, 1_000_000)
    expect(await adoptForeignFills(memoryJournal(), broker, 'r1')).toBe(0)
  })
})

describe('the wrapped broker', () => {
  test('an order leaves only after the journal is on the disk, once for all orders of an instant', async () => {
    const broker = new FakeBroker(instruments)
    const log: string[] = []
    const wrapped = journaledBroker(broker, {
      journal: {
        sync: async () => {
          await new Promise(resolve => setImmediate(resolve))
          log.push(`synced, ${broker.submitted.length} sent before`)
        },
      },
      latch: openLatch,
      onSent: id => log.push(`sent ${id}`),
    })
    await Promise.all([wrapped.submit(anOrder('a')), wrapped.submit(anOrder('b'))])
    await wrapped.submit(anOrder('c'))
    expect(log).toEqual(['synced, 0 sent before', 'sent a', 'sent b', 'synced, 2 sent before', 'sent c'])
  })
  test('what cannot be journaled is not sent', async () => {
    const broker = new FakeBroker(instruments)
    const wrapped = journaledBroker(broker, {
      journal: {sync: () => Promise.reject(new Error('disk full'))},
      latch: openLatch,
      onSent: () => {},
    })
    await expect(wrapped.submit(anOrder('a'))).rejects.toThrow('disk full')
    expect(broker.submitted).toEqual([])
  })
  test('an order whose latch closed while it waited for the disk comes back rejected, never sent', async () => {
    const broker = new FakeBroker(instruments)
    let latched = false
    const wrapped = journaledBroker(broker, {
      journal: {
        sync: async () => {
          latched = true
        },
      },
      latch: {...openLatch, check: () => (latched ? {latched, reason: 'killed'} : {latched: false})},
      onSent: () => {},
    })
    const reports: ExecutionReport[] = []
    wrapped.onReport(report => reports.push(report))
    await wrapped.submit(anOrder('a'))
    expect(broker.submitted).toEqual([])
    expect(reports).toMatchObject([{kind: 'rejected', clientOrderId: 'a', code: 'latched', reason: 'killed'}])
  })
  test('a broker that makes orders ready may let them go after the sync, or not at all', async () => {
    const log: string[] = []
    let [latched, fails] = [false, false]
    const broker = new FakeBroker(instruments)
    const wrapped = journaledBroker(
      Object.assign(broker, {
        submitWhen: async ({clientOrderId}: ApprovedOrder, go: Promise<boolean>): Promise<void> => {
          log.push(`ready ${clientOrderId}`)
          log.push((await go) ? `left ${clientOrderId}` : `held ${clientOrderId}`)
        },
      }),
      {
        journal: {
          sync: async () => {
            await new Promise(resolve => setImmediate(resolve))
            log.push('synced')
            if (fails) throw new Error('disk full')
          },
        },
        latch: {...openLatch, check: () => (latched ? {latched, reason: 'killed'} : {latched: false})},
        onSent: () => {},
      },
    )
    const reports: ExecutionReport[] = []
    wrapped.onReport(report => reports.push(report))
    await Promise.all([wrapped.submit(anOrder('a')), wrapped.submit(anOrder('b'))])
    expect(log.splice(0)).toEqual(['ready a', 'ready b', 'synced', 'left a', 'left b'])
    latched = true
    await wrapped.submit(anOrder('c'))
    expect(log.splice(0)).toEqual(['ready c', 'synced', 'held c'])
    expect(reports).toMatchObject([{kind: 'rejected', clientOrderId: 'c', code: 'latched'}])
    fails = true
    await expect(wrapped.submit(anOrder('d'))).rejects.toThrow('disk full')
    expect(log).toEqual(['ready d', 'synced'])
  })
  test('questions wait for a kill at work; cancels do not', async () => {
    const broker = new FakeBroker(instruments)
    let release = (): void => {}
    const quiet = new Promise<void>(resolve => {
      release = resolve
    })
    const wrapped = patientBroker(broker, {runId: 'r', quiet: () => quiet})
    let answered = false
    const asked = wrapped.openOrders().then(() => {
      answered = true
    })
    await wrapped.cancel('nothing')
    expect(answered).toBe(false)
    release()
    await asked
    expect(answered).toBe(true)
  })
  test('fills of others are booked under an id of the run, our own keep theirs', async () => {
    const broker = new FakeBroker(instruments)
    for (const id of ['r-0-1', 'kill-1']) {
      broker.take(anOrder(id))
      broker.fill(id, 5, 1_000_000)
    }
    const wrapped = patientBroker(broker, {runId: 'r', quiet: async () => {}})
    expect((await wrapped.fillsSince(tsUs(0))).map(({fill}) => fill.clientOrderId)).toEqual(['r-0-1', 'r-other-kill-1'])
  })
})

test('a watched journal tells each fill with the strategy whose order it was, also for orders of a life before', () => {
  const journal = memoryJournal()
  journal.append({kind: 'intent', tsUs: tsUs(1), symbol: 'SPY', intent: {...anOrder('r-0-1'), strategy: 'before'}})
  const heard: string[] = []
  const watched = observedJournal(journal, (strategy, {fillId}) => heard.push(`${strategy} ${fillId}`))
  const report = (id: string, fillId: string) =>
    watched.append({
      kind: 'report',
      tsUs: tsUs(2),
      report: {kind: 'fill', fill: aFill(id, fillId), venueOrderId: 'v', leavesLots: 0, tsUs: tsUs(2)},
    })
  report('r-0-1', 'f1')
  report('someone', 'f2')
  expect(heard).toEqual(['before f1', 'external f2'])
})

describe('the journal behind a thread', () => {
  test('is durable when sync resolves, has the hash of the file, and goes on where it stopped', async () => {
    const file = path.join(home, 'journal.sqlite')
    {
      await using journal = await openJournalThread(file, () => {})
      expect(journal.append(note('one'))).toBe(1)
      expect(journal.append(note('two'))).toBe(2)
      await journal.sync()
      using seen = openSqliteJournal(file, {readOnly: true})
      expect([...seen.entries()].map(({entry}) => (entry.kind === 'note' ? entry.text : ''))).toEqual(['one', 'two'])
      expect(journal.hash()).toBe(seen.hash())
      journal.append(note('three'))
    }
    await using again = await openJournalThread(file, () => {})
    expect([...again.entries()]).toHaveLength(3)
    expect(again.append(note('four'))).toBe(4)
    using seen = openSqliteJournal(file, {readOnly: true})
    await again.sync()
    expect([...seen.entries()]).toHaveLength(4)
  })
  test('its log never grows while it is written, and leaves nothing behind', async () => {
    const file = path.join(home, 'journal.sqlite')
    const lengths: number[] = []
    {
      await using journal = await openJournalThread(file, () => {})
      for (let k = 0; k < 5; k++) {
        lengths.push(statSync(`${file}-wal`).size)
        for (let n = 0; n < 50; n++) journal.append(note('x'.repeat(500)))
        await journal.sync()
      }
      expect([...journal.entries()]).toHaveLength(250)
    }
    expect(lengths[0]).toBeGreaterThan(8_000_000)
    expect(new Set(lengths).size).toBe(1)
    expect(statSync(file).size).toBeLessThan(500_000)
    expect(existsSync(`${file}-wal`)).toBe(false)
  })
  test('a file that is no journal is refused as the user’s to fix', async () => {
    const file = path.join(home, 'not-a-journal')
    writeFileSync(file, 'this is text, and long enough to be mistaken for nothing else but text')
    await expect(openJournalThread(file, () => {})).rejects.toMatchObject({code: 'JOURNAL_UNREADABLE'})
  })
  test('a journal that is removed while it is written ends the run', async () => {
    vi.useFakeTimers({toFake: ['setInterval']})
    try {
      const folder = path.join(home, 'run')
      const failures: unknown[] = []
      await using journal = await openJournalThread(path.join(folder, 'journal.sqlite'), error => failures.push(error))
      journal.append(note('one'))
      vi.advanceTimersByTime(1_000)
      await journal.sync()
      expect(failures).toEqual([])
      rmSync(folder, {recursive: true})
      vi.advanceTimersByTime(1_000)
      expect(failures).toEqual([expect.objectContaining({code: 'JOURNAL_UNWRITABLE'})])
      expect(() => journal.append(note('two'))).toThrow(/removed or replaced/)
    } finally {
      vi.useRealTimers()
    }
  })
  test('a second writer fails the sync, and every later append', async () => {
    const file = path.join(home, 'journal.sqlite')
    const failures: string[] = []
    await using journal = await openJournalThread(file, error => failures.push((error as {code?: string}).code ?? ''))
    {
      using other = openSqliteJournal(file)
      other.append(note('from elsewhere'))
    }
    journal.append(note('mine'))
    await expect(journal.sync()).rejects.toMatchObject({code: 'JOURNAL_TAKEN'})
    expect(failures).toEqual(['JOURNAL_TAKEN'])
    expect(() => journal.append(note('again'))).toThrow(expect.objectContaining({code: 'JOURNAL_TAKEN'}))
  })
})

test('status tells the latch and the last run, and reads an empty home', () => {
  mkdirSync(home, {recursive: true})
  expect(readStatus(home)).toMatchObject({latched: false, nodes: [], stale: [], killing: false})
  expect(readStatus(path.join(home, 'not-there'))).toMatchObject({latched: false, nodes: []})
  fileLatch(home).engage('by hand')
  writeWhole(path.join(home, 'runs', '20250101-000000-aaaa', 'summary.json'), {runId: 'older'})
  writeWhole(path.join(home, 'runs', '20250102-000000-aaaa', 'summary.json'), {runId: 'newer'})
  expect(readStatus(home)).toMatchObject({latched: true, latchReason: 'by hand', lastRun: {runId: 'newer'}})
})

test('pairs against a pegged coin are replayed against the dollar, unless the dollar pair is there itself', () => {
  const source = (symbols: readonly string[]) => ({
    instruments: InstrumentTable.of(symbols),
    chunks: async function* () {},
  })
  const names = (symbols: readonly string[]) =>
    inDollars(source(symbols))
      .instruments.all()
      .map(({symbol, quote}) => [symbol, quote])
  expect(names(['BTC/USDT', 'SPY', 'ETH/BTC'])).toEqual([
    ['BTC/USD', 'USD'],
    ['SPY', 'USD'],
    ['ETH/BTC', 'BTC'],
  ])
  expect(names(['BTC/USD', 'BTC/USDT'])).toEqual([
    ['BTC/USD', 'USD'],
    ['BTC/USDT', 'USDT'],
  ])
  expect(names(['BTC/USDC', 'BTC/USDT'])).toEqual([
    ['BTC/USDC', 'USDC'],
    ['BTC/USDT', 'USDT'],
  ])
})
