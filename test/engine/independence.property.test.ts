import fc from 'fast-check'
import {expect, test} from 'vitest'
import {constantLatency} from '../../src/exchange/latency.ts'
import type {Strategy} from '../../src/strategies/strategy.ts'
import type {Row} from '../support/rows.ts'
import {simulate} from './engine-rig.ts'

const START = 1_700_000_000_000_000
const NAMES = ['BTC/USD', 'ETH/USD', 'SOL/USD'] as const

const event = fc.record({
  symbol: fc.constantFrom(...NAMES),
  gapUs: fc.constantFrom(0, 10, 1_000_000),
  mid: fc.integer({min: 900, max: 1100}),
  lots: fc.integer({min: 1, max: 40}),
  trade: fc.boolean(),
})
type Event = typeof event extends fc.Arbitrary<infer E> ? E : never

/** Each instrument by itself: long above a round price, quoting below it. State is kept by symbol. */
const separate = (): Strategy => ({
  name: 'separate',
  onEvent(context, chunk, row) {
    const i = chunk.instrument[row] as number
    const bid = context.market.bidTicks[i] as number
    if (bid === 0) return
    if (bid % 7 < 3) context.target(i, bid % 2 === 0 ? 5 : 0)
    else context.quote(i, bid - 1, 3, (context.market.askTicks[i] as number) + 1, Math.min(3, context.positionLots(i)))
  },
})

const rowsOf = (events: readonly Event[], order: readonly string[]): Row[] => {
  let at = START
  return events.map(({symbol, gapUs, mid, lots, trade}) => {
    at += gapUs
    const i = order.indexOf(symbol)
    return trade ? {at, i, trade: [mid, lots] as const} : {at, i, quote: [mid - 2, mid + 2, lots, lots] as const}
  })
}

/** What happened to each symbol: side, price, size and time of its fills. */
const fillsBySymbol = (events: readonly Event[], order: readonly string[]) => {
  const {entries, ledger} = simulate([separate()], rowsOf(events, order), {
    symbols: [...order],
    latency: constantLatency(5, 3),
  })
  expect(ledger.errorMicros()).toBe(0)
  const fills = new Map<string, string[]>(NAMES.map(name => [name, []]))
  for (const entry of entries) {
    if (entry.kind !== 'report' || entry.report.kind !== 'fill') continue
    const {fill} = entry.report
    fills.get(order[fill.instrument] as string)?.push(`${fill.side} ${fill.lots}@${fill.priceTicks} ${fill.tsUs}`)
  }
  return fills
}

test('numbering the instruments differently changes nothing', () => {
  fc.assert(
    fc.property(fc.array(event, {maxLength: 60}), fc.shuffledSubarray([...NAMES], {minLength: 3}), (events, order) => {
      expect(fillsBySymbol(events, order)).toEqual(fillsBySymbol(events, NAMES))
    }),
  )
})

test('an instrument trades as it would without the others', () => {
  fc.assert(
    fc.property(fc.array(event, {maxLength: 60}), fc.constantFrom(...NAMES), (events, symbol) => {
      const together = fillsBySymbol(events, NAMES).get(symbol)
      // The others' rows are replaced by their time alone, as rows of an instrument nobody reads.
      const alone = events.map(one => (one.symbol === symbol ? one : {...one, mid: 1000, trade: true, lots: 1}))
      expect(fillsBySymbol(alone, NAMES).get(symbol)).toEqual(together)
    }),
  )
})
