import {describe, expect, test} from 'vitest'
import {Aggressor, Depth, EventKind, emptyChunk, OrderAction, type TapeChunk} from '../../src/data/tape.ts'
import {crypto, equity, InstrumentTable} from '../../src/domain/instrument.ts'
import {MarketStore, type StoredBar} from '../../src/exchange/market-store.ts'
import {createReplayMarket} from '../../src/exchange/replay-market.ts'

type Row = readonly [atUs: number, kind: number, instrument: number, flags: number, ...values: number[]]

const chunkOf = (rows: readonly Row[]): TapeChunk => {
  const chunk = emptyChunk(rows.length)
  chunk.count = rows.length
  rows.forEach(([atUs, kind, instrument, flags, ...values], r) => {
    chunk.tsUs[r] = atUs
    chunk.kind[r] = kind
    chunk.instrument[r] = instrument
    chunk.flags[r] = flags
    ;[chunk.v0, chunk.v1, chunk.v2, chunk.v3, chunk.v4, chunk.v5].forEach((column, k) => {
      column[r] = values[k] ?? 0
    })
  })
  return chunk
}
const tape = (...chunks: readonly (readonly Row[])[]) => ({
  instruments: InstrumentTable.of([equity('KO'), crypto('BTC/USDT')]),
  async *chunks() {
    for (const rows of chunks) yield chunkOf(rows)
  },
})
const all = (market: Awaited<ReturnType<typeof createReplayMarket>>, untilUs = Infinity): number[][] => {
  const out: number[][] = []
  for (;;) {
    const chunk = market.advanceTo(untilUs, 3)
    if (chunk.count === 0) return out
    for (let r = 0; r < chunk.count; r++)
      out.push([
        chunk.tsUs[r]!,
        chunk.kind[r]!,
        chunk.instrument[r]!,
        chunk.flags[r]!,
        chunk.v0[r]!,
        chunk.v1[r]!,
        chunk.v2[r]!,
        chunk.v3[r]!,
      ])
  }
}
const SHARE = 1e9

describe('a replayed tape', () => {
  test('keeps times and prices and puts sizes in the exchange’s lots', async () => {
    const market = await createReplayMarket(
      tape([
        [10, EventKind.quote, 0, 0, 700_000, 700_100, 5, 7],
        [10, EventKind.trade, 1, Aggressor.sell, 900_000_000, 12],
      ]),
    )
    expect([market.startUs, market.nextUs()]).toEqual([10, 10])
    expect(all(market, 9)).toEqual([])
    expect(all(market, 10)).toEqual([
      [10, EventKind.quote, 0, 0, 700_000, 700_100, 5 * SHARE, 7 * SHARE],
      [10, EventKind.trade, 1, Aggressor.sell, 900_000_000, 12, 0, 0],
    ])
    await market.finished
    expect([market.ended(), market.horizonUs(), market.nextUs()]).toEqual([true, 10, Infinity])
  })

  test('depth becomes the best quote, at the end of each update and only when it changed; of coins it also passes', async () => {
    const d = (atUs: number, flags: number, ticks: number, lots: number, instrument = 1): Row => [
      atUs,
      EventKind.depth,
      instrument,
      flags,
      ticks,
      lots,
    ]
    const market = await createReplayMarket(
      tape([
        d(1, Depth.clear, 100, 5),
        d(1, Depth.ask | Depth.last, 110, 6),
        d(2, Depth.last, 90, 9),
        d(3, Depth.last, 100, 0),
        d(4, Depth.clear | Depth.last, 700_000, 8, 0),
      ]),
    )
    expect(all(market)).toEqual([
      [1, EventKind.depth, 1, Depth.clear, 100, 5, 0, 0],
      [1, EventKind.depth, 1, Depth.ask | Depth.last, 110, 6, 0, 0],
      [1, EventKind.quote, 1, 0, 100, 110, 5, 6],
      [2, EventKind.depth, 1, Depth.last, 90, 9, 0, 0],
      [3, EventKind.depth, 1, Depth.last, 100, 0, 0, 0],
      [3, EventKind.quote, 1, 0, 90, 110, 9, 6],
      [4, EventKind.quote, 0, 0, 700_000, 0, 8 * SHARE, 0],
    ])
  })

  test('single orders become quotes and trades', async () => {
    const o = (atUs: number, action: number, ask: 0 | 1, ticks: number, lots: number, id: number): Row => [
      atUs,
      EventKind.order,
      0,
      (action << 1) | ask,
      ticks,
      lots,
      id,
    ]
    const market = await createReplayMarket(
      tape([
        o(1, OrderAction.add, 0, 100, 5, 1),
        o(2, OrderAction.add, 1, 110, 6, 2),
        o(3, OrderAction.execute, 1, 110, 2, 2),
      ]),
    )
    expect(all(market)).toEqual([
      [1, EventKind.quote, 0, 0, 100, 0, 5 * SHARE, 0],
      [2, EventKind.quote, 0, 0, 100, 110, 5 * SHARE, 6 * SHARE],
      [3, EventKind.trade, 0, Aggressor.buy, 110, 2 * SHARE, 0, 0],
      [3, EventKind.quote, 0, 0, 100, 110, 5 * SHARE, 4 * SHARE],
    ])
  })

  test('bars alone make a trade at the close inside a narrow quote, and stay bars', async () => {
    const market = await createReplayMarket(
      tape([[60_000_000, EventKind.bar, 0, 0, 699_000, 701_000, 698_000, 700_000, 400, 60_000_000]]),
    )
    const [quote, trade, bar] = all(market) as [number[], number[], number[]]
    expect(quote.slice(4, 6)).toEqual([699_900, 700_100])
    expect(trade.slice(4, 6)).toEqual([700_000, 400 * SHARE])
    expect([bar[1], bar[4], bar[7]]).toEqual([EventKind.bar, 699_000, 700_000])
  })

  test('a bar of five minutes comes whole at its close, as that of the last minute', async () => {
    const fiveMinutes = 5 * 60_000_000
    const endUs = Date.UTC(2025, 5, 2, 13, 35) * 1_000
    const rows: Row[] = [0, 1].map(k => [
      endUs + k * fiveMinutes,
      EventKind.bar,
      0,
      0,
      699_000 + k,
      701_000,
      698_000,
      700_000,
      400,
      fiveMinutes,
    ])
    const market = await createReplayMarket(tape(rows))
    const minutes: [number, Partial<StoredBar>][] = []
    let nowUs = 0
    const store = new MarketStore({
      instruments: market.instruments,
      onMinute: (_, {startUs, open, high, low, close, lots}) =>
        minutes.push([nowUs, {startUs, open, high, low, close, lots}]),
    })
    for (nowUs = endUs; nowUs <= endUs + 2 * fiveMinutes; nowUs += 60_000_000) {
      const chunk = market.advanceTo(nowUs, 100)
      for (let row = 0; row < chunk.count; row++) store.onRow(chunk, row)
      store.advanceTo(nowUs)
    }
    const ofLast = {startUs: endUs - 60_000_000, open: 699_000, high: 701_000, low: 698_000, close: 700_000}
    expect(minutes).toEqual([
      [endUs, {...ofLast, lots: 400 * SHARE}],
      [endUs + fiveMinutes, {...ofLast, startUs: ofLast.startUs + fiveMinutes, open: 699_001, lots: 400 * SHARE}],
    ])
  })

  test('reads ahead no further than it must, and gives every row of a long tape once', async () => {
    let read = 0
    const long = {
      instruments: InstrumentTable.of([equity('KO')]),
      async *chunks() {
        for (let k = 0; k < 40; k++) {
          yield chunkOf(Array.from({length: 5_000}, (_, r): Row => [k * 5_000 + r, EventKind.trade, 0, 0, 100, 1]))
          read++
        }
      },
    }
    const market = await createReplayMarket(long)
    expect(read).toBeLessThan(10)
    const seen: number[] = []
    while (!market.ended() || market.nextUs() < Infinity) {
      seen.push(...all(market, market.horizonUs()).map(([atUs = -1]) => atUs))
      await new Promise(resolve => setImmediate(resolve))
    }
    expect(seen).toEqual(Array.from({length: 200_000}, (_, k) => k))
  })

  test('a tape that cannot be read says so', async () => {
    const broken = {
      instruments: InstrumentTable.of([equity('KO')]),
      // biome-ignore lint/correctness/useYield: it fails before the first row.
      async *chunks(): AsyncGenerator<TapeChunk> {
        throw new Error('disk gone')
      },
    }
    await expect(createReplayMarket(broken)).rejects.toThrow('disk gone')
  })
})
