// Flat columns indexed within their lengths, hence the `!`.
import {readdirSync, readFileSync} from 'node:fs'
import path from 'node:path'
import {gunzipSync} from 'node:zlib'
import {MarketWindow} from '../../src/core/market-window.ts'
import {createMarketState} from '../../src/data/market-state.ts'
import {createRng, type Rng} from '../../src/domain/rng.ts'
import {DIMENSION} from '../../src/memory/pattern.ts'
import {dataFile} from './test-data.ts'

/** Unit vectors to search among, with queries that are not of them, and what a filter may choose by. */
export interface VectorSet {
  readonly name: string
  readonly count: number
  /** (count, 256) float32, row by row. */
  readonly rows: Float32Array
  /** (queryCount, 256). */
  readonly queries: Float32Array
  /** Symbol and time of every row. */
  readonly symbols: readonly string[]
  readonly symbolOf: Uint16Array
  readonly tsUs: Float64Array
}

export const rowOf = (flat: Float32Array, i: number): Float32Array => flat.subarray(i * DIMENSION, (i + 1) * DIMENSION)

/** Directions drawn evenly from the sphere: every pair nearly at right angles, the worst case there is. */
export const uniformSet = (count: number, queryCount: number): VectorSet => {
  const rng = createRng(1, 'uniform')
  return synthetic('uniform', count, queryCount, flat => {
    for (let i = 0; i < flat.length; i++) flat[i] = rng.normal()
  })
}

/** A mixture of 200 directions with noise as long as the direction itself: rows of one have similarity about 0.5. */
export const mixtureSet = (count: number, queryCount: number): VectorSet => {
  const rng = createRng(1, 'bench')
  const centres = Float32Array.from({length: 200 * DIMENSION}, () => rng.normal())
  return synthetic('mixture', count, queryCount, flat => {
    for (let i = 0; i < flat.length; i += DIMENSION) {
      const centre = rng.below(200) * DIMENSION
      for (let j = 0; j < DIMENSION; j++) flat[i + j] = centres[centre + j]! + rng.normal()
    }
  })
}

const synthetic = (name: string, count: number, queryCount: number, fill: (flat: Float32Array) => void): VectorSet => {
  const rows = shared(count * DIMENSION)
  const queries = new Float32Array(queryCount * DIMENSION)
  for (const flat of [rows, queries]) {
    fill(flat)
    normalise(flat)
  }
  const rng = createRng(2, name)
  return {
    ...{name, count, rows, queries},
    ...contexts(rng, count),
  }
}

const contexts = (rng: Rng, count: number): Pick<VectorSet, 'symbols' | 'symbolOf' | 'tsUs'> => ({
  symbols: Array.from({length: 80}, (_, i) => `S${i}`),
  symbolOf: Uint16Array.from({length: count}, () => rng.below(80)),
  tsUs: Float64Array.from({length: count}, (_, i) => 1_000_000 * (i + 1)),
})

/** A Float32Array beyond the size a literal allocation likes is still one ArrayBuffer. */
const shared = (length: number): Float32Array => new Float32Array(new ArrayBuffer(length * 4))

const normalise = (flat: Float32Array): void => {
  for (let i = 0; i < flat.length; i += DIMENSION) {
    let squares = 0
    for (let j = 0; j < DIMENSION; j++) squares += flat[i + j]! ** 2
    const norm = Math.sqrt(squares)
    for (let j = 0; j < DIMENSION; j++) flat[i + j]! /= norm
  }
}

export interface Bars {
  readonly symbol: string
  readonly tsUs: Float64Array
  /** Per bar: log return, log range, log volume, place of the close in the range. */
  readonly features: readonly [Float64Array, Float64Array, Float64Array, Float64Array]
  readonly close: Float64Array
}

/** Recorded bars (`time,open,high,low,close,volume`); exchange time read as UTC and stamped at the close of the bar. */
export const readBars = (file: string, symbol: string, periodUs: number): Bars => {
  const lines = gunzipSync(readFileSync(file)).toString().trim().split('\n').slice(1)
  const column = (): Float64Array => new Float64Array(lines.length)
  const [tsUs, close, returns, ranges, volumes, places] = [column(), column(), column(), column(), column(), column()]
  for (const [i, line] of lines.entries()) {
    const [time = '', , high, low, last, volume] = line.split(',')
    tsUs[i] = Date.parse(`${time.replace(' ', 'T')}Z`) * 1_000 + periodUs
    close[i] = Number(last)
    returns[i] = i > 0 ? Math.log(close[i]! / close[i - 1]!) : 0
    ranges[i] = Math.log(Number(high) / Number(low))
    volumes[i] = Math.log(1 + Number(volume))
    places[i] = Number(high) > Number(low) ? (close[i]! - Number(low)) / (Number(high) - Number(low)) : 0.5
  }
  return {symbol, tsUs, close, features: [returns, ranges, volumes, places]}
}

export const WINDOW = 64

/** The 64 bars up to and with `at`, each feature against the window's own mean and spread; false when it has no shape. */
export const writeWindow = (bars: Bars, at: number, out: Float32Array): boolean => {
  let squares = 0
  for (const [f, feature] of bars.features.entries()) {
    let [sum, sum2] = [0, 0]
    for (let i = at - WINDOW + 1; i <= at; i++) {
      sum += feature[i]!
      sum2 += feature[i]! ** 2
    }
    const mean = sum / WINDOW
    const spread = Math.sqrt(Math.max(sum2 / WINDOW - mean ** 2, 0))
    const scale = spread > 1e-12 ? 1 / spread : 0
    for (let i = 0; i < WINDOW; i++) {
      const value = (feature[at - WINDOW + 1 + i]! - mean) * scale
      out[f * WINDOW + i] = value
      squares += value * value
    }
  }
  if (!(squares > 0) || !Number.isFinite(squares)) return false
  const norm = Math.sqrt(squares)
  for (let i = 0; i < DIMENSION; i++) out[i]! /= norm
  return true
}

const FILE = /^us_([15])m_([A-Z]+)_.*\.csv\.gz$/

/**
 * Windows of the recorded one- and five-minute bars, one a bar; the last 3 % of every file are the queries, so that they
 * are asked of the past, as in use. At most about 1.2 M rows are there.
 */
export const barSet = (count: number, queryCount: number): VectorSet => {
  const folder = dataFile('intraday')
  const set = new Collector('bars', count, queryCount)
  for (const name of readdirSync(folder).filter(file => FILE.test(file))) {
    const [, minutes, symbol = ''] = FILE.exec(name) ?? []
    const bars = readBars(path.join(folder, name), symbol, Number(minutes) * 60e6)
    const end = Math.floor(bars.tsUs.length * 0.97)
    const vector = new Float32Array(DIMENSION)
    for (let bar = WINDOW; bar < bars.tsUs.length; bar++) {
      if (!writeWindow(bars, bar, vector)) continue
      if (bar < end) set.store(symbol, bars.tsUs[bar]!, vector)
      else if (bar >= end + WINDOW) set.ask(vector)
    }
  }
  return set.done()
}

const SYMBOLS = ['AIG', 'BAC', 'IBM', 'SPY']
const SESSION = 23_400
const PACES = [1, 2, 4, 8]

/**
 * What gpi itself stores: `MarketWindow` over recorded one-second quotes and trades (four symbols, five days of 2013), each
 * second at a pace of 1, 2, 4 and 8 seconds; the last quarter of the last day is the queries. About 1 M rows.
 */
export const windowSet = (count: number, queryCount: number): VectorSet => {
  const set = new Collector('windows', count, queryCount)
  for (const symbol of SYMBOLS) {
    const state = createMarketState(1)
    // A pace of n seconds is sampled by n windows that take turns, so every second gives one vector of each pace.
    const windows = PACES.flatMap(pace =>
      Array.from({length: pace}, (_, phase) => ({pace, phase, window: new MarketWindow(state, 1, pace * 1e6)})),
    )
    const quotes = rowsByDay(dataFile(`intraday/lean_${symbol}_1s_quotes_2013-10.csv.gz`))
    const trades = rowsByDay(dataFile(`intraday/lean_${symbol}_1s_trades_2013-10.csv.gz`))
    const days = [...quotes.keys()].sort()
    for (const [d, day] of days.entries()) {
      for (let second = 0; second < SESSION; second++) {
        const nowUs = (d * 86_400 + second) * 1e6
        const quote = quotes.get(day)?.get(second)
        const trade = trades.get(day)?.get(second)
        if (quote !== undefined) {
          state.bidTicks[0] = Math.round(100 * quote[3]!)
          state.askTicks[0] = Math.round(100 * quote[8]!)
          ;[state.bidLots[0], state.askLots[0]] = [quote[4]!, quote[9]!]
        }
        if (trade !== undefined) state.lastTicks[0] = Math.round(100 * trade[3]!)
        if (quote !== undefined || trade !== undefined) state.updatedUs[0] = nowUs
        for (const {pace, phase, window} of windows) {
          if (second % pace !== phase) continue
          window.onTime(nowUs - phase * 1e6)
          const vector = window.vector(0)
          if (vector === undefined || !vector.some(value => value !== 0)) continue
          normalise(vector)
          const isLast = d === days.length - 1
          if (!isLast || second < SESSION * 0.75 - 64 * 8) set.store(symbol, nowUs, vector)
          else if (second >= SESSION * 0.75) set.ask(vector)
        }
      }
    }
  }
  return set.done()
}

/** Numbers of each second of the session, by day: `date,time,…`. */
const rowsByDay = (file: string): Map<string, Map<number, readonly number[]>> => {
  const days = new Map<string, Map<number, readonly number[]>>()
  for (const line of gunzipSync(readFileSync(file)).toString().trim().split('\n').slice(1)) {
    const [day = '', time = '', ...numbers] = line.split(',')
    const [h = 0, m = 0, s = 0] = time.split(':').map(Number)
    const rows = days.get(day) ?? new Map<number, readonly number[]>()
    days.set(day, rows)
    rows.set(h * 3_600 + m * 60 + s - 34_200, numbers.map(Number))
  }
  return days
}

class Collector {
  readonly #name: string
  readonly #rows: Float32Array
  readonly #symbolOf: Uint16Array
  readonly #tsUs: Float64Array
  readonly #symbols: string[] = []
  readonly #asked: Float32Array[] = []
  readonly #queryCount: number
  #count = 0

  constructor(name: string, count: number, queryCount: number) {
    this.#name = name
    this.#rows = shared(count * DIMENSION)
    this.#symbolOf = new Uint16Array(count)
    this.#tsUs = new Float64Array(count)
    this.#queryCount = queryCount
  }

  store(symbol: string, tsUs: number, vector: Float32Array): void {
    if (this.#count === this.#tsUs.length) return
    if (!this.#symbols.includes(symbol)) this.#symbols.push(symbol)
    this.#rows.set(vector, this.#count * DIMENSION)
    this.#symbolOf[this.#count] = this.#symbols.indexOf(symbol)
    this.#tsUs[this.#count++] = tsUs
  }

  ask(vector: Float32Array): void {
    this.#asked.push(vector.slice())
  }

  done(): VectorSet {
    const count = this.#count
    const queries = new Float32Array(Math.min(this.#queryCount, this.#asked.length) * DIMENSION)
    const step = this.#asked.length / (queries.length / DIMENSION)
    for (let i = 0; i * DIMENSION < queries.length; i++) queries.set(this.#asked[Math.floor(i * step)]!, i * DIMENSION)
    return {
      ...{name: this.#name, count, rows: this.#rows.subarray(0, count * DIMENSION), queries, symbols: this.#symbols},
      ...{symbolOf: this.#symbolOf.subarray(0, count), tsUs: this.#tsUs.subarray(0, count)},
    }
  }
}
