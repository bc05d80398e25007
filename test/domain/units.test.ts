import fc from 'fast-check'
import {describe, expect, test} from 'vitest'
import {
  crypto,
  divideRounded,
  equity,
  type Instrument,
  InstrumentTable,
  instrumentOf,
  lotsToSize,
  notionalMicros,
  optionFromOcc,
  priceToTicks,
  sizeToLots,
  ticksToPrice,
} from '../../src/domain/instrument.ts'
import {createRng} from '../../src/domain/rng.ts'
import {ManualClock} from '../../src/domain/time.ts'
import {lots, micros, tsUs} from '../../src/domain/units.ts'

describe('units', () => {
  test.each([Number.NaN, 1.5, Infinity, 2 ** 53])('refuse %s', value => {
    expect(() => micros(value)).toThrow(RangeError)
  })
  test('lots are never negative', () => expect(() => lots(-1)).toThrow(/must not be negative/))
  test('a manual clock does not go back', () => {
    const clock = new ManualClock(tsUs(10))
    expect(() => clock.advanceTo(tsUs(9))).toThrow(/must not go back/)
  })
})

describe('conversion between decimals and integers', () => {
  const instruments: Instrument[] = [equity('AAPL'), crypto('BTC/USD'), crypto('ETH/BTC')]

  test('price to ticks and back is the identity on every tick', () => {
    fc.assert(
      fc.property(fc.constantFrom(...instruments), fc.integer({min: -1e12, max: 1e12}), (instrument, t) => {
        expect(priceToTicks(instrument, ticksToPrice(instrument, t))).toBe(t)
      }),
    )
  })
  test('size to lots and back is the identity on every lot', () => {
    fc.assert(
      fc.property(fc.constantFrom(...instruments), fc.integer({min: 0, max: 1e11}), (instrument, n) => {
        expect(sizeToLots(instrument, lotsToSize(instrument, n))).toBe(n)
      }),
    )
  })
  test('a half tick rounds away from zero although 1.00005 has no exact double', () => {
    expect(priceToTicks(equity('AAPL'), 1.00005)).toBe(10001)
    expect(priceToTicks(equity('AAPL'), -1.00005)).toBe(-10001)
  })
  test('a size is never rounded up', () => expect(sizeToLots(equity('AAPL'), 2.999)).toBe(2))
  test.each([Number.NaN, Infinity])('refuses the price %s', price => {
    expect(() => priceToTicks(equity('AAPL'), price)).toThrow(/finite/)
  })

  test('notional is the exact product, rounded once, half away from zero', () => {
    const exact = (i: Instrument, t: number, n: number): bigint => {
      const scaled = BigInt(t) * BigInt(n) * BigInt(i.multiplier) * 10n ** 6n
      const divisor = 10n ** BigInt(i.priceDecimals + i.sizeDecimals)
      const magnitude = scaled < 0n ? -scaled : scaled
      const rounded = (2n * magnitude + divisor) / (2n * divisor)
      return scaled < 0n ? -rounded : rounded
    }
    fc.assert(
      fc.property(
        fc.constantFrom(...instruments),
        fc.integer({min: -2e9, max: 2e9}),
        fc.integer({min: 0, max: 4e9}),
        (i, t, n) => {
          const expected = exact(i, t, n)
          fc.pre(expected < 2n ** 53n && expected > -(2n ** 53n))
          expect(notionalMicros(i, t, n)).toBe(Number(expected))
        },
      ),
      {numRuns: 500, examples: [[equity('AAPL'), -1, 0]]},
    )
  })
  test('one bitcoin at 61,234.56 is 61,234.56 dollars', () => {
    expect(notionalMicros(crypto('BTC/USD'), 612_345_600, 100_000_000)).toBe(61_234_560_000)
  })
  test('an option contract stands for 100 shares', () => {
    const option = optionFromOcc('AAPL260116C00250000') as Instrument
    expect(notionalMicros(option, 12_500, 2)).toBe(250_000_000)
  })
  test('divideRounded agrees with BigInt at the edge of safe integers', () => {
    fc.assert(
      fc.property(fc.maxSafeInteger(), fc.integer({min: 1, max: 1e9}), (a, b) => {
        const m = a < 0 ? -BigInt(a) : BigInt(a)
        const q = Number((2n * m + BigInt(b)) / (2n * BigInt(b)))
        expect(divideRounded(a, b)).toBe(a < 0 ? 0 - q : q)
      }),
    )
  })
})

describe('instruments', () => {
  test('an OCC symbol says everything about the contract', () => {
    expect(optionFromOcc('SPY   231229P00470500')).toMatchObject({
      symbol: 'SPY231229P00470500',
      multiplier: 100,
      option: {underlying: 'SPY', right: 'put', strike: 470.5, expiry: '2023-12-29'},
    })
  })
  test.each([
    ['AAPL', 'equity'],
    ['SPY', 'etf'],
    ['BTC/USD', 'crypto'],
    ['AAPL260116C00250000', 'option'],
  ])('%s is an %s', (symbol, kind) => expect(instrumentOf(symbol).kind).toBe(kind))
  test('a table gives one index a symbol', () => {
    const table = InstrumentTable.of(['AAPL', 'KO', 'AAPL'])
    expect([table.size, table.indexOf('KO'), table.indexOf('X')]).toEqual([2, 1, undefined])
    expect(() => table.at(2)).toThrow(/no instrument 2/)
  })
})

describe('random numbers', () => {
  test('xoshiro128** from the reference state 1, 2, 3, 4', () => {
    // First outputs of the C reference (prng.di.unimi.it/xoshiro128starstar.c) from s = {1, 2, 3, 4}.
    const rng = createRng(0, '', [1, 2, 3, 4])
    expect([rng.u32(), rng.u32(), rng.u32(), rng.u32()]).toEqual([11520, 0, 5927040, 70819200])
  })
  test('same seed and label, same stream; another label, another', () => {
    const draw = (seed: number, label: string) => Array.from({length: 8}, createRng(seed, label).u32)
    expect(draw(7, 'a')).toEqual(draw(7, 'a'))
    expect(draw(7, 'a')).not.toEqual(draw(7, 'b'))
    expect(draw(7, 'a')).not.toEqual(draw(8, 'a'))
  })
  test('a fork does not depend on what its parent drew', () => {
    const fresh = createRng(3)
    const used = createRng(3)
    used.u32()
    expect(used.fork('x').u32()).toBe(fresh.fork('x').u32())
  })
  test('a saved state goes on where it stopped', () => {
    const rng = createRng(5)
    rng.u32()
    const resumed = createRng(0, '', rng.state())
    expect(resumed.u32()).toBe(rng.u32())
  })
  test('moments of uniform, normal and exponential over 200,000 draws', () => {
    const rng = createRng(11)
    const moments = (draw: () => number) => {
      let sum = 0
      let square = 0
      for (let i = 0; i < 200_000; i++) {
        const x = draw()
        sum += x
        square += x * x
      }
      return [sum / 200_000, square / 200_000 - (sum / 200_000) ** 2] as const
    }
    // Six standard errors of each estimate.
    const [um, uv] = moments(rng.uniform)
    expect(Math.abs(um - 0.5)).toBeLessThan(0.004)
    expect(Math.abs(uv - 1 / 12)).toBeLessThan(0.001)
    const [nm, nv] = moments(rng.normal)
    expect(Math.abs(nm)).toBeLessThan(0.0135)
    expect(Math.abs(nv - 1)).toBeLessThan(0.019)
    const [em] = moments(rng.exponential)
    expect(Math.abs(em - 1)).toBeLessThan(0.0135)
  })
})
