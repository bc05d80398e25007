import type {TapeChunk} from '../data/tape.ts'
import type {Strategy} from '../strategies/strategy.ts'

/** A read of a column at a row that has not happened yet. */
export interface AheadRead {
  readonly column: string
  /** Rows ahead of the event being handled. */
  readonly rows: number
  readonly kind: number
  readonly instrument: number
  readonly tsUs: number
}

const COLUMNS = ['tsUs', 'kind', 'instrument', 'flags', 'v0', 'v1', 'v2', 'v3', 'v4', 'v5'] as const

/**
 * The same strategy, its chunk's columns watched: `onAhead` is told the first time that it reads one beyond its own row.
 * Much slower than the strategy itself; for finding out, not for running.
 */
export const watchingReads = (strategy: Strategy, onAhead: (read: AheadRead) => void): Strategy => {
  let told = false
  let current = {row: 0, tsUs: 0, kind: 0, instrument: 0}
  const watched = new WeakMap<TapeChunk, TapeChunk>()
  const watch = (chunk: TapeChunk): TapeChunk => {
    const known = watched.get(chunk)
    if (known !== undefined) return known
    const columns = COLUMNS.map(name => [
      name,
      new Proxy(chunk[name], {
        get: (target, key) => {
          const at = typeof key === 'string' ? Number(key) : Number.NaN
          if (!told && Number.isInteger(at) && at > current.row) {
            told = true
            const {kind, instrument, tsUs} = current
            onAhead({column: name, rows: at - current.row, kind, instrument, tsUs})
          }
          const value = Reflect.get(target, key, target) as unknown
          // Methods such as subarray would hand the bare column out; what is read through them is not seen.
          return typeof value === 'function' ? value.bind(target) : value
        },
      }),
    ])
    // The count may change when the reader uses the chunk again, so it stays a look at the original.
    const found = Object.defineProperty({...Object.fromEntries(columns)}, 'count', {
      get: () => chunk.count,
    }) as TapeChunk
    watched.set(chunk, found)
    return found
  }
  // Inherits the rest: a strategy may be an object of a class with private state, so its own methods are called on it.
  return {
    name: strategy.name,
    ...(strategy.start === undefined ? {} : {start: context => strategy.start?.(context)}),
    onEvent: (context, chunk, row) => {
      if (told) {
        strategy.onEvent(context, chunk, row)
        return
      }
      current = {
        row,
        tsUs: chunk.tsUs[row] as number,
        kind: chunk.kind[row] as number,
        instrument: chunk.instrument[row] as number,
      }
      strategy.onEvent(context, watch(chunk), row)
    },
    ...(strategy.onFill === undefined ? {} : {onFill: (context, fill) => strategy.onFill?.(context, fill)}),
    ...(strategy.onTimer === undefined ? {} : {onTimer: (context, tag) => strategy.onTimer?.(context, tag)}),
    ...(strategy.report === undefined ? {} : {report: () => strategy.report?.() ?? {}}),
  }
}

/** What the value columns of each kind of row mean, as `data/tape.ts` says. */
const MEANINGS: readonly (readonly string[])[] = [
  ['bid', 'ask', 'bid size', 'ask size'],
  ['trade price', 'trade size'],
  ['open', 'high', 'low', 'close', 'volume', 'period'],
  ['level price', 'level size'],
  ['order price', 'order size', 'order id'],
  ['option bid', 'option ask', 'option bid size', 'option ask size', 'option volume', 'open interest'],
]

/** `chunk.v3 (close)`: the column in words. */
export const columnWords = ({column, kind}: AheadRead): string => {
  const meaning = column.startsWith('v') ? MEANINGS[kind]?.[Number(column.slice(1))] : undefined
  return `chunk.${column}${meaning === undefined ? '' : ` (${meaning})`}`
}
