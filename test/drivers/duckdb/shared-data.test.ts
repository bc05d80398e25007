import {readFileSync} from 'node:fs'
import path from 'node:path'
import {gunzipSync} from 'node:zlib'
import {describe, expect, it} from 'vitest'
import {inventory} from '../../../src/data/catalog.ts'
import {Depth, EventKind} from '../../../src/data/tape.ts'
import {openCatalog, readUnits} from '../../../src/drivers/duckdb/catalog.ts'
import type {IngestOptions} from '../../../src/drivers/duckdb/layouts/layout.ts'
import {ingestFiles, type RecordOf, recordsOf, temporaryFolder} from '../../support/ingest.ts'
import {dataFile, noTestData} from '../../support/test-data.ts'

const rowsOf = (file: string): string[][] =>
  gunzipSync(readFileSync(dataFile(file)))
    .toString()
    .trim()
    .split('\n')
    .map(line => line.split(','))

const ingested = async (source: string, files: readonly string[], options: IngestOptions = {}) => {
  const out = path.join(temporaryFolder(), 'data')
  const summary = await ingestFiles(source, files.map(dataFile), {out, options})
  return {
    out,
    summary,
    entries: inventory(await readUnits(out)).map(
      ({kind, symbol, rows, periodUs}) => `${kind} ${symbol} ${rows}${periodUs ? ` ${periodUs / 1e6}s` : ''}`,
    ),
  }
}

describe.skipIf(noTestData)('every layout of the shared data', () => {
  // [source, file, what the catalog then holds, defects]
  it.each<[string, string, string[], Record<string, number>]>([
    ['csv', 'intraday/us_1m_SPY_2011-01.csv.gz', ['bar SPY 14180 60s'], {gaps: 1416}],
    ['csv', 'intraday/us_1m_EWA_2019-12.csv.gz', ['bar EWA 3317 60s'], {gaps: 469}],
    ['csv', 'intraday/us_5m_AAPL_2025.csv.gz', ['bar AAPL 17832 300s'], {}],
    ['csv', 'intraday/us_1h_GME_2020-04_2021-02.csv.gz', ['bar GME 2078 3600s'], {}],
    ['csv', 'daily/us_1d_GME_2021-01_03.csv.gz', ['bar GME 44 86400s'], {}],
    ['csv', 'daily/GLD_1d_2006_2012.csv.gz', ['bar GLD 1761 86400s'], {}],
    ['csv', 'crypto/kraken_btcusdt_1m_2023-03-01_2023-03-14.csv.gz', ['bar BTC/USDT 13277 60s'], {}],
    ['csv', 'crypto/binance_ethbtc_5m_2021-04-26_2021-05-15.csv.gz', ['bar ETH/BTC 5555 300s'], {}],
    [
      'csv',
      'crypto/binance_neoeth_multi_2018-06-18.csv.gz',
      [
        'bar NEO/ETH 1000 60s',
        'bar NEO/ETH 1000 300s',
        'bar NEO/ETH 1000 900s',
        'bar NEO/ETH 1000 3600s',
        'bar NEO/ETH 1000 14400s',
        'bar NEO/ETH 264 86400s',
      ],
      {},
    ],
    ['csv', 'daily/spy_realized_measures_2014_2018.csv.gz', ['observation SPY 16211'], {}],
    ['cboe', 'daily/VIXCLS_2025-02-10_2025-12-31.csv.gz', ['observation VIX 231'], {}],
    ['lean', 'daily/lean_factor_files.csv.gz', [], {}],
    ['lean', 'daily/lean_QQQ_1d.csv.gz', ['bar QQQ 3650 86400s'], {gaps: 2}],
    ['lean', 'intraday/lean_VXX_1h.csv.gz', ['bar VXX 18723 3600s'], {}],
    ['lean', 'intraday/lean_IBM_1s_trades_2013-10.csv.gz', ['bar IBM 17198 1s'], {}],
    ['lean', 'intraday/lean_IBM_1s_quotes_2013-10.csv.gz', ['quote IBM 35845'], {}],
    ['lean', 'intraday/lean_underlying_1m_quotes_option_days.csv.gz', ['quote AAPL 1170', 'quote GOOG 622'], {}],
    ['lean', 'options/lean_GOOG_option_quotes_1h_2015.csv.gz', ['option GOOG 23360'], {}],
    ['lean', 'options/lean_SPXW_option_quotes_1m_2021-01-06.csv.gz', ['option SPX 43458'], {}],
    [
      'lean',
      'options/lean_SPY_option_daily_universe_2023-12-28_2024-01-02.csv.gz',
      ['option-volatility SPY 23062'],
      {blankVolatilities: 94},
    ],
    ['taq', 'lob/taq_sample_multi_trades.csv.gz', ['trade AAA 7848', 'trade BBB 19540', 'trade ETF 16193'], {}],
    ['cboe', 'options/cboe_AMD_chain_2023-08-18.csv.gz', ['option AMD 1738'], {}],
    ['cboe', 'options/vix_chain_eod_2016-06-01.csv.gz', ['option VIX 1764'], {}],
    ['spx', 'options/spx_chain_eod_2018-01_02.csv.gz', ['option SPX 14438'], {}],
    ['spx', 'options/spx_chain_snapshots_2019-04.csv.gz', ['option SPX 53778'], {}],
    ['spx', 'options/spx_implied_vol_bid_ask_2023-02-15.csv.gz', ['option-volatility SPX 7423'], {}],
    ['deribit', 'options/deribit_btc_option_iv_2026-01-23_24.csv.gz', ['option-volatility BTC 24562'], {}],
    ['bitstamp', 'lob/bitstamp_btcusd_2015-05-01_orders.csv.gz', ['depth BTC/USD 50188'], {unknownOrders: 209}],
    ['binance', 'lob/binance_usdm_ETHUSDT_20240808_trades.csv.gz', ['trade ETH/USDT-PERP 14076'], {}],
    ['binance', 'lob/binance_spot_ETHUSDT_20240808_bbo.csv.gz', ['quote ETH/USDT 24077'], {}],
  ])('%s reads %s', async (source, file, holds, defects) => {
    const {summary, entries} = await ingested(source, [file])
    if (holds.length > 0) expect(entries).toEqual(holds)
    expect(summary.defects).not.toHaveProperty('outOfOrder')
    expect(summary.rejected).toBe(0)
    expect(summary.defects).toMatchObject(defects)
  })

  it('finds the layout by the header when the source is left open', async () => {
    const {entries} = await ingested('csv', [
      'options/cboe_AMD_chain_2023-08-18.csv.gz',
      'daily/VXVCLS_2021-03-23_2025-12-31.csv.gz',
    ])
    expect(entries).toEqual(['option AMD 1738', 'observation VXV 1201'])
  })

  it('ends a half day at 13:00', async () => {
    const {out} = await ingested('lean', ['options/lean_GOOG_option_quotes_1m_2015-12-24.csv.gz'])
    const {toUs} = inventory(await readUnits(out))[0] as {toUs: number}
    // The last quote bar starts with the close itself.
    expect(new Date(toUs / 1000).toISOString()).toMatch(/^2015-12-24T18:01/)
  })
})

describe.skipIf(noTestData)('books', () => {
  it('replay to the very levels LOBSTER shows after each message', async () => {
    const file = 'lob/lobster_AMZN_2012-06-21_L5_0930_1400.csv.gz'
    const {out} = await ingested('lobster', [file])
    const expected = rowsOf(file).slice(1)
    const sides = [new Map<number, number>(), new Map<number, number>()] as const
    let checked = 0
    let message = 0
    const midnightUs = Date.UTC(2012, 5, 21, 4) * 1000
    for await (const chunk of (await openCatalog(out, {kinds: ['depth']})).chunks()) {
      for (let row = 0; row < chunk.count; row++) {
        const flags = chunk.flags[row] as number
        if (flags & Depth.clear) for (const side of sides) side.clear()
        const side = sides[flags & Depth.ask ? 1 : 0]
        if (chunk.v1[row] === 0) side.delete(chunk.v0[row] as number)
        else side.set(chunk.v0[row] as number, chunk.v1[row] as number)
        if (!(flags & Depth.last)) continue
        const asks = [...sides[1]].sort((a, b) => a[0] - b[0])
        const bids = [...sides[0]].sort((a, b) => b[0] - a[0])
        const levels = bids.flatMap((bid, i) => [...(asks[i] ?? []), ...bid]).join()
        // The change belongs to the next message of this time whose levels are these.
        while (message < expected.length && expected[message]?.slice(6).join() !== levels) message++
        const at = expected[message]
        if (at === undefined) throw new Error(`no message shows ${levels}`)
        expect(chunk.tsUs[row]).toBe(midnightUs + Math.floor(Number(at[0]) * 1e6 + 1e-4))
        checked++
      }
    }
    expect(checked).toBeGreaterThan(50_000)
  })

  it('keep single orders at level 3 and only quotes and trades at level 1', async () => {
    const file = 'lob/lobster_GOOG_2012-06-21_L10_0930_1400.csv.gz'
    const types = rowsOf(file)
      .slice(1)
      .map(row => row[1])
    const {entries: three} = await ingested('lobster', [file], {level: 3})
    expect(three).toContain(`order GOOG ${types.length}`)
    expect(three).toContain(`trade GOOG ${types.filter(type => type === '4' || type === '5').length}`)
    const {entries: one} = await ingested('lobster', [file], {level: 1})
    expect(one.map(entry => entry.split(' ')[0])).toEqual(['quote', 'trade'])
  })

  it('of SHFE run from the night session on, in Shanghai time', async () => {
    const {out, summary} = await ingested('shfe', ['lob/shfe_rb2510_L5_20250605.csv.gz'])
    expect(summary.from).toBe('2025-06-04T12:59:00.518Z')
    const [instrument] = (await openCatalog(out)).instruments.all()
    expect(instrument).toMatchObject({symbol: 'rb2510', quote: 'CNY', multiplier: 10})
    const volume = (await recordsOf(out, {kinds: ['trade']})).reduce(
      (sum, record) => sum + (record.kind === 'trade' ? record.size : 0),
      0,
    )
    const rows = rowsOf('lob/shfe_rb2510_L5_20250605.csv.gz')
    const column = rows[0]?.indexOf('volume') as number
    expect(volume).toBe(Number(rows.at(-1)?.[column]) - Number(rows[1]?.[column]))
  })

  it('of Binance mark where each message ends, and clear at a snapshot', async () => {
    const file = 'lob/binance_spot_ETHUSDT_20240808_depth.csv.gz'
    const {out, summary} = await ingested('binance', [file])
    const [header = [], ...rows] = rowsOf(file)
    const at = (name: string) => header.indexOf(name)
    const message = (row: readonly string[]) => `${row[at('recv_ns')]} ${row[at('last_update_id')]} ${row[at('kind')]}`
    const ends = rows.filter(
      (row, i) => i === rows.length - 1 || message(row) !== message(rows[i + 1] as string[]),
    ).length
    const snapshots = rows.filter(
      (row, i) => row[at('kind')] === 'snapshot' && rows[i - 1]?.[at('kind')] !== 'snapshot',
    ).length
    let last = 0
    let clear = 0
    let count = 0
    for await (const chunk of (await openCatalog(out)).chunks()) {
      for (let row = 0; row < chunk.count; row++, count++) {
        if ((chunk.flags[row] as number) & Depth.last) last++
        if ((chunk.flags[row] as number) & Depth.clear) clear++
        // In file order: nothing is sorted among rows of one stamp.
        if (count % 5000 === 0) expect(chunk.v0[row]).toBe(Math.round(Number(rows[count]?.[at('price')]) * 1e4))
      }
    }
    expect([count, last, clear]).toEqual([rows.length, ends, snapshots])
    expect(summary.defects).toEqual({})
  })
})

describe.skipIf(noTestData)('national best quotes', () => {
  it("from LEAN's ticks give its own one-second bars, prices and sizes", async () => {
    const {out} = await ingested('lean', ['lob/lean_IBM_tick_quotes_2013-10.csv.gz'])
    const {out: seconds} = await ingested('lean', ['intraday/lean_IBM_1s_quotes_2013-10.csv.gz'])
    const bars = (await recordsOf(seconds)) as RecordOf<'quote'>[]
    const tape = await openCatalog(out)
    let i = 0
    let equal = 0
    let best: Omit<RecordOf<'quote'>, 'tsUs'> | undefined
    const settle = (untilUs: number): void => {
      for (; i < bars.length && (bars[i] as RecordOf<'quote'>).tsUs <= untilUs; i++) {
        const {tsUs: _, ...bar} = bars[i] as RecordOf<'quote'>
        if (JSON.stringify(bar) === JSON.stringify(best)) equal++
      }
    }
    for await (const chunk of tape.chunks()) {
      for (let row = 0; row < chunk.count; row++) {
        if (chunk.kind[row] !== EventKind.quote) continue
        settle(chunk.tsUs[row] as number)
        const [bid, ask, bidSize, askSize] = [chunk.v0[row], chunk.v1[row], chunk.v2[row], chunk.v3[row]] as [
          number,
          number,
          number,
          number,
        ]
        best = {kind: 'quote', symbol: 'IBM', bid: bid / 1e4, ask: ask / 1e4, bidSize, askSize}
      }
    }
    settle(Number.POSITIVE_INFINITY)
    expect(equal / bars.length).toBeGreaterThan(0.998)
  })

  it('from TAQ never lock or cross for long', async () => {
    const {out, summary} = await ingested('taq', ['lob/taq_sample_quotes_2018-01-02_03.csv.gz'])
    expect(summary.defects).toMatchObject({staleQuotes: expect.any(Number) as number})
    const quotes = (await recordsOf(out)) as RecordOf<'quote'>[]
    expect(quotes.every(quote => quote.bid === 0 || quote.ask === 0 || quote.bid < quote.ask)).toBe(true)
    const regular = quotes.filter(
      ({tsUs}) => tsUs > Date.UTC(2018, 0, 2, 15) * 1000 && tsUs < Date.UTC(2018, 0, 2, 20) * 1000,
    )
    const spreads = regular.map(quote => quote.ask - quote.bid).sort((a, b) => a - b)
    expect(spreads[spreads.length >> 1]).toBeLessThan(0.06)
  })
})
