import {mkdirSync, writeFileSync} from 'node:fs'
import path from 'node:path'
import {describe, expect, it} from 'vitest'
import type {IngestRequest} from '../../../src/core/ingest.ts'
import type {MarketRecord} from '../../../src/data/records.ts'
import {catalogNdjson} from '../../../src/drivers/duckdb/catalog-records.ts'
import {collect, ingestFiles, type RecordOf, temporaryFolder} from '../../support/ingest.ts'
import {zipOf} from '../../support/zip.ts'

type Files = Readonly<Record<string, string | Buffer>>

/** Writes the files into one folder, ingests it whole, and gives what the catalog holds. */
const ingested = async (source: string, files: Files, more: Partial<IngestRequest> = {}) => {
  const folder = temporaryFolder()
  for (const [name, content] of Object.entries(files)) {
    mkdirSync(path.dirname(path.join(folder, name)), {recursive: true})
    writeFileSync(path.join(folder, name), content)
  }
  const notes: string[] = []
  const out = path.join(temporaryFolder(), 'data')
  const summary = await ingestFiles(source, [folder], {out, note: text => notes.push(text), ...more})
  const lines = (await collect(catalogNdjson(out))).join('').trim().split('\n')
  return {summary, notes, records: lines.map(line => JSON.parse(line) as MarketRecord)}
}
const iso = (us: number): string => new Date(us / 1000).toISOString()

describe("Binance's archive", () => {
  const ms =
    '1735689600000,4.15,4.16,4.14,4.155,539.23,1735689659999,2240.39,13,401.82,1669.98,0\n1735689660000,4.155,4.17,4.13,4.15,100,1735689719999,415.39,3,41.82,169.98,0\n'
  const us = ms.replace(/\b(17\d{8})(\d{3})\b/g, (_, s, rest) => `${s}${rest}${rest === '999' ? '999' : '000'}`)
  const bars = [
    [1735689660000000, 4.15, 4.16, 4.14, 4.155, 539.23, 60e6],
    [1735689720000000, 4.155, 4.17, 4.13, 4.15, 100, 60e6],
  ]
  const valuesOf = (records: readonly unknown[]) =>
    (records as RecordOf<'bar'>[]).map(b => [b.tsUs, b.open, b.high, b.low, b.close, b.volume, b.periodUs])

  it.each([
    ['milliseconds', {'BTCUSDT-1m-2024-12-31.csv': ms}, 'BTC/USDT'],
    ['microseconds', {'BTCUSDT-1m-2025-01-01.csv': us}, 'BTC/USDT'],
    ['eleven columns', {'BTCUSDT-1m-2024-12-31.csv': ms.replaceAll(',0\n', '\n')}, 'BTC/USDT'],
    ['a zip', {'ETHBTC-1m-2025-01-01.zip': zipOf({'ETHBTC-1m-2025-01-01.csv': us})}, 'ETH/BTC'],
    [
      "the futures' header",
      {
        '1000SHIBUSDT-1m-2025-01-01.csv': `open_time,open,high,low,close,volume,close_time,quote_volume,count,taker_buy_volume,taker_buy_quote_volume,ignore\n${ms}`,
      },
      '1000SHIB/USDT-PERP',
    ],
    [
      "the futures' folder",
      {
        'data/futures/cm/daily/klines/BTCUSD_PERP/1m/BTCUSD_PERP-1m-2021-01-01.zip': zipOf({
          'BTCUSD_PERP-1m-2021-01-01.csv': ms,
        }),
      },
      'BTC/USD-PERP',
    ],
    ['a delivery', {'data/futures/um/BTCUSDT_240628-1m-2024-01-01.csv': ms}, 'BTC/USDT-240628'],
  ])('gives klines in %s', async (_, files: Files, symbol) => {
    for (const source of ['binance', 'csv']) {
      const {records, summary} = await ingested(source, files)
      expect(valuesOf(records)).toEqual(bars)
      expect(new Set(records.map(record => record.symbol))).toEqual(new Set([symbol]))
      expect(summary.defects).toEqual({})
    }
  })

  it('takes the same bytes in another folder for another instrument', async () => {
    const name = 'BTCUSDT-1m-2021-01-01.csv'
    const {records, summary} = await ingested('binance', {[`spot/${name}`]: ms, [`futures/um/${name}`]: ms})
    expect(summary).toMatchObject({rows: 4, unchanged: 0})
    expect(new Set(records.map(record => record.symbol))).toEqual(new Set(['BTC/USDT', 'BTC/USDT-PERP']))
  })

  it('gives a month one period', async () => {
    const month = (from: string, to: string) => `${Date.parse(from)},1,1,1,1,1,${Date.parse(to) - 1},1,1,1,1,0\n`
    const {records} = await ingested('binance', {
      'BTCUSDT-1mo-2024.csv':
        month('2024-01-01', '2024-02-01') + month('2024-02-01', '2024-03-01') + month('2024-03-01', '2024-04-01'),
    })
    expect((records as RecordOf<'bar'>[]).map(bar => [iso(bar.tsUs), bar.periodUs / 86_400e6])).toEqual([
      ['2024-02-01T00:00:00.000Z', 30],
      ['2024-03-01T00:00:00.000Z', 30],
      ['2024-04-01T00:00:00.000Z', 30],
    ])
  })

  const agg = '7,0.2,50,70,71,1735689600010866,False,True\n8,0.21,5,72,72,1735689600010867,True,True\n'
  const plain = '70,0.2,50,10,1735689600010866,false,true\n71,0.21,5,1.05,1735689600010867,true,true\n'
  const head = 'agg_trade_id,price,quantity,first_trade_id,last_trade_id,transact_time,is_buyer_maker\n'
  it.each([
    ['aggTrades', {'BTCUSDT-aggTrades-2025-01-01.csv': agg}, 'BTC/USDT'],
    [
      'aggTrades of futures',
      {'BTCUSDT-aggTrades-2025-01-01.csv': head + agg.replaceAll(',True\n', '\n')},
      'BTC/USDT-PERP',
    ],
    ['trades', {'BTCUSDT-trades-2025-01-01.csv': plain}, 'BTC/USDT'],
  ])('gives %s their aggressor and microseconds', async (_, files: Files, symbol) => {
    const {records, summary} = await ingested('binance', files)
    expect((records as RecordOf<'trade'>[]).map(t => [t.symbol, t.tsUs, t.price, t.size, t.aggressor])).toEqual([
      [symbol, 1735689600010866, 0.2, 50, 'buy'],
      [symbol, 1735689600010867, 0.21, 5, 'sell'],
    ])
    expect(summary.defects).toEqual({})
  })

  it('gives the best quotes of futures', async () => {
    const {records} = await ingested('binance', {
      'BTCUSDT-bookTicker-2024-01-01.csv':
        'update_id,best_bid_price,best_bid_qty,best_ask_price,best_ask_qty,transaction_time,event_time\n1,0.2,50,0.3,10,1735689600010,1735689600011\n',
    })
    expect(records).toEqual([
      {kind: 'quote', symbol: 'BTC/USDT-PERP', tsUs: 1735689600010000, bid: 0.2, ask: 0.3, bidSize: 50, askSize: 10},
    ])
  })
})

describe("LOBSTER's pairs", () => {
  const name = (part: string, level = '_1') => `AAPL_2012-06-21_34200000_57600000_${part}${level}.csv`
  const messages = [
    '34200.004241176,1,16113575,18,5853300,1',
    '34200.025551909,5,0,7,5859000,-1',
    '34201,7,0,0,-1,-1',
    '34201.5,7,0,0,0,-1',
    '34202,7,0,0,1,-1',
    '34203,6,-1,500,5853000,1',
    '57600.5,3,16113575,18,5853300,1',
  ]
  const book = [...Array.from({length: 6}, () => '5859400,200,5853300,18'), '5859400,200,-9999999999,0']
  const text = (lines: readonly string[]) => `${lines.join('\n')}\n`
  const expected = [
    ['quote', '13:30:00.004241', 585.33, 585.94],
    ['trade', '13:30:00.025551', 585.9, 7],
    ['status', '13:30:01.000000', 'halted', undefined],
    ['status', '13:30:02.000000', 'trading', undefined],
    ['trade', '13:30:03.000000', 585.3, 500],
    ['quote', '20:00:00.500000', 0, 585.94],
  ]
  const seen = (records: readonly RecordOf<'quote' | 'trade' | 'status'>[]) =>
    records.map(record => {
      const at = `${iso(record.tsUs).slice(11, 20)}${String(record.tsUs % 1e6).padStart(6, '0')}`
      if (record.kind === 'quote') return ['quote', at, record.bid, record.ask]
      return record.kind === 'trade'
        ? ['trade', at, record.price, record.size]
        : ['status', at, record.status, undefined]
    })

  it.each([
    ['two files', {[name('message')]: text(messages), [name('orderbook')]: text(book)}],
    ['files without a level in the name', {[name('message', '')]: text(messages), [name('orderbook', '')]: text(book)}],
    [
      'a zip',
      {
        'LOBSTER_SampleFile.zip': zipOf({
          'ReadMe.txt': 'x',
          [name('orderbook')]: text(book),
          [name('message')]: text(messages),
        }),
      },
    ],
  ])('are read from %s, with halts, auctions and thin sides', async (_, files: Files) => {
    const {records, summary} = await ingested('lobster', files, {options: {level: 1}})
    expect(seen(records as RecordOf<'quote'>[])).toEqual(expected)
    expect(summary.defects).toEqual({crossTrades: 1, halts: 3, oneSidedQuotes: 1})
    expect(summary.files).toBe(1)
  })

  it('are refused when a file of the two is missing or shorter', async () => {
    for (const part of ['message', 'orderbook']) {
      await expect(
        ingested('lobster', {[name(part)]: text(part === 'message' ? messages : book)}),
      ).rejects.toMatchObject({
        code: 'MISSING_PAIR',
        exitCode: 6,
        message: expect.stringContaining(part === 'message' ? 'orderbook_1.csv' : 'message_1.csv'),
      })
    }
    const uneven = {[name('message')]: text(messages), [name('orderbook')]: text(book.slice(0, 3))}
    await expect(ingested('lobster', uneven)).rejects.toMatchObject({
      code: 'UNEQUAL_PAIR',
      message: expect.stringMatching(/has 7 lines.* 3:/),
    })
    const {summary, records} = await ingested('lobster', uneven, {skipInvalid: true, options: {level: 1}})
    expect(summary.defects).toEqual({halts: 1, unpairedLines: 4})
    expect(seen(records as RecordOf<'quote'>[])).toEqual(expected.slice(0, 3))
  })

  it('name the line of a bad message', async () => {
    const bad = messages.with(4, 'x,7,0,0,1,-1')
    await expect(
      ingested('lobster', {[name('message')]: text(bad), [name('orderbook')]: text(book)}),
    ).rejects.toMatchObject({message: expect.stringContaining('message_1.csv:5: time_s could not be read')})
  })
})

describe("CBOE's page", () => {
  const page = (date: string) =>
    `\n"Advanced Micro Devices, Inc.",Last: 105.6,Change:  1.01\n"Date: ${date}",Bid: 105.55,Ask: 105.7,Size: 2*3,"Volume: 59,916,675"\nExpiration Date,Calls,Last Sale,Net,Bid,Ask,Volume,IV,Delta,Gamma,Open Interest,Strike,Puts,Last Sale,Net,Bid,Ask,Volume,IV,Delta,Gamma,Open Interest\nFri Aug 25 2023,AMD230825C00060000,55.5,0,45.25,45.8,0,1.5363,0.9986,0.0002,8,60.00,AMD230825P00060000,0.01,0.005,0,0.01,1,1.3503,-0.0014,0.0002,52\n`
  // A Sunday evening, a session, an evening, a morning before the open, and the day after Thanksgiving.
  it.each([
    ['August 20, 2023 at 10:35 PM EDT', '2023-08-18T20:00:00.000Z'],
    ['August 18, 2023 at 11:05 AM EDT', '2023-08-18T15:05:00.000Z'],
    ['18 August 2023, 8:09 PM EDT', '2023-08-18T20:00:00.000Z'],
    ['August 21 2023, 8:09 AM EDT', '2023-08-18T20:00:00.000Z'],
    ['November 24, 2023 at 4:00 PM EST', '2023-11-24T18:00:00.000Z'],
  ])('gives calls and puts as of %s', async (date, at) => {
    const {summary} = await ingested('cboe', {'amd_quotedata.csv': page(date)})
    expect(summary).toMatchObject({rows: 2, from: at, to: at, defects: {noBid: 1}})
  })

  it('gives what stands in its two halves', async () => {
    const text = page('August 18, 2023 at 11:05 AM EDT')
    const {records} = await ingested('csv', {'quotedata.csv': text})
    const common = {
      kind: 'option-quote',
      symbol: 'AMD',
      tsUs: 1692371100000000,
      strike: 60,
      expiry: '2023-08-25',
      underlying: 105.6,
    }
    const quotes = records as RecordOf<'option-quote'>[]
    expect(quotes).toHaveLength(2)
    expect(quotes.find(({right}) => right === 'call')).toMatchObject({
      ...common,
      contract: 'AMD230825C00060000',
      bid: 45.25,
      ask: 45.8,
      volume: 0,
      openInterest: 8,
    })
    expect(quotes.find(({right}) => right === 'put')).toMatchObject({
      ...common,
      contract: 'AMD230825P00060000',
      bid: 0,
      ask: 0.01,
      volume: 1,
      openInterest: 52,
    })
    await expect(ingested('cboe', {'amd.csv': text.replace('Date: ', '')})).rejects.toMatchObject({
      code: 'UNKNOWN_DATE',
      exitCode: 6,
    })
  })
})

describe("LEAN's own files", () => {
  const minute = '34200000,1690000,1690500,1689900,1690100,1000\n34260000,1690100,1690600,1689900,1690100,1000\n'
  it('give bars of minutes, hours and days', async () => {
    const {records} = await ingested('lean', {
      'equity/usa/minute/spy/20131007_trade.zip': zipOf({'20131007_spy_minute_trade.csv': minute}),
    })
    expect(records.map(record => [record.symbol, iso(record.tsUs)])).toEqual([
      ['SPY', '2013-10-07T13:31:00.000Z'],
      ['SPY', '2013-10-07T13:32:00.000Z'],
    ])
    expect(records[0]).toMatchObject({open: 169, high: 169.05, low: 168.99, close: 169.01, volume: 1000})
    const days =
      '19980102 00:00,973100,975300,965300,973600,2150000\n19981127 00:00,978400,984400,967800,977500,4030800\n'
    for (const name of ['equity/usa/daily/spy.zip', 'spy.zip']) {
      const daily = await ingested('lean', {[name]: zipOf({'spy.csv': days})})
      expect(daily.records.map(record => iso(record.tsUs))).toEqual([
        '1998-01-02T21:00:00.000Z',
        '1998-11-27T18:00:00.000Z',
      ])
    }
    const hours = await ingested('lean', {'spy.csv': days.replaceAll('00:00', '09:00')})
    expect(hours.records.map(record => [iso(record.tsUs), (record as RecordOf<'bar'>).close])).toEqual([
      ['1998-01-02T15:00:00.000Z', 97.36],
      ['1998-11-27T15:00:00.000Z', 97.75],
    ])
  })

  it('give ticks, one side a row', async () => {
    const {records, summary} = await ingested('lean', {
      '20131007_bac_Trade_Tick.csv': '34200019,139100,2000,Z,1,0\n34200020,139200,1,Z,1,1\n',
      '20131007_bac_Quote_Tick.csv': '34200073,139100,16800,0,0,K,1,0\n34200074,0,0,139200,22000,K,1,0\n',
    })
    expect(records.at(-1)).toMatchObject({kind: 'quote', bid: 13.91, ask: 13.92, bidSize: 16800, askSize: 22000})
    expect(records[0]).toMatchObject({kind: 'trade', price: 13.91, size: 2000})
    expect(summary.defects).toMatchObject({suspiciousTrades: 1})
  })

  it('give option quotes, a contract a file', async () => {
    const {records} = await ingested('lean', {
      'option/usa/minute/aapl/20140606_quote_american.zip': zipOf({
        '20140606_aapl_minute_quote_american_call_6475000_20140606.csv':
          '34200000,15000,15500,14900,15100,10,15300,15500,15200,15400,12\n',
        '20140606_aapl_minute_quote_american_put_6475000_20140606.csv': '34200000,,,,,,15300,15500,15200,15400,12\n',
      }),
    })
    const quotes = (records as RecordOf<'option-quote'>[]).map(q => [q.contract, q.bid, q.ask, q.bidSize, q.askSize])
    expect(quotes.sort()).toEqual([
      ['AAPL140606C00647500', 1.51, 1.54, 10, 12],
      ['AAPL140606P00647500', 0, 1.54, undefined, 12],
    ])
  })

  it('give coins at their own prices, in UTC', async () => {
    const {records} = await ingested('lean', {
      'crypto/coinbase/minute/btcusd/20180404_trade.zip': zipOf({
        '20180404_btcusd_minute_trade.csv': '0,7400,7401,7399,7400,1.234\n',
      }),
    })
    expect(records).toMatchObject([{symbol: 'BTC/USD', close: 7400, volume: 1.234, tsUs: 1522800060000000}])
  })
})

describe('a zip', () => {
  const rows = Array.from({length: 3000}, (_, i) => `${1735689600000 + i * 1000},${(i * 7919) % 1000}.5,1`).join('\n')
  const packed = zipOf({'AAPL.csv': `timestamp,price,size\n${rows}\n`})
  it('that breaks off is refused, or read up to the break', async () => {
    const half = {'AAPL.zip': packed.subarray(0, packed.length / 2)}
    await expect(ingested('csv', half)).rejects.toMatchObject({code: 'TRUNCATED_FILE', exitCode: 6})
    const {summary} = await ingested('csv', half, {skipInvalid: true})
    expect(summary.defects).toEqual({truncatedFiles: 1})
    expect(summary.rows).toBeGreaterThan(1000)
  })
  it('whose content does not match its sum is refused', async () => {
    const wrong = Buffer.from(packed)
    const sum = wrong.lastIndexOf('AAPL.csv') - 46 + 16
    wrong.writeUInt32LE((wrong.readUInt32LE(sum) + 1) >>> 0, sum)
    await expect(ingested('csv', {'AAPL.zip': wrong})).rejects.toMatchObject({code: 'DAMAGED_ZIP', exitCode: 6})
  })
  it('of several tables gives each; one of none is refused', async () => {
    const table = 'timestamp,price,size\n1,1,1\n'
    const {summary} = await ingested('csv', {'a.zip': zipOf({'A.csv': table, 'x/B.csv': table, 'notes.txt': 'hello'})})
    expect(summary).toMatchObject({files: 2, rows: 2})
    await expect(ingested('csv', {'a.zip': zipOf({'notes.md': 'hello'})})).rejects.toMatchObject({code: 'NO_FILES'})
  })
})

it('says which files of a folder it leaves out', async () => {
  const {notes} = await ingested('csv', {'A.csv': 'timestamp,price,size\n1,1,1\n', 'b.parquet': 'x', 'c.json': '{}'})
  expect(notes).toEqual([expect.stringMatching(/left out b\.parquet, c\.json/)])
})
