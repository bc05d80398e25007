import process from 'node:process'
import {resolveConfig} from '../../src/config/resolve.ts'
import {runTrade} from '../../src/core/trade.ts'

/**
 * A trading node as its own process, for tests that kill it: `node trade-child.ts HOME EXCHANGE_URL DURATION_MS SPEED`.
 * Prints the summary as one line of JSON when it ends by itself.
 */
const [home = '', exchange = '', durationMs = '', speed = '1'] = process.argv.slice(2)
const stop = new AbortController()
process.on('SIGTERM', () => stop.abort())
const summary = await runTrade({
  resolved: resolveConfig([{source: 'test', values: {home, memory: {directory: 'memory'}}}]),
  target: {broker: 'local', live: false, understandsLive: false, exchange},
  environment: {},
  durationMs: Number(durationMs),
  speed: Number(speed),
  symbols: ['SPY', 'KO', 'PEP', 'BTC/USD'],
  strategies: ['market-making', 'random-entry'],
  port: 0,
  flattenOnStop: false,
  signal: stop.signal,
  onEvent: () => {},
  onNote: text => process.stderr.write(`${text}\n`),
})
process.stdout.write(`${JSON.stringify(summary)}\n`)
process.exitCode = summary.exitCode
