// Prints are read and written inside their bounds, hence the `!`.
import type {RowList} from './row-runs.ts'
import type {RowReader} from './row-store.ts'

/** Prints a sketch holds: of a million rows it knows one in 250 again, so a thousand of them go unnoticed once in fifty. */
const SIZE = 4096
const BYTES = 6
/** Of a row that says too little to be told from another instrument's. */
export const NO_PRINT = 2 ** (8 * BYTES)

const values = new Float64Array(6)
const words = new Uint32Array(values.buffer)

/**
 * Print of what a row was made from, before any feature: 48 bits that are the same wherever the same market data lies,
 * whatever the file, its order or the symbol's name. At most six numbers; murmur3's mixing.
 */
export const rowPrint = (tsUs: number, a: number, b: number, c: number, d: number, e: number): number => {
  values[0] = tsUs
  values[1] = a
  values[2] = b
  values[3] = c
  values[4] = d
  values[5] = e
  let [high, low] = [0x9747b28c, 0x3c6ef372]
  for (const word of words) {
    high = mixed(high, word, 0xcc9e2d51, 0x1b873593)
    low = mixed(low, word, 0x239b961b, 0xab0e9789)
  }
  return (finished(high) & 0xffff) * 2 ** 32 + finished(low)
}

const mixed = (state: number, word: number, first: number, second: number): number => {
  let k = Math.imul(word, first)
  k = (k << 15) | (k >>> 17)
  const next = state ^ Math.imul(k, second)
  return (Math.imul((next << 13) | (next >>> 19), 5) + 0xe6546b64) | 0
}

const finished = (state: number): number => {
  let h = state
  h = Math.imul(h ^ (h >>> 16), 0x85ebca6b)
  h = Math.imul(h ^ (h >>> 13), 0xc2b2ae35)
  return (h ^ (h >>> 16)) >>> 0
}

/**
 * The smallest prints of some rows (a bottom-k sketch, Broder 1997), as base64: enough to know again a part of them in
 * other data. Holds four times as many at once, however many rows there are.
 */
export const sketchRows = (rows: RowReader, parts: readonly RowList[]): string => {
  let kept = new Float64Array(0)
  const buffer = new Float64Array(4 * SIZE)
  let [count, limit] = [0, NO_PRINT]
  const settle = (): void => {
    kept = Float64Array.from(new Set([...kept, ...buffer.subarray(0, count)]))
      .sort()
      .subarray(0, SIZE)
    if (kept.length === SIZE) limit = kept[SIZE - 1]!
    count = 0
  }
  for (const part of parts) {
    for (let i = 0; i < part.length; i++) {
      const print = rows.field(part.at(i)!, 'print')
      if (print >= limit) continue
      buffer[count++] = print
      if (count === buffer.length) settle()
    }
  }
  settle()
  const bytes = Buffer.alloc(kept.length * BYTES)
  for (const [i, print] of kept.entries()) bytes.writeUIntBE(print, i * BYTES, BYTES)
  return bytes.toString('base64')
}

/** Share of the rows that the sketch's rows are among, as far as it can tell; 0 where not one was known again. */
export const seenShare = (sketch: string, rows: RowReader, part: RowList): number => {
  const bytes = Buffer.from(sketch, 'base64')
  const known = new Set<number>()
  for (let at = 0; at + BYTES <= bytes.length; at += BYTES) known.add(bytes.readUIntBE(at, BYTES))
  // A sketch that is not full holds every print; a full one holds all up to its greatest.
  const limit = known.size < SIZE ? NO_PRINT - 1 : bytes.readUIntBE(bytes.length - BYTES, BYTES)
  let [looked, seen] = [0, 0]
  for (let i = 0; i < part.length; i++) {
    const print = rows.field(part.at(i)!, 'print')
    if (print > limit) continue
    looked++
    if (known.has(print)) seen++
  }
  return looked === 0 ? 0 : seen / looked
}
