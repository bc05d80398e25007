import fc from 'fast-check'
import {describe, expect, test} from 'vitest'
import {createMarketState} from '../../src/data/market-state.ts'
import {InstrumentTable, notionalMicros} from '../../src/domain/instrument.ts'
import type {Fill} from '../../src/domain/order.ts'
import type {Lots, Micros, Ticks, TsUs} from '../../src/domain/units.ts'
import {Ledger} from '../../src/engine/ledger.ts'
import {refreshRates} from '../../src/risk/gate.ts'

const SYMBOLS = ['AAPL', 'AAPL260116C00250000', 'BTC/USD', 'ETH/USD', 'ETH/BTC', 'SOL/ETH']
const STRATEGIES = 2

const openLedger = () => {
  const instruments = InstrumentTable.of(SYMBOLS)
  const market = createMarketState(instruments.size)
  for (const [i, price] of [2_500_000, 125_000, 600_000_000, 30_000_000, 5_000_000, 4_000_000].entries())
    market.lastTicks[i] = price
  const microsPerTickLot = new Float64Array(instruments.size)
  refreshRates(instruments, market, microsPerTickLot)
  return {
    instruments,
    market,
    ledger: new Ledger({instruments, market, microsPerTickLot, cashMicros: 1e11, strategies: STRATEGIES}),
  }
}

const anyFill = fc
  .record({
    instrument: fc.nat({max: SYMBOLS.length - 1}),
    side: fc.constantFrom('buy' as const, 'sell' as const),
    lots: fc.oneof(fc.integer({min: 1, max: 500}), fc.integer({min: 1, max: 1_000_000_000})),
    priceTicks: fc.oneof(fc.integer({min: 1, max: 3_000_000}), fc.integer({min: 1, max: 700_000_000})),
    feeMicros: fc.integer({min: -5_000, max: 50_000}),
    feeShare: fc.constantFrom(0, 0, 0.0025, 1),
    strategy: fc.integer({min: -1, max: STRATEGIES - 1}),
  })
  .filter(({lots, priceTicks, instrument}) => lots * priceTicks < 1e17 && (instrument > 1 || lots <= 500))
type Shape = typeof anyFill extends fc.Arbitrary<infer S> ? S : never

const fillOf = ({instrument, side, lots, priceTicks, feeMicros, feeShare}: Shape, n: number): Fill => ({
  fillId: `f${n}`,
  clientOrderId: `o${n}`,
  instrument,
  side,
  lots: lots as Lots,
  priceTicks: priceTicks as Ticks,
  feeMicros: feeMicros as Micros,
  ...(side === 'buy' && instrument > 1 && feeShare > 0 ? {feeLots: Math.ceil(lots * feeShare) as Lots} : {}),
  liquidity: 'taker',
  tsUs: n as TsUs,
})

describe('after any sequence of fills', () => {
  test('cash + cost − realised + fees is the starting cash, and an independent addition agrees', () => {
    fc.assert(
      fc.property(fc.array(anyFill, {maxLength: 60}), shapes => {
        const {ledger} = openLedger()
        for (const [n, shape] of shapes.entries()) {
          ledger.apply(fillOf(shape, n), shape.strategy)
          expect(ledger.errorMicros()).toBe(0)
        }
      }),
      {numRuns: 300},
    )
  })

  test('the strategies’ own books add up to the account', () => {
    fc.assert(
      fc.property(fc.array(anyFill, {maxLength: 60}), shapes => {
        const {ledger, instruments} = openLedger()
        for (const [n, shape] of shapes.entries()) ledger.apply(fillOf(shape, n), Math.max(0, shape.strategy))
        for (let i = 0; i < instruments.size; i++) {
          const own = Array.from({length: STRATEGIES}, (_, k) => ledger.own.lots[k * instruments.size + i] as number)
          expect(own.reduce((a, b) => a + b, 0)).toBe(ledger.account.lots[i])
        }
        const fees = ledger.ownFeesMicros.reduce((a, b) => a + b, 0)
        expect(fees).toBe(ledger.feesMicros)
      }),
    )
  })

  test('a fill counts once, however often and in whatever order it comes', () => {
    fc.assert(
      fc.property(
        fc.array(anyFill, {minLength: 1, maxLength: 25}).chain(shapes =>
          fc.record({
            shapes: fc.constant(shapes),
            replay: fc.array(fc.nat({max: shapes.length - 1}), {maxLength: 60}),
          }),
        ),
        ({shapes, replay}) => {
          const once = openLedger().ledger
          const often = openLedger().ledger
          const fills = shapes.map(fillOf)
          for (const fill of fills) once.apply(fill, 0)
          // Some come early, out of order and again; at the end all have come.
          for (const n of [...replay, ...fills.keys()]) often.apply(fills[n] as Fill, 0)
          expect([...often.account.lots]).toEqual([...once.account.lots])
          // Cash does not depend on the order; marks of coin pairs are constant here, so neither do fees.
          expect([often.cashMicros, often.feesMicros, often.fills]).toEqual([
            once.cashMicros,
            once.feesMicros,
            once.fills,
          ])
        },
      ),
    )
  })

  test('closing everything leaves no cost behind', () => {
    fc.assert(
      fc.property(fc.array(anyFill, {maxLength: 40}), shapes => {
        const {ledger, instruments} = openLedger()
        for (const [n, shape] of shapes.entries()) ledger.apply(fillOf(shape, n), 0)
        for (let i = 0; i < instruments.size; i++) {
          const held = ledger.account.lots[i] as number
          if (held === 0 || ledger.settlement.quoteHome[i] !== -1) continue
          const side = held > 0 ? 'sell' : 'buy'
          const lots = Math.abs(held)
          ledger.apply(
            fillOf({instrument: i, side, lots, priceTicks: 7, feeMicros: 0, feeShare: 0, strategy: 0}, 1000 + i),
            0,
          )
          expect([ledger.account.lots[i], ledger.account.costMicros[i]]).toEqual([0, 0])
        }
        expect(ledger.errorMicros()).toBe(0)
      }),
    )
  })
})

test('without fees, a fill at the mark does not change equity', () => {
  fc.assert(
    fc.property(
      fc.array(anyFill, {maxLength: 20}),
      fc.constantFrom(0, 1),
      fc.integer({min: 1, max: 400}),
      (shapes, i, lots) => {
        const {ledger, market} = openLedger()
        for (const [n, shape] of shapes.entries()) ledger.apply(fillOf(shape, n), 0)
        const before = ledger.equityMicros()
        const atMark: Shape = {
          instrument: i,
          side: 'buy' as const,
          lots,
          priceTicks: market.lastTicks[i] as number,
          feeMicros: 0,
          feeShare: 0,
          strategy: 0,
        }
        ledger.apply(fillOf(atMark, 999), 0)
        expect(ledger.equityMicros()).toBe(before)
      },
    ),
  )
})

test('the audit notices a book that was tampered with', () => {
  const {ledger} = openLedger()
  ledger.apply(
    fillOf({instrument: 0, side: 'buy', lots: 3, priceTicks: 100, feeMicros: 1, feeShare: 0, strategy: 0}, 1),
    0,
  )
  expect(ledger.errorMicros()).toBe(0)
  ledger.cashMicros += 1
  expect(ledger.errorMicros()).toBeGreaterThan(0)
})

test('notional values beyond 2^53 are exact', () => {
  fc.assert(
    fc.property(
      fc.constantFrom('AAPL', 'BTC/USD', 'ETH/BTC', 'AAPL260116C00250000'),
      fc.integer({min: 1, max: 2_000_000_000}),
      fc.integer({min: 1, max: 2_000_000_000}),
      (symbol, ticks, lots) => {
        const instrument = InstrumentTable.of([symbol]).at(0)
        const product = BigInt(ticks) * BigInt(lots) * BigInt(instrument.multiplier)
        const decimals = BigInt(instrument.priceDecimals + instrument.sizeDecimals - 6)
        const exact =
          decimals <= 0n ? product * 10n ** -decimals : (2n * product + 10n ** decimals) / (2n * 10n ** decimals)
        fc.pre(exact < BigInt(Number.MAX_SAFE_INTEGER))
        expect(BigInt(notionalMicros(instrument, ticks, lots))).toBe(exact)
      },
    ),
    {numRuns: 2000},
  )
})
