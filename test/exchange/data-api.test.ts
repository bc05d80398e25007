import {describe, expect, test} from 'vitest'
import {parseTimeframe} from '../../src/exchange/server/bar-frames.ts'
import {at, exchangeRig, type Json} from './exchange-rig.ts'

const MINUTE = 60_000_000

/** Trades at known prices, one a minute, from 10:00. */
const tape = () => {
  const rig = exchangeRig()
  const start = at('2025-06-02T14:00:00Z')
  for (let k = 0; k < 12; k++) {
    rig.advance(start + k * MINUTE + 1_000_000)
    rig.trade('AAPL', 150 + k, 10)
    rig.trade('AAPL', 149 + k, 5)
    if (k % 2 === 0) rig.trade('SPY', 600, 1)
    rig.trade('BTC/USD', 100_000 + k, 0.5)
  }
  rig.advance(start + 12 * MINUTE)
  return rig
}

describe('bars', () => {
  test('a minute is stamped at its start; minutes without trades have no bar', () => {
    const rig = tape()
    const {bars, next_page_token} = rig.get('/v2/stocks/bars?symbols=SPY,AAPL&timeframe=1Min')
    expect(next_page_token).toBeNull()
    expect(Object.keys(bars)).toEqual(['AAPL', 'SPY'])
    expect(bars.AAPL).toHaveLength(12)
    expect(bars.SPY.map((bar: Json) => bar.t.slice(14, 16))).toEqual(['00', '02', '04', '06', '08', '10'])
    expect(bars.AAPL[3]).toEqual({
      t: '2025-06-02T14:03:00Z',
      o: 153,
      h: 153,
      l: 152,
      c: 152,
      v: 15,
      n: 2,
      vw: 152.666667,
    })
  })

  test('coarser frames are made of minutes; a day of shares begins at midnight in New York, of coins at midnight UTC', () => {
    const rig = tape()
    expect(
      rig
        .get('/v2/stocks/AAPL/bars?timeframe=5Min')
        .bars.map((bar: Json) => [bar.t.slice(11, 16), bar.o, bar.c, bar.v, bar.n]),
    ).toEqual([
      ['14:00', 150, 153, 75, 10],
      ['14:05', 155, 158, 75, 10],
      ['14:10', 160, 160, 30, 4],
    ])
    expect(rig.get('/v2/stocks/AAPL/bars?timeframe=1Day').bars).toMatchObject([
      {t: '2025-06-02T04:00:00Z', o: 150, h: 161, l: 149, c: 160, v: 180},
    ])
    expect(rig.get('/v1beta3/crypto/us/bars?symbols=BTC%2FUSD&timeframe=1D').bars['BTC/USD']).toMatchObject([
      {t: '2025-06-02T00:00:00Z', v: 6},
    ])
  })

  test('start and end are inclusive, and a single symbol without rows is null', () => {
    const rig = tape()
    const range = 'start=2025-06-02T14:02:00Z&end=2025-06-02T14:04:00Z'
    expect(rig.get(`/v2/stocks/AAPL/bars?${range}`).bars).toHaveLength(3)
    expect(rig.get('/v2/stocks/AAPL/bars?end=2025-06-01').bars).toBeNull()
  })

  test.each([['1Min'], ['59T'], ['23H'], ['1Day'], ['1W'], ['12M'], ['3Month'], ['1min'], ['1hour'], ['1DAY']])(
    '%s is a timeframe',
    text => {
      expect(parseTimeframe(text)).toBeDefined()
    },
  )
  test.each([['60Min'], ['24H'], ['2Day'], ['5M'], ['0Min'], ['1Year'], ['1m'], ['1h'], ['Min'], ['']])(
    '%s is none',
    text => {
      expect(parseTimeframe(text)).toBeUndefined()
    },
  )
})

test.each([1, 2, 5, 7, 100])('pages of %i rows give every row once, symbols in order', limit => {
  const rig = tape()
  for (const [element, sort] of [
    ['bars', 'asc'],
    ['trades', 'asc'],
    ['quotes', 'asc'],
    ['trades', 'desc'],
  ] as const) {
    const whole = rig.get(`/v2/stocks/${element}?symbols=AAPL,SPY&sort=${sort}`)[element]
    const pages: Record<string, Json[]> = {}
    let token: string | null = ''
    for (let guard = 0; token !== null && guard < 200; guard++) {
      const page: Json = rig.get(
        `/v2/stocks/${element}?symbols=AAPL,SPY&sort=${sort}&limit=${limit}&page_token=${encodeURIComponent(token)}`,
      )
      const rows = Object.entries(page[element]) as [string, Json[]][]
      expect(rows.reduce((sum, [, list]) => sum + list.length, 0)).toBeLessThanOrEqual(limit)
      for (const [symbol, list] of rows) pages[symbol] = [...(pages[symbol] ?? []), ...list]
      token = page.next_page_token
    }
    expect(pages).toEqual(whole)
  }
})

test('latest values and snapshots leave unknown symbols out; one unknown symbol alone is 404', () => {
  const rig = tape()
  expect(rig.get('/v2/stocks/trades/latest?symbols=AAPL,NOPE')).toMatchObject({
    trades: {AAPL: {p: 160, s: 5, x: 'Q', z: 'C', c: ['@']}},
  })
  expect(Object.keys(rig.get('/v2/stocks/snapshots?symbols=AAPL,NOPE'))).toEqual(['AAPL'])
  expect(rig.get('/v2/stocks/AAPL/snapshot')).toMatchObject({
    symbol: 'AAPL',
    latestQuote: {bp: 149.99},
    minuteBar: {c: 160},
    dailyBar: {o: 150},
  })
  expect(rig.request('GET', '/v2/stocks/NOPE/quotes/latest').status).toBe(404)
  expect(rig.get('/v1beta3/crypto/us/latest/orderbooks?symbols=BTC%2FUSD').orderbooks['BTC/USD']).toMatchObject({
    b: [{p: 99_990, s: 5}],
    a: [{p: 100_010, s: 5}],
  })
  expect(rig.get('/v1beta3/crypto/us/snapshots?symbols=BTC%2FUSD').snapshots['BTC/USD'].latestTrade).toMatchObject({
    p: 100_011,
    s: 0.5,
    tks: 'B',
  })
  expect(rig.get('/v1beta3/crypto/us/bars?symbols=DOGE%2FUSD')).toEqual({bars: {}, next_page_token: null})
})

test('the clock and the calendars', () => {
  const rig = exchangeRig({startUs: at('2025-07-03T18:00:00Z'), symbols: []})
  expect(rig.get('/v2/clock')).toEqual({
    timestamp: '2025-07-03T14:00:00-04:00',
    is_open: false,
    next_open: '2025-07-07T09:30:00-04:00',
    next_close: '2025-07-07T16:00:00-04:00',
  })
  expect(rig.get('/v2/calendar?start=2025-07-03&end=2025-07-07')).toEqual([
    {
      date: '2025-07-03',
      open: '09:30',
      close: '13:00',
      session_open: '0400',
      session_close: '1700',
      settlement_date: '2025-07-07',
    },
    {
      date: '2025-07-07',
      open: '09:30',
      close: '16:00',
      session_open: '0400',
      session_close: '2000',
      settlement_date: '2025-07-08',
    },
  ])
  expect(rig.get('/v3/clock?markets=XNYS').clocks[0]).toMatchObject({
    market: {mic: 'XNYS'},
    is_market_day: true,
    phase: 'post',
    phase_until: '2025-07-03T17:00:00-04:00',
  })
  expect(rig.get('/v3/calendar/XNYS?start=2025-07-03&end=2025-07-04&timezone=UTC').calendar).toMatchObject([
    {date: '2025-07-03', core_start: '2025-07-03T13:30:00Z', core_end: '2025-07-03T17:00:00Z'},
  ])
})

describe('beside bars, trades and quotes', () => {
  test('auctions are the first and the last price of a day, the last once the day is over', () => {
    const rig = tape()
    const print = (t: string, p: number, c: string) => ({t, x: 'Q', p, c})
    const opening = print('2025-06-02T13:30:00Z', 150, 'Q')
    expect(rig.get('/v2/stocks/auctions?symbols=AAPL')).toEqual({
      auctions: {AAPL: [{d: '2025-06-02', o: [opening], c: []}]},
      next_page_token: null,
    })
    rig.advance(at('2025-06-02T20:00:00Z'))
    expect(rig.get('/v2/stocks/AAPL/auctions')).toEqual({
      auctions: [{d: '2025-06-02', o: [opening], c: [print('2025-06-02T20:00:00Z', 160, 'M')]}],
      symbol: 'AAPL',
      next_page_token: null,
    })
  })
  test('an answer names the currency that was asked for', () => {
    const rig = tape()
    expect(rig.get('/v2/stocks/AAPL/bars?currency=USD').currency).toBe('USD')
    expect(rig.get('/v2/stocks/quotes/latest?symbols=AAPL&currency=USD').currency).toBe('USD')
    expect('currency' in rig.get('/v2/stocks/AAPL/bars')).toBe(false)
    expect(Object.keys(rig.get('/v2/stocks/snapshots?symbols=AAPL&currency=USD'))).toEqual(['AAPL'])
  })
  test.each([
    ['/v2/stocks/bars?symbols=AAPL&adjustment=split,dividend', 200],
    ['/v2/stocks/bars?symbols=AAPL&adjustment=some', 400],
    ['/v2/stocks/bars?symbols=AAPL&currency=EUR', 400],
    ['/v1beta1/news?limit=50', 200],
    ['/v1beta1/news?limit=51', 400],
    ['/v1/corporate-actions?symbols=AAPL&limit=1000', 200],
    ['/v1beta1/corporate-actions', 200],
    ['/v1/corporate-actions?limit=1001', 400],
  ])('%s: %i', (path, status) => {
    expect(tape().request('GET', path).status).toBe(status)
  })
  test('announcements are asked for by type and time, and there are none', () => {
    const rig = tape()
    const path = '/v2/corporate_actions/announcements'
    expect(rig.get(`${path}?ca_types=dividend&since=2025-01-01&until=2025-02-01`)).toEqual([])
    expect(rig.request('GET', path)).toMatchObject({status: 422, body: {message: 'ca_types is required'}})
    expect(rig.request('GET', `${path}/1`).status).toBe(404)
  })
  test('a share whose contracts are listed says so', () => {
    const rig = exchangeRig({symbols: ['AAPL', 'SPY', 'AAPL250613C00150000']})
    expect(rig.get('/v2/assets/AAPL').attributes).toEqual(['has_options', 'fractional_eh_enabled'])
    expect(rig.get('/v2/assets?attributes=has_options').map((asset: Json) => asset.symbol)).toEqual(['AAPL'])
  })
})

test('a pair is found with its slash as it is, too', () => {
  const rig = exchangeRig()
  expect(rig.get('/v2/assets/BTC/USD').symbol).toBe('BTC/USD')
  expect(rig.request('GET', '/v2/assets/NO/PAIR')).toMatchObject({
    status: 404,
    body: {message: 'asset not found for NO/PAIR'},
  })
  rig.order({symbol: 'BTC/USD', qty: '0.01', side: 'buy', time_in_force: 'gtc'})
  expect(rig.get('/v2/positions/BTC/USD').symbol).toBe('BTCUSD')
  expect(rig.request('DELETE', '/v2/positions/BTC/USD').status).toBe(200)
})
