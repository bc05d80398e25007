/**
 * node test/bench/dividend-agreement.ts [every]: volatilities of a whole American chain with cash dividends against the
 * lattice, contract by contract, in volatility points, by moneyness. Every n-th contract (default 10).
 */
import {existsSync} from 'node:fs'
import {americanChainGreeks} from '../../src/options/american-chain.ts'
import {buildChain} from '../../src/options/chain.ts'
import {escrowed, latticePrice} from '../../src/options/lattice.ts'
import type {OptionQuote} from '../../src/options/option-quote.ts'
import {readCboe} from '../support/option-chains.ts'
import {dataFile} from '../support/test-data.ts'

const FILE = 'cboe_SPY_chain_2023-06-02.csv.gz'
const STEPS = 501
const BANDS = [
  ['in the money beyond 2', Number.NEGATIVE_INFINITY, -2],
  ['in the money 1 … 2', -2, -1],
  ['in the money 0.25 … 1', -1, -0.25],
  ['at the money', -0.25, 0.25],
  ['out of the money', 0.25, Number.POSITIVE_INFINITY],
] as const

const quantile = (values: readonly number[], p: number): string =>
  (values.toSorted((a, b) => a - b)[Math.min(Math.floor(p * values.length), values.length - 1)] ?? Number.NaN).toFixed(
    4,
  )

const compare = (every: number): void => {
  const {quotes} = readCboe(FILE)
  const dividends = Array.from({length: 11}, (_, i) => ({timeYears: 0.038 + 0.25 * i, amount: 1.6 + 0.02 * i}))
  const chain = buildChain(quotes)
  const {forwards, columns, sliceOf, mid, status} = americanChainGreeks(chain, {dividends})
  const spot = chain.underlying ?? Number.NaN
  const gaps: {readonly deviation: number; readonly gap: number}[] = []
  for (let i = 0; i < quotes.length; i += every) {
    const {strike, right} = quotes[i] as OptionQuote
    const slice = chain.slices[sliceOf[i] as number]
    const forward = forwards[sliceOf[i] as number]
    if (slice === undefined || forward === undefined || status[i] !== 'ok') continue
    const {ttmYears} = slice
    const coming = dividends.filter(d => d.timeYears <= ttmYears)
    const flip = right === 'call' ? 1 : -1
    // Within five cents of exercise a volatility is what the last cent makes it.
    if (coming.length === 0 || (mid[i] as number) < Math.max(flip * (spot - strike), 0) + 0.05) continue
    const {rate} = forward
    const yieldRate = rate - Math.log(forward.forward / (spot - escrowed(coming, rate, ttmYears))) / ttmYears
    const sigma = columns.impliedVolatility[i] as number
    const price = (volatility: number): number => {
      const option = {spot, strike, ttmYears, rate, yieldRate, right, volatility}
      // Two lattices a step apart: their ripples and their dates cancel in part.
      const one = (steps: number): number => latticePrice(option, {steps, dividends: coming})
      return 0.5 * (one(STEPS) + one(STEPS + 2))
    }
    const vega = (price(1.01 * sigma) - price(0.99 * sigma)) / (0.02 * sigma)
    if (!(vega > 1e-4 * spot)) continue
    gaps.push({
      deviation: (flip * Math.log(strike / forward.forward)) / (sigma * Math.sqrt(ttmYears)),
      gap: 100 * Math.abs((price(sigma) - (mid[i] as number)) / vega),
    })
  }
  process.stdout.write(
    `SPY 2023-06-02, ${dividends.length} dividends, ${gaps.length} contracts; |Δσ| in volatility points\n`,
  )
  for (const [name, low, high] of [...BANDS, ['all', Number.NEGATIVE_INFINITY, Number.POSITIVE_INFINITY] as const]) {
    const band = gaps.filter(g => g.deviation >= low && g.deviation < high).map(g => g.gap)
    process.stdout.write(
      `${name.padEnd(24)}${String(band.length).padStart(6)}  p50 ${quantile(band, 0.5)}  p90 ${quantile(band, 0.9)}  p99 ${quantile(band, 0.99)}  most ${quantile(band, 1)}\n`,
    )
  }
}

if (existsSync(dataFile(`options/${FILE}`))) compare(Number(process.argv[2] ?? 10))
else process.stdout.write('no test data: set GPI_TEST_DATA\n')
