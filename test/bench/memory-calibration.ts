/**
 * What abstention and intervals are worth on recorded markets: `node test/bench/memory-calibration.ts [symbols=20]`. Patterns are 64
 * five-minute bars (return, range, volume and place of the close, each against the window's own spread), one every 30
 * minutes; the outcome is the next hour's return after 2 bps of costs, for a long position. Calibrated on the first 60 % of
 * the year, asked of the rest as it comes. Needs GPI_TEST_DATA.
 *
 * 1. The abstention threshold, with the error that neighbours save at each level.
 * 2. Out-of-sample coverage of the 90 % interval of one outcome, for the neighbours found, by similarity and whether abstained.
 * 3. Coverage of the 90 % interval of the mean where the mean is known: patterns drawn at random from two days around a
 *    moment overlap in time and across symbols as neighbours do, and their mean is the population's.
 */
import {readdirSync} from 'node:fs'
import path from 'node:path'
import {performance} from 'node:perf_hooks'
import {createRng} from '../../src/domain/rng.ts'
import {calibrateAbstention} from '../../src/memory/calibrate.ts'
import {type Evidence, evidenceOf, type Match} from '../../src/memory/evidence.ts'
import {createExactIndex} from '../../src/memory/exact-index.ts'
import {defaultMemoryOptions, MemoryBank} from '../../src/memory/memory.ts'
import {outcomeAsOf} from '../../src/memory/outcome.ts'
import {DIMENSION, type StoredPattern} from '../../src/memory/pattern.ts'
import {dataFile, noTestData, testData} from '../support/test-data.ts'
import {type Bars, readBars, WINDOW, writeWindow} from '../support/vector-sets.ts'

const STEP = 6
const HORIZON = 12
const COST_BPS = 2
const DAY = 86_400_000_000
const print = (line: string): void => void process.stdout.write(`${line}\n`)
const percent = (share: number): string => `${(100 * share).toFixed(1)} %`

const patternsOf = (bars: Bars): StoredPattern[] => {
  const found: StoredPattern[] = []
  for (let at = WINDOW; at + HORIZON < bars.tsUs.length; at += STEP) {
    const vector = new Float32Array(DIMENSION)
    const [now, then] = [bars.close[at] as number, bars.close[at + HORIZON] as number]
    const pnlBps = 1e4 * Math.log(then / now) - COST_BPS
    if (!writeWindow(bars, at, vector) || !Number.isFinite(pnlBps)) continue
    const {symbol} = bars
    found.push({
      ...{id: `${symbol}-${at}`, symbol, strategy: 'long', regime: 'any', tsUs: bars.tsUs[at] as number, vector},
      ...{observations: [{atUs: bars.tsUs[at + HORIZON] as number, pnlBps}], tier: 'hot', lastUseUs: 0, uses: 0},
    })
  }
  return found
}

const pnlOf = (pattern: StoredPattern): number => pattern.observations[0]?.pnlBps as number

class Coverage {
  #n = 0
  #inside = 0
  #width = 0
  #effectiveN = 0

  add(value: number, low: number, high: number, {effectiveN}: Evidence): void {
    this.#n++
    this.#inside += Number(low <= value && value <= high)
    this.#width += high - low
    this.#effectiveN += effectiveN
  }
  toString(): string {
    if (this.#n === 0) return '       0'
    const [inside, width, size] = [this.#inside / this.#n, this.#width / this.#n, this.#effectiveN / this.#n]
    return `${String(this.#n).padStart(8)} ${percent(inside).padStart(9)} ${width.toFixed(0).padStart(8)} ${size.toFixed(2).padStart(11)}`
  }
}

const main = (symbols: number): void => {
  const folder = dataFile('intraday')
  const files = readdirSync(folder)
    .filter(name => /^us_5m_.*_2025\.csv\.gz$/.test(name))
    .sort()
    .slice(0, symbols)
  const patterns = files
    .flatMap(name => patternsOf(readBars(path.join(folder, name), name.split('_')[2] as string, 300e6)))
    .sort((a, b) => a.tsUs - b.tsUs || (a.id < b.id ? -1 : 1))
  const splitUs = (patterns[Math.floor(patterns.length * 0.6)] as StoredPattern).tsUs
  const start = performance.now()
  const calibration = calibrateAbstention(patterns, {
    ...{asOfUs: splitUs, halfLifeUs: defaultMemoryOptions.halfLifeUs, k: 10, maxSamples: 4_000},
  })
  const {minSimilarity, method, samples, curve, crossSymbol, outcomeSdBps = 50} = calibration
  const seconds = ((performance.now() - start) / 1e3).toFixed(1)
  print(
    `${patterns.length} patterns of ${files.length} symbols; calibrated on 60 % of them: ${samples} questions, ${seconds} s`,
  )
  print(`${method}: neighbours count from similarity ${minSimilarity.toFixed(3)}`)
  print(
    `one outcome deviates by ${outcomeSdBps.toFixed(1)} bps; between symbols they correlate by ${crossSymbol.toFixed(2)}`,
  )
  print('similarity ≥  questions  error saved      z')
  for (const {minSimilarity: level, n, skill, z} of curve) {
    print(
      `${level.toFixed(3).padStart(12)} ${String(n).padStart(10)} ${(100 * skill).toFixed(2).padStart(10)} % ${z.toFixed(2).padStart(6)}`,
    )
  }
  print('')
  outcomeCoverage(patterns, splitUs, {crossSymbol, priorSdBps: outcomeSdBps})
  print('')
  meanCoverage(patterns, {crossSymbol, priorSdBps: outcomeSdBps})
}

interface Calibrated {
  readonly crossSymbol: number
  readonly priorSdBps: number
}

/** Every later pattern is asked of those known before it; what counts as near is what the levels below say. */
const outcomeCoverage = (patterns: readonly StoredPattern[], splitUs: number, calibrated: Calibrated): void => {
  using bank = new MemoryBank({
    index: createExactIndex(DIMENSION),
    options: {capacity: 1e9, ...calibrated, minSimilarity: 0.2},
  })
  const levels = [0.2, 0.3, 0.4, 0.5]
  const coverage = levels.map(() => ({spoken: new Coverage(), silent: new Coverage()}))
  for (const [i, pattern] of patterns.entries()) {
    if (pattern.tsUs >= splitUs && i % 20 === 0) {
      const {matches} = bank.search(pattern.vector, {asOfUs: pattern.tsUs, k: 10})
      for (const [l, level] of levels.entries()) {
        const evidence = evidenceOf(matches, {...bank.options, minSimilarity: level})
        if (evidence.n === 0) continue
        const into = evidence.abstain ? coverage[l]?.silent : coverage[l]?.spoken
        into?.add(pnlOf(pattern), evidence.outcomeLow, evidence.outcomeHigh, evidence)
      }
    }
    bank.add(pattern)
  }
  print('90 % interval of one outcome, out of sample')
  print('similarity ≥                  questions  covered  width bps  effective n')
  for (const [l, level] of levels.entries()) {
    print(`${level.toFixed(2).padStart(12)}  answered   ${coverage[l]?.spoken}`)
    print(`              abstained  ${coverage[l]?.silent}`)
  }
}

/** Twelve patterns drawn from two days: their outcomes overlap, and say less of the population's mean than twelve would. */
const meanCoverage = (patterns: readonly StoredPattern[], calibrated: Calibrated): void => {
  const rng = createRng(1, 'placebo')
  const truth = patterns.reduce((sum, pattern) => sum + pnlOf(pattern), 0) / patterns.length
  const {halfLifeUs} = defaultMemoryOptions
  const variants = [
    ['as calibrated', calibrated, false],
    ['symbols independent', {...calibrated, crossSymbol: 0}, false],
    ['overlap ignored', {...calibrated, crossSymbol: 0}, true],
  ] as const
  const coverage = variants.map(() => new Coverage())
  for (let run = 0; run < 4_000; run++) {
    const from = rng.below(patterns.length)
    const startUs = (patterns[from] as StoredPattern).tsUs
    let end = from
    while (end < patterns.length && (patterns[end] as StoredPattern).tsUs < startUs + 2 * DAY) end++
    if (end - from < 100) continue
    const drawn = Array.from({length: 12}, () => patterns[from + rng.below(end - from)] as StoredPattern)
    for (const [v, [, options, isApart]] of variants.entries()) {
      const matches = drawn.map(({id, symbol, strategy, regime, tsUs, observations}, i): Match => {
        const outcome = outcomeAsOf(observations, Number.MAX_SAFE_INTEGER, halfLifeUs)
        const place = isApart ? {tsUs: i * DAY, outcome: {...outcome, lastAtUs: i * DAY + 1}} : {tsUs, outcome}
        return {...{id, symbol, strategy, regime, confidence: 0.5, tier: 'hot', similarity: 0.8}, ...place}
      })
      const evidence = evidenceOf(matches, {...defaultMemoryOptions, ...options})
      coverage[v]?.add(truth, evidence.low, evidence.high, evidence)
    }
  }
  print(`90 % interval of the mean (truly ${truth.toFixed(2)} bps) from 12 patterns of two days`)
  print('                               runs  covered  width bps  effective n')
  for (const [v, [name]] of variants.entries()) print(`${name.padEnd(24)}   ${coverage[v]}`)
}

if (noTestData) print(`no market data at ${testData}: set GPI_TEST_DATA`)
else main(Number(process.argv[2] ?? 20))
