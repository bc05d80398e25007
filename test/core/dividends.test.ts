import {writeFileSync} from 'node:fs'
import {expect, test} from 'vitest'
import {readDividends} from '../../src/core/dividends.ts'
import {newYork} from '../support/option-chains.ts'
import {temporaryFolder} from '../support/run-gpi.ts'

test('records and CSV give the same schedule; the ex-date’s opening counts', async () => {
  using folder = temporaryFolder('gpi-dividends-')
  const [records, table] = [folder.join('d.ndjson'), folder.join('d.csv')]
  const rows = [
    ['SPY', '2023-06-16', 1.638],
    ['SPY', '2023-09-15', 1.583],
    ['QQQ', '2023-06-20', 0.504],
  ] as const
  writeFileSync(
    records,
    rows.map(([symbol, exDate, amount]) => JSON.stringify({kind: 'dividend', symbol, exDate, amount})).join('\n'),
  )
  writeFileSync(table, `symbol,exDate,amount\n${rows.map(row => row.join(',')).join('\r\n')}\n`)
  const schedules = [await readDividends(records), await readDividends(table)]
  for (const schedule of schedules) {
    const before = schedule.after('SPY', newYork('2023-06-16', 9, 0))
    expect(before.map(d => d.amount)).toEqual([1.638, 1.583])
    expect(before[0]?.timeYears).toBeCloseTo(0.5 / 24 / 365, 9)
    expect(schedule.after('SPY', newYork('2023-06-16', 9, 31)).map(d => d.amount)).toEqual([1.583])
    expect(schedule.after('AMD', 0)).toEqual([])
  }
})

test('the dividends of a tape are read too, from their own time on', async () => {
  using folder = temporaryFolder('gpi-dividends-')
  const file = folder.join('d.ndjson')
  const tsUs = newYork('2023-06-16', 9, 30)
  writeFileSync(file, `${JSON.stringify({kind: 'dividend', symbol: 'SPY', tsUs, cashPerShare: 1.638})}\n`)
  const schedule = await readDividends(file)
  expect(schedule.after('SPY', tsUs - 1).map(d => d.amount)).toEqual([1.638])
  expect(schedule.after('SPY', tsUs)).toEqual([])
})

test('what is no dividend is named', async () => {
  using folder = temporaryFolder('gpi-dividends-')
  const file = folder.join('d.csv')
  writeFileSync(file, 'symbol,exDate,amount\nSPY,2023-06-16,-1\n')
  await expect(readDividends(file)).rejects.toMatchObject({code: 'INVALID_RECORDS', exitCode: 6})
  writeFileSync(file, 'ticker,date,amount\nSPY,2023-06-16,1\n')
  await expect(readDividends(file)).rejects.toMatchObject({code: 'WRONG_COLUMNS', exitCode: 6})
})
