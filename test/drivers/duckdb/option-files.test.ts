import path from 'node:path'
import {describe, expect, it} from 'vitest'
import type {MarketRecord} from '../../../src/data/records.ts'
import {catalogNdjson} from '../../../src/drivers/duckdb/catalog-records.ts'
import {collect, ingestFiles, type RecordOf, temporaryFolder, textFile} from '../../support/ingest.ts'

const chainOf = async (source: string, text: string) => {
  const out = path.join(temporaryFolder(), 'data')
  const {defects, rejected} = await ingestFiles(source, [textFile('chain.csv', text)], {out})
  const lines = (await collect(catalogNdjson(out))).join('').trim().split('\n')
  const records = lines.map(line => JSON.parse(line) as MarketRecord) as RecordOf<'option-quote'>[]
  return {defects, rejected, records: records.sort((a, b) => ((a.contract ?? '') < (b.contract ?? '') ? -1 : 1))}
}
const SPX =
  'quote_date,underlying,underlying_last,optionroot,type,expiration,strike,last,bid,ask,volume,openinterest,impliedvol,delta,gamma\n'
const CLOSE = Date.UTC(2019, 3, 25, 20) * 1000

describe('chains', () => {
  it.each([
    ['2019-04-25', '2019-04-26', 'call', 'put', 'SPX'],
    ['04/25/2019', '04/26/2019', 'C', 'P', '^SPX'],
    ['25-Apr-2019', '26-Apr-2019', 'Call', 'PUT', 'SPXW'],
  ])('of %s name days and sides as they like', async (day, expiry, call, put, underlying) => {
    const row = (side: string, letter: string) =>
      `${day},${underlying},2919,SPXW190426${letter}02900000,${side},${expiry},2900,0,20,21,0,2,0.1,0.5,0\n`
    const {records, defects} = await chainOf('spx', SPX + row(call, 'C') + row(put, 'P'))
    expect(records.map(q => [q.symbol, q.right, q.expiry, q.tsUs])).toEqual([
      ['SPX', 'call', '2019-04-26', CLOSE],
      ['SPX', 'put', '2019-04-26', CLOSE],
    ])
    expect(defects).toEqual({})
  })

  it('without symbols of their contracts keep every one of them', async () => {
    const row = (side: string, strike: number) =>
      `2019-04-25,AAPL,200,,${side},2019-05-17,${strike},0,1,1.1,0,2,0.1,0.5,0\n`
    const {records, defects} = await chainOf('spx', SPX + row('C', 187.5) + row('P', 187.5) + row('C', 190.125))
    expect(records.map(q => q.contract)).toEqual(['AAPL190517C00187500', 'AAPL190517C00190125', 'AAPL190517P00187500'])
    expect(defects).toEqual({})
  })

  it('in a plain table are known when the session closes, and an underlying of 0 is not known', async () => {
    const {records} = await chainOf(
      'csv',
      'quote_date,symbol,expiration,strike,type,bid,ask,underlying_price\n2019-04-25,AAPL,05/17/2019,187.5,C,1,1.1,0\n',
    )
    expect(records).toHaveLength(1)
    expect(records[0]).toMatchObject({
      contract: 'AAPL190517C00187500',
      right: 'call',
      expiry: '2019-05-17',
      tsUs: CLOSE,
    })
    expect(records[0]).not.toHaveProperty('underlying')
  })

  it('name the row of a side that is none', async () => {
    await expect(
      chainOf('spx', `${SPX}2019-04-25,SPX,2919,SPXW190426C02900000,straddle,2019-04-26,2900,0,20,21,0,2,0.1,0.5,0\n`),
    ).rejects.toMatchObject({message: expect.stringContaining('chain.csv:2: right must be call or put')})
  })
})
