import {readFileSync} from 'node:fs'
import path from 'node:path'
import {describe, expect, it} from 'vitest'
import {openCatalog} from '../../../src/drivers/duckdb/catalog.ts'
import {ingestFiles, type RecordOf, recordsOf, temporaryFolder, textFile} from '../../support/ingest.ts'

/** Ingests with bad rows left out; gives the lines left out with their reasons, and the records. */
const ingested = async (source: string, name: string, text: string, level?: 1) => {
  const out = path.join(temporaryFolder(), 'data')
  const rejectsFile = path.join(temporaryFolder(), 'rejects')
  const file = textFile(name, text)
  const options = level === undefined ? {} : {level}
  const summary = await ingestFiles(source, [file], {out, options, rejectsFile, skipInvalid: true})
  const lines = readFileSync(rejectsFile, 'utf8').trim().split('\n').filter(Boolean)
  const rejects = lines.map(line => {
    const {line: at, reason} = JSON.parse(line) as {line: number; reason: string}
    return `${at} ${reason}`
  })
  if (rejects.length > 0) await expect(ingestFiles(source, [file], {options})).rejects.toMatchObject({exitCode: 6})
  expect(summary.rejected).toBe(rejects.length)
  return {summary, rejects, out, records: await recordsOf(out)}
}

const SHFE =
  'timestamp,instrumentID,last,bid1,bid2,bid3,bid4,bid5,ask1,ask2,ask3,ask4,ask5,bidSize1,bidSize2,bidSize3,bidSize4,bidSize5,askSize1,askSize2,askSize3,askSize4,askSize5,volume\n'
const picture = (time: string, symbol: string, bid: number | '', ask: number | string, volume: number): string => {
  const side = (price: number | string, step: number) =>
    [0, 1, 2, 3, 4].map(i => (typeof price === 'number' && price > 0 && price < 1e9 ? price + i * step : price))
  const sizes = (price: number | string) =>
    [1, 2, 3, 4, 5].map(n => (typeof price === 'number' && price > 0 && price < 1e9 ? n : price === '' ? '' : 0))
  return `${[time, symbol, 3100, ...side(bid, -1), ...side(ask, 1), ...sizes(bid), ...sizes(ask), volume].join(',')}\n`
}

describe('snapshots of a futures exchange', () => {
  it('have no ask at the upper limit, however that is written', async () => {
    const none = [0, '', '1.7976931348623157e+308']
    const rows = none.map((ask, i) => picture(`2025-06-04 21:00:0${i + 1}`, 'rb2510', 3100 + i, ask, 100))
    const {records, summary} = await ingested(
      'shfe',
      'shfe.csv',
      SHFE + picture('2025-06-04 21:00:00', 'rb2510', 3099, 3100, 90) + rows.join(''),
      1,
    )
    expect((records as RecordOf<'quote'>[]).flatMap(r => (r.kind === 'quote' ? [[r.bid, r.ask]] : []))).toEqual([
      [3099, 3100],
      [3100, 0],
      [3101, 0],
      [3102, 0],
    ])
    expect(summary.defects).toEqual({oneSidedQuotes: 3})
  })

  it('lose no row unseen: each without a time or a name is named', async () => {
    const {rejects, summary} = await ingested(
      'shfe',
      'shfe.csv',
      SHFE +
        picture('2025-06-04 21:00:00', 'rb2510', 3099, 3100, 90) +
        picture('', 'rb2510', 3098, 3100, 90) +
        picture('2025-06-04 21:00:01', '', 3097, 3100, 90) +
        picture('x', 'rb2510', 3097, 3100, 90),
      1,
    )
    expect(rejects).toEqual(['3 time is missing', '4 symbol is missing', '5 timestamp could not be read'])
    expect(summary.rows).toBe(1)
  })

  it('make the same book when they lie out of order', async () => {
    const rows = [0, 1, 2, 3].map(i => picture(`2025-06-04 21:00:0${i}`, 'rb2510', 3090 + i, 3100 + i, 90 + i))
    const straight = await ingested('shfe', 'shfe.csv', SHFE + rows.join(''))
    const mixed = await ingested('shfe', 'shfe.csv', SHFE + [2, 0, 3, 1].map(i => rows[i]).join(''))
    expect(mixed.records).toEqual(straight.records)
    expect(mixed.summary.defects['outOfOrder']).toBeGreaterThan(0)
  })

  it('are of contracts of their own size', async () => {
    const {out} = await ingested(
      'shfe',
      'shfe.csv',
      SHFE +
        picture('2025-06-04 21:00:00', 'au2508', 780, 781, 1) +
        picture('2025-06-04 21:00:00', 'ag2508', 8800, 8801, 1),
    )
    const all = (await openCatalog(out)).instruments.all()
    expect(all.map(i => [i.symbol, i.multiplier, i.incrementTicks])).toEqual([
      ['ag2508', 15, 10_000],
      ['au2508', 1000, 200],
    ])
  })
})

it('names what is wrong with an order-book message', async () => {
  const head = 'time_s,type,order_id,size,price,direction,ask_price_1,ask_size_1,bid_price_1,bid_size_1\n'
  const book = '300100,100,300000,100'
  const {rejects, records} = await ingested(
    'lobster',
    'MSFT_2012-06-21_L1.csv',
    `${head}34200.1,1,1,100,300000,1,${book}\n,1,1,100,300000,1,${book}\n34201,4,1,,300000,1,${book}\n86400,1,1,1,300000,1,${book}\n34202,,1,1,300000,1,${book}\n34203,9,1,5,300000,1,300200,100,,100\n`,
    1,
  )
  expect(rejects).toEqual([
    '3 time is missing or of no day',
    '4 price, size and direction must be numbers',
    '5 time is missing or of no day',
    '6 type is missing',
  ])
  expect((records as RecordOf<'quote'>[]).map(({bid, ask}) => [bid, ask])).toEqual([
    [30, 30.01],
    [0, 30.02],
  ])
})

it('makes the same book of messages that lie out of order', async () => {
  const head = 'time_s,type,order_id,size,price,direction,ask_price_1,ask_size_1,bid_price_1,bid_size_1\n'
  const rows = [0, 1, 2, 3].map(i => `${34200 + i},1,${i},100,300000,1,${300100 + i * 100},100,300000,${100 + i}\n`)
  const straight = await ingested('lobster', 'MSFT_2012-06-21_L1.csv', head + rows.join(''))
  const mixed = await ingested('lobster', 'MSFT_2012-06-21_L1.csv', head + [3, 1, 0, 2].map(i => rows[i]).join(''))
  expect(mixed.records).toEqual(straight.records)
})

it('names quotes without an exchange or a time, and orders that are none', async () => {
  const taq = await ingested(
    'taq',
    'q.csv',
    'DT,EX,BID,BIDSIZ,OFR,OFRSIZ,SYMBOL\n2019-01-02 09:30:00,P,10,1,11,1,ABC\n2019-01-02 09:30:03,,1,1,2,2,ABC\n,P,1,1,2,2,ABC\n2019-01-02 09:30:04,P,1,1,2,2,\n',
  )
  expect(taq.rejects).toEqual(['3 exchange is missing', '4 time is missing', '5 symbol is missing'])
  const orders = await ingested(
    'bitstamp',
    'bitstamp_ethusd.csv',
    'id,timestamp,exchange.timestamp,price,volume,action,direction\n1,1430438404518,1430438404000,236.47,200000000,created,bid\n2,1430438404700,1430438404000,236.47,1,exploded,bid\n3,1430438404700,1430438404000,236.47,1,created,sideways\n4,1430438404700,1430438404000,,1,created,bid\n',
  )
  expect(orders.rejects).toEqual([
    '3 action must be created, changed or deleted',
    '4 direction must be bid or ask',
    '5 price must be a finite number not below 0',
  ])
})

it('reads the flag of a capture as 1, True or true', async () => {
  const row = (flag: string, i: number) => `172316125408789${i}000,,,${i},5,1,${flag}\n`
  const {records} = await ingested(
    'binance',
    'binance_spot_SOLUSDT_trades.csv',
    `recv_ns,exch_event_ms,trade_ms,trade_id,price,qty,buyer_is_maker\n${['1', 'True', 'true', '0', 'False', ''].map(row).join('')}`,
  )
  expect((records as RecordOf<'trade'>[]).map(trade => trade.aggressor)).toEqual([
    'sell',
    'sell',
    'sell',
    'buy',
    'buy',
    undefined,
  ])
})
