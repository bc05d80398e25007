import {describe, expect, test} from 'vitest'
import {blockTape, pricePath} from '../../src/core/price-paths.ts'
import {openSharedTape, type SharedTape, TapeCollector} from '../../src/core/shared-tape.ts'
import {EventKind, emptyChunk, type TapeChunk} from '../../src/data/tape.ts'
import type {TapeSource} from '../../src/data/tape-source.ts'
import {InstrumentTable} from '../../src/domain/instrument.ts'
import {createRng} from '../../src/domain/rng.ts'

const HOUR = 3_600e6
const instruments = InstrumentTable.of(['SPY', 'QQQ'])
const START = Math.floor(1.7e15 / HOUR) * HOUR

/** Quotes of two instruments every ten minutes for `hours`, SPY and QQQ moving together. */
const source = (hours: number, kind: number = EventKind.quote): TapeSource => ({
  instruments,
  dataHash: async () => '',
  async *chunks() {
    const rng = createRng(3, 'tape')
    const prices = [4_000_000, 3_000_000]
    const chunk = emptyChunk(64)
    for (let n = 0; n < hours * 6; n++) {
      const move = 1 + 0.002 * rng.normal()
      for (const i of [0, 1]) {
        prices[i] = Math.round(((prices[i] as number) * move) / 100) * 100
        if (chunk.count === 64) {
          yield chunk
          chunk.count = 0
        }
        const row = chunk.count++
        chunk.tsUs[row] = START + n * 600e6 + i
        chunk.kind[row] = kind
        chunk.instrument[row] = i
        chunk.v0[row] = (prices[i] as number) - 100
        chunk.v1[row] = (prices[i] as number) + 100
        chunk.v2[row] = 5
        chunk.v3[row] = 7
      }
    }
    yield chunk
  },
})

const collect = async (from: TapeSource, limit?: number): Promise<SharedTape | undefined> => {
  const collector = new TapeCollector(limit)
  for await (const _ of collector.watching(from).chunks());
  return collector.tape
}

const rowsOf = async (from: TapeSource): Promise<number[][]> => {
  const rows: number[][] = []
  for await (const c of from.chunks())
    for (let r = 0; r < c.count; r++)
      rows.push([c.tsUs, c.kind, c.instrument, c.flags, c.v0, c.v1, c.v2, c.v3, c.v4, c.v5].map(v => v[r] as number))
  return rows
}

describe('a tape in shared memory', () => {
  test('replays the rows it was read from, whole and in any window', async () => {
    const tape = (await collect(source(10))) as SharedTape
    const whole = await rowsOf(source(10))
    expect(await rowsOf(openSharedTape(tape, {}))).toEqual(whole)
    const [fromUs, toUs] = [START + 2 * HOUR + 1, START + 5 * HOUR]
    expect(await rowsOf(openSharedTape(tape, {fromUs, toUs}))).toEqual(
      whole.filter(([at]) => (at as number) >= fromUs && (at as number) < toUs),
    )
  })
  test('is given up above its limit, and when the tape was not read to its end', async () => {
    expect(await collect(source(10), 1_000)).toBeUndefined()
    const collector = new TapeCollector()
    for await (const _ of collector.watching(source(10)).chunks()) break
    expect(collector.tape).toBeUndefined()
  })
})

describe('price paths', () => {
  test('keep the clock, the sizes and uncrossed quotes, move instruments together, and are a function of the seed', async () => {
    const tape = (await collect(source(60))) as SharedTape
    const blocked = blockTape(tape)
    expect(blocked.blockName).toBe('1h')
    const path = (seed: number) => rowsOf(pricePath(blocked, createRng(seed)))
    const [one, same, other, whole] = [await path(1), await path(1), await path(2), await rowsOf(source(60))]
    expect(one).toEqual(same)
    expect(one).not.toEqual(other)
    expect(one.map(([at]) => at)).toEqual(whole.map(([at]) => at))
    for (const [, , , , bid, ask, bidLots, askLots] of one) {
      expect(ask as number).toBeGreaterThan(bid as number)
      expect([bidLots, askLots]).toEqual([5, 7])
    }
    // One return drives both: their ratio keeps to its start but for rounding.
    for (let k = 0; k < one.length; k += 2)
      expect((one[k]?.[4] as number) / (one[k + 1]?.[4] as number)).toBeCloseTo(4 / 3, 2)
    // Prices go on over the seams: no step is longer than the tape's own longest, and the path starts where it does.
    const steps = (rows: number[][]) =>
      rows.flatMap((row, k) => (k < 2 ? [] : Math.abs(Math.log((row[4] as number) / (rows[k - 2]?.[4] as number)))))
    expect(Math.max(...steps(one))).toBeLessThanOrEqual(Math.max(...steps(whole)) + 2e-4)
  })
  test('books and too short a tape are refused', async () => {
    const books = (await collect(source(60, EventKind.depth))) as SharedTape
    expect(() => blockTape(books)).toThrow(/quotes, trades and bars only/)
    const short: TapeChunk = {...((await collect(source(1))) as SharedTape).chunks[0]} as TapeChunk
    expect(() => blockTape({instruments: instruments.all(), chunks: [{...short, count: 2}], bytes: 0})).toThrow(
      /too few/,
    )
  })
})
