import {describe, expect, test} from 'vitest'
import {openLatch} from '../../src/broker/kill-latch.ts'
import {memoryJournal} from '../../src/broker/memory-journal.ts'
import {applyRow, createMarketState} from '../../src/data/market-state.ts'
import {type Auction, barredUntilUs, queuedFromUs} from '../../src/domain/auction-hours.ts'
import {newYorkToUtcUs, parseDay} from '../../src/domain/calendar.ts'
import {InstrumentTable} from '../../src/domain/instrument.ts'
import {createRng} from '../../src/domain/rng.ts'
import {US_PER_DAY, US_PER_HOUR, US_PER_MINUTE} from '../../src/domain/units.ts'
import {Engine} from '../../src/engine/engine.ts'
import {staticAllocator} from '../../src/engine/ports.ts'
import {constantLatency} from '../../src/exchange/latency.ts'
import {createRiskGate} from '../../src/risk/gate.ts'
import {session} from '../../src/risk/rules/state-rules.ts'
import type {StrategyContext} from '../../src/strategies/strategy.ts'
import {FakeBroker} from '../support/fake-broker.ts'
import {chunkOf, type Row} from '../support/rows.ts'
import {limits, scripted, simulate} from './engine-rig.ts'

const at = (text: string): number => {
  const [day = '', clock = ''] = text.split(' ')
  const [hours = 0, minutes = 0, seconds = 0] = clock.split(':').map(Number)
  return newYorkToUtcUs(parseDay(day) * US_PER_DAY + hours * US_PER_HOUR + minutes * US_PER_MINUTE + seconds * 1e6)
}
const DOLLAR = 10_000
const quote = (when: string, dollars: number): Row => ({
  at: at(when),
  quote: [(dollars - 1) * DOLLAR, (dollars + 1) * DOLLAR, 1_000, 1_000],
})
const print = (when: string, dollars: number, lots = 1_000): Row => ({at: at(when), trade: [dollars * DOLLAR, lots]})

/** What happened, in words, of a strategy that does `script` at each row. */
const run = (rows: readonly Row[], script: (row: number, context: StrategyContext) => void, symbol = 'SPY') => {
  const {entries, ledger} = simulate([scripted('s', script)], rows, {
    symbols: [symbol],
    rules: [session],
    latency: constantLatency(500),
  })
  const said = entries.flatMap(entry => {
    if (entry.kind === 'intent') return [`${entry.intent.side} ${entry.intent.lots} ${entry.intent.timeInForce}`]
    if (entry.kind === 'verdict') return [`${entry.rule} ${entry.detail}`]
    if (entry.kind === 'cancel') return ['cancel']
    if (entry.kind !== 'report' || entry.report.kind === 'accepted') return []
    if (entry.report.kind !== 'fill') return [entry.report.kind]
    const {lots, priceTicks, tsUs} = entry.report.fill
    return [`${lots} at ${priceTicks / DOLLAR} after ${Math.round((tsUs - (rows[0] as Row).at) / US_PER_MINUTE)} min`]
  })
  return {said, held: ledger.tradedLots[0]}
}
const wants =
  (lots: number, timeInForce: Auction, limitTicks?: number) =>
  (_: number, context: StrategyContext): void =>
    context.target(0, lots, {timeInForce, ...(limitTicks === undefined ? {} : {limitTicks})})

describe('a target for an auction', () => {
  const day: Row[] = [
    quote('2024-11-29 10:00', 600),
    print('2024-11-29 12:00', 601),
    print('2024-11-29 12:59:59', 602),
    print('2024-11-29 13:00', 603),
    quote('2024-11-29 13:00:01', 610),
  ]

  test('is sent at once and filled at the close alone, of a half day, too', () => {
    expect(run(day, wants(40, 'cls'))).toEqual({said: ['buy 40 cls', '40 at 603 after 180 min'], held: 40})
  })

  test('waits for the next close when its limit was not met or its lots were not there', () => {
    const next: Row[] = [
      ...day,
      quote('2024-12-02 09:31', 600),
      print('2024-12-02 16:00', 602, 10),
      quote('2024-12-02 16:01', 600),
    ]
    expect(run(next, wants(40, 'cls', 602 * DOLLAR))).toEqual({
      said: ['buy 40 cls', 'expired', 'buy 40 cls', `10 at 602 after ${3 * 1440 + 360} min`, 'expired', 'buy 30 cls'],
      held: 10,
    })
  })

  test('is refused once after the cut-off, and sent for the next', () => {
    const late: Row[] = [
      quote('2024-11-27 15:50', 600),
      print('2024-11-27 15:55', 600),
      print('2024-11-27 16:00', 603),
      quote('2024-11-27 16:00:05', 603),
      print('2024-11-29 13:00', 605),
    ]
    expect(run(late, wants(40, 'cls'))).toEqual({
      said: ['auction-closed timeInForce=cls minutesLeft=10', 'buy 40 cls', `40 at 605 after ${2 * 1440 - 170} min`],
      held: 40,
    })
  })

  test('that reaches the venue after the cut-off is rejected there', () => {
    const rows: Row[] = [
      {...quote('2024-11-27 15:50', 600), at: at('2024-11-27 15:50') - 400},
      print('2024-11-27 15:55', 600),
      print('2024-11-27 16:00', 603),
    ]
    expect(run(rows, wants(40, 'cls')).said).toEqual([
      'buy 40 cls',
      'rejected',
      'auction-closed timeInForce=cls minutesLeft=5',
      'buy 40 cls',
    ])
  })

  test('of the opening meets the first row of the session, not what came before it', () => {
    const rows: Row[] = [
      quote('2024-11-27 09:00', 590),
      quote('2024-11-27 09:29:59', 595),
      quote('2024-11-27 09:30', 600),
      quote('2024-11-27 09:31', 620),
    ]
    expect(run(rows, wants(40, 'opg'))).toEqual({said: ['buy 40 opg', '40 at 601 after 30 min'], held: 40})
    // Two minutes before the bell it is too late: it is one for the next day.
    expect(run(rows.slice(1), wants(40, 'opg')).said).toEqual([
      'auction-closed timeInForce=opg minutesLeft=1',
      'buy 40 opg',
    ])
  })

  test('gives way to another wish', () => {
    const changed = run(day, (row, context) =>
      row === 0 ? context.target(0, 40, {timeInForce: 'cls'}) : context.target(0, 40),
    )
    expect(changed.said).toEqual(['buy 40 cls', 'cancel', 'cancelled', 'buy 40 day', '40 at 601 after 120 min'])
    expect(run(day, (row, context) => context.target(0, row === 0 ? 40 : 0, {timeInForce: 'cls'})).held).toBe(0)
  })

  test('is refused where there is no auction', () => {
    const {said, held} = run(day, wants(1e8, 'cls'), 'BTC/USD')
    expect(said[0]).toBe('auction-closed crypto BTC/USD has no auction')
    expect(held).toBe(0)
  })
})

test('cut-offs and when a broker takes orders again', () => {
  const bars = (auction: Auction, text: string) => barredUntilUs(auction, at(text))
  expect(bars('opg', '2024-11-27 09:27:59')).toBe(0)
  expect(bars('opg', '2024-11-27 09:28')).toBe(at('2024-11-27 09:30'))
  expect(bars('opg', '2024-11-27 09:30')).toBe(0)
  expect(bars('cls', '2024-11-27 15:49:59')).toBe(0)
  expect(bars('cls', '2024-11-27 15:50')).toBe(at('2024-11-27 16:00'))
  expect(bars('cls', '2024-11-29 12:50')).toBe(at('2024-11-29 13:00'))
  const queues = (auction: Auction, text: string) => queuedFromUs(auction, at(text))
  expect(queues('opg', '2024-11-27 09:27')).toBe(0)
  expect(queues('opg', '2024-11-27 12:00')).toBe(at('2024-11-27 19:00'))
  expect(queues('cls', '2024-11-27 12:00')).toBe(0)
  expect(queues('cls', '2024-11-27 15:50')).toBe(at('2024-11-27 19:00'))
  expect(queues('cls', '2024-11-27 16:30')).toBe(at('2024-11-27 19:00'))
  expect(queues('cls', '2024-11-27 19:00')).toBe(0)
  // Thanksgiving, and a Saturday.
  expect(queues('cls', '2024-11-28 16:30')).toBe(0)
  expect(queues('opg', '2024-11-30 12:00')).toBe(0)
})

/** An engine before a broker, as `gpi trade` has it; the strategy says `script` at the first row, time passes by itself. */
const beforeBroker = (startAt: string, script: (context: StrategyContext) => void) => {
  const instruments = InstrumentTable.of(['SPY'])
  const market = createMarketState(1)
  const broker = new FakeBroker(instruments)
  const engine = new Engine({
    runId: 'run',
    seed: 1,
    configHash: '',
    instruments,
    market,
    strategies: [scripted('s', (_, context) => script(context))],
    allocator: staticAllocator([1]),
    risk: createRiskGate({limits, instruments, market, equityMicros: 1e12, rules: [session]}),
    journal: memoryJournal(),
    latch: openLatch,
    outbox: {submit: order => void broker.take(order), cancel: id => broker.end(id, 'cancelled')},
    rng: createRng(1),
    cashMicros: 1e12,
    sessions: true,
  })
  broker.onReport(report => engine.onReport(report, engine.nowUs))
  engine.start(at(startAt))
  const chunk = chunkOf([quote(startAt, 600)])
  applyRow(market, chunk, 0)
  engine.onRow(chunk, 0)
  const sent = () => [...broker.held.values()].map(({order}) => order.timeInForce)
  return {engine, sent, passTo: (text: string) => engine.onTime(at(text))}
}

describe('before a broker that queues for an auction from 19:00', () => {
  test.each(['opg', 'cls'] as const)('%s waits for it, and no order goes out before', timeInForce => {
    const {sent, passTo} = beforeBroker('2024-11-27 16:30', context => context.target(0, 10, {timeInForce}))
    for (const clock of ['16:31', '17:00', '18:59:59']) passTo(`2024-11-27 ${clock}`)
    expect(sent()).toEqual([])
    passTo('2024-11-27 19:00')
    passTo('2024-11-27 19:00:01')
    expect(sent()).toEqual([timeInForce])
  })

  test('so does what the market order of the evening would become', () => {
    const {sent, passTo} = beforeBroker('2024-11-27 16:30', context => context.target(0, 10))
    passTo('2024-11-27 18:59')
    expect(sent()).toEqual([])
    passTo('2024-11-27 19:00')
    expect(sent()).toEqual(['opg'])
  })

  test('and two minutes before the bell it waits for the session', () => {
    const {sent, passTo} = beforeBroker('2024-11-27 09:28:30', context => context.target(0, 10))
    passTo('2024-11-27 09:29')
    expect(sent()).toEqual([])
    passTo('2024-11-27 09:30')
    expect(sent()).toEqual(['day'])
  })

  test('an order for the close leaves during the session', () => {
    const {sent} = beforeBroker('2024-11-27 15:49', context => context.target(0, 10, {timeInForce: 'cls'}))
    expect(sent()).toEqual(['cls'])
  })
})
