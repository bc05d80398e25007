import {expect, test} from 'vitest'
import {EventKind} from '../../src/data/tape.ts'
import {type Instrument, InstrumentTable, instrumentOf} from '../../src/domain/instrument.ts'
import {createRng} from '../../src/domain/rng.ts'
import {listedInstrument} from '../../src/exchange/assets.ts'
import {listChain} from '../../src/exchange/options/listed-chain.ts'
import {withOptions} from '../../src/exchange/options/option-market.ts'
import {OptionQuotes} from '../../src/exchange/options/option-quotes.ts'
import {createSimulatedMarket} from '../../src/exchange/simulated-market.ts'
import {parseTime} from '../../src/exchange/wire-time.ts'
import {buildChain} from '../../src/options/chain.ts'
import {chainGreeks} from '../../src/options/chain-greeks.ts'
import type {OptionQuote} from '../../src/options/option-quote.ts'

const START = parseTime('2025-06-02T13:30:00Z') as number
const MINUTE = 60_000_000

test('lists four Fridays of seventeen strikes each, holidays moved back, in the exchange’s steps', () => {
  const chain = listChain('AAPL', 201.7, START)
  expect(chain).toHaveLength(4 * 2 * 17)
  expect([...new Set(chain.map(({option}) => option?.expiry))]).toEqual([
    '2025-06-06',
    '2025-06-13',
    '2025-07-03',
    '2025-08-01',
  ])
  expect(chain[0]?.symbol).toBe('AAPL250606C00182500')
  const strikes = chain.slice(0, 17).map(({option}) => option?.strike ?? 0)
  expect(new Set(strikes.slice(1).map((strike, k) => strike - (strikes[k] ?? 0)))).toEqual(new Set([2.5]))
})

const market = (seed: number) =>
  withOptions(
    createSimulatedMarket({
      instruments: InstrumentTable.of(['SPY', 'AAPL', 'BTC/USD'].map(symbol => listedInstrument(instrumentOf(symbol)))),
      rng: createRng(seed, 'market'),
      startUs: START,
    }),
    {underlyings: [{symbol: 'AAPL', price: 200, volatility: 0.25}], rng: createRng(seed, 'options'), startUs: START},
  )

/** Rows as text, drained in steps of any size. */
const rows = (seed: number, steps: readonly number[], most: number): string[] => {
  const source = market(seed)
  const out: string[] = []
  for (const step of steps)
    for (;;) {
      const chunk = source.advanceTo(START + step, most)
      if (chunk.count === 0) break
      for (let r = 0; r < chunk.count; r++)
        out.push(
          [chunk.tsUs, chunk.kind, chunk.instrument, chunk.v0, chunk.v1, chunk.v4].map(column => column[r]).join(' '),
        )
    }
  return out
}

test('rows are a function of the seed, in time order, however they are asked for', () => {
  const whole = rows(1, [10 * MINUTE], 512)
  expect(
    rows(
      1,
      Array.from({length: 100}, (_, k) => (k + 1) * 0.1 * MINUTE),
      7,
    ),
  ).toEqual(whole)
  expect(rows(2, [10 * MINUTE], 512)).not.toEqual(whole)
  const times = whole.map(row => Number(row.split(' ')[0]))
  expect(times).toEqual(times.toSorted((a, b) => a - b))
  const options = whole.filter(row => row.split(' ')[1] === String(EventKind.option))
  expect(options.length).toBeGreaterThan(136)
})

const quotesOf = (contracts: readonly Instrument[], quotes: OptionQuotes): OptionQuote[] =>
  contracts.map((contract, k) => {
    const {bidTicks, askTicks, volume, openInterest} = quotes.quote(k)
    return {
      symbol: 'AAPL',
      tsUs: START,
      underlying: 200,
      contract: contract.symbol,
      strike: contract.option?.strike ?? 0,
      expiry: contract.option?.expiry ?? '',
      right: contract.option?.right ?? 'call',
      bid: bidTicks / 1e4,
      ask: askTicks / 1e4,
      volume,
      openInterest,
    }
  })

test('the smile is skewed, free of arbitrage within its spreads, and higher after a fall', () => {
  const contracts = listChain('AAPL', 200, START)
  const quotes = new OptionQuotes(contracts, 0.25, createRng(1, 'o'))
  quotes.advance(200, START)
  const before = quotes.volatility
  for (const [k, contract] of contracts.entries()) {
    const {bidTicks, askTicks} = quotes.quote(k)
    const {strike = 0, right} = contract.option ?? {}
    const intrinsic = Math.max(0, right === 'call' ? 200 - strike : strike - 200)
    expect(askTicks).toBeGreaterThan(bidTicks)
    expect(askTicks / 1e4).toBeGreaterThanOrEqual(intrinsic)
  }
  // Same strike and expiry: call less put is worth the forward, within the two spreads.
  const byName = new Map(
    quotesOf(contracts, quotes).map(quote => [`${quote.expiry} ${quote.strike} ${quote.right}`, quote]),
  )
  for (const [name, call] of byName) {
    if (!name.endsWith('call')) continue
    const put = byName.get(name.replace('call', 'put'))
    if (put === undefined) continue
    expect(call.ask - put.bid).toBeGreaterThanOrEqual(200 - call.strike - 0.06)
    expect(call.bid - put.ask).toBeLessThanOrEqual(200 - call.strike * Math.exp(-0.04 * 0.2) + 0.06)
  }
  quotes.advance(190, START + MINUTE)
  expect(quotes.volatility / before).toBeGreaterThan(1.15)
})

test('the chain can be read by the same code as a real one', () => {
  const contracts = listChain('AAPL', 200, START)
  const quotes = new OptionQuotes(contracts, 0.25, createRng(1, 'o'))
  quotes.advance(200, START)
  const analysis = chainGreeks(buildChain(quotesOf(contracts, quotes)))
  expect(analysis.forwards.map(({forward}) => Math.round(forward))).toEqual([200, 200, 201, 201])
})
