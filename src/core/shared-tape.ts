// Numeric kernel: rows run below a chunk's count, so `!` cannot miss here.
import type {TapeChunk} from '../data/tape.ts'
import type {TapeSource} from '../data/tape-source.ts'
import {type Instrument, InstrumentTable} from '../domain/instrument.ts'

/** A whole tape in memory that threads share: every trial of a search replays it, and only the first run reads it. */
export interface SharedTape {
  readonly instruments: readonly Instrument[]
  readonly chunks: readonly TapeChunk[]
  readonly bytes: number
}

/** Above this a tape stays on disk, and each trial reads it for itself. */
export const SHARED_TAPE_BYTES = 768 * 1024 * 1024

const VALUES = ['v0', 'v1', 'v2', 'v3', 'v4', 'v5'] as const

/** Notes a tape's chunks as they pass, in shared memory; gives up, and frees what it has, above its limit. */
export class TapeCollector {
  readonly #limit: number
  #instruments: readonly Instrument[] = []
  #chunks: TapeChunk[] = []
  #bytes = 0
  #isWhole = false
  /** One column of zeros for all that hold nothing else. */
  #zeros: Float64Array = new Float64Array(0)

  constructor(limit = SHARED_TAPE_BYTES) {
    this.#limit = limit
  }

  watching(source: TapeSource): TapeSource {
    const collect = (chunk: TapeChunk) => this.#collect(chunk)
    const end = () => {
      this.#isWhole = true
    }
    this.#instruments = source.instruments.all()
    return {
      ...source,
      instruments: source.instruments,
      dataHash: () => source.dataHash(),
      async *chunks() {
        for await (const chunk of source.chunks()) {
          collect(chunk)
          yield chunk
        }
        end()
      },
    }
  }

  /** Undefined when the tape was too large or not read to its end. */
  get tape(): SharedTape | undefined {
    return this.#isWhole && this.#bytes <= this.#limit
      ? {instruments: this.#instruments, chunks: this.#chunks, bytes: this.#bytes}
      : undefined
  }

  #collect(chunk: TapeChunk): void {
    if (this.#bytes > this.#limit || chunk.count === 0) return
    const {count} = chunk
    const floats = (values: Float64Array): Float64Array => {
      this.#bytes += 8 * count
      const kept = new Float64Array(new SharedArrayBuffer(8 * count))
      kept.set(values.subarray(0, count))
      return kept
    }
    const bytes = (values: Uint8Array): Uint8Array => {
      this.#bytes += count
      const kept = new Uint8Array(new SharedArrayBuffer(count))
      kept.set(values.subarray(0, count))
      return kept
    }
    const instrument = new Uint16Array(new SharedArrayBuffer(2 * count))
    instrument.set(chunk.instrument.subarray(0, count))
    this.#bytes += 2 * count
    const value = (name: (typeof VALUES)[number]) =>
      isZero(chunk[name], count) ? this.#zerosOf(count) : floats(chunk[name])
    this.#chunks.push({
      count,
      tsUs: floats(chunk.tsUs),
      kind: bytes(chunk.kind),
      instrument,
      flags: bytes(chunk.flags),
      ...{v0: value('v0'), v1: value('v1'), v2: value('v2'), v3: value('v3'), v4: value('v4'), v5: value('v5')},
    })
    if (this.#bytes > this.#limit) this.#chunks = []
  }

  #zerosOf(count: number): Float64Array {
    if (this.#zeros.length < count) this.#zeros = new Float64Array(new SharedArrayBuffer(8 * Math.max(65_536, count)))
    return this.#zeros.subarray(0, count)
  }
}

const isZero = (values: Float64Array, count: number): boolean => {
  for (let row = 0; row < count; row++) if (values[row]! !== 0) return false
  return true
}

/** The rows of a shared tape from `fromUs` to before `toUs`, without a copy. */
export const openSharedTape = (
  {instruments, chunks}: SharedTape,
  {
    fromUs = Number.NEGATIVE_INFINITY,
    toUs = Number.POSITIVE_INFINITY,
  }: {readonly fromUs?: number; readonly toUs?: number},
): TapeSource => ({
  instruments: InstrumentTable.of(instruments),
  dataHash: () => Promise.reject(new Error('a shared tape is a copy: ask the source it was read from')),
  chunks: async function* () {
    for (const chunk of chunks) {
      const from = firstAtOrAfter(chunk, fromUs)
      const to = firstAtOrAfter(chunk, toUs)
      if (to > from) yield from === 0 && to === chunk.count ? chunk : rowsOf(chunk, from, to)
    }
  },
})

const firstAtOrAfter = ({count, tsUs}: TapeChunk, at: number): number => {
  let [low, high] = [0, count]
  while (low < high) {
    const middle = (low + high) >> 1
    if (tsUs[middle]! < at) low = middle + 1
    else high = middle
  }
  return low
}

const rowsOf = (chunk: TapeChunk, from: number, to: number): TapeChunk => ({
  count: to - from,
  tsUs: chunk.tsUs.subarray(from, to),
  kind: chunk.kind.subarray(from, to),
  instrument: chunk.instrument.subarray(from, to),
  flags: chunk.flags.subarray(from, to),
  v0: chunk.v0.subarray(from, to),
  v1: chunk.v1.subarray(from, to),
  v2: chunk.v2.subarray(from, to),
  v3: chunk.v3.subarray(from, to),
  v4: chunk.v4.subarray(from, to),
  v5: chunk.v5.subarray(from, to),
})
