import {readFileSync, writeFileSync} from 'node:fs'
import path from 'node:path'
import {expect, it} from 'vitest'
import {openCatalog, readCatalog} from '../../../src/drivers/duckdb/catalog.ts'
import {readBars} from '../../../src/drivers/duckdb/catalog-tables.ts'
import {collect, ingestFiles, recordsOf, temporaryFolder, textFile} from '../../support/ingest.ts'

const DAYS = ['2024-01-02', '2024-01-03', '2024-01-04']
const SYMBOLS = Array.from({length: 12}, (_, i) => `S${String.fromCharCode(65 + i)}`)
const HEAD = 'date,symbol,open,high,low,close,volume'
const price = (symbol: number, day: number) => 10 + symbol + day / 8
const row = (day: number, symbol: number, close = price(symbol, day)) =>
  `${DAYS[day]},${SYMBOLS[symbol]},${close},${close},${close},${close},${100 + symbol}`

const bySymbol = SYMBOLS.flatMap((_, symbol) => DAYS.map((_, day) => row(day, symbol)))
const byDay = DAYS.flatMap((_, day) => SYMBOLS.map((_, symbol) => row(day, symbol)))

const ingestRows = async (rows: readonly string[]): Promise<string> => {
  const out = path.join(temporaryFolder(), 'data')
  await ingestFiles('csv', [textFile('daily.csv', `${HEAD}\n${rows.join('\n')}\n`)], {out})
  return out
}

it.each([
  ['symbol after symbol', bySymbol],
  ['day after day', byDay],
])('keeps few bars of many symbols, %s, in one file and reads them as if each had its own', async (_, rows) => {
  const out = await ingestRows(rows)
  const catalog = await readCatalog(out)
  const parts = catalog.units.flatMap(unit => unit.parts)
  expect(new Set(parts.map(part => part.path)).size).toBe(1)
  expect(parts.map(part => [part.symbol, part.rows])).toEqual(SYMBOLS.map(symbol => [symbol, 3]))

  const closes = (records: Awaited<ReturnType<typeof recordsOf>>) =>
    records.map(record => (record.kind === 'bar' ? `${record.symbol} ${record.close}` : record.kind))
  const expected = DAYS.flatMap((_, day) => SYMBOLS.map((symbol, i) => `${symbol} ${price(i, day)}`))
  expect(closes(await recordsOf(out))).toEqual(expected)
  expect(closes(await recordsOf(out, {symbols: ['SC']}))).toEqual(DAYS.map((_, day) => `SC ${price(2, day)}`))
  const second = Date.parse('2024-01-03T00:00:00Z') * 1000
  expect(closes(await recordsOf(out, {symbols: ['SA', 'SL'], fromUs: second, toUs: second + 86_400e6}))).toEqual([
    `SA ${price(0, 1)}`,
    `SL ${price(11, 1)}`,
  ])
  expect((await openCatalog(out)).rows).toBe(36)
  const bars = await collect(readBars(catalog))
  expect(bars.map(({symbol, close}) => [symbol, ...close])).toEqual(
    SYMBOLS.map((symbol, i) => [symbol, price(i, 0), price(i, 1), price(i, 2)]),
  )
})

it('keeps each symbol at its own scale', async () => {
  const rows = [...bySymbol.slice(0, -1), row(2, 11, 1.123456)]
  const out = await ingestRows(rows)
  const tape = await openCatalog(out)
  expect(tape.instruments.all().map(({priceDecimals}) => priceDecimals)).toEqual([...Array(11).fill(4), 6])
  const last = (await recordsOf(out, {symbols: ['SL']})).at(-1)
  expect(last).toMatchObject({kind: 'bar', close: 1.123456})
})

it('lets the earlier unit stand where two files hold the same bar, shared or not', async () => {
  const out = await ingestRows(bySymbol)
  const again = DAYS.map((_, day) => row(day, 0, 99))
  await ingestFiles('csv', [textFile('SA_1d.csv', `${HEAD}\n${again.join('\n')}\n`)], {out})
  const closes = (await recordsOf(out, {symbols: ['SA']})).map(record => (record.kind === 'bar' ? record.close : 0))
  expect(closes).toHaveLength(3)
  expect(new Set(closes).size === 3 || closes.every(close => close === 99)).toBe(true)
})

it('refuses a catalog of a newer form', async () => {
  const out = await ingestRows(bySymbol)
  const [unit] = (await readCatalog(out)).units
  const manifest = path.join(out, `ingest=${unit?.key}`, 'manifest.json')
  writeFileSync(manifest, JSON.stringify({...JSON.parse(readFileSync(manifest, 'utf8')), version: 99}))
  await expect(readCatalog(out)).rejects.toMatchObject({code: 'NEWER_CATALOG', exitCode: 2})
})
