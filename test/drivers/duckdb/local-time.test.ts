import fc from 'fast-check'
import {expect, it} from 'vitest'
import {Database} from '../../../src/drivers/duckdb/database.ts'
import {RAW, toUtcUs} from '../../../src/drivers/duckdb/layouts/layout.ts'
import {localToUtcUs} from '../../../src/drivers/duckdb/layouts/local-time.ts'

const ZONES = ['America/New_York', 'Europe/Berlin', 'Asia/Shanghai', 'America/Sao_Paulo', 'Australia/Lord_Howe', 'UTC']
const MINUTE_US = 60_000_000

/** Stamps around a first one, some hours to some years apart, in any order. */
const stamps = fc
  .record({
    from: fc.integer({min: 0, max: Date.UTC(2035, 0, 1) / 60_000}),
    span: fc.constantFrom(60, 60 * 24, 60 * 24 * 30, 60 * 24 * 365, 60 * 24 * 365 * 4),
    offsets: fc.array(fc.double({min: 0, max: 1, noNaN: true}), {minLength: 1, maxLength: 40}),
  })
  .map(({from, span, offsets}) => offsets.map(offset => (from + Math.floor(offset * span)) * MINUTE_US))

it('gives what looking up the zone for every row gives, also in the hours of a change', async () => {
  await using database = await Database.open({threads: 1})
  await fc.assert(
    fc.asyncProperty(stamps, fc.constantFrom(...ZONES), async (times, zone) => {
      await database.run(
        `CREATE OR REPLACE TEMP TABLE ${RAW} AS SELECT make_timestamp(t) AS t FROM (SELECT unnest([${times}]::BIGINT[]) AS t)`,
      )
      const fast = await localToUtcUs(database, 't', zone)
      const rows = await database.rows<{fast: number; exact: number}>(
        `SELECT ${fast} AS fast, ${toUtcUs('t', zone)} AS exact FROM ${RAW}`,
      )
      expect(rows.map(row => row.fast)).toEqual(rows.map(row => row.exact))
    }),
    {numRuns: 150},
  )
})

it.each([
  ['2024-03-10 01:59:59', '2024-03-10T06:59:59Z'],
  ['2024-03-10 03:00:00', '2024-03-10T07:00:00Z'],
  ['2024-11-03 00:59:59', '2024-11-03T04:59:59Z'],
  ['2024-11-03 02:00:00', '2024-11-03T07:00:00Z'],
])('reads %s in New York as %s', async (local, utc) => {
  await using database = await Database.open({threads: 1})
  const days = ['2024-01-05 10:00:00', local, '2024-12-05 10:00:00'].map(text => `TIMESTAMP '${text}'`)
  await database.run(`CREATE TEMP TABLE ${RAW} AS SELECT unnest([${days}]) AS t`)
  const sql = await localToUtcUs(database, 't', 'America/New_York')
  const rows = await database.rows<{us: number}>(`SELECT ${sql} AS us FROM ${RAW} WHERE t = TIMESTAMP '${local}'`)
  expect(rows).toEqual([{us: Date.parse(utc) * 1000}])
})
