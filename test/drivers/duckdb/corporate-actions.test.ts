import path from 'node:path'
import {describe, expect, it} from 'vitest'
import {openCatalog} from '../../../src/drivers/duckdb/catalog.ts'
import {ingestFiles, recordsOf, temporaryFolder, textFile} from '../../support/ingest.ts'

const HEAD = 'symbol,ex_date,action,new_rate,old_rate,cash,pay_date\n'
const ROWS = [
  'AAPL,2020-08-31,split,4,1,,',
  'AAPL,2020-08-07,dividend,,,0.82,2020-08-13',
  'GE,2021-08-02,Split,1,8,,',
  'GE,2021-12-27,dividend,,,0.08,',
]
const midnight = (day: string, hoursFromUtc: number) =>
  (Date.parse(`${day}T00:00:00Z`) + hoursFromUtc * 3_600_000) * 1000

describe('a table of corporate actions', () => {
  it('becomes splits and dividends from the first moment of their ex-dates in New York', async () => {
    const out = path.join(temporaryFolder(), 'data')
    await ingestFiles('csv', [textFile('actions.csv', `${HEAD}${ROWS.join('\n')}\n`)], {out})
    expect(await recordsOf(out)).toEqual([
      {
        kind: 'dividend',
        symbol: 'AAPL',
        tsUs: midnight('2020-08-07', 4),
        cashPerShare: 0.82,
        payUs: midnight('2020-08-13', 4),
      },
      {kind: 'split', symbol: 'AAPL', tsUs: midnight('2020-08-31', 4), ratio: 4},
      {kind: 'split', symbol: 'GE', tsUs: midnight('2021-08-02', 4), ratio: 0.125},
      {kind: 'dividend', symbol: 'GE', tsUs: midnight('2021-12-27', 5), cashPerShare: 0.08},
    ])
    // A back-test replays them unless it asks for other kinds.
    expect((await openCatalog(out)).rows).toBe(4)
  })
  it('is refused where an action is unknown, a rate is not whole or a sum is missing', async () => {
    for (const row of [
      'AAPL,2020-08-31,merger,1,1,,',
      'AAPL,2020-08-31,split,1.5,1,,',
      'AAPL,2020-08-31,dividend,,,,',
    ]) {
      const out = path.join(temporaryFolder(), 'data')
      await expect(ingestFiles('csv', [textFile('actions.csv', `${HEAD}${row}\n`)], {out})).rejects.toThrow()
    }
  })
})
