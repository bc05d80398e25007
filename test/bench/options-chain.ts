/**
 * node test/bench/options-chain.ts: latency of whole chains on one core, p50 and p99 of 200 rounds, quotes as parsed objects
 * in, columns out. Wall time counts what else the machine does; CPU time counts this process, its collector included. Synthetic
 * 1,000 contracts, to the embedding in place and in its thread; the real SPX chain nearest to 10,000 and the American SPY chain
 * where the test data is there.
 */
import {existsSync} from 'node:fs'
import {monitorEventLoopDelay} from 'node:perf_hooks'
import {openEmbedThread} from '../../src/core/embed-thread.ts'
import {readEmbedder} from '../../src/core/embedder-file.ts'
import {readModelFile} from '../../src/core/model-files.ts'
import {newYorkToUtcUs, parseDay} from '../../src/domain/calendar.ts'
import {createRng} from '../../src/domain/rng.ts'
import {openOrtSession} from '../../src/drivers/onnx/ort-session.ts'
import {runEmbedders} from '../../src/models/embedder-trainer.ts'
import {americanChainGreeks} from '../../src/options/american-chain.ts'
import {blackPrice} from '../../src/options/black.ts'
import {buildChain} from '../../src/options/chain.ts'
import {chainFeatures} from '../../src/options/chain-features.ts'
import {chainGreeks} from '../../src/options/chain-greeks.ts'
import {chainTensor, emptyChainTensor} from '../../src/options/chain-tensor.ts'
import {hestonCalls} from '../../src/options/heston.ts'
import {impliedTotalVolatility} from '../../src/options/implied-volatility.ts'
import type {OptionQuote} from '../../src/options/option-quote.ts'
import {readChain} from '../../src/options/options.ts'
import {sliceSmiles} from '../../src/options/slice-smile.ts'
import {readCboe} from '../support/option-chains.ts'
import {dataFile} from '../support/test-data.ts'

const ROUNDS = 200
/** Large chains are timed over fewer. */
const LARGE_ROUNDS = 60
const WARM_UP = 150

const time = (name: string, contracts: number, run: () => void): number => {
  const rounds = contracts > 5_000 ? LARGE_ROUNDS : ROUNDS
  for (let i = 0; i < Math.min(WARM_UP, rounds); i++) run()
  const wall: number[] = []
  const cpu: number[] = []
  for (let i = 0; i < rounds; i++) {
    const before = process.cpuUsage()
    const start = performance.now()
    run()
    wall.push(performance.now() - start)
    const used = process.cpuUsage(before)
    cpu.push((used.user + used.system) / 1_000)
  }
  const at = (values: readonly number[], p: number): number =>
    values.toSorted((a, b) => a - b)[Math.floor(p * rounds)] as number
  const figure = (value: number): string => value.toFixed(2).padStart(7)
  process.stdout.write(
    `${name.padEnd(50)} wall p50 ${figure(at(wall, 0.5))} p99 ${figure(at(wall, 0.99))} ms   cpu p50 ${figure(at(cpu, 0.5))} p99 ${figure(at(cpu, 0.99))} ms   ${((at(cpu, 0.5) * 1e6) / contracts).toFixed(0)} ns/contract\n`,
  )
  return at(cpu, 0.5)
}

/** Heston prices with known truth: ten expiries of fifty strikes, calls and puts. */
const synthetic = (): OptionQuote[] => {
  const rng = createRng(11, 'chain bench')
  const tsUs = newYorkToUtcUs((parseDay('2023-06-12') * 24 + 12) * 3.6e9)
  const model = {kappa: 2, theta: 0.04, xi: 0.5, rho: -0.7, v0: 0.035}
  const expiries = ['06-16', '06-23', '06-30', '07-07', '07-14', '07-21', '08-18', '09-15', '10-20', '12-15']
  return expiries.flatMap((monthDay, e) => {
    const strikes = Array.from({length: 50}, (_, i) => 3600 + 25 * i)
    const ttmYears = [4, 11, 18, 25, 32, 39, 67, 95, 130, 186][e] ?? 0
    const calls = hestonCalls(model, 4300, strikes, ttmYears / 365)
    return strikes.flatMap((strike, i) =>
      (['call', 'put'] as const).map((right): OptionQuote => {
        const price = Math.max((calls[i] as number) - (right === 'put' ? 4300 - strike : 0), 0)
        const half = 0.05 + 0.002 * price * (1 + rng.uniform())
        return {
          symbol: 'SPX',
          contract: `SPXW23${monthDay.replace('-', '')}${right === 'call' ? 'C' : 'P'}${String(strike * 1000).padStart(8, '0')}`,
          ...{right, strike, expiry: `2023-${monthDay}`, tsUs, bid: Math.max(price - half, 0), ask: price + half},
          ...{underlying: 4300, volume: i, openInterest: 10 * i},
        }
      }),
    )
  })
}

/** The same implied volatilities by 40 bisections, and nothing else. */
const bisectAll = (quotes: readonly OptionQuote[]): number => {
  let sum = 0
  for (const quote of quotes) {
    const mid = 0.5 * (quote.bid + quote.ask)
    let [low, high] = [0, 5]
    for (let i = 0; i < 40; i++) {
      const middle = 0.5 * (low + high)
      if (blackPrice(4300, quote.strike, middle, quote.right === 'call') < mid) low = middle
      else high = middle
    }
    sum += low
  }
  return sum
}

const tensor = emptyChainTensor()
const whole = (quotes: readonly OptionQuote[]): void => {
  const analysis = chainGreeks(buildChain(quotes))
  const smiles = sliceSmiles(analysis)
  chainFeatures(analysis, 0.15, smiles)
  chainTensor(analysis, smiles, tensor)
}

const thousand = synthetic()
const n = thousand.length
time(`${n} contracts: quotes → greeks`, n, () => void chainGreeks(buildChain(thousand)))
const ours = time(`${n} contracts: quotes → greeks, features, tensor`, n, () => whole(thousand))
const file = readModelFile('embedder')
const session = openOrtSession(file.bytes, {threads: 1})
const {prior} = readEmbedder(file.bytes, file.path)
time(`${n} contracts: quotes → greeks, features, embedding`, n, () => {
  const reading = readChain(thousand, {realisedVolatility: 0.15, tensor})
  runEmbedders(session, [reading], prior)
})
session.dispose()
let sink = 0
time(`${n} contracts: implied volatility kernel alone`, n, () => {
  for (const q of thousand) sink += impliedTotalVolatility(0.5 * (q.bid + q.ask), 4300, q.strike, q.right === 'call')
})
const naive = time(`${n} contracts: naive bisection, volatility alone`, n, () => {
  sink += bisectAll(thousand)
})
process.stdout.write(
  `whole pipeline against naive volatilities alone: ${(naive / ours).toFixed(1)}x faster${sink === 0 ? ' ' : ''}\n`,
)

const spx = 'cboe_SPX_chain_2023-06-09.csv.gz'
if (existsSync(dataFile(`options/${spx}`))) {
  const {quotes} = readCboe(spx)
  const ten = quotes.slice(0, 10_000)
  time(`SPX, first ${ten.length} contracts: quotes → greeks`, ten.length, () => void chainGreeks(buildChain(ten)))
  time(
    `SPX, all ${quotes.length} contracts: quotes → greeks`,
    quotes.length,
    () => void chainGreeks(buildChain(quotes)),
  )
  time(`SPX, all ${quotes.length}: greeks, features, tensor`, quotes.length, () => whole(quotes))
} else process.stdout.write('no test data: the SPX chain was not timed\n')

const spy = 'cboe_SPY_chain_2023-06-02.csv.gz'
if (existsSync(dataFile(`options/${spy}`))) {
  const {quotes} = readCboe(spy)
  const european = time(`SPY, ${quotes.length} American: as if European`, quotes.length, () => {
    chainGreeks(buildChain(quotes))
  })
  const american = time(`SPY, ${quotes.length} American: rate, forwards, greeks`, quotes.length, () => {
    americanChainGreeks(buildChain(quotes))
  })
  process.stdout.write(`exercise costs ${(american / european).toFixed(1)}x the European analysis\n`)
  // SPY pays in the months of quarterly expiries; amounts of that year, growing.
  const dividends = Array.from({length: 11}, (_, i) => ({timeYears: 0.038 + 0.25 * i, amount: 1.6 + 0.02 * i}))
  const discrete = time(
    `SPY, ${quotes.length} American: with ${dividends.length} cash dividends`,
    quotes.length,
    () => {
      americanChainGreeks(buildChain(quotes), {dividends})
    },
  )
  process.stdout.write(`cash dividends cost ${(discrete / american).toFixed(1)}x the analysis with a yield\n`)
}

// A strategy's reading of a chain, on the loop's own thread every 20 ms: what `trade` does beside the embedding.
{
  const delay = monitorEventLoopDelay({resolution: 1})
  delay.enable()
  const reads: number[] = []
  for (let i = 0; i < ROUNDS; i++) {
    await new Promise(resolve => setTimeout(resolve, 20))
    const start = performance.now()
    const analysis = chainGreeks(buildChain(thousand))
    chainFeatures(analysis)
    reads.push(performance.now() - start)
  }
  delay.disable()
  reads.sort((a, b) => a - b)
  const at = (p: number): string => (reads[Math.floor(p * ROUNDS)] as number).toFixed(2)
  process.stdout.write(
    `${n} contracts read on the loop: p50 ${at(0.5)} p99 ${at(0.99)} ms; loop delay p50 ${(delay.percentile(50) / 1e6).toFixed(2)} p99 ${(delay.percentile(99) / 1e6).toFixed(2)} ms (1 is the timer's own)\n`,
  )
}

// Chains to the thread, as fast as it takes them, while the loop's delay is watched.
{
  await using thread = await openEmbedThread(file.bytes, file.path)
  for (let i = 0; i < 50; i++) await thread.embed(thousand)
  const delay = monitorEventLoopDelay({resolution: 1})
  delay.enable()
  const waits: number[] = []
  let hand = 0
  for (let i = 0; i < ROUNDS; i++) {
    const start = performance.now()
    const answer = thread.embed(thousand)
    hand += performance.now() - start
    await answer
    waits.push(performance.now() - start)
  }
  delay.disable()
  waits.sort((a, b) => a - b)
  const at = (p: number): string => (waits[Math.floor(p * ROUNDS)] as number).toFixed(2)
  process.stdout.write(
    `${n} contracts to the embedding thread: answer p50 ${at(0.5)} p99 ${at(0.99)} ms, of which ${(hand / ROUNDS).toFixed(2)} ms on the caller's loop; loop delay p50 ${(delay.percentile(50) / 1e6).toFixed(2)} p99 ${(delay.percentile(99) / 1e6).toFixed(2)} ms (1 is the timer's own)\n`,
  )
}
