import process from 'node:process'
import {resolveConfig} from '../../src/config/resolve.ts'
import {runTrade} from '../../src/core/trade.ts'
import {HEADERS} from './wire.ts'

/**
 * A node that trades verticals on the simulated chain of SPY, as its own process: `node spread-child.ts HOME EXCHANGE_URL
 * DURATION_MS SPEED`. It reads often and is easily moved, so that there is something to kill.
 */
const [home = '', exchange = '', durationMs = '', speed = '1'] = process.argv.slice(2)
const EAGER = {
  vehicle: 'spread',
  everySeconds: 15,
  memoryReadings: 20,
  entryScore: 0.25,
  headWeight: 0,
  minDays: 3,
  maxDays: 90,
  eventGuardMoves: 100,
}
const listed = (await (
  await fetch(new URL('/v2/options/contracts?expiration_date_lte=2030-01-01&limit=1000', exchange), {headers: HEADERS})
).json()) as {readonly option_contracts: readonly {readonly symbol: string}[]}
const stop = new AbortController()
process.on('SIGTERM', () => stop.abort())
const summary = await runTrade({
  resolved: resolveConfig([
    {
      source: 'test',
      values: {
        home,
        memory: {directory: 'memory'},
        // What does not move is shown once a minute.
        risk: {staleQuoteMs: 120_000},
        strategies: {parameters: {'option-sentiment': EAGER}},
      },
    },
  ]),
  target: {broker: 'local', live: false, understandsLive: false, exchange},
  environment: {},
  durationMs: Number(durationMs),
  speed: Number(speed),
  symbols: ['SPY', ...listed.option_contracts.map(({symbol}) => symbol)],
  strategies: ['option-sentiment'],
  port: 0,
  flattenOnStop: true,
  signal: stop.signal,
  onEvent: () => {},
  onNote: text => process.stderr.write(`${text}\n`),
})
process.stdout.write(`${JSON.stringify(summary)}\n`)
process.exitCode = summary.exitCode
