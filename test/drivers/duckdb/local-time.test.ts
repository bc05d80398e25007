import fc from 'fast-check'
import {describe, expect, it} from 'vitest'
import {Database} from '../../../src/drivers/duckdb/database.ts'
import {RAW, toUtcUs} from '../../../src/drivers/duckdb/layouts/layout.ts'
import {type LocalRows, localToUtcUs} from '../../../src/drivers/duckdb/layouts/local-time.ts'

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
      const fast = await localToUtcUs({database, count: () => {}}, 't', zone, {series: 'rowid'})
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
  const sql = await localToUtcUs({database, count: () => {}}, 't', 'America/New_York')
  const rows = await database.rows<{us: number}>(`SELECT ${sql} AS us FROM ${RAW} WHERE t = TIMESTAMP '${local}'`)
  expect(rows).toEqual([{us: Date.parse(utc) * 1000}])
})

const readIn = async (zone: string, stamps: readonly string[], rows: LocalRows = {}) => {
  const found: Record<string, number> = {}
  await using database = await Database.open({threads: 1})
  const values = stamps.map((text, i) => `(TIMESTAMP '${text.split(' ').slice(-2).join(' ')}', '${text[0]}', ${i})`)
  await database.run(`CREATE TEMP TABLE ${RAW} AS SELECT * FROM (VALUES ${values}) AS rows(t, symbol, i) ORDER BY i`)
  const count = (name: string, n: number) => {
    found[name] = n
  }
  const sql = await localToUtcUs({database, count}, 't', zone, rows)
  const read = await database.rows<{us: number}>(`SELECT ${sql} AS us FROM ${RAW}`)
  return {found, times: read.map(({us}) => new Date(us / 1000).toISOString().slice(11, 16))}
}

describe('the hour that the clock shows twice', () => {
  const twice = ['2024-11-03 00:55', '2024-11-03 01:05', '2024-11-03 01:50', '2024-11-03 01:05', '2024-11-03 02:10']

  it('is told by where the order of the rows goes back', async () => {
    const {times, found} = await readIn('America/New_York', twice)
    expect(times).toEqual(['04:55', '05:05', '05:50', '06:05', '07:10'])
    expect(found).toEqual({})
    expect((await readIn('Europe/Berlin', ['2024-10-27 02:30', '2024-10-27 02:00'])).times).toEqual(['00:30', '01:00'])
    // Half an hour only.
    const half = ['2024-04-07 01:40', '2024-04-07 01:35']
    expect((await readIn('Australia/Lord_Howe', half)).times).toEqual(['14:40', '15:05'])
  })

  it('is told series by series, and of bars by a stamp that comes again', async () => {
    const stamps = ['A 2024-11-03 01:30', 'B 2024-11-03 01:30', 'A 2024-11-03 01:30', 'B 2024-11-03 01:30']
    const {times, found} = await readIn('America/New_York', stamps, {series: 'symbol', isBar: true})
    expect(times).toEqual(['05:30', '05:30', '06:30', '06:30'])
    expect(found).toEqual({})
  })

  it('is read as the second and counted where order does not tell', async () => {
    for (const stamps of [
      ['2024-11-03 00:30', '2024-11-03 01:30', '2024-11-03 01:30', '2024-11-03 03:00'],
      ['2024-11-03 03:00', '2024-11-03 01:50', '2024-11-03 01:30', '2024-11-03 01:10'],
    ]) {
      const {times, found} = await readIn('America/New_York', stamps)
      expect(found).toEqual({ambiguousTimes: stamps.filter(text => text.includes(' 01:')).length})
      expect(times).toContain('06:30')
    }
  })

  it('is found among thirty years of changes', async () => {
    const days = Array.from({length: 30}, (_, i) => `${1998 + i}-07-01 10:00`)
    const {times} = await readIn('America/New_York', ['1998-01-05 10:00', ...twice, ...days])
    expect(times.slice(0, 6)).toEqual(['15:00', '04:55', '05:05', '05:50', '06:05', '07:10'])
  })

  it('counts times that the clock leaves out', async () => {
    const {times, found} = await readIn('America/New_York', [
      '2024-03-10 01:30',
      '2024-03-10 02:30',
      '2024-03-10 03:30',
    ])
    expect(times).toEqual(['06:30', '07:30', '07:30'])
    expect(found).toEqual({nonexistentTimes: 1})
  })
})
