import {describe, expect, test} from 'vitest'
import {at, exchangeRig, type Json} from './exchange-rig.ts'

const open = (rig: ReturnType<typeof exchangeRig>): Json[] => rig.get('/v2/orders?status=open')

describe('plain orders', () => {
  test('a market order is pending_new in the answer, then new and filled at the far side of the quote', () => {
    const rig = exchangeRig()
    const {status, body} = rig.order({symbol: 'AAPL', qty: '10', side: 'buy', client_order_id: 'mine'})
    expect(status).toBe(200)
    expect(body).toMatchObject({
      status: 'pending_new',
      qty: '10',
      filled_qty: '0',
      filled_avg_price: null,
      type: 'market',
      order_type: 'market',
      order_class: '',
      legs: null,
      client_order_id: 'mine',
      expires_at: '2025-06-02T20:00:00Z',
    })
    expect(rig.updates.map(({event}) => event)).toEqual(['pending_new', 'new', 'fill'])
    const [pending, accepted, fill] = rig.updates as [Json, Json, Json]
    expect(pending.execution_id).toBeNull()
    expect(accepted.execution_id).toMatch(/^[0-9a-f-]{36}$/)
    expect(fill).toMatchObject({price: '150.01', qty: '10', position_qty: '10'})
    expect(fill.order).toMatchObject({status: 'filled', filled_qty: '10', filled_avg_price: '150.01'})
    expect(rig.get('/v2/orders:by_client_order_id?client_order_id=mine').status).toBe('filled')
    expect(rig.account().cash).toBe('98499.9')
  })

  test('a limit order rests until the market comes to it and is then filled at its own price', () => {
    const rig = exchangeRig()
    const {body} = rig.order({symbol: 'AAPL', qty: 5, side: 'buy', type: 'limit', limit_price: 149.5})
    expect(open(rig).map(order => order.status)).toEqual(['new'])
    rig.quote('AAPL', 149.38, 149.4)
    expect(rig.get(`/v2/orders/${body.id}`)).toMatchObject({status: 'filled', filled_avg_price: '149.5'})
  })

  test('numbers, decimal strings and exponents are the same amount', () => {
    const rig = exchangeRig()
    for (const qty of [0.5, '0.5', '5e-1']) expect(rig.order({symbol: 'AAPL', qty, side: 'buy'}).body.qty).toBe('0.5')
  })

  test('a notional order is sized at the ask and shows its notional, not a quantity', () => {
    const rig = exchangeRig()
    const {body} = rig.order({symbol: 'AAPL', notional: '1000.50', side: 'buy'})
    expect(body).toMatchObject({notional: '1000.5', qty: null})
    expect(rig.get(`/v2/orders/${body.id}`)).toMatchObject({qty: null, filled_qty: '6.669555362'})
  })

  test('cancelling answers 204, and a second time names the state', () => {
    const rig = exchangeRig()
    const {body} = rig.order({symbol: 'AAPL', qty: 5, side: 'buy', type: 'limit', limit_price: 100})
    expect(rig.request('DELETE', `/v2/orders/${body.id}`)).toEqual({status: 204, body: undefined})
    expect(rig.updates.at(-1)?.event).toBe('canceled')
    expect(rig.request('DELETE', `/v2/orders/${body.id}`)).toEqual({
      status: 422,
      body: {code: 42210000, message: 'order is already in "canceled" state'},
    })
  })

  test('cancel all answers 207 with a row an order, and [] when there are none', () => {
    const rig = exchangeRig()
    expect(rig.request('DELETE', '/v2/orders')).toEqual({status: 207, body: []})
    const ids = [100, 101].map(
      price => rig.order({symbol: 'AAPL', qty: 1, side: 'buy', type: 'limit', limit_price: price}).body.id,
    )
    expect(rig.request('DELETE', '/v2/orders').body).toEqual(ids.map(id => ({id, status: 200})))
    expect(open(rig)).toEqual([])
  })

  test('fill or kill without a marketable price is cancelled at once', () => {
    const rig = exchangeRig()
    const {body} = rig.order({
      symbol: 'AAPL',
      qty: 1,
      side: 'buy',
      type: 'limit',
      limit_price: 100,
      time_in_force: 'fok',
    })
    expect(rig.get(`/v2/orders/${body.id}`).status).toBe('canceled')
  })

  test('one time in ten a marketable order is first filled in part', () => {
    const rig = exchangeRig({partialFillProbability: 1})
    const {body} = rig.order({symbol: 'AAPL', qty: 100, side: 'buy'})
    expect(rig.get(`/v2/orders/${body.id}`).status).toBe('partially_filled')
    expect(rig.updates.at(-1)?.event).toBe('partial_fill')
    rig.quote('AAPL', 150, 150.02)
    expect(rig.get(`/v2/orders/${body.id}`).status).toBe('filled')
    const fills = rig.updates.filter(({event}) => event.includes('fill'))
    expect(fills.reduce((sum, {qty}) => sum + Number(qty), 0)).toBe(100)
  })
})

describe('stops', () => {
  test('a sell stop elects on a trade at its price', () => {
    const rig = exchangeRig()
    rig.order({symbol: 'AAPL', qty: 10, side: 'buy'})
    rig.trade('AAPL', 150)
    const {body} = rig.order({symbol: 'AAPL', qty: 10, side: 'sell', type: 'stop', stop_price: 145})
    rig.quote('AAPL', 144.9, 144.95)
    expect(rig.get(`/v2/orders/${body.id}`).status).toBe('new')
    rig.trade('AAPL', 144.9)
    expect(rig.get(`/v2/orders/${body.id}`)).toMatchObject({status: 'filled', filled_avg_price: '144.9'})
  })

  test('a trailing stop is new at once, ratchets up only, and its stop is not rounded', () => {
    const rig = exchangeRig()
    rig.order({symbol: 'AAPL', qty: 10, side: 'buy'})
    rig.trade('AAPL', 150)
    const {body} = rig.order({symbol: 'AAPL', qty: 10, side: 'sell', type: 'trailing_stop', trail_percent: '5'})
    expect(body).toMatchObject({status: 'new', hwm: '150', stop_price: '142.5', trail_percent: '5'})
    rig.trade('AAPL', 153.37)
    rig.trade('AAPL', 150)
    expect(rig.get(`/v2/orders/${body.id}`)).toMatchObject({hwm: '153.37', stop_price: '145.7015', status: 'new'})
    rig.quote('AAPL', 145.6, 145.7)
    rig.trade('AAPL', 145.7)
    expect(rig.get(`/v2/orders/${body.id}`)).toMatchObject({status: 'filled', filled_avg_price: '145.6'})
  })
})

describe('bracket, OCO and OTO orders', () => {
  const bracket = {
    symbol: 'AAPL',
    qty: 10,
    side: 'buy',
    order_class: 'bracket',
    type: 'limit',
    limit_price: 150.01,
    take_profit: {limit_price: 160},
    stop_loss: {stop_price: 140},
  }

  test('children are held until the entry has filled, then work; one exit filling cancels the other', () => {
    const rig = exchangeRig()
    const {body} = rig.order({...bracket, limit_price: 149})
    expect(body.legs.map((leg: Json) => [leg.type, leg.side, leg.status, leg.order_class])).toEqual([
      ['limit', 'sell', 'held', 'bracket'],
      ['stop', 'sell', 'held', 'bracket'],
    ])
    rig.quote('AAPL', 148.9, 149)
    const legs = () => rig.get(`/v2/orders/${body.id}?nested=true`).legs.map((leg: Json) => leg.status)
    expect(rig.get(`/v2/orders/${body.id}`).status).toBe('filled')
    expect(legs()).toEqual(['new', 'new'])
    rig.quote('AAPL', 160.1, 160.2)
    expect(legs()).toEqual(['filled', 'canceled'])
    expect(rig.get('/v2/positions')).toEqual([])
  })

  test('cancelling a member cancels the group', () => {
    const rig = exchangeRig()
    const {body} = rig.order({...bracket, limit_price: 149})
    rig.request('DELETE', `/v2/orders/${body.id}`)
    expect(rig.get(`/v2/orders/${body.id}`)).toMatchObject({
      status: 'canceled',
      legs: [{status: 'canceled'}, {status: 'canceled'}],
    })
  })

  test('listing shows children as rows, or under their parent when nested', () => {
    const rig = exchangeRig()
    rig.order({...bracket, limit_price: 149})
    expect(rig.get('/v2/orders')).toHaveLength(3)
    const nested = rig.get('/v2/orders?nested=true')
    expect(nested).toHaveLength(1)
    expect(nested[0].legs).toHaveLength(2)
  })

  test('exits whose entry has filled are open orders of their own', () => {
    const rig = exchangeRig()
    rig.order({...bracket, type: 'market', limit_price: undefined})
    expect(rig.get('/v2/orders?status=open&nested=true').map((order: Json) => order.type)).toEqual(['stop', 'limit'])
  })

  test('the parent of an OCO is its limit; the stop is held beside it and both sell the same shares', () => {
    const rig = exchangeRig()
    rig.order({symbol: 'AAPL', qty: 10, side: 'buy'})
    const {status, body} = rig.order({
      symbol: 'AAPL',
      qty: 10,
      side: 'sell',
      type: 'limit',
      order_class: 'oco',
      take_profit: {limit_price: 160},
      stop_loss: {stop_price: 140},
    })
    expect(status).toBe(200)
    expect(body).toMatchObject({
      type: 'limit',
      limit_price: '160',
      legs: [{type: 'stop', status: 'held', stop_price: '140'}],
    })
    rig.quote('AAPL', 139, 139.1)
    rig.trade('AAPL', 139)
    expect(rig.get(`/v2/orders/${body.id}`)).toMatchObject({status: 'canceled', legs: [{status: 'filled'}]})
    expect(rig.get('/v2/positions')).toEqual([])
  })

  test('what one exit has sold in part, the other no longer offers', () => {
    const rig = exchangeRig({partialFillProbability: 1})
    rig.order({symbol: 'AAPL', qty: 100, side: 'buy'})
    rig.quote('AAPL', 149.99, 150.01)
    rig.trade('AAPL', 150)
    const {body} = rig.order({
      symbol: 'AAPL',
      qty: 100,
      side: 'sell',
      type: 'limit',
      order_class: 'oco',
      take_profit: {limit_price: 160},
      stop_loss: {stop_price: 140},
    })
    rig.quote('AAPL', 139, 139.02)
    rig.trade('AAPL', 139)
    const oco = () => rig.get(`/v2/orders/${body.id}?nested=true`)
    const sold = Number(oco().legs[0].filled_qty)
    expect(sold).toBeGreaterThan(0)
    expect(sold).toBeLessThan(100)
    expect(oco()).toMatchObject({qty: String(100 - sold), status: 'new'})
    rig.quote('AAPL', 139, 139.02)
    expect(oco()).toMatchObject({status: 'canceled', legs: [{status: 'filled', filled_qty: '100'}]})
    expect(rig.get('/v2/positions')).toEqual([])
  })

  test('an OTO has one exit', () => {
    const rig = exchangeRig()
    const {body} = rig.order({symbol: 'AAPL', qty: 10, side: 'buy', order_class: 'oto', stop_loss: {stop_price: 140}})
    expect(rig.get(`/v2/orders/${body.id}`)).toMatchObject({status: 'filled', legs: [{type: 'stop', status: 'new'}]})
  })
})

describe('replacing', () => {
  test('gives a new id that names the old one, and the other way round', () => {
    const rig = exchangeRig()
    const {body} = rig.order({symbol: 'AAPL', qty: 5, side: 'buy', type: 'limit', limit_price: 140})
    const next = rig.request('PATCH', `/v2/orders/${body.id}`, {limit_price: '141', qty: '7'})
    expect(next).toMatchObject({
      status: 200,
      body: {replaces: body.id, limit_price: '141', qty: '7', created_at: body.created_at},
    })
    expect(next.body.id).not.toBe(body.id)
    expect(rig.get(`/v2/orders/${body.id}`)).toMatchObject({status: 'replaced', replaced_by: next.body.id})
    expect(rig.updates.slice(-2).map(({event}) => event)).toEqual(['replaced', 'new'])
    rig.quote('AAPL', 140.9, 141)
    expect(rig.get(`/v2/orders/${next.body.id}`)).toMatchObject({status: 'filled', filled_qty: '7'})
  })

  test.each([
    [{limit_price: '140'}, 422, 'order parameters are not changed'],
    [
      {limit_price: '140.123'},
      422,
      'invalid limit_price 140.123. sub-penny increment does not fulfill minimum pricing criteria',
    ],
    [{stop_price: '1'}, 422, 'limit orders require no stop price'],
  ])('refuses %j', (change, status, message) => {
    const rig = exchangeRig()
    const {body} = rig.order({symbol: 'AAPL', qty: 5, side: 'buy', type: 'limit', limit_price: 140})
    expect(rig.request('PATCH', `/v2/orders/${body.id}`, change)).toMatchObject({status, body: {message}})
  })

  test('a filled order cannot be replaced', () => {
    const rig = exchangeRig()
    const {body} = rig.order({symbol: 'AAPL', qty: 5, side: 'buy'})
    expect(rig.request('PATCH', `/v2/orders/${body.id}`, {qty: 6})).toEqual({
      status: 422,
      body: {code: 40010001, message: 'only open orders can be replaced'},
    })
  })
})

describe('sessions', () => {
  const evening = at('2025-06-02T22:00:00Z')

  test('an order after the close is accepted and works in the next session', () => {
    const rig = exchangeRig({startUs: evening})
    const {body} = rig.order({symbol: 'AAPL', qty: 1, side: 'buy'})
    expect(body).toMatchObject({status: 'accepted', expires_at: '2025-06-03T20:00:00Z'})
    rig.advance(at('2025-06-03T13:29:59Z'))
    expect(rig.get(`/v2/orders/${body.id}`).status).toBe('accepted')
    rig.advance(at('2025-06-03T13:30:00Z'))
    expect(rig.get(`/v2/orders/${body.id}`).status).toBe('filled')
  })

  test('a day order expires at the close, gtc goes on, and coins do not notice', () => {
    const rig = exchangeRig()
    const limit = {qty: 1, side: 'buy', type: 'limit', limit_price: 100}
    const day = rig.order({...limit, symbol: 'AAPL'}).body.id
    const gtc = rig.order({...limit, symbol: 'SPY', time_in_force: 'gtc'}).body.id
    const coin = rig.order({...limit, symbol: 'BTC/USD', time_in_force: 'gtc', limit_price: 90_000}).body.id
    rig.advance(at('2025-06-02T20:00:00Z'))
    const statusOf = (id: string) => rig.get(`/v2/orders/${id}`).status
    expect([day, gtc, coin].map(statusOf)).toEqual(['expired', 'new', 'new'])
    rig.quote('SPY', 98, 99)
    expect(statusOf(gtc)).toBe('new')
    rig.quote('BTC/USD', 89_000, 89_500, 5)
    expect(statusOf(coin)).toBe('filled')
    rig.advance(at('2025-06-03T13:30:00Z'))
    expect(statusOf(gtc)).toBe('filled')
  })

  test('an extended-hours limit works before the open', () => {
    const rig = exchangeRig({startUs: at('2025-06-02T12:00:00Z')})
    const {body} = rig.order({
      symbol: 'AAPL',
      qty: 1,
      side: 'buy',
      type: 'limit',
      limit_price: 151,
      extended_hours: true,
    })
    expect(rig.get(`/v2/orders/${body.id}`).status).toBe('filled')
  })

  test('on a Saturday the previous trading day is Friday', () => {
    const rig = exchangeRig({startUs: at('2025-06-06T15:00:00Z')})
    rig.order({symbol: 'AAPL', qty: 100, side: 'buy'})
    rig.trade('AAPL', 155)
    rig.advance(at('2025-06-06T23:00:00Z'))
    expect(rig.account()).toMatchObject({last_equity: '100000', balance_asof: '2025-06-05'})
    rig.advance(at('2025-06-07T15:00:00Z'))
    expect(rig.account()).toMatchObject({last_equity: '100499', balance_asof: '2025-06-06'})
  })

  test('yesterday ends at the close: last_equity and lastday_price', () => {
    const rig = exchangeRig()
    rig.order({symbol: 'AAPL', qty: 100, side: 'buy'})
    rig.trade('AAPL', 155)
    rig.quote('AAPL', 154.99, 155.01)
    rig.advance(at('2025-06-03T14:00:00Z'))
    rig.trade('AAPL', 157)
    const account = rig.account()
    expect(account).toMatchObject({last_equity: '100499', equity: '100699', balance_asof: '2025-06-02'})
    expect(rig.get('/v2/positions/AAPL')).toMatchObject({
      lastday_price: '155',
      unrealized_intraday_pl: '200',
      unrealized_pl: '699',
      change_today: '0.0129032258064516',
    })
  })
})

test('forgets the oldest finished orders, never an open one', () => {
  const rig = exchangeRig({keptOrders: 50})
  const open = rig.order({symbol: 'AAPL', qty: 1, side: 'buy', type: 'limit', limit_price: 1}).body.id
  const first = rig.order({symbol: 'SPY', qty: 1, side: 'buy', type: 'limit', limit_price: 1, time_in_force: 'ioc'})
    .body.id
  for (let i = 0; i < 99; i++) {
    const refused = rig.order({symbol: 'SPY', qty: 1, side: 'buy', type: 'limit', limit_price: 1, time_in_force: 'ioc'})
    expect(refused.status).toBe(200)
  }
  expect(rig.exchange.desk.all().length).toBe(51)
  expect(rig.request('GET', `/v2/orders/${first}`).status).toBe(404)
  expect(rig.get(`/v2/orders/${open}`).status).toBe('new')
  expect(rig.exchange.desk.count).toBe(101)
})
