import {mkdtemp, rm} from 'node:fs/promises'
import {tmpdir} from 'node:os'
import path from 'node:path'
import fc from 'fast-check'
import {describe, expect, test} from 'vitest'
import {applyRow, createMarketState, markTicks} from '../../src/data/market-state.ts'
import {type NumberedRecord, Rejects, readNdjson} from '../../src/data/ndjson.ts'
import {fractionOf} from '../../src/data/record-rows.ts'
import type {GpiRecord} from '../../src/data/records.ts'
import {recordsToTape} from '../../src/data/records-to-tape.ts'
import {tapeToNdjson} from '../../src/data/tape-to-records.ts'
import {openCatalog} from '../../src/drivers/duckdb/catalog.ts'
import {catalogNdjson} from '../../src/drivers/duckdb/catalog-records.ts'
import {Database} from '../../src/drivers/duckdb/database.ts'
import {publishTape} from '../../src/drivers/duckdb/tape-unit.ts'
import {chunkOf} from '../support/rows.ts'

const open = Date.UTC(2020, 7, 31, 13, 30) * 1000
const LINES = [
  {kind: 'quote', symbol: 'AAPL', tsUs: open - 10, bid: 499.2, ask: 499.3, bidSize: 100, askSize: 200},
  {kind: 'band', symbol: 'AAPL', tsUs: open - 9, lower: 474.27, upper: 524.2},
  {kind: 'split', symbol: 'AAPL', tsUs: open, ratio: 4},
  {kind: 'split', symbol: 'GE', tsUs: open, ratio: 0.125},
  {kind: 'dividend', symbol: 'AAPL', tsUs: open + 1, cashPerShare: 0.205, payUs: open + 86_400_000_000},
  {kind: 'dividend', symbol: 'GE', tsUs: open + 2, cashPerShare: 0.123456},
  {kind: 'borrow', symbol: 'GME', tsUs: open + 3, rateBpsAnnual: 3412.5, available: 1200},
  {kind: 'borrow', symbol: 'GME', tsUs: open + 4, rateBpsAnnual: 25, available: true},
  {kind: 'borrow', symbol: 'GME', tsUs: open + 5, rateBpsAnnual: 25, available: false},
  {kind: 'status', symbol: 'GME', tsUs: open + 6, status: 'halted'},
  {kind: 'status', symbol: 'GME', tsUs: open + 7, status: 'trading'},
  {kind: 'band', symbol: 'AAPL', tsUs: open + 8, upper: 131.5},
] as const
const text = LINES.map(line => `${JSON.stringify(line)}\n`).join('')

const parse = (ndjson: string): AsyncIterable<NumberedRecord<GpiRecord>> =>
  readNdjson(
    (async function* () {
      yield ndjson
    })(),
    new Rejects(),
  )
const gather = async (parts: AsyncIterable<string>): Promise<unknown[]> => {
  let all = ''
  for await (const part of parts) all += part
  return all
    .trim()
    .split('\n')
    .map(line => JSON.parse(line))
}
const tapeOf = (ndjson: string) => recordsToTape(parse(ndjson), {spoolDirectory: tmpdir(), rejects: new Rejects()})

describe('splits, dividends, borrow, halts and limits', () => {
  test('come out of a tape as the records that went in', async () => {
    await using tape = await tapeOf(text)
    expect(await gather(tapeToNdjson(tape))).toEqual(LINES)
  })

  test('come out of a catalog as they went in, and leave the tape’s hash', async () => {
    const dir = await mkdtemp(path.join(tmpdir(), 'gpi-notices-'))
    try {
      await using tape = await tapeOf(text)
      await using database = await Database.open({threads: 1})
      await publishTape(
        {
          database,
          dir,
          staging: path.join(dir, 'staging'),
          about: {
            key: 'k',
            source: 'test',
            layout: 'test',
            file: {name: 'x', path: 'x', sha256: '', bytes: 0},
            replaces: [],
          },
          instruments: tape.instruments,
        },
        tape.chunks(),
      )
      const catalog = await openCatalog(dir, {})
      expect(await catalog.dataHash()).toBe(await tape.dataHash())
      expect(await gather(catalogNdjson(dir))).toEqual(LINES)
    } finally {
      await rm(dir, {recursive: true, force: true})
    }
  })

  test('are refused without a positive ratio or amount', async () => {
    const rejects = new Rejects()
    const bad = [
      {...LINES[2], ratio: 0},
      {...LINES[4], cashPerShare: -1},
      {...LINES[6], rateBpsAnnual: -1},
      {...LINES[9], status: 'paused'},
    ]
    const records = readNdjson(
      (async function* () {
        yield bad.map(line => `${JSON.stringify(line)}\n`).join('')
      })(),
      rejects,
    )
    for await (const {record} of records) throw new Error(`accepted ${record.kind}`)
    expect(rejects.count).toBe(4)
  })
})

test('a ratio is stored as the simplest fraction that means it', () => {
  expect([4, 0.1, 1.5, 1 / 3, 0.3333333333, 1.05, 20].map(fractionOf)).toEqual([
    [4, 1],
    [1, 10],
    [3, 2],
    [1, 3],
    [1, 3],
    [21, 20],
    [20, 1],
  ])
  fc.assert(
    fc.property(fc.integer({min: 1, max: 500}), fc.integer({min: 1, max: 500}), (n, d) => {
      const [a, b] = fractionOf(n / d)
      expect(a * d).toBe(b * n)
    }),
  )
})

describe('the market state', () => {
  const state = createMarketState(1)
  const apply = (...rows: Parameters<typeof chunkOf>[0]) => {
    const chunk = chunkOf(rows)
    for (let r = 0; r < chunk.count; r++) applyRow(state, chunk, r)
  }
  test('a split keeps the value of a holding, and no old quote can be traded at', () => {
    apply({at: 1, quote: [4_992_000, 4_993_001]}, {at: 2, trade: [4_992_500, 10]}, {at: 3, notice: ['split', 4, 1]})
    expect(markTicks(state, 0)).toBe(4_992_500.5 / 4)
    expect([state.bidLots[0], state.askLots[0]]).toEqual([0, 0])
    apply({at: 4, quote: [1_248_000, 1_248_200]})
    expect(markTicks(state, 0)).toBe(1_248_100)
  })
  test('a dividend comes off the value', () => {
    apply({at: 5, notice: ['dividend', 0, 0, 2_050]})
    expect(markTicks(state, 0)).toBe(1_246_050)
  })
  test('halts and limits are remembered', () => {
    apply({at: 6, notice: ['status', 1]}, {at: 7, notice: ['band', 0, 0, 1_200_000, 1_300_000]})
    expect([state.halted[0], state.lowerTicks[0], state.upperTicks[0]]).toEqual([1, 1_200_000, 1_300_000])
    apply({at: 8, notice: ['status', 0]})
    expect(state.halted[0]).toBe(0)
  })
})
