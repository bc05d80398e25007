import {describe, expect, test} from 'vitest'
import {InstrumentTable} from '../../src/domain/instrument.ts'
import {feeSchedule, flatFees} from '../../src/exchange/fees.ts'
import {constantLatency} from '../../src/exchange/latency.ts'
import type {StrategyContext} from '../../src/strategies/strategy.ts'
import type {Row} from '../support/rows.ts'
import {scripted, simulate} from './engine-rig.ts'

const SECOND = 1_000_000
const START = 1_700_000_000 * SECOND
/** BTC/USD: a tick is 1e-4 dollars, a lot 1e-8 coins: 100 dollars is 1,000,000 ticks, one coin 1e8 lots. */
const DOLLAR = 10_000
const COIN = 1e8
const quotes = (...mids: readonly number[]): Row[] =>
  mids.map((mid, n) => ({
    at: START + n * SECOND,
    quote: [(mid - 1) * DOLLAR, (mid + 1) * DOLLAR, 10 * COIN, 10 * COIN],
  }))
const kinds = (entries: readonly {kind: string}[]) => entries.map(entry => entry.kind)

describe('a target', () => {
  test('becomes an order, a fill and a position; the ledger is exact', () => {
    const {ledger, entries, engine} = simulate(
      [scripted('s', (row, context) => context.target(0, row < 2 ? COIN : 0))],
      quotes(100, 100, 110),
    )
    expect(kinds(entries)).toEqual(['run', 'intent', 'report', 'report', 'intent', 'report', 'report'])
    expect(ledger.cashMicros - ledger.initialCashMicros).toBe((109 - 101) * 1e6)
    expect(ledger.realizedMicros).toBe(8e6)
    expect(ledger.errorMicros()).toBe(0)
    expect(engine.record.trades).toMatchObject([{profitMicros: 8e6, side: 'long', lots: COIN}])
  })

  test('said again is not sent again', () => {
    const {engine} = simulate([scripted('s', (_, context) => context.target(0, COIN))], quotes(100, 100, 100, 100))
    expect(engine.desk.sent).toBe(1)
  })

  test('waits passively at its limit and moves only when the limit does', () => {
    const {entries, ledger} = simulate(
      [scripted('s', (row, context) => context.target(0, COIN, {limitTicks: (row < 2 ? 98 : 97) * DOLLAR}))],
      quotes(100, 100, 100, 95),
    )
    expect(kinds(entries).filter(kind => kind === 'intent' || kind === 'cancel')).toEqual([
      'intent',
      'cancel',
      'intent',
    ])
    expect(ledger.cashMicros - ledger.initialCashMicros).toBe(-97e6)
  })

  test('that grows leaves the order on its way where it stands, one that shrinks recalls it', () => {
    const sent = (sizes: readonly number[]) =>
      kinds(
        simulate(
          [scripted('s', (row, context) => context.target(0, (sizes[row] ?? 0) * COIN, {limitTicks: 98 * DOLLAR}))],
          quotes(...sizes.map(() => 100)),
        ).entries,
      ).filter(kind => kind === 'intent' || kind === 'cancel')
    expect(sent([1, 1, 2, 3])).toEqual(['intent'])
    expect(sent([3, 3, 2])).toEqual(['intent', 'cancel', 'intent'])
  })

  test('does not flip through zero in one order', () => {
    const {entries, ledger} = simulate(
      [scripted('s', (row, context) => context.target(0, row === 0 ? COIN : -COIN))],
      quotes(100, 100, 100),
    )
    const sizes = entries.flatMap(entry =>
      entry.kind === 'intent' ? [`${entry.intent.side} ${entry.intent.lots / COIN}`] : [],
    )
    expect(sizes).toEqual(['buy 1', 'sell 1', 'sell 1'])
    expect(ledger.tradedLots[0]).toBe(-COIN)
  })

  test('hears of its fill after the latency, and never before', () => {
    const heard: number[] = []
    simulate(
      [
        {
          name: 's',
          onEvent: (context, _chunk, row) => row === 0 && context.target(0, COIN),
          onFill: context => heard.push(context.nowUs - START),
        },
      ],
      quotes(100, 100),
      {latency: constantLatency(300, 200)},
    )
    expect(heard).toEqual([500])
  })
})

test('a coin short of its target by the fee is not bought again and again', () => {
  const {engine, ledger} = simulate(
    [scripted('s', (_, context) => context.target(0, COIN))],
    quotes(100, 100, 100, 100, 100),
    {fees: feeSchedule('us', InstrumentTable.of(['BTC/USD']))},
  )
  expect(engine.desk.sent).toBe(1)
  expect(ledger.tradedLots[0]).toBe(0.9975 * COIN)
})

describe('netting', () => {
  test('opposite wishes of one instant meet inside; only the rest is sent', () => {
    const {entries, ledger, engine} = simulate(
      [
        scripted('a', (_, context) => context.target(0, 3 * COIN)),
        scripted('b', (_, context) => context.target(0, -COIN)),
      ],
      quotes(100, 100),
    )
    expect(kinds(entries)).toEqual(['run', 'cross', 'intent', 'report', 'report'])
    expect(ledger.account.lots[0]).toBe(2 * COIN)
    expect([ledger.tradedLots[0], ledger.tradedLots[2]]).toEqual([3 * COIN, -COIN])
    expect(engine.ledger.errorMicros()).toBe(0)
    expect(ledger.profitMicros(0) + ledger.profitMicros(1)).toBe(engine.equityMicros() - ledger.initialCashMicros)
  })
})

describe('quotes', () => {
  const quoteAt = (row: number) => (row < 3 ? 99 : 98) * DOLLAR
  test('rest while unchanged, move when changed, and are pulled by zero lots', () => {
    const {entries, engine} = simulate(
      [
        scripted('mm', (row, context) =>
          context.quote(0, quoteAt(row), row < 5 ? COIN : 0, 103 * DOLLAR, row < 5 ? COIN : 0),
        ),
      ],
      quotes(101, 101, 101, 101, 101, 101, 101),
    )
    expect(kinds(entries).filter(kind => kind === 'intent')).toHaveLength(3)
    expect(kinds(entries).filter(kind => kind === 'cancel')).toHaveLength(3)
    expect(engine.desk.orders.size).toBe(0)
  })
})

describe('exits', () => {
  test('a stop closes the position and its strategy may not reopen it at once', () => {
    const {ledger, entries, engine} = simulate(
      [scripted('s', (row, context) => context.target(0, COIN + row))],
      quotes(100, 100, 90, 90, 90),
      {exits: {stopLoss: 0.05}},
    )
    expect(entries.at(-3)).toMatchObject({kind: 'intent', intent: {side: 'sell', reduceOnly: true}})
    expect(ledger.tradedLots[0]).toBe(0)
    expect(engine.record.trades).toHaveLength(1)
  })

  test('a position too old is closed', () => {
    const {ledger} = simulate(
      [scripted('s', (row, context) => row === 0 && context.target(0, COIN))],
      quotes(100, 100, 100, 100, 100),
      {exits: {maxHoldingUs: 2 * SECOND}},
    )
    expect(ledger.tradedLots[0]).toBe(0)
  })

  test('a signal is sized by weight and size, and ends with its holding period', () => {
    const seen: number[] = []
    simulate(
      [
        scripted('s', (row, context) => {
          seen.push(context.positionLots(0))
          if (row === 0)
            context.signal({
              instrument: 0,
              direction: 1,
              strength: 1,
              holdingPeriodUs: 2 * SECOND,
              size: 0.5,
              confidence: 1,
            })
        }),
        scripted('idle', () => undefined),
      ],
      quotes(100, 100, 100, 100, 100),
      {cashMicros: 1000e6},
    )
    expect(seen).toEqual([0, 2.5 * COIN, 2.5 * COIN, 0, 0])
  })
})

test('timers run at the first event at or after their time', () => {
  const rang: number[] = []
  simulate(
    [
      {
        name: 's',
        onEvent: (context, _chunk, row) => row === 0 && context.wakeAt(START + 1.5 * SECOND, 7),
        onTimer: (context, tag) => rang.push(context.nowUs - START, tag),
      },
    ],
    quotes(100, 100, 100),
  )
  expect(rang).toEqual([2 * SECOND, 7])
})

test('a timer that asks for its own instant rings at the next one', () => {
  const rang: number[] = []
  simulate(
    [
      {
        name: 's',
        onEvent: (context, _chunk, row) => row === 0 && context.wakeAt(0, 1),
        onTimer: (context, tag) => {
          rang.push((context.nowUs - START) / SECOND)
          context.wakeAt(context.nowUs, tag)
        },
      },
    ],
    quotes(100, 100, 100),
  )
  expect(rang).toEqual([0, 1, 2])
})

test.each([
  ['lots NaN of BTC/USD', (context: StrategyContext) => context.target(0, Number.NaN)],
  ['lots 10.5 of ETH/USD', (context: StrategyContext) => context.target(1, 10.5)],
  ['limitTicks NaN of BTC/USD', (context: StrategyContext) => context.target(0, 1, {limitTicks: Number.NaN})],
  ['askTicks NaN of BTC/USD', (context: StrategyContext) => context.quote(0, Number.NaN, 0, Number.NaN, 1)],
  ['bidLots Infinity of BTC/USD', (context: StrategyContext) => context.quote(0, 1, Infinity, 1, 1)],
  ['instrument -1 of 2', (context: StrategyContext) => context.target(-1, 1)],
  ['instrument 2 of 2', (context: StrategyContext) => context.quote(2, 1, 1, 2, 1)],
])('what no order can be is the strategy’s fault, told at once: %s', (words, ask) => {
  expect(() => simulate([scripted('mine', (_, context) => ask(context))], quotes(100))).toThrow(
    expect.objectContaining({code: 'STRATEGY_FAILED', message: expect.stringContaining(`mine wants ${words}`)}),
  )
})

test('a pair of coins moves both coins and no cash', () => {
  const BTC_TICK = 1e8
  const rows: Row[] = [
    {at: START, i: 0, quote: [60_000 * DOLLAR, 60_000 * DOLLAR, 100 * COIN, 100 * COIN]},
    {at: START + 1, i: 1, quote: [3000 * DOLLAR, 3000 * DOLLAR, 100 * COIN, 100 * COIN]},
    {at: START + 2, i: 2, quote: [0.05 * BTC_TICK, 0.05 * BTC_TICK, 100 * COIN, 100 * COIN]},
    {at: START + 3 * SECOND, i: 2, quote: [0.05 * BTC_TICK, 0.05 * BTC_TICK, 100 * COIN, 100 * COIN]},
  ]
  const {ledger, engine} = simulate([scripted('s', (row, context) => row === 2 && context.target(2, 2 * COIN))], rows, {
    symbols: ['BTC/USD', 'ETH/USD', 'ETH/BTC'],
    fees: flatFees(0, 10),
  })
  // 2 ETH for 0.1 BTC, and a fee of 10 bp of that in BTC.
  expect([...ledger.account.lots]).toEqual([-0.1001 * COIN, 2 * COIN, 0])
  expect(ledger.cashMicros).toBe(ledger.initialCashMicros)
  expect(ledger.feesMicros).toBe(6e6)
  expect(engine.equityMicros() - ledger.initialCashMicros).toBe(-6e6)
  expect(ledger.errorMicros()).toBe(0)
})
