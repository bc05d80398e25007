/**
 * Events a second of each strategy's `onEvent` alone (no matching, no risk), against `do-nothing` on the same rows.
 *
 *     npx node test/bench/strategies-events.ts
 */
import {performance} from 'node:perf_hooks'
import process from 'node:process'
import {applyRow, createMarketState} from '../../src/data/market-state.ts'
import {InstrumentTable} from '../../src/domain/instrument.ts'
import {createRng} from '../../src/domain/rng.ts'
import {tsUs} from '../../src/domain/units.ts'
import {createStrategy} from '../../src/strategies/registry.ts'
import type {StrategyContext} from '../../src/strategies/strategy.ts'
import {chunkOf, quote, type Row, START, trade} from '../strategies/fixture.ts'

const ROWS = 400_000
const symbols = ['SPY', 'KO', 'PEP', 'BTC/USD', 'ETH/USD', 'ETH/BTC']
const instruments = InstrumentTable.of(symbols)

const rows = (): Row[] => {
  const rng = createRng(1)
  const mids = [4_000_000, 600_000, 1_700_000, 500_000_000, 25_000_000, 5_000_000]
  return Array.from({length: ROWS}, (_, k) => {
    const i = k % symbols.length
    const step = i < 3 ? 100 : 1000
    if (rng.uniform() < 0.3) mids[i] = (mids[i] as number) + step * (rng.below(3) - 1)
    const mid = mids[i] as number
    const at = START + k * 2000
    return rng.uniform() < 0.15
      ? trade(at, i, mid, 50 + rng.below(50), rng.uniform() < 0.5 ? 1 : 2)
      : quote(at, i, mid - step, mid + step, 100 + rng.below(900), 100 + rng.below(900))
  })
}

const chunk = chunkOf(rows())
const rate = (name: string): number => {
  const strategy = createStrategy(name)
  const market = createMarketState(instruments.size)
  let nowUs = START
  const context: StrategyContext = {
    get nowUs() {
      return tsUs(nowUs)
    },
    instruments,
    market,
    rng: createRng(1),
    capitalMicros: 100_000e6,
    positionLots: () => 0,
    signal: () => {},
    target: () => {},
    quote: () => {},
    wakeAt: () => {},
    multiLeg: () => undefined,
    cancelMultiLeg: () => {},
  }
  strategy.start?.(context)
  const before = performance.now()
  for (let row = 0; row < chunk.count; row++) {
    nowUs = chunk.tsUs[row] as number
    applyRow(market, chunk, row)
    strategy.onEvent(context, chunk, row)
  }
  return chunk.count / ((performance.now() - before) / 1000)
}

const names = [
  'do-nothing',
  'buy-and-hold',
  'random-entry',
  'market-making',
  'statistical-arbitrage',
  'triangular-arbitrage',
]
for (const name of names) rate(name)
const base = rate('do-nothing')
for (const name of names) {
  const median = [rate(name), rate(name), rate(name)].sort((a, b) => a - b)[1] as number
  process.stdout.write(
    `${name}: ${(median / 1e6).toFixed(2)} M events/s, ${(1e9 / median).toFixed(0)} ns each, ${(base / median).toFixed(1)} x do-nothing's time\n`,
  )
}
