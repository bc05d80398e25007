import {mkdirSync, readFileSync} from 'node:fs'
import path from 'node:path'
import {describe, expect, it} from 'vitest'
import {Database} from '../../../src/drivers/duckdb/database.ts'
import {ingestFiles, recordsOf, temporaryFolder, textFile} from '../../support/ingest.ts'

const parquetOf = async (name: string, select: string): Promise<string> => {
  const folder = temporaryFolder()
  mkdirSync(folder, {recursive: true})
  const file = path.join(folder, name)
  await using database = await Database.open({threads: 1})
  await database.run(`COPY (${select}) TO '${file}' (FORMAT parquet)`)
  return file
}

const recordsIn = async (name: string, select: string) => {
  const out = path.join(temporaryFolder(), 'data')
  const {defects} = await ingestFiles('parquet', [await parquetOf(name, select)], {out})
  return {defects, records: await recordsOf(out)}
}

describe('a Parquet file', () => {
  it.each([
    ['plain', "TIMESTAMP '2024-01-02 15:00:00'"],
    ['zoned', "TIMESTAMPTZ '2024-01-02 10:00:00-05'"],
    ['of nanoseconds', "'2024-01-02 15:00:00'::TIMESTAMP_NS"],
    ['in milliseconds', '1704207600000'],
  ])('has its stamps %s', async (_, stamp) => {
    const {records} = await recordsIn('AAPL.parquet', `SELECT ${stamp} AS timestamp, 10.5 AS price, 3 AS size`)
    expect(records).toEqual([{kind: 'trade', symbol: 'AAPL', tsUs: 1704207600e6, price: 10.5, size: 3}])
  })

  it.each([
    ['a date', "DATE '2024-01-31'"],
    ['text', "'01/31/2024'"],
    ['a number', '20240131'],
  ])('has its days as %s', async (_, day) => {
    const {records} = await recordsIn(
      'AAPL_1d.parquet',
      `SELECT ${day} AS date, 10.5 AS open, 11 AS high, 10 AS low, 10.75 AS close, '1,000' AS volume`,
    )
    expect(records).toMatchObject([{tsUs: Date.UTC(2024, 0, 31, 21) * 1000, close: 10.75, volume: 1000}])
  })

  it('has prices in single precision that mean what they show', async () => {
    const {records, defects} = await recordsIn(
      'AAPL.parquet',
      "SELECT TIMESTAMP '2024-01-02 15:00:00' AS timestamp, 5123.4567::FLOAT AS price, 3::FLOAT AS size",
    )
    expect(records).toMatchObject([{price: 5123.4565, size: 3}])
    expect(defects).toEqual({})
  })

  it('has flags that are booleans', async () => {
    const row = (flag: boolean) =>
      `SELECT ${flag ? 1 : 2} AS id, 1.5 AS price, 2 AS qty, 1735689600010 AS time, ${flag} AS is_buyer_maker`
    const {records} = await recordsIn('BTCUSDT-trades.parquet', `${row(true)} UNION ALL ${row(false)}`)
    expect(records).toMatchObject([
      {symbol: 'BTC/USDT', aggressor: 'sell'},
      {symbol: 'BTC/USDT', aggressor: 'buy'},
    ])
  })

  it('is refused without rows, broken off, or damaged', async () => {
    const select = "SELECT TIMESTAMP '2024-01-02 15:00:00' AS timestamp, 10.5 AS price, i AS size FROM range(5000) t(i)"
    const empty = await parquetOf('A.parquet', `${select} WHERE false`)
    await expect(ingestFiles('parquet', [empty])).rejects.toMatchObject({code: 'NO_ROWS', exitCode: 6})
    const whole = readFileSync(await parquetOf('A.parquet', select))
    const half = textFile('A.parquet', whole.subarray(0, whole.length / 2))
    await expect(ingestFiles('parquet', [half])).rejects.toMatchObject({code: 'NOT_PARQUET', exitCode: 6})
    const nothing = textFile('A.parquet', '')
    await expect(ingestFiles('parquet', [nothing])).rejects.toMatchObject({code: 'EMPTY_FILE', exitCode: 6})
  })
})
