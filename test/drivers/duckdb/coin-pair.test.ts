import {expect, test} from 'vitest'
import {coinPair} from '../../../src/drivers/duckdb/layouts/symbols.ts'

test.each([
  ['BTCUSDT', 'BTC/USDT'],
  ['btc_usdt', 'BTC/USDT'],
  ['USDTUSD', 'USDT/USD'],
  ['USDTTUSD', 'USDT/TUSD'],
  ['BTCTUSD', 'BTC/TUSD'],
  ['ARBUSD', 'ARB/USD'],
  ['1000SHIBUSDT', '1000SHIB/USDT'],
  ['ETHBTC', 'ETH/BTC'],
  ['AAPL', undefined],
  ['BATUSD', undefined],
  ['USD', undefined],
])('%s is %s', (text, pair) => {
  expect(coinPair(text)).toBe(pair)
})

test('where a venue of coins is named any word may be one, and a dollar is likelier than TUSD', () => {
  expect(coinPair('BATUSD', true)).toBe('BAT/USD')
  expect(coinPair('EURUSDT', true)).toBe('EUR/USDT')
  expect(coinPair('USDT', true)).toBeUndefined()
})
