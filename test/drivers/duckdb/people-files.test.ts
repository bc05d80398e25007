import {mkdirSync, writeFileSync} from 'node:fs'
import path from 'node:path'
import {describe, expect, it} from 'vitest'
import {symbolFromName} from '../../../src/drivers/duckdb/layouts/symbols.ts'
import {ingestFiles, type RecordOf, recordsOf, temporaryFolder} from '../../support/ingest.ts'

const ingested = async (name: string, content: string, more: Parameters<typeof ingestFiles>[2] = {}) => {
  const folder = temporaryFolder()
  mkdirSync(folder, {recursive: true})
  writeFileSync(path.join(folder, name), content)
  const notes: string[] = []
  const out = path.join(temporaryFolder(), 'data')
  const summary = await ingestFiles('csv', [path.join(folder, name)], {out, note: text => notes.push(text), ...more})
  return {summary, notes, records: await recordsOf(out)}
}
const iso = (us: number): string => new Date(us / 1000).toISOString()
const CLOSE_28 = '2023-02-28T21:00:00.000Z'
const CLOSE_1 = '2023-03-01T21:00:00.000Z'
const table = (...dates: readonly string[]): string =>
  `date;open;high;low;close;volume\n${dates.map(date => `${date};1;1;1;1;1\n`).join('')}`

describe('the days of daily bars', () => {
  it.each([
    ['2023-02-28', '2023-03-01'],
    ['2023/02/28', '2023/03/01'],
    ['20230228', '20230301'],
    ['02/28/2023', '03/01/2023'],
    ['2/28/2023', '3/1/2023'],
    ['28/02/2023', '01/03/2023'],
    ['28.02.2023', '01.03.2023'],
    ['Feb 28, 2023', 'Mar 01, 2023'],
    ['28-Feb-2023', '01-Mar-2023'],
    ['28 February 2023', '1 March 2023'],
  ])('written as %s and %s close with their sessions', async (...dates) => {
    const {records, notes} = await ingested('A_1d.csv', table(...dates))
    expect(records.map(record => iso(record.tsUs))).toEqual([CLOSE_28, CLOSE_1])
    expect(notes).toEqual([])
  })

  it('are read month first with slashes and day first with dots where none tells, and it is said', async () => {
    for (const [dates, words] of [
      [['01/02/2024', '01/03/2024'], /month\/day\/year/],
      [['02.01.2024', '03.01.2024'], /day\.month\.year/],
    ] as const) {
      const {records, notes} = await ingested('A_1d.csv', table(...dates))
      expect(records.map(record => iso(record.tsUs).slice(0, 10))).toEqual(['2024-01-02', '2024-01-03'])
      expect(notes).toEqual([expect.stringMatching(words)])
    }
    await expect(ingested('A_1d.csv', table('28/02/2023', '02/28/2023'))).rejects.toMatchObject({
      code: 'MIXED_DATES',
      exitCode: 6,
    })
  })

  it('name the line of a day that is none', async () => {
    for (const day of ['02/30/2023', 'yesterday']) {
      await expect(ingested('A_1d.csv', table('02/28/2023', day))).rejects.toMatchObject({
        message: expect.stringContaining(`A_1d.csv:3: time is missing: ${day}`),
      })
    }
  })
})

describe('the time of day', () => {
  it.each([
    ['02/28/2023', '9:30 AM'],
    ['2023-02-28', '09:30:00'],
    ['20230228', '093000'],
    ['28.02.2023', '09:30'],
  ])('is read from %s and %s', async (day, clock) => {
    const {records} = await ingested('A_1m.csv', `Date;Time;Open;High;Low;Close;Volume\n${day};${clock};1;1;1;1;1\n`, {
      options: {timeZone: 'America/New_York'},
    })
    expect(records.map(record => iso(record.tsUs))).toEqual(['2023-02-28T14:31:00.000Z'])
  })

  it('is read from one column, with and without a half of the day', async () => {
    const rows = 'Timestamp,price,size\n02/28/2023 09:30:00,1,1\n02/28/2023 4:05 PM,1,1\n'
    const {records} = await ingested('A.csv', rows)
    expect(records.map(record => iso(record.tsUs).slice(11, 16))).toEqual(['09:30', '16:05'])
  })

  it('changes its unit within a file', async () => {
    const stamps = ['1704205800', '1704205801000', '1704205802000000', '1704205803000000000']
    const rows = stamps.map(stamp => `${stamp},1,1\n`).join('')
    const {records} = await ingested('A.csv', `timestamp,price,size\n${rows}`)
    expect(records.map(record => record.tsUs)).toEqual([0, 1, 2, 3].map(s => (1704205800 + s) * 1e6))
  })

  it('is refused where no safe integer holds its microseconds', async () => {
    const rows = 'timestamp,price,size\n2024-01-02 10:00:00,1,1\n9999-01-02 10:00:00,1,1\n'
    await expect(ingested('A.csv', rows)).rejects.toMatchObject({
      message: expect.stringContaining('A.csv:3: time is not between 1900 and 2200'),
    })
  })

  it('is told by the first value that there is', async () => {
    const {summary} = await ingested('A.csv', 'timestamp,price,size\n,1,2\n1704205800,1,2\n', {skipInvalid: true})
    expect(summary).toMatchObject({rows: 1, rejected: 1})
  })
})

it('reads numbers with a currency, thousands and units', async () => {
  const {records, summary} = await ingested(
    'A_1d.csv',
    '"Date","Price","Open","High","Low","Vol.","Change %"\n"Feb 28, 2023","1,230.5","$1,200.1","1,240.0","1,199.0","12.35M","1.2%"\n"Mar 01, 2023","999.5","$1,000","1,240.0","999.0","-","1.2%"\n',
  )
  expect((records as RecordOf<'bar'>[]).map(b => [b.open, b.high, b.low, b.close, b.volume])).toEqual([
    [1200.1, 1240, 1199, 1230.5, 12_350_000],
    [1000, 1240, 999, 999.5, 0],
  ])
  expect(summary.defects).toEqual({blankVolumes: 1})
  await expect(
    ingested('A_1d.csv', 'date,open,high,low,close\n2023-02-28,"$1,0","$1","$1","$1"\n2023-03-01,$1,$x,$1,$1\n'),
  ).rejects.toMatchObject({message: expect.stringContaining('A_1d.csv:')})
})

it("takes the words that tools write for none, not for a row's end", async () => {
  const {summary} = await ingested(
    'BRK.B_1d.csv',
    'Date,Open,High,Low,Close,Adj Close,Volume\n2024-02-28,1,1,1,1,1,5\n2024-02-29,null,null,null,null,null,null\n',
  )
  expect(summary).toMatchObject({rows: 1, rejected: 0, defects: {blankBars: 1}})
})

it('finds the header below a line of words, and the three lines of yfinance', async () => {
  const cdd = await ingested(
    'Binance_BTCUSDT_1h.csv',
    'https://www.CryptoDataDownload.com\nUnix,Date,Symbol,Open,High,Low,Close,Volume BTC,Volume USDT,tradecount\n1704207600000,2024-01-02 15:00:00,BTCUSDT,1,2,0.5,1.5,10,15,3\n1704204000000,2024-01-02 14:00:00,BTCUSDT,1,2,0.5,1.5,11,15,3\n',
  )
  expect((cdd.records as RecordOf<'bar'>[]).map(b => [b.symbol, iso(b.tsUs), b.volume])).toEqual([
    ['BTC/USDT', '2024-01-02T15:00:00.000Z', 11],
    ['BTC/USDT', '2024-01-02T16:00:00.000Z', 10],
  ])
  const yf = await ingested(
    'AAPL.csv',
    'Price,Close,High,Low,Open,Volume\nTicker,AAPL,AAPL,AAPL,AAPL,AAPL\nDate,,,,,\n2024-01-02,1.5,2,1,1.25,7\n',
  )
  expect(yf.records).toMatchObject([{symbol: 'AAPL', open: 1.25, high: 2, low: 1, close: 1.5, volume: 7}])
})

it('says of a table without a header what to do', async () => {
  await expect(ingested('XBTUSD_1.csv', '1704205800,1,1,1,1,1,5\n')).rejects.toMatchObject({
    code: 'WRONG_COLUMNS',
    exitCode: 6,
    hints: [expect.stringContaining('put a line of names above it'), expect.anything()],
  })
})

it('names the line of a bad row below blank lines, quoted line breaks and rows that did not parse', async () => {
  const rows = 'timestamp,price,size,note\r\n1,1,1,"a\r\nb"\r\n\r\n2,x,1,\r\n3,1,1,c\r\n4,-7,1,d\r\n5,1,1,"e"\r\n'
  const seen: string[] = []
  const rejectsFile = path.join(temporaryFolder(), 'rejects')
  const {summary} = await ingested('A.csv', rows, {skipInvalid: true, rejectsFile})
  const {readFileSync} = await import('node:fs')
  for (const line of readFileSync(rejectsFile, 'utf8').trim().split('\n')) {
    const reject = JSON.parse(line) as {line: number; text: string}
    seen.push(`${reject.line} ${reject.text}`)
  }
  expect(seen).toEqual(['5 2,x,1,', '7 4,-7,1,d'])
  expect(summary).toMatchObject({rows: 3, rejected: 2})
})

it('takes pairs in a column for coins', async () => {
  const rows = 'timestamp,symbol,price,size\n1,BTCUSDT,1,0.5\n2,AAPL,1,2\n3,ETH-USD,1,2\n4,SHIB_USDT,1,2\n'
  const {records} = await ingested('x.csv', rows)
  expect(records.map(record => record.symbol)).toEqual(['BTC/USDT', 'AAPL', 'ETH/USD', 'SHIB/USDT'])
})

it.each([
  ['us_5m_AAPL_2025.csv.gz', 'AAPL'],
  ['us_5m_BF-B_2025.csv.gz', 'BF-B'],
  ['BRK.B_1d.csv', 'BRK.B'],
  ['BRK-B.csv', 'BRK-B'],
  ['brk.b.us.txt', 'BRK.B'],
  ['aapl.us.txt', 'AAPL'],
  ['ES=F_5m.csv', 'ES=F'],
  ['^GSPC.csv', '^GSPC'],
  ['AAPL-1d-2024.csv', 'AAPL'],
  ['AAPL_2012-06-21_34200000_57600000_message_10.csv', 'AAPL'],
  ['prices_MSFT.csv', 'MSFT'],
  ['BTC_USDT-5m.csv', 'BTC/USDT'],
  ['BTC-USD.csv', 'BTC/USD'],
  ['binance_1000SHIBUSDT_1h.csv', '1000SHIB/USDT'],
  ['binance_spot_WUSDT_trades.csv', 'W/USDT'],
  ['binance_adabtc_1h_2021-04-29_2021-05-15.csv.gz', 'ADA/BTC'],
  ['binance_FDUSDTRY_1m.csv', 'FDUSD/TRY'],
  ['kraken_usdcusd_1m_2023-03-01_2023-03-14.csv.gz', 'USDC/USD'],
  ['2024-01-02.csv', undefined],
])('takes the file %s for %s', (name, symbol) => {
  expect(symbolFromName(name)).toBe(symbol)
})
