/**
 * Recomputes from the shared books the figures that `src/exchange/calibration.ts` states: run
 * `node test/bench/exchange-calibration.ts` and compare. Prints one JSON document.
 */
import {readFileSync} from 'node:fs'
import process from 'node:process'
import {gunzipSync} from 'node:zlib'
import {dataFile} from '../support/test-data.ts'

const rows = (file: string): string[][] =>
  gunzipSync(readFileSync(dataFile(`${file}.csv.gz`)))
    .toString('utf8')
    .trimEnd()
    .split('\n')
    .slice(1)
    .map(line => line.split(','))
const mean = (x: readonly number[]): number => x.reduce((a, b) => a + b, 0) / x.length
const deviation = (x: readonly number[]): number => {
  const m = mean(x)
  return Math.sqrt(mean(x.map(v => (v - m) ** 2)))
}
const correlation = (x: readonly number[], y: readonly number[]): number => {
  const mx = mean(x)
  const my = mean(y)
  return mean(x.map((v, i) => (v - mx) * (y[i]! - my))) / (deviation(x) * deviation(y))
}
const slope = (x: readonly number[], y: readonly number[]): number => (correlation(x, y) * deviation(y)) / deviation(x)
const quantile = (x: readonly number[], q: number): number =>
  Float64Array.from(x).sort()[Math.min(x.length - 1, Math.floor(q * x.length))]!
const round = (x: number, digits = 4): number => Number(x.toPrecision(digits))

interface Tick {
  readonly seconds: number
  readonly bid: number
  readonly ask: number
  readonly bidSize: number
  readonly askSize: number
}
interface Print {
  readonly seconds: number
  readonly price: number
  readonly size: number
  /** 0 where the file does not say. */
  readonly sign: number
}

const clock = (text: string): number => {
  const [h, m, s] = text.split(':').map(Number)
  return h! * 3600 + m! * 60 + s!
}

/** National best quote from one-sided rows of each exchange, as long as it is not crossed. */
const leanQuotes = (symbol: string, day: string): Tick[] => {
  const bids = new Map<string, [number, number]>()
  const asks = new Map<string, [number, number]>()
  const out: Tick[] = []
  for (const [date, time, bid, bidSize, ask, askSize, exchange] of rows(`lob/lean_${symbol}_tick_quotes_2013-10`)) {
    if (date !== day) continue
    // A quote that a newer one on the other side meets or passes is stale: its exchange has not been heard of since.
    if (bid) {
      bids.set(exchange!, [Number(bid), Number(bidSize)])
      for (const [name, [price]] of asks) if (price <= Number(bid)) asks.delete(name)
    }
    if (ask) {
      asks.set(exchange!, [Number(ask), Number(askSize)])
      for (const [name, [price]] of bids) if (price >= Number(ask)) bids.delete(name)
    }
    const b = Math.max(...[...bids.values()].map(v => v[0]))
    const a = Math.min(...[...asks.values()].map(v => v[0]))
    if (!(b > 0) || !Number.isFinite(a) || b >= a || (a - b) / a > 0.005) continue
    const size = (side: Map<string, [number, number]>, price: number): number =>
      [...side.values()].reduce((sum, [p, s]) => (p === price ? sum + s : sum), 0)
    const tick = {seconds: clock(time!), bid: b, ask: a, bidSize: size(bids, b), askSize: size(asks, a)}
    const last = out.at(-1)
    if (last && last.bid === b && last.ask === a && last.bidSize === tick.bidSize && last.askSize === tick.askSize)
      continue
    out.push(tick)
  }
  return out
}
const leanTrades = (symbol: string, day: string): Print[] =>
  rows(`lob/lean_${symbol}_tick_trades_2013-10`)
    .filter(row => row[0] === day && Number(row[2]) > 0)
    .map(row => ({seconds: clock(row[1]!), price: Number(row[2]), size: Number(row[3]), sign: 0}))
const binanceQuotes = (symbol: string): Tick[] =>
  rows(`lob/binance_spot_${symbol}_20240808_bbo`).map(row => ({
    seconds: Number(row[0]) / 1e9,
    bid: Number(row[3]),
    bidSize: Number(row[4]),
    ask: Number(row[5]),
    askSize: Number(row[6]),
  }))
const binanceTrades = (symbol: string): Print[] =>
  rows(`lob/binance_spot_${symbol}_20240808_trades`).map(row => ({
    seconds: Number(row[0]) / 1e9,
    price: Number(row[4]),
    size: Number(row[5]),
    sign: row[6] === '1' ? -1 : 1,
  }))

/** Fills of one aggressive order carry one price and (nearly) one time. */
const merge = (prints: readonly Print[]): Print[] => {
  const out: Print[] = []
  for (const print of prints) {
    const last = out.at(-1)
    if (last && print.seconds - last.seconds < 0.002 && print.price === last.price && print.sign === last.sign)
      out[out.length - 1] = {...last, size: last.size + print.size}
    else out.push(print)
  }
  return out
}

const describe = (quotes: readonly Tick[], prints: readonly Print[]) => {
  const span = quotes.at(-1)!.seconds - quotes[0]!.seconds
  const moves = quotes.filter((q, i) => i > 0 && (q.bid !== quotes[i - 1]!.bid || q.ask !== quotes[i - 1]!.ask))
  let q = 0
  const orders = merge(
    prints.map(print => {
      while (q + 1 < quotes.length && quotes[q + 1]!.seconds <= print.seconds) q++
      const mid = (quotes[q]!.bid + quotes[q]!.ask) / 2
      return {...print, sign: print.sign || Math.sign(print.price - mid)}
    }),
  )
  const signed = orders.filter(order => order.sign !== 0)
  // Once a second: imbalance of the touch against the move of the mid over the next second.
  const imbalance: number[] = []
  const flow: number[] = []
  const next: number[] = []
  let i = 0
  let j = 0
  let previousMid = Number.NaN
  let previousImbalance = 0
  let previousFlow = 0
  for (let t = quotes[0]!.seconds + 1; t < quotes.at(-1)!.seconds; t++) {
    while (i + 1 < quotes.length && quotes[i + 1]!.seconds <= t) i++
    let traded = 0
    while (j < signed.length && signed[j]!.seconds <= t) traded += signed[j]!.sign * Math.sqrt(signed[j++]!.size)
    const {bid, ask, bidSize, askSize} = quotes[i]!
    const mid = (bid + ask) / 2
    if (!Number.isNaN(previousMid)) {
      imbalance.push(previousImbalance)
      flow.push(previousFlow)
      next.push((mid / previousMid - 1) * 1e4)
    }
    previousMid = mid
    previousImbalance = (bidSize - askSize) / (bidSize + askSize)
    previousFlow = traded
  }
  const spreads = quotes.map(({bid, ask}) => ((ask - bid) / ((ask + bid) / 2)) * 1e4)
  const sizes = orders.map(order => Math.log(order.size))
  return {
    quotesPerSecond: round(quotes.length / span),
    priceChangesPerSecond: round(moves.length / span),
    ordersPerSecond: round(orders.length / span),
    spreadBps: {mean: round(mean(spreads)), median: round(quantile(spreads, 0.5)), p90: round(quantile(spreads, 0.9))},
    spreadTicks: round(mean(quotes.map(({bid, ask}) => Math.round((ask - bid) * 100)))),
    touchSize: {
      median: quantile(
        quotes.map(v => v.bidSize),
        0.5,
      ),
      logDeviation: round(deviation(quotes.map(v => Math.log(v.bidSize)))),
    },
    orderSize: {
      median: quantile(
        orders.map(o => o.size),
        0.5,
      ),
      logDeviation: round(deviation(sizes)),
    },
    signPersistence: round(
      correlation(
        signed.slice(0, -1).map(o => o.sign),
        signed.slice(1).map(o => o.sign),
      ),
    ),
    secondVolatilityBps: round(deviation(next)),
    imbalanceToNextSecond: {
      correlation: round(correlation(imbalance, next)),
      bpsPerUnit: round(slope(imbalance, next)),
    },
    flowToNextSecond: {correlation: round(correlation(flow, next))},
  }
}

const bars5 = (symbol: string): Map<string, number> =>
  new Map(rows(`intraday/us_5m_${symbol}_2025`).map(row => [row[0]!, Number(row[4])]))
const returns = (closes: readonly number[]): number[] => closes.slice(1).map((v, i) => Math.log(v / closes[i]!))

const equities = () => {
  const series = ['SPY', 'QQQ', 'AAPL', 'XLP'].map(bars5)
  const stamps = [...series[0]!.keys()].filter(stamp => stamp >= '2025-05-12' && series.every(s => s.has(stamp)))
  // Only moves inside a day: overnight gaps are another process.
  const inside = (closes: readonly number[]): number[] =>
    closes
      .slice(1)
      .flatMap((v, i) => (stamps[i]!.slice(0, 10) === stamps[i + 1]!.slice(0, 10) ? [Math.log(v / closes[i]!)] : []))
  const r = series.map(s => inside(stamps.map(stamp => s.get(stamp)!)))
  const annual = Math.sqrt(252 * 78)
  const byDay = new Map<string, number>()
  stamps.slice(1).forEach((stamp, i) => {
    const day = stamp.slice(0, 10)
    if (stamps[i]!.slice(0, 10) !== day) return
    const step = Math.log(series[0]!.get(stamp)! / series[0]!.get(stamps[i]!)!)
    byDay.set(day, (byDay.get(day) ?? 0) + step ** 2)
  })
  const logVolatility = [...byDay.values()].map(v => Math.log(Math.sqrt(v * 252)))
  const absolute = r[0]!.map(Math.abs)
  return {
    intradayVolatilityAnnual: {
      SPY: round(deviation(r[0]!) * annual),
      QQQ: round(deviation(r[1]!) * annual),
      AAPL: round(deviation(r[2]!) * annual),
      XLP: round(deviation(r[3]!) * annual),
    },
    correlationToSpy: {
      QQQ: round(correlation(r[0]!, r[1]!)),
      AAPL: round(correlation(r[0]!, r[2]!)),
      XLP: round(correlation(r[0]!, r[3]!)),
    },
    correlationQqqAapl: round(correlation(r[1]!, r[2]!)),
    logVolatilityOfDays: {
      deviation: round(deviation(logVolatility)),
      persistence: round(correlation(logVolatility.slice(0, -1), logVolatility.slice(1))),
    },
    absoluteReturnAutocorrelation5m: round(correlation(absolute.slice(0, -1), absolute.slice(1))),
    kurtosis5m: round(mean(r[0]!.map(v => v ** 4)) / mean(r[0]!.map(v => v ** 2)) ** 2),
  }
}

const cola = () => {
  const close = (name: string): number[] =>
    rows(`daily/${name}_1d_2010_2019`)
      .filter(row => row[0]! >= '2013-01-01')
      .map(row => Number(row[4]))
  const ko = close('KO').map(Math.log)
  const pep = close('PEP').map(Math.log)
  const beta = slope(pep, ko)
  const spread = ko.map((v, i) => v - beta * pep[i]!)
  const phi = correlation(spread.slice(0, -1), spread.slice(1))
  const rk = ko.slice(1).map((v, i) => v - ko[i]!)
  const rp = pep.slice(1).map((v, i) => v - pep[i]!)
  return {
    days: ko.length,
    volatilityAnnual: {KO: round(deviation(rk) * Math.sqrt(252)), PEP: round(deviation(rp) * Math.sqrt(252))},
    returnCorrelation: round(correlation(rk, rp)),
    hedgeRatio: round(beta),
    spreadDeviationPercent: round(deviation(spread) * 100),
    halfLifeDays: round(Math.log(0.5) / Math.log(phi)),
  }
}

const coins = () => {
  const hourly = (pair: string): Map<string, number> =>
    new Map(rows(`crypto/binance_${pair}_1h_2021-04-26_2021-05-15`).map(row => [row[0]!, Number(row[4])]))
  const [btc, eth, cross] = ['btcusdt', 'ethusdt', 'ethbtc'].map(hourly) as [
    Map<string, number>,
    Map<string, number>,
    Map<string, number>,
  ]
  const stamps = [...btc.keys()].filter(stamp => eth.has(stamp) && cross.has(stamp))
  const rb = returns(stamps.map(stamp => btc.get(stamp)!))
  const re = returns(stamps.map(stamp => eth.get(stamp)!))
  const gap = stamps.map(stamp => (cross.get(stamp)! / (eth.get(stamp)! / btc.get(stamp)!) - 1) * 1e4)
  const annual = Math.sqrt(365 * 24)
  const minutes = returns(rows('crypto/coinbase_btcusd_1m_2023-03-01_2023-03-14').map(row => Number(row[4])))
  return {
    volatilityAnnual: {BTC: round(deviation(rb) * annual), ETH: round(deviation(re) * annual)},
    correlation: round(correlation(rb, re)),
    crossDeviationBps: {
      deviation: round(deviation(gap)),
      autocorrelation1h: round(correlation(gap.slice(0, -1), gap.slice(1))),
    },
    btcMinuteVolatilityAnnual2023: round(deviation(minutes) * Math.sqrt(365 * 1440)),
  }
}

process.stdout.write(
  `${JSON.stringify(
    {
      IBM: describe(leanQuotes('IBM', '2013-10-07'), leanTrades('IBM', '2013-10-07')),
      BAC: describe(leanQuotes('BAC', '2013-10-07'), leanTrades('BAC', '2013-10-07')),
      BTCUSDT: describe(binanceQuotes('BTCUSDT'), binanceTrades('BTCUSDT')),
      ETHUSDT: describe(binanceQuotes('ETHUSDT'), binanceTrades('ETHUSDT')),
      equities: equities(),
      kopep: cola(),
      coins: coins(),
    },
    undefined,
    2,
  )}\n`,
)
