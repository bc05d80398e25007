// Columns are indexed inside their bounds, hence the `!`.
import {BarFeatures, barSchema} from '../features/bar-features.ts'
import {type SessionClock, sessionNamed} from '../features/session-clock.ts'
import type {Dataset} from './dataset.ts'
import {type TripleBarrierOptions, tripleBarrier} from './labels.ts'
import {sha256} from './model-file.ts'

/** One symbol's bars as columns, stamped at their close, in time order. */
export interface SymbolBars {
  readonly symbol: string
  readonly tsUs: Float64Array
  readonly open: Float64Array
  readonly high: Float64Array
  readonly low: Float64Array
  readonly close: Float64Array
  readonly volume: Float64Array
}

/** Where bars for training come from; a catalog or plain files. */
export interface BarSource {
  readonly session: SessionClock['name']
  readonly periodUs: number
  readonly symbols: () => AsyncIterable<SymbolBars>
}

export interface BarDataset extends Dataset {
  readonly periodUs: number
  readonly sessionName: SessionClock['name']
}

/** Features and triple-barrier labels of every symbol of a source, through the same code that serves. */
export const barDataset = async (source: BarSource, options: TripleBarrierOptions): Promise<BarDataset> => {
  const width = barSchema.names.length
  const parts: Omit<Dataset, 'schema' | 'horizon' | 'dataHash' | 'sources' | 'symbols' | 'symbol'>[] = []
  const sources: {name: string; rows: number; sha256: string}[] = []
  let sessions = 0
  for await (const bars of source.symbols()) {
    const clock = sessionNamed(source.session)
    const rows = bars.tsUs.length
    const features = new Float32Array(rows * width)
    const deviation = new Float64Array(rows)
    const session = new Int32Array(rows)
    const block = new Int32Array(rows)
    const builder = new BarFeatures(clock)
    for (let row = 0; row < rows; row++) {
      const bar = {
        tsUs: bars.tsUs[row]!,
        open: bars.open[row]!,
        high: bars.high[row]!,
        low: bars.low[row]!,
        close: bars.close[row]!,
        volume: bars.volume[row]!,
      }
      const gap = row > 0 && bars.tsUs[row]! - bars.tsUs[row - 1]! > source.periodUs
      // A missing bar ends the session for windows and labels, though the day's running state goes on.
      if (builder.push(bar, features, row * width) || gap) sessions++
      session[row] = sessions
      block[row] = clock.day(bar.tsUs)
      deviation[row] = builder.deviation
    }
    sessions++
    parts.push({features, session, tsUs: bars.tsUs, block, ...tripleBarrier({...bars, session, deviation}, options)})
    sources.push({name: bars.symbol, rows, sha256: hashBars(bars)})
  }
  return {
    ...joinParts(
      parts,
      sources.map(({rows}) => rows),
    ),
    schema: barSchema,
    symbols: sources.map(({name}) => name),
    horizon: options.horizon,
    dataHash: sha256(JSON.stringify({sources, options})),
    sources,
    periodUs: source.periodUs,
    sessionName: source.session,
  }
}

const hashBars = (bars: SymbolBars): string => {
  const columns = [bars.tsUs, bars.open, bars.high, bars.low, bars.close, bars.volume]
  return sha256(
    columns.map(column => sha256(new Uint8Array(column.buffer, column.byteOffset, column.byteLength))).join(),
  )
}

type Part = Omit<Dataset, 'schema' | 'horizon' | 'dataHash' | 'sources' | 'symbols' | 'symbol'>

/** Concatenates the columns of several symbols; row references move along. */
export const joinParts = (parts: readonly Part[], rows: readonly number[]): Part & {readonly symbol: Int32Array} => {
  const total = rows.reduce((sum, n) => sum + n, 0)
  const width = total === 0 ? 0 : parts.reduce((sum, part) => sum + part.features.length, 0) / total
  const out = {
    features: new Float32Array(total * width),
    session: new Int32Array(total),
    symbol: new Int32Array(total),
    tsUs: new Float64Array(total),
    block: new Int32Array(total),
    labels: new Int8Array(total),
    holding: new Float32Array(total),
    move: new Float32Array(total),
    labelEnd: new Int32Array(total),
  }
  let at = 0
  for (const [i, part] of parts.entries()) {
    out.features.set(part.features, at * width)
    out.session.set(part.session, at)
    out.symbol.fill(i, at, at + rows[i]!)
    out.tsUs.set(part.tsUs, at)
    out.block.set(part.block, at)
    out.labels.set(part.labels, at)
    out.holding.set(part.holding, at)
    out.move.set(part.move, at)
    const offset = at
    out.labelEnd.set(
      part.labelEnd.map(row => row + offset),
      at,
    )
    at += rows[i]!
  }
  return out
}
