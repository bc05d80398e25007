import path from 'node:path'
import {describe, expect, it} from 'vitest'
import {DEFAULT_TAPE_KINDS} from '../../../src/data/catalog.ts'
import {openCatalog, readCatalog} from '../../../src/drivers/duckdb/catalog.ts'
import {readBars, readChains} from '../../../src/drivers/duckdb/catalog-tables.ts'
import {collect, ingestFiles, recordsOf, temporaryFolder, textFile} from '../../support/ingest.ts'

const catalogOf = async (files: Readonly<Record<string, string>>, source = 'csv'): Promise<string> => {
  const out = path.join(temporaryFolder(), 'data')
  for (const [name, content] of Object.entries(files)) await ingestFiles(source, [textFile(name, content)], {out})
  return out
}

const QUOTES = 'timestamp,bid,ask,bid_size,ask_size\n1,10,11,1,2\n3,10.5,11,3,4\n'
const TRADES = 'timestamp,price,size\n2,10.75,5\n3,11,6\n'

describe('a catalog', () => {
  it('merges symbols and kinds by time, then instrument, then source order', async () => {
    const out = await catalogOf({'B_quotes.csv': QUOTES, 'B_trades.csv': TRADES, 'A_trades.csv': TRADES})
    const records = await recordsOf(out)
    expect(records.map(({tsUs, symbol, kind}) => `${tsUs / 1e6} ${symbol} ${kind}`)).toEqual([
      '1 B quote',
      '2 A trade',
      '2 B trade',
      '3 A trade',
      '3 B quote',
      '3 B trade',
    ])
    const tape = await openCatalog(out)
    expect(tape.rows).toBe(6)
    expect(tape.instruments.all().map(({symbol}) => symbol)).toEqual(['A', 'B'])
  })

  it('gives only what is asked for: symbols, kinds, and times from (inclusive) to (exclusive)', async () => {
    const out = await catalogOf({'B_quotes.csv': QUOTES, 'B_trades.csv': TRADES, 'A_trades.csv': TRADES})
    expect(await recordsOf(out, {symbols: ['A']})).toHaveLength(2)
    expect(await recordsOf(out, {kinds: ['quote']})).toHaveLength(2)
    expect((await recordsOf(out, {fromUs: 2e6, toUs: 3e6})).map(({symbol}) => symbol)).toEqual(['A', 'B'])
    await expect(openCatalog(out, {symbols: ['AA']})).rejects.toMatchObject({
      code: 'UNKNOWN_SYMBOL',
      hints: ['did you mean A?'],
    })
    await expect(openCatalog(out, {fromUs: 9e6})).rejects.toMatchObject({code: 'NO_ROWS'})
  })

  it('has the finest bars of each symbol unless a period is asked for', async () => {
    const bars = (minutes: number) => `datetime_utc,open,high,low,close,volume\n2024-01-02 15:00,1,1,1,${minutes},1\n`
    const out = await catalogOf({'A_1m.csv': bars(1), 'A_5m.csv': bars(5), 'B_5m.csv': bars(5)})
    const closes = async (periodUs?: number) =>
      (await recordsOf(out, periodUs === undefined ? {} : {periodUs})).map(record =>
        record.kind === 'bar' ? `${record.symbol}${record.close}` : '',
      )
    expect(await closes()).toEqual(['A1', 'B5'])
    expect(await closes(300e6)).toEqual(['A5', 'B5'])
  })

  it('gives a bar once that two files hold, the one of the earlier unit', async () => {
    const head = 'datetime_utc,open,high,low,close,volume\n'
    const out = await catalogOf({
      'A_1m_x.csv': `${head}2024-01-02 15:00,1,1,1,1,1\n2024-01-02 15:01,2,2,2,2,1\n`,
      'A_1m_y.csv': `${head}2024-01-02 15:01,9,9,9,9,1\n2024-01-02 15:02,3,3,3,3,1\n`,
    })
    expect((await recordsOf(out)).map(record => (record.kind === 'bar' ? record.close : 0))).toEqual([1, 2, 3])
  })

  it('joins files of different scales at the finest', async () => {
    const head = 'timestamp,price,size\n'
    const out = await catalogOf({'A_1.csv': `${head}1,10.25,1\n`, 'A_2.csv': `${head}2,10.123456,1.5\n`})
    const [instrument] = (await openCatalog(out)).instruments.all()
    expect(instrument).toMatchObject({priceDecimals: 6, sizeDecimals: 2})
    expect((await recordsOf(out)).map(record => (record.kind === 'trade' ? [record.price, record.size] : []))).toEqual([
      [10.25, 1],
      [10.123456, 1.5],
    ])
  })

  it('encodes symbols that are no file names', async () => {
    const out = await catalogOf({'binance_btcusdt_trades.csv': TRADES})
    const {units} = await readCatalog(out)
    expect(units[0]?.parts[0]?.path).toContain('symbol=BTC%2FUSDT')
    expect((await recordsOf(out))[0]).toMatchObject({symbol: 'BTC/USDT'})
  })

  it('leaves option chains and single orders out unless asked, and gives chains whole', async () => {
    const chain = `quote_date,underlying,underlying_last,optionroot,type,expiration,strike,bid,ask,volume,openinterest,impliedvol,delta,gamma
2018-01-02,SPX,2695,SPX180131C02600000,call,2018-01-31,2600,100,101,1,2,0.1,0.5,0.01
2018-01-02,SPX,2695,SPX180131P02600000,put,2018-01-31,2600,5,6,1,2,0.1,-0.5,0.01
2018-01-03,SPX,2713,SPX180131C02600000,call,2018-01-31,2600,110,111,1,2,0,0.5,0.01
`
    expect(DEFAULT_TAPE_KINDS).not.toContain('option')
    const out = await catalogOf({'spx.csv': chain, 'A_trades.csv': TRADES}, 'csv')
    expect((await recordsOf(out)).every(({kind}) => kind === 'trade')).toBe(true)
    const options = await openCatalog(out, {kinds: ['option']})
    expect(
      options.instruments.all().map(({option}) => [option?.underlying, option?.right, option?.strike, option?.expiry]),
    ).toEqual([
      ['SPX', 'call', 2600, '2018-01-31'],
      ['SPX', 'put', 2600, '2018-01-31'],
    ])
    const chains = await collect(readChains(await readCatalog(out)))
    expect(
      chains.map(({symbol, tsUs, quotes}) => [symbol, new Date(tsUs / 1000).toISOString(), quotes.length]),
    ).toEqual([
      ['SPX', '2018-01-02T21:00:00.000Z', 2],
      ['SPX', '2018-01-03T21:00:00.000Z', 1],
    ])
    expect(chains[0]?.quotes[0]).toMatchObject({
      contract: 'SPX180131C02600000',
      bid: 100,
      ask: 101,
      underlying: 2695,
      impliedVolatility: 0.1,
    })
    expect(chains[1]?.quotes[0]).not.toHaveProperty('impliedVolatility')
  })

  it('gives bars as columns for training', async () => {
    const out = await catalogOf({'A_1m.csv': 'datetime_utc,open,high,low,close,volume\n2024-01-02 15:00,1,3,0.5,2,7\n'})
    const [bars] = await collect(readBars(await readCatalog(out)))
    expect(bars).toMatchObject({
      symbol: 'A',
      periodUs: 60e6,
      open: Float64Array.of(1),
      low: Float64Array.of(0.5),
      volume: Float64Array.of(7),
    })
  })

  it('replays as often as it is asked to, with one hash', async () => {
    const tape = await openCatalog(await catalogOf({'B_quotes.csv': QUOTES}))
    const first = await tape.dataHash()
    let rows = 0
    for await (const chunk of tape.chunks()) rows += chunk.count
    expect(rows).toBe(2)
    expect(await tape.dataHash()).toBe(first)
  })

  it('says so when there is none', async () => {
    await expect(openCatalog(temporaryFolder())).rejects.toMatchObject({code: 'NO_CATALOG', exitCode: 2})
    await expect(openCatalog(textFile('x', ''))).rejects.toMatchObject({code: 'NOT_A_FOLDER'})
  })
})

describe('scales', () => {
  it.each([
    ['0.00001234', 0.00001234],
    ['0.00000618', 0.00000618],
    ['0.000012', 0.000012],
    ['61837.63', 61837.63],
    ['579.4', 579.4],
    ['17.24999', 17.24999],
  ])('keep a price of %s as it is', async (text, price) => {
    const out = await catalogOf({'binance_pepeusdt_trades.csv': `timestamp,price,size\n1,${text},1000000\n`})
    expect(await recordsOf(out)).toMatchObject([{price, size: 1_000_000}])
  })
})
