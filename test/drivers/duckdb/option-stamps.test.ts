import path from 'node:path'
import {expect, test} from 'vitest'
import {catalogNdjson} from '../../../src/drivers/duckdb/catalog-records.ts'
import {ingestFiles, temporaryFolder, textFile} from '../../support/ingest.ts'

const HEADER =
  'symbol,trade_date,snapshot_time_text,underlying_last,contract,right,expiration,strike,last,net,bid,ask,volume,implied_vol,delta,gamma,open_interest'

test.each([
  ['9 June 2023, 1:40 PM EDT', '2023-06-09', '2023-06-09T17:40:00.000Z'],
  ['July 12, 2022, 11:55 AM EDT', '2022-07-12', '2022-07-12T15:55:00.000Z'],
  ['February 7, 2023 at 9:31 AM EST', '2023-02-07', '2023-02-07T14:31:00.000Z'],
  ['February 7, 2023 at 5:34 PM EST', '2023-02-07', '2023-02-07T21:00:00.000Z'],
  ['August 20, 2023 at 10:42 PM EDT', '2023-08-18', '2023-08-18T20:00:00.000Z'],
  ['August 1, 2023 at 10:42 AM EDT', '2023-08-11', '2023-08-11T20:00:00.000Z'],
  ['4 June 4, 3:15 PM EDT', '2023-06-02', '2023-06-02T20:00:00.000Z'],
  ['', '2023-06-02', '2023-06-02T20:00:00.000Z'],
])('the page’s stamp “%s” for %s is %s', async (text, date, want) => {
  const row = `SPX,${date},"${text}",4300,SPXW231215C04000000,call,2023-12-15,4000,330,0,329.2,330.1,6,0.2,0.9,0,31`
  const out = path.join(temporaryFolder(), 'data')
  await ingestFiles('cboe', [textFile('spx_quotedata.csv', `${HEADER}\n${row}\n`)], {out})
  let json = ''
  for await (const part of catalogNdjson(out, {kinds: ['option']})) json += part
  const record = JSON.parse(json) as {tsUs: number}
  expect(new Date(record.tsUs / 1000).toISOString()).toBe(want)
  // The page shows no sizes, and none are made up.
  expect(record).not.toHaveProperty('bidSize')
  expect(record).not.toHaveProperty('askSize')
})
