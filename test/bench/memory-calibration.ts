/**
 * What the abstention threshold becomes on recorded markets: `node test/bench/memory-calibration.ts`. Patterns are 64
 * five-minute bars (return, range, volume and place of the close, each against the window's own spread), one every 30
 * minutes; the outcome is the next hour's return after 2 bps of costs, for a long position. Needs GPI_TEST_DATA.
 */
import {readdirSync, readFileSync} from 'node:fs'
import path from 'node:path'
import {performance} from 'node:perf_hooks'
import {gunzipSync} from 'node:zlib'
import {calibrateAbstention} from '../../src/memory/calibrate.ts'
import {type StoredPattern, unitVector} from '../../src/memory/pattern.ts'
import {dataFile, noTestData, testData} from '../support/test-data.ts'

const WINDOW = 64
const STEP = 6
const HORIZON = 12
const COST_BPS = 2
const print = (line: string): void => void process.stdout.write(`${line}\n`)

interface Bar {
  readonly tsUs: number
  readonly high: number
  readonly low: number
  readonly close: number
  readonly volume: number
}

const readBars = (file: string): Bar[] =>
  gunzipSync(readFileSync(file))
    .toString()
    .trim()
    .split('\n')
    .slice(1)
    .map(line => {
      const [time = '', , high, low, close, volume] = line.split(',')
      // Exchange time read as UTC: only order and distance matter here. Stamped at the close of the bar.
      const tsUs = Date.parse(`${time.replace(' ', 'T')}Z`) * 1_000 + 300_000_000
      return {tsUs, high: Number(high), low: Number(low), close: Number(close), volume: Number(volume)}
    })

const centred = (values: readonly number[]): number[] => {
  const mean = values.reduce((a, b) => a + b, 0) / values.length
  const spread = Math.sqrt(values.reduce((a, b) => a + (b - mean) ** 2, 0) / values.length)
  return values.map(value => (spread > 0 ? (value - mean) / spread : 0))
}

const patternsOf = (symbol: string, bars: readonly Bar[]): StoredPattern[] => {
  const found: StoredPattern[] = []
  for (let at = WINDOW; at + HORIZON < bars.length; at += STEP) {
    const window = bars.slice(at - WINDOW, at + 1)
    const pairs = window.slice(1).map((bar, i) => ({bar, before: window[i] as Bar}))
    const vector = [
      ...centred(pairs.map(({bar, before}) => Math.log(bar.close / before.close))),
      ...centred(pairs.map(({bar}) => Math.log(bar.high / bar.low))),
      ...centred(pairs.map(({bar}) => Math.log(1 + bar.volume))),
      ...centred(pairs.map(({bar}) => (bar.high > bar.low ? (bar.close - bar.low) / (bar.high - bar.low) : 0.5))),
    ]
    const [now, then] = [bars[at] as Bar, bars[at + HORIZON] as Bar]
    const pnlBps = 1e4 * Math.log(then.close / now.close) - COST_BPS
    if (!vector.some(value => value !== 0) || !Number.isFinite(pnlBps)) continue
    found.push({
      ...{id: `${symbol}-${at}`, symbol, strategy: 'long', regime: 'any', tsUs: now.tsUs},
      ...{vector: unitVector(vector, symbol), observations: [{atUs: then.tsUs, pnlBps}]},
      ...{tier: 'hot', lastUseUs: 0, uses: 0},
    })
  }
  return found
}

if (noTestData) print(`no market data at ${testData}: set GPI_TEST_DATA`)
else {
  const folder = dataFile('intraday')
  const files = readdirSync(folder)
    .filter(name => /^us_5m_.*_2025\.csv\.gz$/.test(name))
    .sort()
  const patterns = files.flatMap(name => patternsOf(name.split('_')[2] as string, readBars(path.join(folder, name))))
  const start = performance.now()
  const {minSimilarity, method, samples, curve} = calibrateAbstention(patterns, {
    ...{asOfUs: Number.MAX_SAFE_INTEGER, halfLifeUs: 30 * 86_400_000_000, k: 10, maxSamples: 4_000},
  })
  print(
    `${patterns.length} patterns of ${files.length} symbols, ${samples} questions, ${((performance.now() - start) / 1e3).toFixed(1)} s`,
  )
  print(`${method}: neighbours count from similarity ${minSimilarity.toFixed(3)}`)
  print('similarity ≥  questions  error saved      z')
  for (const {minSimilarity: level, n, skill, z} of curve) {
    print(
      `${level.toFixed(3).padStart(12)} ${String(n).padStart(10)} ${(100 * skill).toFixed(2).padStart(10)} % ${z.toFixed(2).padStart(6)}`,
    )
  }
}
