import fc from 'fast-check'
import {describe, expect, it} from 'vitest'
import {Scales} from '../../src/data/scales.ts'
import {priceToTicks, ticksToPrice} from '../../src/domain/instrument.ts'

const learned = (symbol: string, prices: readonly number[]) => {
  const scales = new Scales()
  for (const price of prices) scales.price(scales.indexOf(symbol), price)
  const [instrument] = scales.instruments()
  if (instrument === undefined) throw new Error('no instrument')
  return instrument
}

describe('scales', () => {
  it.each([
    ['AAPL', [10.25], 4],
    ['AAPL', [10.123456], 6],
    ['PEPE/USDT', [0.00000005], 8],
    ['SATS/BTC', [0.0000000012], 10],
    ['DUST/USDT', [0.00000000000123], 14],
    // What an adjusted close carries beyond eight decimals says nothing.
    ['KO', [43.06712341308594], 8],
  ])('hold the prices of %s: %s', (symbol, prices, decimals) => {
    const instrument = learned(symbol, prices)
    expect(instrument.priceDecimals).toBe(decimals)
    for (const price of prices) {
      expect(Math.abs(ticksToPrice(instrument, priceToTicks(instrument, price)) / price - 1)).toBeLessThan(1e-7)
    }
  })

  it('hold six digits of a price however small it is', () => {
    const price = fc
      .tuple(fc.integer({min: 1, max: 999_999}), fc.integer({min: 0, max: 13}))
      .map(([m, e]) => m / 10 ** e)
    fc.assert(
      fc.property(price, value => {
        const instrument = learned('X/USDT', [value])
        expect(Math.abs(ticksToPrice(instrument, priceToTicks(instrument, value)) / value - 1)).toBeLessThan(1e-6)
      }),
    )
  })
})
