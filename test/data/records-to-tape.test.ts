import {readdirSync} from 'node:fs'
import {tmpdir} from 'node:os'
import fc from 'fast-check'
import {describe, expect, it} from 'vitest'
import {Rejects} from '../../src/data/ndjson.ts'
import type {GpiRecord, MarketRecord} from '../../src/data/records.ts'
import {recordsToTape} from '../../src/data/records-to-tape.ts'
import {syntheticTape} from '../../src/data/synthetic.ts'
import {tapeToRecords} from '../../src/data/tape-to-records.ts'
import {collect, temporaryFolder} from '../support/ingest.ts'

async function* numbered(records: Iterable<GpiRecord> | AsyncIterable<GpiRecord>) {
  let line = 0
  for await (const record of records) yield {line: ++line, record}
}

const price = fc.integer({min: 1, max: 10 ** 9}).map(n => n / 10 ** 4)
const size = fc.integer({min: 0, max: 10 ** 6})
const symbol = fc.constantFrom('AAPL', 'SPY', 'BTC/USD')
const side = fc.constantFrom('bid' as const, 'ask' as const)
const level = fc.tuple(price, fc.integer({min: 1, max: 1000}))
const unstamped = fc.oneof(
  fc.record({kind: fc.constant('quote' as const), symbol, bid: price, ask: price, bidSize: size, askSize: size}),
  fc.record({
    kind: fc.constant('trade' as const),
    symbol,
    price,
    size,
    aggressor: fc.constantFrom('buy' as const, 'sell' as const),
  }),
  fc.record({
    kind: fc.constant('bar' as const),
    symbol,
    open: price,
    high: price,
    low: price,
    close: price,
    volume: size,
    periodUs: fc.constant(60_000_000),
  }),
  fc.record({kind: fc.constant('book-delta' as const), symbol, side, price, size, last: fc.boolean()}),
  fc.record({
    kind: fc.constant('book-snapshot' as const),
    symbol,
    bids: fc.array(level, {maxLength: 4}),
    asks: fc.array(level, {maxLength: 4}),
  }),
  fc.record({
    kind: fc.constant('book-order' as const),
    symbol,
    orderId: fc.nat(),
    action: fc.constantFrom('add', 'reduce', 'delete', 'execute', 'hidden-execute', 'halt'),
    side,
    price,
    size,
  }),
)

describe('records as a tape', () => {
  it('come back as they were', async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(fc.tuple(unstamped, fc.nat(1000)), {minLength: 1, maxLength: 40}), async draws => {
        let tsUs = 1_700_000_000_000_000
        const records = draws.map(([record, gap]) => {
          tsUs += gap
          return {...record, tsUs} as MarketRecord
        })
        const rejects = new Rejects()
        await using tape = await recordsToTape(numbered(records), {spoolDirectory: temporaryFolderOnce, rejects})
        expect(rejects.count).toBe(0)
        expect(await collect(tapeToRecords(tape))).toEqual(records)
      }),
      {numRuns: 60},
    )
  })

  it('spool to disk beyond one chunk, replay alike, and leave nothing behind', async () => {
    const folder = temporaryFolder()
    const synthetic = syntheticTape({events: 150_000, symbols: ['SPY', 'BTC/USD'], seed: 3})
    {
      await using tape = await recordsToTape(numbered(tapeToRecords(synthetic)), {
        spoolDirectory: folder,
        rejects: new Rejects(),
      })
      expect(tape.rows).toBe(150_000)
      expect(await tape.dataHash()).toBe(await synthetic.dataHash())
      expect(await tape.dataHash()).toBe(await synthetic.dataHash())
      expect(readdirSync(folder)).toHaveLength(1)
    }
    expect(readdirSync(folder)).toEqual([])
  })

  it('refuse a time that goes back, and ignore what is no market event', async () => {
    const trade = (tsUs: number): GpiRecord => ({kind: 'trade', symbol: 'A', tsUs, price: 1, size: 1})
    const rejects = new Rejects()
    const records: GpiRecord[] = [trade(5), {kind: 'run', runId: 'r'}, trade(4), trade(5)]
    await using tape = await recordsToTape(numbered(records), {spoolDirectory: temporaryFolder(), rejects})
    expect([tape.rows, tape.ignored, rejects.count]).toEqual([2, 1, 1])
    expect(() => rejects.throwIfAny('x')).toThrow(/x:3: time goes back from 5 to 4/)
  })

  it('number instruments by name, at the decimals their values need', async () => {
    const records: GpiRecord[] = [
      {kind: 'trade', symbol: 'B', tsUs: 1, price: 1.123456, size: 0.25},
      {kind: 'trade', symbol: 'A', tsUs: 2, price: 2, size: 1},
    ]
    await using tape = await recordsToTape(numbered(records), {
      spoolDirectory: temporaryFolder(),
      rejects: new Rejects(),
    })
    expect(tape.instruments.all().map(i => [i.symbol, i.priceDecimals, i.sizeDecimals, i.incrementTicks])).toEqual([
      ['A', 4, 0, 100],
      ['B', 6, 2, 10_000],
    ])
    expect(await collect(tapeToRecords(tape))).toEqual(records)
  })
})

const temporaryFolderOnce = tmpdir()
