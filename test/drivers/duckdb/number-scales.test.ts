import path from 'node:path'
import {expect, it} from 'vitest'
import {openCatalog} from '../../../src/drivers/duckdb/catalog.ts'
import {ingestFiles, type RecordOf, recordsOf, temporaryFolder, textFile} from '../../support/ingest.ts'

const HEAD = 'datetime_utc,open,high,low,close,volume\n'
const bar = (minute: number, price: string, volume: string): string =>
  `2024-01-02 15:${String(minute).padStart(2, '0')},${price},${price},${price},${price},${volume}\n`

const ingested = async (name: string, ...texts: readonly string[]) => {
  const out = path.join(temporaryFolder(), 'data')
  const files = texts.map((text, i) => textFile(texts.length === 1 ? name : name.replace('.csv', `_${i}.csv`), text))
  const {defects} = await ingestFiles('csv', files, {out})
  return {out, defects, bars: (await recordsOf(out)) as RecordOf<'bar'>[]}
}

it('keeps prices below 1e-8, and counts those that it rounds', async () => {
  const {bars, defects} = await ingested(
    'binance_PEPEBTC_1m.csv',
    HEAD + bar(0, '0.0000000012', '5') + bar(1, '0.0000000012345678901', '6'),
  )
  expect(bars.map(({close}) => close)).toEqual([1.2e-9, 1.23457e-9])
  expect(defects).toEqual({roundedPrices: 1})
})

it('rounds an adjusted close at eight decimals, and counts it', async () => {
  const {bars, defects} = await ingested('KO_1m.csv', HEAD + bar(0, '43.06712341308594', '5') + bar(1, '43.5', '6'))
  expect(bars.map(({close}) => close)).toEqual([43.06712341, 43.5])
  expect(defects).toEqual({roundedPrices: 1})
})

it('counts sizes of more than eight decimals', async () => {
  const {bars, defects} = await ingested('ETHUSD_1m.csv', HEAD + bar(0, '2000', '0.123456789012345678'))
  expect(bars[0]?.volume).toBe(0.12345679)
  expect(defects).toEqual({roundedSizes: 1})
})

it('holds the volumes of coins worth next to nothing, alone and beside finer ones', async () => {
  const fine = HEAD + bar(0, '0.00001', '0.12345678')
  const great = HEAD + bar(1, '0.00001', '123456789012345')
  const {bars, defects, out} = await ingested('binance_SHIBUSDT_1m.csv', fine, great)
  expect(defects).toEqual({})
  expect(bars.map(({volume}) => volume)).toEqual([0.12345678, 123456789012345])
  expect((await openCatalog(out)).instruments.all()[0]).toMatchObject({sizeDecimals: 8})
  const one = await ingested('binance_SHIBUSDT_1m.csv', fine + bar(1, '0.00001', '123456789012345'))
  expect(one.bars.map(({volume}) => volume)).toEqual([0.1, 123456789012345])
  expect(one.defects).toEqual({roundedSizes: 1})
  expect((await openCatalog(one.out)).instruments.all()[0]).toMatchObject({sizeDecimals: 1, minLots: 1})
})

it('refuses a number that no tick can stand for', async () => {
  await expect(ingested('AAPL_1m.csv', HEAD + bar(0, '1e16', '5'))).rejects.toMatchObject({
    code: 'INVALID_ROWS',
    message: expect.stringContaining('AAPL_1m.csv:2: open must be a finite number not below 0 and not above 9e15'),
  })
})
