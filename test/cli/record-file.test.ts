import {mkdirSync, readdirSync, readFileSync} from 'node:fs'
import {expect, it} from 'vitest'
import {writeRecordFile} from '../../src/cli/record-file.ts'
import {openInput, requireQuoteRecords} from '../../src/core/open-input.ts'
import {Database, quoted} from '../../src/drivers/duckdb/database.ts'
import {temporaryFolder} from '../support/run-gpi.ts'

async function* of(...records: readonly unknown[]): AsyncGenerator<unknown> {
  yield* records
}

it('writes records of several kinds as one Parquet file', async () => {
  using folder = temporaryFolder()
  const file = folder.join('greeks.parquet')
  await writeRecordFile(
    file,
    of(
      {kind: 'greeks', symbol: 'TRUE', tsUs: 1692388800000000, expiry: '2023-08-25', delta: 0.5, discount: null},
      {kind: 'surface', symbol: 'TRUE', tsUs: 1692388800000000, features: {skew: -0.1}, vector: [1, 2.5]},
    ),
  )
  await using database = await Database.open({threads: 1})
  const rows = await database.rows(
    `SELECT kind, symbol, tsUs, CAST(expiry AS VARCHAR) AS expiry, delta, features.skew AS skew, vector[2] AS v FROM ${quoted(file)}`,
  )
  expect(rows).toEqual([
    {kind: 'greeks', symbol: 'TRUE', tsUs: 1692388800000000, expiry: '2023-08-25', delta: 0.5, skew: null, v: null},
    {kind: 'surface', symbol: 'TRUE', tsUs: 1692388800000000, expiry: null, delta: null, skew: -0.1, v: 2.5},
  ])
  expect(readdirSync(folder.path)).toEqual(['greeks.parquet'])
})

it('leaves no file when the records break off, and NDJSON under any other name', async () => {
  using folder = temporaryFolder()
  const broken = async function* () {
    yield {kind: 'a'}
    throw new Error('broke')
  }
  await expect(writeRecordFile(folder.join('x.parquet'), broken())).rejects.toThrow('broke')
  expect(readdirSync(folder.path)).toEqual([])
  await writeRecordFile(folder.join('x.ndjson'), of({a: 1}))
  expect(readFileSync(folder.join('x.ndjson'), 'utf8')).toBe('{"a":1}\n')
})

it('says what to do with a folder or a table as input', () => {
  using folder = temporaryFolder()
  mkdirSync(folder.join('catalog'))
  expect(() => openInput(folder.join('catalog'))).toThrow(/catalog is a folder, and records are read from a file/)
  expect(() => requireQuoteRecords('q.PARQUET', 'embed')).toThrow(/option-quote records \(NDJSON\), was q\.PARQUET/)
  requireQuoteRecords('q.ndjson.gz', 'embed')
})
