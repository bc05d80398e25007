import {mkdtempSync, rmSync, writeFileSync} from 'node:fs'
import {tmpdir} from 'node:os'
import path from 'node:path'
import {afterAll, beforeAll, describe, expect, test} from 'vitest'
import type {JournalEntry} from '../../src/broker/journal.ts'
import {latenciesOfJournal, readRecordedLatency} from '../../src/core/recorded-latency.ts'
import {openSqliteJournal} from '../../src/drivers/sqlite/journal.ts'

let folder: string
beforeAll(() => {
  folder = mkdtempSync(path.join(tmpdir(), 'gpi-latency-'))
})
afterAll(() => rmSync(folder, {recursive: true, force: true}))

const read = async (text: string) => {
  const file = path.join(folder, 'latencies.csv')
  writeFileSync(file, text)
  return await readRecordedLatency(file)
}
const columns = ({delayUs, tsUs}: {readonly delayUs: Float64Array; readonly tsUs?: Float64Array}) => [
  [...delayUs],
  tsUs === undefined ? undefined : [...tsUs],
]

describe('a recording', () => {
  test('of delays, sorted by time, with the feed where it is known', async () => {
    const {recorded, summary} = await read('tsUs,orderUs,reportUs,feedUs\n2000,300,40,9\n1000,100,20,7\n')
    expect(columns(recorded.order)).toEqual([
      [100, 300],
      [1000, 2000],
    ])
    expect(columns(recorded.report)).toEqual([
      [20, 40],
      [1100, 2300],
    ])
    expect(recorded.feed && columns(recorded.feed)).toEqual([
      [7, 9],
      [1000, 2000],
    ])
    expect(summary).toMatchObject({orders: 2, reports: 2, orderP50Us: 300, reportP99Us: 40, feedP50Us: 9})
  })
  test('of delays without times, as CSV or as records', async () => {
    const csv = await read('orderUs,reportUs\n100,20\n\n300,40\n')
    const ndjson = await read('{"orderUs":100,"reportUs":20,"venue":"x"}\n{"orderUs":300,"reportUs":40}\n')
    expect(columns(csv.recorded.order)).toEqual([[100, 300], undefined])
    expect(ndjson.recorded).toEqual(csv.recorded)
    expect(ndjson.hash).not.toBe(csv.hash)
  })
  test('of the times of orders, and hftbacktest’s in nanoseconds', async () => {
    const ours = await read('sentUs,venueUs,heardUs\n1000,1100,1150\n2000,2300,2310\n')
    const theirs = await read('req_ts,exch_ts,resp_ts\n1000000,1100000,1150000\n2000000,2300000,2310000\n')
    expect(columns(ours.recorded.order)).toEqual([
      [100, 300],
      [1000, 2000],
    ])
    expect(columns(ours.recorded.report)).toEqual([
      [50, 10],
      [1100, 2300],
    ])
    expect(theirs.recorded).toEqual(ours.recorded)
  })
  test('of market data alone: orders and reports take as long', async () => {
    const {recorded} = await read('exch_ts,local_ts\n1000000,1500000\n')
    expect([recorded.order, recorded.report, recorded.feed].map(way => way?.delayUs[0])).toEqual([500, 500, 500])
  })

  test.each([
    ['', 'is empty'],
    ['orderUs,reportUs\n', 'no rows'],
    ['a,b\n1,2\n', 'none of the column sets'],
    ['orderUs,reportUs\n1,2\n3\n', 'line 3 has 1 values for 2 columns'],
    ['orderUs,reportUs\n1,x\n', 'line 2: reportUs must be a number, was "x"'],
    ['orderUs,reportUs\n1,\n', 'line 2: reportUs must be a number'],
    ['orderUs,reportUs\n1,2\n-5,2\n', 'line 3: order latency is negative: -5 µs'],
    ['sentUs,venueUs,heardUs\n1000,1100,1050\n', 'line 2: report latency is negative'],
    ['{"orderUs":1,"reportUs":2}\n{"orderUs":1\n', 'line 2 is not JSON'],
  ])('%j is refused: %s', async (text, message) => {
    await expect(read(text)).rejects.toMatchObject({
      code: 'LATENCY_FILE',
      exitCode: 6,
      message: expect.stringContaining(message),
    })
  })
  test('that is not there is named', async () => {
    await expect(readRecordedLatency(path.join(folder, 'none.csv'))).rejects.toMatchObject({
      code: 'LATENCY_FILE',
      message: expect.stringContaining('none.csv: cannot be read: ENOENT'),
    })
  })
})

/** What a node writes of one order: when it was sent, what the venue stamped, when that was heard. */
const orderOf = (id: string, sentUs: number, venueUs: number, heardUs: number): JournalEntry[] =>
  [
    {kind: 'intent', tsUs: sentUs, symbol: 'SPY', intent: {clientOrderId: id}},
    {kind: 'report', tsUs: heardUs, report: {kind: 'accepted', clientOrderId: id, venueOrderId: id, tsUs: venueUs}},
    {kind: 'report', tsUs: heardUs + 5, report: {kind: 'cancelled', clientOrderId: id, tsUs: venueUs + 2}},
  ] as unknown as JournalEntry[]
const numbered = (entries: readonly JournalEntry[]) => entries.map((entry, k) => ({seq: k + 1, entry}))

describe('the journal of a node', () => {
  test('tells both ways of every order', () => {
    const found = latenciesOfJournal(
      numbered([...orderOf('a', 1000, 1400, 1500), ...orderOf('b', 2000, 2600, 2650)]),
      'j',
    )
    expect(columns(found.order)).toEqual([
      [400, 600],
      [1000, 2000],
    ])
    expect(columns(found.report)[0]).toEqual([100, 103, 50, 53])
  })
  test('without orders, or with clocks that disagree, is refused', () => {
    expect(() => latenciesOfJournal([], 'j')).toThrow('no order was accepted')
    const skewed = [...orderOf('a', 1000, 1400, 1500), ...orderOf('b', 2000, 1900, 2650)]
    expect(() => latenciesOfJournal(numbered(skewed), 'j')).toThrow('1 of 6 answers')
  })
  test('is read from its file, and means the same after it was opened', async () => {
    const file = path.join(folder, 'journal.sqlite')
    {
      using journal = openSqliteJournal(file)
      for (const entry of [...orderOf('a', 1000, 1400, 1500), ...orderOf('b', 2000, 2600, 2650)]) journal.append(entry)
    }
    const [first, second] = [await readRecordedLatency(file), await readRecordedLatency(file)]
    expect(first.summary).toMatchObject({orders: 2, reports: 4, orderP99Us: 600})
    expect(second.hash).toBe(first.hash)
  })
})
