import {expect, test} from 'vitest'
import {InstrumentTable, instrumentOf} from '../../src/domain/instrument.ts'
import {createRng} from '../../src/domain/rng.ts'
import {listedInstrument} from '../../src/exchange/assets.ts'
import {PaperExchange} from '../../src/exchange/exchange.ts'
import {submitOrder} from '../../src/exchange/order-api.ts'
import {createSimulatedMarket, DEFAULT_SYMBOLS} from '../../src/exchange/simulated-market.ts'
import {at} from './exchange-rig.ts'

/** An hour of the simulated market with an order every few seconds: everything the exchange said, as text. */
const history = (seed: number, slice: number): string => {
  const startUs = at('2025-06-02T13:30:00Z')
  const instruments = InstrumentTable.of(DEFAULT_SYMBOLS.map(symbol => listedInstrument(instrumentOf(symbol))))
  const source = createSimulatedMarket({instruments, rng: createRng(seed, 'market'), startUs})
  const exchange = new PaperExchange({
    instruments,
    rng: createRng(seed, 'exchange'),
    startUs,
    partialFillProbability: 0.1,
  })
  const said: unknown[] = []
  exchange.listen({onUpdate: update => said.push(structuredClone(update))})
  const drive = (toUs: number): void => {
    for (;;) {
      const chunk = source.advanceTo(toUs, slice)
      if (chunk.count === 0) break
      for (let row = 0; row < chunk.count; row++) exchange.onRow(chunk, row)
    }
    exchange.advanceTo(toUs)
  }
  for (let k = 1; k <= 400; k++) {
    drive(startUs + k * 9_000_000)
    const symbol = DEFAULT_SYMBOLS[k % 7] as string
    const coin = symbol.includes('/')
    said.push(
      submitOrder(exchange, {
        symbol,
        qty: coin ? '0.05' : '3',
        side: k % 3 === 0 ? 'sell' : 'buy',
        type: 'market',
        time_in_force: coin ? 'gtc' : 'day',
      }),
    )
  }
  said.push(
    exchange.accountJson(),
    exchange.activities.map(({json}) => json),
  )
  return JSON.stringify(said)
}

test('the same seed and the same requests give the same answers, byte for byte, however the market is sliced', () => {
  const once = history(5, 64)
  expect(history(5, 7)).toBe(once)
  expect(history(6, 64)).not.toBe(once)
})
