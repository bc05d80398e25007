import {readFileSync} from 'node:fs'
import {expect, it} from 'vitest'
import {requireTableFormat, writeTable} from '../../src/core/report-table.ts'
import {Database, quoted} from '../../src/drivers/duckdb/database.ts'
import {temporaryFolder} from '../support/run-gpi.ts'

const readBack = async (file: string, query: string): Promise<unknown> => {
  await using database = await Database.open({threads: 1})
  return await database.rows(`${query} FROM ${quoted(file)}`)
}

it('keeps a ticker that reads like a truth value, and its numbers', async () => {
  using folder = temporaryFolder()
  const file = folder.join('t.parquet')
  await writeTable(file, 'symbol,pnlMicros\nTRUE,-5\nTRUE,7\n')
  expect(await readBack(file, 'SELECT any_value(symbol) AS symbol, CAST(sum(pnlMicros) AS INTEGER) AS pnl')).toEqual([
    {symbol: 'TRUE', pnl: 2},
  ])
})

it('writes a table without rows with its columns', async () => {
  using folder = temporaryFolder()
  await writeTable(folder.join('t.parquet'), 'symbol,pnlMicros\n')
  expect(await readBack(folder.join('t.parquet'), 'SELECT CAST(count(*) AS INTEGER) AS n')).toEqual([{n: 0}])
  await writeTable(folder.join('t.csv'), 'symbol,pnlMicros\n')
  expect(readFileSync(folder.join('t.csv'), 'utf8')).toBe('symbol,pnlMicros\n')
})

it('refuses a name that asks for something else', () => {
  for (const name of ['a.csv', 'a.PARQUET', 'a.parquet', '/dev/stdout', '-']) requireTableFormat(name)
  expect(() => requireTableFormat('out/t.xlsx')).toThrow(
    /out\/t\.xlsx: tables are written as CSV or Parquet, not as \.xlsx/,
  )
})
