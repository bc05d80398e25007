import {expect, test} from 'vitest'
import {Database} from '../../../src/drivers/duckdb/database.ts'
import {doubleColumns, TableWriter} from '../../../src/drivers/duckdb/table-writer.ts'

test('rows are read to the end while more of them are written than an appender holds', async () => {
  await using database = await Database.open()
  const writer = await TableWriter.create(database, 'kernel_doubled', ['line', 'price'])
  let read = 0
  for await (const {rows, columns} of doubleColumns(database, ['i'], 'range(300000) t(i)')) {
    const values = columns[0] as Float64Array
    for (let row = 0; row < rows; row++) writer.write(read + row, 2 * (values[row] as number))
    read += rows
  }
  writer.close()
  expect(read).toBe(300_000)
  expect(await database.one('SELECT count(*) AS rows, sum(price) AS total FROM kernel_doubled')).toEqual({
    rows: 300_000,
    total: 299_999 * 300_000,
  })
})

test('a statement that would cut off a stream is refused, and one after its end is not', async () => {
  await using database = await Database.open()
  const rows = database.stream('SELECT * FROM range(10000)')
  await rows.next()
  await expect(database.one('SELECT 1 AS one')).rejects.toThrow('cut off')
  await rows.return(undefined)
  expect(await database.one('SELECT 1 AS one')).toEqual({one: 1})
})
