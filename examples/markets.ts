/**
 * Seeded markets the examples run on, as NDJSON records: made up, so that every figure in `expected.json` can be made
 * again anywhere. They are built to contain what each strategy looks for; profits on them say nothing about real markets.
 *
 *     npx node examples/markets.ts pairs > pairs.ndjson
 */
import process from 'node:process'
import {dayOf, formatDay, isTradingDay, sessionOpenUs} from '../src/domain/calendar.ts'
import {createRng, type Rng} from '../src/domain/rng.ts'
import {blackPrice} from '../src/options/black.ts'

type MarketRecord = Readonly<Record<string, unknown>> & {readonly kind: string; readonly tsUs: number}

const SECOND = 1_000_000
const MINUTE = 60 * SECOND
const FIRST_DAY = dayOf(2024, 1, 2)

const cents = (price: number): number => Math.round(price * 100) / 100

const sessionDays = (count: number): number[] => {
  const days: number[] = []
  for (let day = FIRST_DAY; days.length < count; day++) if (isTradingDay(day)) days.push(day)
  return days
}
/** Closing times of the one-minute bars of a number of sessions. */
const minuteCloses = (sessions: number): number[] =>
  sessionDays(sessions).flatMap(day => Array.from({length: 389}, (_, m) => sessionOpenUs(day) + (m + 1) * MINUTE))

const bar = (symbol: string, tsUs: number, open: number, close: number, rng: Rng): MarketRecord => ({
  kind: 'bar',
  symbol,
  tsUs,
  open: cents(open),
  high: cents(Math.max(open, close) + 0.01 * rng.below(3)),
  low: cents(Math.min(open, close) - 0.01 * rng.below(3)),
  close: cents(close),
  volume: 5_000 + rng.below(5_000),
  periodUs: MINUTE,
})

/** Minute bars of one stock whose drift changes sign every hour or so. */
function* trend(rng: Rng): Generator<MarketRecord> {
  let price = 100
  let drift = 0
  for (const [k, at] of minuteCloses(5).entries()) {
    if (k % 70 === 0) drift = (rng.uniform() < 0.5 ? -1 : 1) * 0.00008
    const open = price
    price *= Math.exp(drift + 0.0004 * rng.normal())
    yield bar('AAPL', at, open, price, rng)
  }
}

/** Minute bars of two stocks that share a random walk but for a mean-reverting distance, and of two that share nothing. */
function* pairs(rng: Rng): Generator<MarketRecord> {
  const logs = {KO: Math.log(60), PEP: Math.log(170), AAPL: Math.log(190), XOM: Math.log(100)}
  let spread = 0
  for (const at of minuteCloses(5)) {
    const before = {...logs}
    for (const symbol of ['PEP', 'AAPL', 'XOM'] as const) logs[symbol] += 0.0006 * rng.normal()
    spread = 0.95 * spread + 0.0008 * rng.normal()
    logs.KO = Math.log(60) + 0.9 * (logs.PEP - Math.log(170)) + spread
    for (const symbol of ['KO', 'PEP', 'AAPL', 'XOM'] as const)
      yield bar(symbol, at, Math.exp(before[symbol]), Math.exp(logs[symbol]), rng)
  }
}

/** Quotes and trades of one stock: two-cent spread, imbalance that leans towards the next move, trades of all depths. */
function* book(rng: Rng): Generator<MarketRecord> {
  const openUs = sessionOpenUs(FIRST_DAY)
  let mid = 10_000
  for (let k = 0; k < 40 * 60 * 4; k++) {
    const tsUs = openUs + k * 250_000
    const lean = rng.normal()
    if (rng.uniform() < 0.2) mid += lean > 0 ? 1 : -1
    const size = (side: number) => Math.max(1, Math.round(300 * Math.exp(0.6 * side * lean + 0.3 * rng.normal())))
    yield {
      kind: 'quote',
      symbol: 'SPY',
      tsUs,
      bid: (mid - 1) / 100,
      ask: (mid + 1) / 100,
      bidSize: size(1),
      askSize: size(-1),
    }
    if (rng.uniform() < 0.3) {
      const aggressor = rng.uniform() < 0.5 + 0.1 * Math.tanh(lean) ? 'buy' : 'sell'
      const depth = 1 + Math.floor(rng.exponential())
      const price = (aggressor === 'buy' ? mid + depth : mid - depth) / 100
      yield {kind: 'trade', symbol: 'SPY', tsUs: tsUs + 1000, price, size: 1 + rng.below(200), aggressor}
    }
  }
}

/** Three coin pairs whose cross rate now and then falls behind the other two for a third of a second. */
function* triangle(rng: Rng): Generator<MarketRecord> {
  const openUs = sessionOpenUs(FIRST_DAY)
  let [btc, eth, lag] = [50_000, 2_500, 0]
  for (let k = 0; k < 30_000; k++) {
    const tsUs = openUs + k * 50_000
    btc *= Math.exp(0.00002 * rng.normal())
    eth *= Math.exp(0.00002 * rng.normal())
    if (lag === 0 && rng.uniform() < 0.002) lag = 6
    if (lag > 0) lag--
    const cross = (eth / btc) * (lag > 0 ? 1.0025 : 1)
    const quote = (symbol: string, mid: number, half: number, size: number, digits: number): MarketRecord => ({
      kind: 'quote',
      symbol,
      tsUs,
      bid: Number((mid - half).toFixed(digits)),
      ask: Number((mid + half).toFixed(digits)),
      bidSize: size,
      askSize: size,
    })
    yield quote('BTC/USD', btc, 0.5, 2, 2)
    yield quote('ETH/USD', eth, 0.05, 20, 2)
    yield quote('ETH/BTC', cross, 0.000002, 20, 8)
  }
}

/** Quotes of one stock in which a lopsided book is followed by a move its way, again and again. */
function* announced(rng: Rng): Generator<MarketRecord> {
  const openUs = sessionOpenUs(FIRST_DAY)
  let mid = 10_000
  for (let m = 0; m < 360; m += 2) {
    const direction = rng.uniform() < 0.5 ? 1 : -1
    for (let s = 0; s < 120; s++) {
      if (s >= 60 && s < 80) mid += direction
      const heavy = s < 60 ? 900 : 500
      const [bidSize, askSize] = direction > 0 ? [heavy, 1000 - heavy] : [1000 - heavy, heavy]
      const tsUs = openUs + (60 * m + s) * SECOND
      yield {kind: 'quote', symbol: 'SPY', tsUs, bid: (mid - 1) / 100, ask: (mid + 1) / 100, bidSize, askSize}
    }
  }
}

/** A stock and its option chain every five minutes; before each large move the put skew and put volume change first. */
function* chain(rng: Rng): Generator<MarketRecord> {
  const expiry = formatDay(dayOf(2024, 2, 16))
  const expiryUs = dayOf(2024, 2, 16) * 86_400 * SECOND + 21 * 3600 * SECOND
  let spot = 470
  let fear = 0
  for (const [d, day] of sessionDays(8).entries())
    for (let k = 0; k < 76; k++) {
      const tsUs = sessionOpenUs(day) + k * 5 * MINUTE
      if (rng.uniform() < 0.015) fear = rng.uniform() < 0.5 ? 1 : -1
      spot *= Math.exp(-0.0006 * fear + 0.0004 * rng.normal())
      fear *= 0.93
      yield {
        kind: 'quote',
        symbol: 'SPY',
        tsUs,
        bid: cents(spot) - 0.01,
        ask: cents(spot) + 0.01,
        bidSize: 500,
        askSize: 500,
      }
      const years = (expiryUs - tsUs) / (365 * 86_400 * SECOND)
      for (let strike = 440; strike <= 500; strike += 5)
        for (const right of ['call', 'put'] as const) {
          const volatility = 0.14 - (0.6 + 0.3 * fear + 0.02 * rng.normal()) * (strike / spot - 1)
          const price = blackPrice(spot, strike, volatility * Math.sqrt(years), right === 'call')
          const contract = `SPY240216${right === 'call' ? 'C' : 'P'}${String(strike * 1000).padStart(8, '0')}`
          const volume = Math.round((right === 'put' ? 1 + Math.max(-0.8, fear) : 1) * (80 + rng.below(40)))
          const fields = {right, strike, expiry, bid: cents(Math.max(0, price - 0.02)), ask: cents(price + 0.02)}
          yield {
            kind: 'option-quote',
            symbol: 'SPY',
            contract,
            tsUs,
            ...fields,
            bidSize: 50,
            askSize: 50,
            volume,
            openInterest: 1000 + d,
          }
        }
    }
}

/** Five-minute bars of one stock in sessions of 2026, trending for an hour at a time: later than what shipped models have seen. */
function* sessions(rng: Rng): Generator<MarketRecord> {
  let price = 100
  let drift = 0
  for (let day = dayOf(2026, 1, 5), left = 20; left > 0; day++) {
    if (!isTradingDay(day)) continue
    left--
    for (let k = 0; k < 77; k++) {
      if (k % 13 === 0) drift = (rng.uniform() < 0.5 ? -1 : 1) * 0.0016
      const open = price
      price *= Math.exp(drift + 0.0008 * rng.normal())
      yield {
        ...bar('AAPL', sessionOpenUs(day) + (k + 1) * 5 * MINUTE, open, price, rng),
        volume: 100_000 + rng.below(100_000),
        periodUs: 5 * MINUTE,
      }
    }
  }
}

/** Quotes of a fund and of its two members; the fund strays from its basket by a mean-reverting premium of some basis points. */
function* basket(rng: Rng): Generator<MarketRecord> {
  const openUs = sessionOpenUs(FIRST_DAY)
  const prices = {AAA: 40, BBB: 80}
  let premium = 0
  for (let k = 0; k < 30 * 60 * 4; k++) {
    const tsUs = openUs + k * 250_000
    for (const symbol of ['AAA', 'BBB'] as const) prices[symbol] *= Math.exp(0.00002 * rng.normal())
    premium = 0.98 * premium + 0.00025 * rng.normal()
    const value = (0.5 * prices.AAA + 0.25 * prices.BBB + 1) * Math.exp(premium)
    const quote = (symbol: string, price: number) => ({
      kind: 'quote',
      symbol,
      tsUs,
      bid: cents(price - 0.005),
      ask: cents(price - 0.005) + 0.01,
      bidSize: 300 + rng.below(700),
      askSize: 300 + rng.below(700),
    })
    yield quote('AAA', prices.AAA)
    yield quote('BBB', prices.BBB)
    yield quote('ETF', value)
  }
}

/** A European chain of a small index once a second; every two minutes one call is a dollar too dear for ten seconds. */
function* mispriced(rng: Rng): Generator<MarketRecord> {
  const expiry = formatDay(dayOf(2024, 2, 16))
  const openUs = sessionOpenUs(FIRST_DAY) + 30 * MINUTE
  const years = (dayOf(2024, 2, 16) - FIRST_DAY) / 365
  let index = 474
  let dear = 470
  for (let k = 0; k < 20 * 60; k++) {
    index *= Math.exp(0.00002 * rng.normal())
    if (k % 120 === 0) dear = 470 + 5 * rng.below(3)
    for (let strike = 460; strike <= 490; strike += 5)
      for (const right of ['call', 'put'] as const) {
        const fair = blackPrice(index, strike, 0.13 * Math.sqrt(years), right === 'call')
        const price = fair + (right === 'call' && strike === dear && k % 120 >= 110 ? 1 : 0)
        yield {
          kind: 'option-quote',
          symbol: 'XSP',
          contract: `XSP240216${right === 'call' ? 'C' : 'P'}${String(strike * 1000).padStart(8, '0')}`,
          right,
          strike,
          expiry,
          tsUs: openUs + k * SECOND,
          bid: cents(price - 0.02),
          ask: cents(price + 0.02),
          bidSize: 20,
          askSize: 20,
          volume: 100,
          openInterest: 1000,
        }
      }
  }
}

export const MARKETS: Readonly<Record<string, (rng: Rng) => Generator<MarketRecord>>> = {
  trend,
  pairs,
  book,
  triangle,
  announced,
  chain,
  sessions,
  basket,
  mispriced,
}

/** Records of a market by name, in time order; the same for the same seed. */
export const marketRecords = (name: string, seed = 1): Generator<MarketRecord> => {
  const make = MARKETS[name]
  if (make === undefined) throw new RangeError(`markets are ${Object.keys(MARKETS).join(', ')}, was ${name}`)
  return make(createRng(seed, `example/${name}`))
}

if (import.meta.main) {
  const [name = '', seed = '1'] = process.argv.slice(2)
  for (const record of marketRecords(name, Number(seed)))
    if (!process.stdout.write(`${JSON.stringify(record)}\n`))
      await new Promise(resolve => process.stdout.once('drain', resolve))
}
