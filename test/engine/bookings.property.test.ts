import fc from 'fast-check'
import {expect, test} from 'vitest'
import {createMarketState} from '../../src/data/market-state.ts'
import {InstrumentTable} from '../../src/domain/instrument.ts'
import type {Fill} from '../../src/domain/order.ts'
import type {Lots, Micros, Ticks, TsUs} from '../../src/domain/units.ts'
import {type Booking, divideMicros, splitShares} from '../../src/engine/booking.ts'
import {Ledger} from '../../src/engine/ledger.ts'
import {refreshRates} from '../../src/risk/gate.ts'

const SYMBOLS = ['AAPL', 'GME']
const STRATEGIES = 3

const openLedger = () => {
  const instruments = InstrumentTable.of(SYMBOLS)
  const market = createMarketState(instruments.size)
  market.lastTicks.set([2_500_000, 300_000])
  const microsPerTickLot = new Float64Array(instruments.size)
  refreshRates(instruments, market, microsPerTickLot)
  return new Ledger({instruments, market, microsPerTickLot, cashMicros: 1e11, strategies: STRATEGIES})
}

const instrument = fc.nat({max: SYMBOLS.length - 1})
const ratio = fc.constantFrom([2, 1], [4, 1], [3, 2], [21, 20], [1, 10], [1, 8], [7, 3])
const step = fc.oneof(
  fc.record({
    kind: fc.constant('fill' as const),
    instrument,
    side: fc.constantFrom('buy' as const, 'sell' as const),
    lots: fc.integer({min: 1, max: 300}),
    ticks: fc.integer({min: 1, max: 4_000_000}),
    fee: fc.integer({min: -500, max: 5_000}),
    strategy: fc.integer({min: -1, max: STRATEGIES - 1}),
  }),
  fc.record({kind: fc.constant('split' as const), instrument, ratio, price: fc.integer({min: 1, max: 400_000_000})}),
  fc.record({
    kind: fc.constant('dividend' as const),
    instrument,
    ticks: fc.integer({min: 1, max: 50_000}),
    isLater: fc.boolean(),
  }),
  fc.record({kind: fc.constant('borrow' as const), instrument, micros: fc.integer({min: 1, max: 1_000_000})}),
)

const at = 1 as TsUs
test('after any fills, splits, dividends and borrow the account balances to the micro, and strategies add up to it', () => {
  fc.assert(
    fc.property(fc.array(step, {maxLength: 60}), steps => {
      const ledger = openLedger()
      const unpaid: Booking[] = []
      for (const [n, one] of steps.entries()) {
        const i = one.instrument
        switch (one.kind) {
          case 'fill':
            ledger.apply(
              {
                fillId: `f${n}`,
                clientOrderId: `o${n}`,
                instrument: i,
                side: one.side,
                lots: one.lots as Lots,
                priceTicks: one.ticks as Ticks,
                feeMicros: one.fee as Micros,
                liquidity: 'taker',
                tsUs: at,
              } satisfies Fill,
              one.strategy,
            )
            break
          case 'split':
            ledger.book({tsUs: at, instrument: i, booking: 'split', values: [...one.ratio, one.price]})
            break
          case 'dividend': {
            const micros = ledger.book({
              tsUs: at,
              instrument: i,
              booking: 'dividend',
              values: [one.ticks, one.isLater ? 99 : 0],
            })
            if (one.isLater) unpaid.push({tsUs: at, instrument: i, booking: 'payment', values: [micros]})
            break
          }
          case 'borrow':
            ledger.book({tsUs: at, instrument: i, booking: 'borrow', values: [one.micros]})
            break
          default:
            one satisfies never
        }
        expect(ledger.errorMicros()).toBe(0)
        expect(Number.isSafeInteger(ledger.cashMicros)).toBe(true)
      }
      for (const payment of unpaid) ledger.book(payment)
      expect([ledger.receivableMicros, ledger.errorMicros()]).toEqual([0, 0])
      // All fills without an owner are the only difference between the account and its strategies.
      if (steps.some(one => one.kind === 'fill' && one.strategy < 0)) return
      for (let i = 0; i < SYMBOLS.length; i++) {
        const own = Array.from({length: STRATEGIES}, (_, k) => ledger.own.lots[k * SYMBOLS.length + i] as number)
        expect(own.reduce((a, b) => a + b, 0)).toBe(ledger.account.lots[i])
        expect(own).toEqual(Array.from({length: STRATEGIES}, (_, k) => ledger.tradedLots[k * SYMBOLS.length + i]))
      }
    }),
    {numRuns: 400},
  )
})

test('a split at the mark changes nobody’s worth by more than the rounding of its fractions', () => {
  fc.assert(
    fc.property(
      fc.array(fc.tuple(fc.integer({min: -500, max: 500}), fc.nat({max: STRATEGIES - 1})), {maxLength: 8}),
      ratio,
      fc.integer({min: 10_000, max: 4_000_000}),
      (trades, [numerator = 1, denominator = 1], ticks) => {
        const ledger = openLedger()
        const market = createMarketState(SYMBOLS.length)
        market.lastTicks[0] = ticks
        for (const [n, [lots, strategy]] of trades.entries()) {
          if (lots === 0) continue
          ledger.apply(
            {
              fillId: `f${n}`,
              clientOrderId: `o${n}`,
              instrument: 0,
              side: lots > 0 ? 'buy' : 'sell',
              lots: Math.abs(lots) as Lots,
              priceTicks: ticks as Ticks,
              feeMicros: 0 as Micros,
              liquidity: 'taker',
              tsUs: at,
            },
            strategy,
          )
        }
        const worth = (price: number): number =>
          ledger.cashMicros + Math.round((ledger.account.lots[0] as number) * price * 100)
        const before = worth(ticks)
        const perLot = Math.round((ticks * 100 * denominator) / numerator)
        ledger.book({tsUs: at, instrument: 0, booking: 'split', values: [numerator, denominator, perLot]})
        expect(Math.abs(worth((ticks * denominator) / numerator) - before)).toBeLessThanOrEqual(2)
      },
    ),
  )
})

test('shares of a split and of a cost are whole and add up', () => {
  fc.assert(
    fc.property(
      fc.array(fc.integer({min: -99, max: 99}), {minLength: 1, maxLength: 6}),
      ratio,
      (held, [n = 1, d = 1]) => {
        const total = Math.trunc((held.reduce((a, b) => a + b, 0) * n) / d)
        const shares = splitShares(held, n, d, total)
        expect(shares.reduce((a, b) => a + b, 0)).toBe(total + 0)
        for (const [k, lots] of shares.entries()) expect(Math.abs(lots - ((held[k] as number) * n) / d)).toBeLessThan(1)
      },
    ),
  )
  fc.assert(
    fc.property(fc.nat({max: 1e9}), fc.array(fc.nat({max: 500}), {minLength: 1, maxLength: 6}), (total, shares) => {
      const parts = divideMicros(total, shares)
      expect(parts.reduce((a, b) => a + b, 0)).toBe(shares.every(share => share === 0) ? 0 : total)
    }),
  )
})
