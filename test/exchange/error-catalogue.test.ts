import {describe, expect, test} from 'vitest'
import {at, exchangeRig, type Json} from './exchange-rig.ts'

/** Source: Alpaca's documentation and recorded answers; each row is one order that must be refused with exactly this. */
type Row = readonly [order: Json, status: number, code: number, message: string]

const limit = {symbol: 'AAPL', qty: 1, side: 'buy', type: 'limit', limit_price: 100}
const market = {symbol: 'AAPL', qty: 1, side: 'buy'}
const coin = {symbol: 'BTC/USD', qty: 0.01, side: 'buy', time_in_force: 'gtc'}

const malformed: readonly Row[] = [
  [{...market, qty: undefined}, 422, 40010001, 'qty or notional is required'],
  [{...market, notional: 100}, 422, 40010001, 'only one of qty or notional is accepted'],
  [{...market, qty: 0}, 422, 40010001, 'qty must be > 0'],
  [{...market, qty: '-1'}, 422, 40010001, 'qty must be > 0'],
  [{...market, qty: undefined, notional: 0}, 422, 40010001, 'notional must be > 0'],
  [{...limit, limit_price: undefined}, 422, 40010001, 'limit orders require a limit price'],
  [{...limit, limit_price: 0}, 422, 40010001, 'limit price must be > 0'],
  [{...market, type: 'stop'}, 422, 40010001, 'stop orders require a stop price'],
  [
    {...market, type: 'stop_limit', stop_price: 1},
    422,
    40010001,
    'stop limit orders require both stop and limit price',
  ],
  [{...market, limit_price: 1}, 422, 40010001, 'market orders require no stop or limit price'],
  [
    {...market, type: 'trailing_stop'},
    422,
    40010001,
    'trailing stop orders must specify one of trail_price or trail_percent',
  ],
  [
    {...market, type: 'trailing_stop', trail_price: 1, trail_percent: 1},
    422,
    40010001,
    'trailing stop orders must specify one of trail_price or trail_percent',
  ],
  [{...market, type: 'trailing_stop', trail_percent: 0.05}, 422, 40010001, 'trail_percent must be >= 0.1'],
  [{...market, type: 'iceberg'}, 422, 40010001, 'invalid order type'],
  [{...market, side: 'hold'}, 422, 40010001, 'invalid side'],
  [{...market, time_in_force: 'fortnight'}, 422, 40010001, 'invalid time_in_force'],
  [{...market, client_order_id: 'x'.repeat(129)}, 422, 40010001, 'client_order_id must be no more than 128 characters'],
  [{...coin, type: 'stop', stop_price: 1}, 422, 40010001, 'invalid order type for crypto order'],
]
const unprocessable: readonly Row[] = [
  [{...market, symbol: 'FFFFF'}, 422, 42210000, 'asset "FFFFF" not found'],
  [{...coin, time_in_force: 'day'}, 422, 42210000, 'invalid crypto time_in_force'],
  [{...coin, time_in_force: 'fok'}, 422, 42210000, 'invalid crypto time_in_force'],
  [
    {...limit, limit_price: 290.123},
    422,
    42210000,
    'invalid limit_price 290.123. sub-penny increment does not fulfill minimum pricing criteria',
  ],
  [
    {...market, type: 'stop', stop_price: '290.123'},
    422,
    42210000,
    'invalid stop_price 290.123. sub-penny increment does not fulfill minimum pricing criteria',
  ],
  [{...market, qty: 0.5, time_in_force: 'gtc'}, 422, 42210000, 'fractional orders must be DAY orders'],
  [
    {...market, qty: 0.5, order_class: 'bracket', take_profit: {limit_price: 160}, stop_loss: {stop_price: 140}},
    422,
    42210000,
    'fractional orders must be simple orders',
  ],
  [{...market, qty: 0.5, side: 'sell'}, 422, 42210000, 'fractional orders cannot be sold short'],
  [{...market, qty: undefined, notional: 0.5}, 422, 42210000, 'notional must be >= 1.00'],
  [{...market, qty: undefined, notional: 10.123}, 422, 42210000, 'notional value must be limited to 2 decimal places'],
  [{...market, extended_hours: true}, 422, 42210000, 'extended hours order must be DAY or GTC limit orders'],
  [
    {...market, type: 'stop', stop_price: 160, extended_hours: true},
    422,
    42210000,
    'stop orders are not eligible for extended hours trading',
  ],
  [
    {
      ...market,
      type: 'stop',
      stop_price: 160,
      order_class: 'bracket',
      take_profit: {limit_price: 160},
      stop_loss: {stop_price: 140},
    },
    422,
    42210000,
    'bracket orders must be entry orders',
  ],
  [
    {...market, order_class: 'oco', take_profit: {limit_price: 160}, stop_loss: {stop_price: 140}},
    422,
    42210000,
    'oco orders must be limit orders',
  ],
  [
    {...market, order_class: 'bracket', take_profit: {limit_price: 140}, stop_loss: {stop_price: 145}},
    422,
    42210000,
    'take_profit.limit_price must be > stop_loss.stop_price',
  ],
  [
    {...market, order_class: 'bracket', take_profit: {limit_price: 150}, stop_loss: {stop_price: 140}},
    422,
    42210000,
    'take_profit.limit_price must be >= base_price + 0.01',
  ],
  [
    {...market, order_class: 'bracket', take_profit: {limit_price: 160}, stop_loss: {stop_price: 150}},
    422,
    42210000,
    'stop_loss.stop_price must be <= base_price - 0.01',
  ],
  [
    {...market, type: 'stop', side: 'sell', stop_price: 160},
    422,
    42210000,
    'stop price must be less than current price',
  ],
  [{...market, type: 'stop', stop_price: 140}, 422, 42210000, 'stop price must be greater than current price'],
]
const forbidden: readonly Row[] = [
  [{...market, qty: 10_000}, 403, 40310000, 'insufficient buying power'],
  [{...coin, qty: 0.00001}, 403, 40310000, 'cost basis must be >= minimal amount of order 10'],
  [{...coin, qty: 1.5}, 403, 40310000, 'insufficient buying power'],
  [{...coin, side: 'sell', qty: 0.5}, 403, 40310000, 'insufficient balance for BTC (requested: 0.5, available: 0)'],
  [
    {symbol: 'ETH/BTC', qty: 1, side: 'buy', time_in_force: 'gtc'},
    403,
    40310000,
    'insufficient balance for BTC (requested: 0.04001, available: 0)',
  ],
  [{...market, time_in_force: 'opg'}, 403, 40310000, 'opg orders must be submitted after 7:00pm and before 9:28am'],
]

describe.each([
  ['40010001: missing or malformed', malformed],
  ['42210000: understood, not allowed', unprocessable],
  ['40310000: funds, position, protection', forbidden],
])('%s', (_, rows) => {
  test.each(rows)('%j', (order, status, code, message) => {
    const rig = exchangeRig()
    expect(rig.order(order)).toMatchObject({status, body: {code, message}})
    expect(rig.updates).toEqual([])
    expect(rig.get('/v2/orders?status=all')).toEqual([])
  })
})

test('insufficient buying power names both amounts', () => {
  const rig = exchangeRig()
  expect(rig.order({...limit, qty: 1_000_000_000}).body).toEqual({
    buying_power: '400000',
    code: 40310000,
    cost_basis: '100000000000',
    message: 'insufficient buying power',
  })
})

test('a client order id is unique for ever', () => {
  const rig = exchangeRig()
  rig.order({...limit, client_order_id: 'once'})
  rig.request('DELETE', '/v2/orders')
  expect(rig.order({...limit, client_order_id: 'once'})).toEqual({
    status: 422,
    body: {code: 40010001, message: 'client_order_id must be unique'},
  })
})

test('selling more than held is refused, not turned into a short', () => {
  const rig = exchangeRig()
  rig.order({...market, qty: 5})
  const working = rig.order({...market, qty: 3, side: 'sell', type: 'limit', limit_price: 200}).body.id
  expect(rig.order({...market, qty: 3, side: 'sell'})).toEqual({
    status: 403,
    body: {
      available: '2',
      code: 40310000,
      existing_qty: '5',
      held_for_orders: '3',
      message: 'insufficient qty available for order (requested: 3, available: 2)',
      related_orders: [working],
      symbol: 'AAPL',
    },
  })
})

test.each([
  ['buy', 'market', undefined, 'sell', 'limit', 200, false],
  ['buy', 'limit', 150, 'sell', 'limit', 200, true],
  ['buy', 'limit', 200, 'sell', 'limit', 200, false],
  ['buy', 'limit', 201, 'sell', 'limit', 200, false],
] as const)(
  'wash trade: a %s %s at %s against an open %s %s at %s',
  (side, type, price, otherSide, otherType, otherPrice, allowed) => {
    const rig = exchangeRig()
    rig.order({...market, qty: 10})
    const existing = rig.order({symbol: 'AAPL', qty: 1, side: otherSide, type: otherType, limit_price: otherPrice}).body
      .id
    const {status, body} = rig.order({
      symbol: 'AAPL',
      qty: 1,
      side,
      type,
      ...(price === undefined ? {} : {limit_price: price}),
    })
    if (allowed) expect(status).toBe(200)
    else
      expect([status, body]).toMatchObject([
        403,
        {code: 40310000, message: 'potential wash trade detected. use complex orders', existing_order_id: existing},
      ])
  },
)

test('account switches refuse orders', () => {
  const rig = exchangeRig()
  rig.request('PATCH', '/v2/account/configurations', {no_shorting: true})
  expect(rig.order({...market, side: 'sell'}).body.message).toBe('account is not allowed to short')
  rig.request('PATCH', '/v2/account/configurations', {fractional_trading: false})
  expect(rig.order({...market, qty: 0.5}).body.message).toBe('fractional trading is disabled for this account')
  rig.request('PATCH', '/v2/account/configurations', {suspend_trade: true})
  expect(rig.order(market).body.message).toBe('new orders are rejected by user request')
  expect(rig.account()).toMatchObject({trade_suspended_by_user: true, shorting_enabled: false})
})

test.each([
  ['GET', '/v2/orders/not-a-uuid', 422, 40010001, 'order_id is missing'],
  [
    'GET',
    '/v2/orders/00000000-0000-4000-8000-000000000000',
    404,
    40410000,
    'order not found for 00000000-0000-4000-8000-000000000000',
  ],
  [
    'DELETE',
    '/v2/orders/00000000-0000-4000-8000-000000000000',
    404,
    40410000,
    'order not found for 00000000-0000-4000-8000-000000000000',
  ],
  ['GET', '/v2/positions/AAPL', 404, 40410000, 'position does not exist'],
  ['DELETE', '/v2/positions/AAPL', 404, 40410000, 'position does not exist'],
  ['GET', '/v2/positions/FFFFF', 404, 40410000, 'symbol not found: FFFFF'],
  ['GET', '/v2/assets/FFFFF', 404, 40410000, 'asset not found for FFFFF'],
  ['GET', '/v2/account/activities/FFFF', 422, 40010001, 'invalid activity type: FFFF'],
  ['GET', '/v2/nowhere', 404, 40410000, 'endpoint not found.'],
  ['PUT', '/v2/orders', 404, 40410000, 'endpoint not found.'],
])('%s %s', (method, path, status, code, message) => {
  expect(exchangeRig().request(method, path)).toEqual({status, body: {code, message}})
})

test('data errors carry only a message', () => {
  const rig = exchangeRig()
  expect(rig.request('GET', '/v2/stocks/bars?symbols=AAPL&limit=10001')).toEqual({
    status: 400,
    body: {message: 'invalid limit: larger than the allowed maximum of 10000'},
  })
  expect(rig.request('GET', '/v1beta3/crypto/us/bars?symbols=BTCUSD')).toEqual({
    status: 400,
    body: {message: 'invalid symbol: BTCUSD does not match ^[A-Z]+x?/[A-Z]+$'},
  })
  expect(rig.request('GET', '/v2/stocks/bars?symbols=AAPL&timeframe=61Min').status).toBe(400)
})

test('an order for the close is refused in the last ten minutes', () => {
  const rig = exchangeRig({startUs: at('2025-06-02T19:51:00Z')})
  expect(rig.order({...market, time_in_force: 'cls'}).body.message).toBe(
    'cls orders must be submitted after 7:00pm and before 3:50pm',
  )
  const halfDay = (time: string) => exchangeRig({startUs: at(`2025-07-03T${time}Z`)})
  expect(halfDay('16:51:00').order({...market, time_in_force: 'cls'}).body.message).toBe(
    'cls orders must be submitted after 7:00pm and before 12:50pm',
  )
  expect(halfDay('16:49:00').order({...market, time_in_force: 'cls'}).status).toBe(200)
})

describe('what depends on what is held, or has not reached the market', () => {
  const oco = {
    symbol: 'AAPL',
    qty: '10',
    side: 'sell',
    type: 'limit',
    order_class: 'oco',
    take_profit: {limit_price: '160'},
    stop_loss: {stop_price: '140'},
  }
  test('an oco order without a position is no exit, a bracket against one is no entry', () => {
    const rig = exchangeRig()
    expect(rig.order(oco)).toMatchObject({status: 422, body: {message: 'oco orders must be exit orders'}})
    rig.order({symbol: 'AAPL', qty: '10', side: 'buy'})
    const bracket = {...oco, order_class: 'bracket', take_profit: {limit_price: '140'}, stop_loss: {stop_price: '160'}}
    expect(rig.order({...bracket, type: 'market'})).toMatchObject({
      status: 422,
      body: {message: 'bracket orders must be entry orders'},
    })
    expect(rig.order(oco).status).toBe(200)
  })
  test('an order that waits for the session is not replaced', () => {
    const rig = exchangeRig({startUs: at('2025-06-02T22:00:00Z')})
    const {id} = rig.order({symbol: 'AAPL', qty: '1', side: 'buy', type: 'limit', limit_price: '100'}).body
    expect(rig.request('PATCH', `/v2/orders/${id}`, {limit_price: '101'})).toMatchObject({
      status: 422,
      body: {code: 42210000, message: 'cannot replace order in accepted status'},
    })
  })
})
