import {afterAll, beforeAll, describe, expect, test} from 'vitest'
import {localRig} from './local-rig.ts'

/** What the official SDK really sends, and that the exchange serves it. Golden lines: reference/alpaca-wire.md §1.3. */
let rig: Awaited<ReturnType<typeof localRig>>
const sent: string[] = []

beforeAll(async () => {
  const record: typeof fetch = (input, init) => {
    const url = new URL(String(input))
    sent.push(`${init?.method} ${url.pathname}${url.search}${init?.body ? ` ${String(init.body)}` : ''}`)
    return fetch(input, init)
  }
  rig = await localRig({}, {fetch: record})
})
afterAll(() => rig.server.stop())

const said = async (call: () => Promise<unknown>): Promise<string> => {
  sent.length = 0
  await call().catch(error => {
    if (error.status === undefined || error.status >= 500) throw error
  })
  return sent[0] ?? ''
}

describe('golden requests', () => {
  const at = (text: string) => new Date(text)
  test.each([
    ['GET /v2/account', () => rig.alpaca.trading.account.getAccount()],
    ['GET /v2/clock', () => rig.alpaca.trading.clock.legacyClock()],
    [
      'GET /v3/clock?markets=XNYS&time=2026-10-05T14%3A00%3A00.000Z',
      () => rig.alpaca.trading.clock.clock({markets: ['XNYS'] as never, time: at('2026-10-05T14:00:00Z')}),
    ],
    [
      'GET /v2/calendar?start=2026-01-01T00%3A00%3A00.000Z&end=2026-02-01T00%3A00%3A00.000Z',
      () => rig.alpaca.trading.calendar.legacyCalendar({start: at('2026-01-01'), end: at('2026-02-01')}),
    ],
    [
      'GET /v2/assets/BTC%2FUSD',
      () => rig.alpaca.trading.assets.getV2AssetsSymbolOrAssetId({symbolOrAssetId: 'BTC/USD'}),
    ],
    [
      'POST /v2/orders {"qty":"1","side":"buy","symbol":"AAPL","time_in_force":"day","type":"market"}',
      () => rig.alpaca.trading.orders.market({symbol: 'AAPL', qty: 1, side: 'buy', timeInForce: 'day'}),
    ],
    [
      'POST /v2/orders {"notional":"100.5","side":"buy","symbol":"AAPL","time_in_force":"day","type":"market"}',
      () => rig.alpaca.trading.orders.market({symbol: 'AAPL', notional: 100.5, side: 'buy', timeInForce: 'day'}),
    ],
    [
      'POST /v2/orders {"qty":"1","side":"sell","stop_price":"140","symbol":"AAPL","time_in_force":"day","type":"stop"}',
      () => rig.alpaca.trading.orders.stop({symbol: 'AAPL', qty: 1, side: 'sell', stopPrice: 140, timeInForce: 'day'}),
    ],
    [
      'POST /v2/orders {"limit_price":"150","order_class":"bracket","qty":"1","side":"buy","stop_loss":{"limit_price":"139","stop_price":"140"},"symbol":"AAPL","take_profit":{"limit_price":"160"},"time_in_force":"day","type":"limit"}',
      () =>
        rig.alpaca.trading.orders.bracket({
          symbol: 'AAPL',
          qty: 1,
          side: 'buy',
          limitPrice: 150,
          timeInForce: 'day',
          takeProfit: {limitPrice: 160},
          stopLoss: {stopPrice: 140, limitPrice: 139},
        }),
    ],
    [
      'POST /v2/orders {"order_class":"oco","qty":"1","side":"sell","stop_loss":{"stop_price":"140"},"symbol":"AAPL","take_profit":{"limit_price":"160"},"time_in_force":"day","type":"limit"}',
      () =>
        rig.alpaca.trading.orders.oco({
          symbol: 'AAPL',
          qty: 1,
          side: 'sell',
          timeInForce: 'day',
          takeProfit: {limitPrice: 160},
          stopLoss: {stopPrice: 140},
        }),
    ],
    [
      'POST /v2/orders {"qty":"0.001","side":"buy","symbol":"BTC/USD","time_in_force":"gtc","type":"market"}',
      () => rig.alpaca.trading.orders.market({symbol: 'BTC/USD', qty: 0.001, side: 'buy', timeInForce: 'gtc'}),
    ],
    [
      'GET /v2/orders:by_client_order_id?client_order_id=x-1%2F2%203',
      () => rig.alpaca.trading.orders.getOrderByClientOrderId({clientOrderId: 'x-1/2 3'}),
    ],
    ['DELETE /v2/orders', () => rig.alpaca.trading.orders.deleteAllOrders()],
    ['GET /v2/positions', () => rig.alpaca.trading.positions.getAllOpenPositions()],
    ['GET /v2/positions/BTC%2FUSD', () => rig.alpaca.trading.positions.getOpenPosition({symbolOrAssetId: 'BTC/USD'})],
    [
      'DELETE /v2/positions/AAPL?percentage=50',
      () => rig.alpaca.trading.positions.deleteOpenPosition({symbolOrAssetId: 'AAPL', percentage: 50}),
    ],
    ['DELETE /v2/positions?cancel_orders=true', () => rig.alpaca.trading.closeAllPositions({cancelOrders: true})],
    [
      'GET /v2/account/activities/FILL?date=2026-01-05T00%3A00%3A00.000Z&page_size=10',
      () =>
        rig.alpaca.trading.accountActivities.getAccountActivitiesByActivityType({
          activityType: 'FILL',
          date: at('2026-01-05'),
          pageSize: 10,
        }),
    ],
    ['GET /v2/stocks/AAPL/trades/latest', () => rig.alpaca.marketData.stocks.stockLatestTradeSingle({symbol: 'AAPL'})],
    [
      'GET /v1beta3/crypto/us/bars?symbols=BTC%2FUSD%2CETH%2FUSD&timeframe=1Hour&limit=5',
      () =>
        rig.alpaca.marketData.crypto.cryptoBars({
          loc: 'us',
          symbols: 'BTC/USD,ETH/USD',
          timeframe: '1Hour',
          limit: 5,
        } as never),
    ],
  ] as const)('%s', async (golden, call) => {
    const line = await said(call as () => Promise<unknown>)
    expect(line).toBe(golden)
    expect(rig.bugs).toEqual([])
  })
})

describe('what the SDK makes of the answers', () => {
  test('account, clock, calendar, asset', async () => {
    const {trading} = rig.alpaca
    expect(await trading.account.getAccount()).toMatchObject({multiplier: '4', currency: 'USD', status: 'ACTIVE'})
    expect(await trading.clock.legacyClock()).toMatchObject({isOpen: true, nextClose: new Date('2025-06-02T20:00:00Z')})
    expect(
      await trading.calendar.legacyCalendar({start: new Date('2026-01-05'), end: new Date('2026-01-06')}),
    ).toMatchObject([{open: '09:30', close: '16:00'}, {open: '09:30'}])
    expect(await trading.assets.getV2Assets({})).toHaveLength(2)
    expect(await trading.assets.getV2AssetsSymbolOrAssetId({symbolOrAssetId: 'ETHBTC'})).toMatchObject({
      symbol: 'ETH/BTC',
      _class: 'crypto',
    })
    const check = await trading.validateConnection()
    expect(check.ok).toBe(true)
  })

  test('an order travels there and back with every field typed', async () => {
    const order = await rig.alpaca.trading.orders.limit({
      symbol: 'AAPL',
      qty: 2,
      side: 'buy',
      limitPrice: 140.5,
      timeInForce: 'gtc',
      clientOrderId: 'typed-1',
    })
    expect(order).toMatchObject({
      clientOrderId: 'typed-1',
      qty: '2',
      limitPrice: '140.5',
      status: 'pending_new',
      filledQty: '0',
      assetClass: 'us_equity',
    })
    expect(order.submittedAt).toBeInstanceOf(Date)
    const replaced = await rig.alpaca.trading.orders.patchOrderByOrderId({
      orderId: String(order.id),
      patchOrderRequest: {limitPrice: '140.25'},
    })
    expect(replaced).toMatchObject({replaces: order.id, limitPrice: '140.25'})
    await rig.alpaca.trading.orders.deleteOrderByOrderID({orderId: String(replaced.id)})
    expect((await rig.alpaca.trading.orders.getOrderByOrderID({orderId: String(replaced.id)})).status).toBe('canceled')
  })

  test.each([
    [
      'ValidationError',
      422,
      40010001,
      () =>
        rig.alpaca.trading.orders.submit({
          symbol: 'AAPL',
          side: 'buy',
          type: 'limit',
          timeInForce: 'day',
          qty: 1,
        } as never),
    ],
    [
      'PermissionError',
      403,
      40310000,
      () => rig.alpaca.trading.orders.market({symbol: 'AAPL', qty: 1e6, side: 'buy', timeInForce: 'day'}),
    ],
    ['NotFoundError', 404, 40410000, () => rig.alpaca.trading.positions.getOpenPosition({symbolOrAssetId: 'SPY'})],
  ] as const)('%s', async (name, status, code, call) => {
    await expect((call as () => Promise<unknown>)()).rejects.toMatchObject({name, status, code})
  })

  test('data: latest, snapshots, history in pages', async () => {
    rig.market.trade('AAPL', 150.01)
    const {stocks, crypto} = rig.alpaca.marketData
    expect((await stocks.stockLatestQuotes({symbols: 'AAPL,NOPE'})).quotes).toMatchObject({
      AAPL: {bp: 149.99, ap: 150.01},
    })
    expect(Object.keys((await stocks.stockLatestQuotes({symbols: 'NOPE'})).quotes)).toEqual([])
    expect(await stocks.stockSnapshots({symbols: 'AAPL'})).toHaveProperty('AAPL')
    expect((await crypto.cryptoLatestOrderbooks({loc: 'us', symbols: 'BTC/USD'})).orderbooks).toHaveProperty('BTC/USD')
    const page = await stocks.stockQuotes({symbols: 'AAPL,SPY', limit: 1, start: new Date('2025-06-02')})
    expect(page.nextPageToken).not.toBeNull()
    const rest = await stocks.stockQuotes({
      symbols: 'AAPL,SPY',
      limit: 1,
      start: new Date('2025-06-02'),
      pageToken: page.nextPageToken as string,
    })
    expect([Object.keys(page.quotes), Object.keys(rest.quotes), rest.nextPageToken]).toEqual([['AAPL'], ['SPY'], null])
  })
})
