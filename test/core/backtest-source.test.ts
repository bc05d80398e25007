import {mkdtempSync, writeFileSync} from 'node:fs'
import {tmpdir} from 'node:os'
import path from 'node:path'
import {describe, expect, test} from 'vitest'
import {openSource, parseTimeUs} from '../../src/core/backtest-source.ts'
import {EventKind} from '../../src/data/tape.ts'

const at = Date.UTC(2024, 0, 2, 15) * 1000
const file = path.join(mkdtempSync(path.join(tmpdir(), 'gpi-source-')), 'r.ndjson')
writeFileSync(
  file,
  [
    {kind: 'quote', symbol: 'AAA', tsUs: at, bid: 10, ask: 10.01, bidSize: 1, askSize: 1},
    {kind: 'trade', symbol: 'AAA', tsUs: at + 1, price: 10, size: 1},
    {kind: 'status', symbol: 'AAA', tsUs: at + 2, status: 'halted'},
    {kind: 'bar', symbol: 'AAA', tsUs: at + 3, open: 10, high: 10, low: 10, close: 10, volume: 1, periodUs: 60e6},
  ]
    .map(record => JSON.stringify(record))
    .join('\n'),
)

describe('the kinds of records that are replayed', () => {
  const kindsOf = async (kinds?: readonly string[]): Promise<number[]> => {
    await using opened = await openSource({
      from: file,
      symbols: [],
      skipInvalid: false,
      ...(kinds === undefined ? {} : {kinds}),
    })
    const found: number[] = []
    for await (const chunk of opened.source.chunks())
      for (let row = 0; row < chunk.count; row++) found.push(chunk.kind[row] as number)
    return found
  }
  test('are all, or those asked for and what halts them', async () => {
    expect(await kindsOf()).toHaveLength(4)
    const bars = await kindsOf(['bar'])
    expect(bars).toHaveLength(2)
    expect(bars).toContain(EventKind.bar)
    expect(bars).not.toContain(EventKind.quote)
  })
  test('are known ones', async () => {
    await expect(kindsOf(['bars'])).rejects.toThrow(/--kinds does not know "bars"/)
  })
})

describe('a time given to a flag', () => {
  test('is a day, a time in a zone, or microseconds', () => {
    expect(parseTimeUs('2024-02-29', 'start')).toBe(Date.UTC(2024, 1, 29) * 1000)
    expect(parseTimeUs('2024-02-29T13:30', 'start')).toBe(Date.UTC(2024, 1, 29, 13, 30) * 1000)
    expect(parseTimeUs('2024-02-29T23:30-05:00', 'start')).toBe(Date.UTC(2024, 2, 1, 4, 30) * 1000)
    expect(parseTimeUs('1704207600000000', 'start')).toBe(1704207600000000)
  })
  test.each(['2024-02-30', '2023-02-29T10:00:00Z', '2024-13-01', 'tomorrow'])('is never another: %s', text => {
    expect(() => parseTimeUs(text, 'start')).toThrow(/--start must be a time/)
  })
})
