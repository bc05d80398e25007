import {expect, test} from 'vitest'
import {Depth, EventKind, type TapeChunk} from '../../../src/data/tape.ts'
import {createAlpacaFeed, type FeedGap} from '../../../src/drivers/alpaca/alpaca-feed.ts'
import {clock, localRig, scheduler, until} from './local-rig.ts'

const rowsOf = (chunk: TapeChunk): number[][] =>
  Array.from({length: chunk.count}, (_, i) => [
    chunk.kind[i]!,
    chunk.instrument[i]!,
    chunk.v0[i]!,
    chunk.v1[i]!,
    chunk.v2[i]!,
    chunk.v3[i]!,
  ])

test('rows of both streams arrive in the columns of the tape, in time order', async () => {
  await using rig = await localRig()
  await using feed = await createAlpacaFeed({client: rig.client, instruments: rig.instruments, clock, scheduler})
  const rows: number[][] = []
  const times: number[] = []
  const reading = (async () => {
    for await (const chunk of feed.chunks()) {
      rows.push(...rowsOf(chunk))
      times.push(...chunk.tsUs.slice(0, chunk.count))
    }
  })()
  rig.market.quote('AAPL', 150.1, 150.12, 300)
  rig.market.trade('BTC/USD', 100_000.5, 0.25)
  rig.market.quote('ETH/BTC', 0.04, 0.04001, 2)
  await until('three rows', () => rows.length === 3)
  rows.sort((a, b) => (a[1] as number) - (b[1] as number))
  expect(rows).toEqual([
    [EventKind.quote, 0, 1_501_000, 1_501_200, 300, 300],
    [EventKind.trade, 2, 1_000_005_000, 25_000_000, 0, 0],
    [EventKind.quote, 4, 4_000_000, 4_001_000, 200_000_000, 200_000_000],
  ])
  expect(times).toEqual([...times].sort((a, b) => a - b))
  await feed[Symbol.asyncDispose]()
  await reading
})

test('books of coins arrive as depth rows, unless they are not asked for', async () => {
  for (const depth of [true, false]) {
    await using rig = await localRig()
    await using feed = await createAlpacaFeed({
      client: rig.client,
      instruments: rig.instruments,
      clock,
      scheduler,
      depth,
    })
    const rows: number[][] = []
    feed.listen(chunk => rows.push(...rowsOf(chunk).map((row, k) => [...row.slice(0, 4), chunk.flags[k]!])))
    rig.market.depth('BTC/USD', Depth.clear, 100_000, 0.5)
    rig.market.depth('BTC/USD', 0, 99_999, 2)
    rig.market.depth('BTC/USD', Depth.ask | Depth.last, 100_001, 1)
    rig.market.quote('BTC/USD', 100_000, 100_001, 1)
    await until('the quote', () => rows.some(([kind]) => kind === EventKind.quote))
    expect(rows.filter(([kind]) => kind === EventKind.depth)).toEqual(
      depth
        ? [
            [EventKind.depth, 2, 1_000_000_000, 50_000_000, Depth.clear],
            [EventKind.depth, 2, 999_990_000, 200_000_000, 0],
            [EventKind.depth, 2, 1_000_010_000, 100_000_000, Depth.ask | Depth.last],
          ]
        : [],
    )
  }
})

test('who asks for the book of a coin gets every level of it', async () => {
  await using rig = await localRig()
  rig.market.depth('BTC/USD', Depth.clear, 100_000, 0.5)
  rig.market.depth('BTC/USD', 0, 99_999, 2)
  rig.market.depth('BTC/USD', Depth.ask | Depth.last, 100_001, 1)
  rig.market.quote('BTC/USD', 100_000, 100_001, 1)
  const bookOf = async () => {
    const answer = await fetch(`${rig.server.url}/v1beta3/crypto/us/latest/orderbooks?symbols=BTC/USD`)
    return ((await answer.json()) as {orderbooks: Record<string, {b: unknown[]}>}).orderbooks['BTC/USD']
  }
  // The market says one row whenever it is asked.
  let book = await bookOf()
  for (let asked = 1; asked < 50 && book?.b.length !== 2; asked++) book = await bookOf()
  expect(book).toMatchObject({
    b: [
      {p: 100_000, s: 0.5},
      {p: 99_999, s: 2},
    ],
    a: [{p: 100_001, s: 1}],
  })
})

test('a minute bar is known at its close', async () => {
  await using rig = await localRig({speed: 600})
  const bars: {atUs: number; rows: number[]}[] = []
  await using feed = await createAlpacaFeed({client: rig.client, instruments: rig.instruments, clock, scheduler})
  feed.listen(chunk => {
    for (let i = 0; i < chunk.count; i++)
      if (chunk.kind[i] === EventKind.bar)
        bars.push({atUs: chunk.tsUs[i]!, rows: [chunk.v0[i]!, chunk.v4[i]!, chunk.v5[i]!]})
  })
  rig.market.trade('AAPL', 150, 7)
  const bar = await until('a bar', () => bars[0])
  expect(bar.rows).toEqual([1_500_000, 7, 60_000_000])
  expect(bar.atUs % 60_000_000).toBe(0)
})

test('a lost stream comes back with its subscriptions and leaves a gap on record; silence is called stale', async () => {
  await using rig = await localRig()
  const gaps: FeedGap[] = []
  const stale: number[] = []
  const connection: string[] = []
  await using feed = await createAlpacaFeed({
    client: rig.client,
    instruments: rig.instruments,
    clock,
    scheduler,
    stream: {initialReconnectMs: 20},
    staleAfterUs: 100_000,
    onGap: gap => gaps.push(gap),
    onStale: ({instrument}) => stale.push(instrument),
    onConnection: (stream, up) => connection.push(`${stream} ${up}`),
  })
  const rows: number[][] = []
  feed.listen(chunk => rows.push(...rowsOf(chunk)))
  rig.server.dropStreams()
  await until('both gaps', () => gaps.length === 2)
  expect(feed.isConnected()).toBe(true)
  expect(new Set(gaps.map(({stream}) => stream))).toEqual(new Set(['stocks', 'crypto']))
  for (const {fromUs, untilUs} of gaps) expect(untilUs).toBeGreaterThan(fromUs)
  await until('the subscriptions', () => {
    rig.market.quote('SPY', 600, 600.05)
    return rows.length > 0
  })
  await until('staleness', () => stale.includes(0))
  expect(connection.slice(0, 2).sort()).toEqual(['crypto true', 'stocks true'])
})

test('one account has one connection: a second feed is refused', async () => {
  await using rig = await localRig()
  await using _first = await createAlpacaFeed({client: rig.client, instruments: rig.instruments, clock, scheduler})
  await expect(
    createAlpacaFeed({client: await rig.connect(), instruments: rig.instruments, clock, scheduler}),
  ).rejects.toMatchObject({code: 'FEED_IN_USE', exitCode: 3})
})
