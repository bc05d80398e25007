import fc from 'fast-check'
import {describe, expect, test} from 'vitest'
import {newYorkTime, parseDay} from '../../src/exchange/sessions.ts'
import {exchangeRig, type Json} from './exchange-rig.ts'

const C150 = 'AAPL250613C00150000'
const C160 = 'AAPL250613C00160000'
const C160_LATER = 'AAPL250718C00160000'
const P145 = 'AAPL250613P00145000'
const P140 = 'AAPL250613P00140000'
const SPY_CALL = 'SPY250613C00600000'
const SYMBOLS = ['AAPL', 'SPY', C150, C160, C160_LATER, P145, P140, SPY_CALL]

const legsRig = (options: Parameters<typeof exchangeRig>[0] = {}) => {
  const rig = exchangeRig({symbols: SYMBOLS, ...options})
  rig.quote(C150, 4.9, 5.1, 20)
  rig.quote(C160, 1.9, 2.1, 20)
  rig.quote(C160_LATER, 3.4, 3.6, 20)
  rig.quote(P145, 1.95, 2.05, 20)
  rig.quote(P140, 0.95, 1.05, 20)
  rig.quote(SPY_CALL, 9.9, 10.1, 20)
  return rig
}
const leg = (symbol: string, intent: string, ratio = '1') => ({
  symbol,
  side: intent.split('_')[0],
  ratio_qty: ratio,
  position_intent: intent,
})
/** Buys the 150 call and writes the 160 one: 5.1 − 1.9 = 3.2 at the touches. */
const VERTICAL = [leg(C150, 'buy_to_open'), leg(C160, 'sell_to_open')]
const CLOSING = [leg(C150, 'sell_to_close'), leg(C160, 'buy_to_close')]
const send = (rig: ReturnType<typeof legsRig>, body: Json = {}) =>
  rig.request('POST', '/v2/orders', {
    order_class: 'mleg',
    qty: '1',
    type: 'market',
    time_in_force: 'day',
    legs: VERTICAL,
    ...body,
  })
const held = (rig: ReturnType<typeof legsRig>) =>
  Object.fromEntries(rig.get('/v2/positions').map(({symbol, qty}: Json) => [symbol, qty]))

describe('an order of several legs', () => {
  test('answers with a parent that has no instrument and legs that have neither type nor price', () => {
    const rig = legsRig()
    const {status, body} = send(rig, {type: 'limit', limit_price: '3.25', qty: '2', client_order_id: 'mine'})
    expect(status).toBe(200)
    expect(body).toMatchObject({
      client_order_id: 'mine',
      asset_id: '',
      symbol: '',
      asset_class: '',
      side: '',
      order_class: 'mleg',
      type: 'limit',
      order_type: 'limit',
      limit_price: '3.25',
      qty: '2',
      filled_qty: '0',
      filled_avg_price: null,
      status: 'pending_new',
      time_in_force: 'day',
    })
    expect('position_intent' in body).toBe(false)
    expect(body.legs).toMatchObject([
      {symbol: C150, side: 'buy', qty: '2', ratio_qty: '1', position_intent: 'buy_to_open', legs: null},
      {symbol: C160, side: 'sell', qty: '2', ratio_qty: '1', position_intent: 'sell_to_open', legs: null},
    ])
    for (const child of body.legs)
      expect(child).toMatchObject({
        order_class: 'mleg',
        type: '',
        order_type: '',
        limit_price: null,
        asset_class: 'us_option',
        status: 'pending_new',
      })
  })

  test('fills all legs at once, and the parent at the net of their prices', () => {
    const rig = legsRig()
    const {id} = send(rig, {type: 'limit', limit_price: '3.25', qty: '2'}).body
    expect(rig.get(`/v2/orders/${id}`)).toMatchObject({
      status: 'filled',
      filled_qty: '2',
      filled_avg_price: '3.2',
      legs: [
        {status: 'filled', filled_qty: '2', filled_avg_price: '5.1'},
        {status: 'filled', filled_qty: '2', filled_avg_price: '1.9'},
      ],
    })
    expect(held(rig)).toEqual({[C150]: '2', [C160]: '-2'})
    expect(rig.account().cash).toBe('99360')
  })

  test('each leg has its fill in the history, under its own order', () => {
    const rig = legsRig()
    const {legs} = send(rig, {qty: '3'}).body
    const fills = rig.get('/v2/account/activities/FILL?direction=asc')
    expect(fills).toMatchObject([
      {order_id: legs[0].id, symbol: C150, side: 'buy', qty: '3', cum_qty: '3', price: '5.1', type: 'fill'},
      {order_id: legs[1].id, symbol: C160, side: 'sell', qty: '3', cum_qty: '3', price: '1.9', type: 'fill'},
    ])
  })

  test('the stream says one thing for each state, the legs inside', () => {
    const rig = legsRig()
    send(rig, {qty: '2'})
    expect(rig.updates.map(({event}) => event)).toEqual(['pending_new', 'new', 'fill'])
    expect(rig.updates.map(({order}) => (order as Json).legs.map((child: Json) => child.status))).toEqual([
      ['pending_new', 'pending_new'],
      ['new', 'new'],
      ['filled', 'filled'],
    ])
    expect(rig.updates.at(-1)).toMatchObject({price: '3.2', qty: '2', order: {position_intent: '', symbol: ''}})
  })

  test('a credit has a negative limit: it waits until the market pays as much', () => {
    const rig = legsRig()
    const credit = [leg(C150, 'sell_to_open'), leg(C160, 'buy_to_open')]
    const {id} = send(rig, {type: 'limit', limit_price: '-3', legs: credit}).body
    expect(rig.get(`/v2/orders/${id}`).status).toBe('new')
    rig.quote(C150, 5.1, 5.3, 20)
    expect(rig.get(`/v2/orders/${id}`)).toMatchObject({status: 'filled', filled_avg_price: '-3', limit_price: '-3'})
    expect(rig.account().cash).toBe('100300')
  })

  test('ratios, and sides that follow from the intent', () => {
    const rig = legsRig()
    const butterfly = [
      {symbol: C150, ratio_qty: 1, position_intent: 'buy_to_open'},
      {symbol: C160, ratio_qty: 2, position_intent: 'sell_to_open'},
      {symbol: C160_LATER, ratio_qty: 1, position_intent: 'buy_to_open'},
    ]
    const {id} = send(rig, {legs: butterfly, qty: 2}).body
    // 5.1 − 2 × 1.9 + 3.6
    expect(rig.get(`/v2/orders/${id}`)).toMatchObject({filled_avg_price: '4.9', legs: [{}, {qty: '4'}, {}]})
    expect(held(rig)).toEqual({[C150]: '2', [C160]: '-4', [C160_LATER]: '2'})
  })

  test('closes what it opened, in one order', () => {
    const rig = legsRig()
    send(rig, {qty: '2'})
    expect(send(rig, {qty: '3', legs: CLOSING}).body.message).toBe(
      'insufficient qty available for order (requested: 3, available: 2)',
    )
    const {body} = send(rig, {qty: '2', legs: CLOSING})
    expect(rig.get(`/v2/orders/${body.id}`)).toMatchObject({status: 'filled', filled_avg_price: '-2.8'})
    expect(rig.get('/v2/positions')).toEqual([])
    expect(rig.account()).toMatchObject({cash: '99920', equity: '99920', options_buying_power: '99920'})
  })

  test('waits for the market to open, and ends with the day', () => {
    const closed = legsRig({startUs: newYorkTime(parseDay('2025-06-02'), 8 * 60)})
    expect(send(closed).body.message).toBe('options market orders are only allowed during market hours')
    const {body} = send(closed, {type: 'limit', limit_price: '3'})
    expect(body.status).toBe('accepted')
    closed.advance(newYorkTime(parseDay('2025-06-02'), 9 * 60 + 30))
    expect(closed.get(`/v2/orders/${body.id}`)).toMatchObject({status: 'new', legs: [{status: 'new'}, {status: 'new'}]})
    closed.advance(newYorkTime(parseDay('2025-06-02'), 16 * 60))
    expect(closed.get(`/v2/orders/${body.id}`)).toMatchObject({
      status: 'expired',
      legs: [{status: 'expired'}, {status: 'expired'}],
    })
    expect(closed.updates.map(({event}) => event)).toEqual(['accepted', 'new', 'expired'])
  })
})

describe('what is open', () => {
  const rest = (rig: ReturnType<typeof legsRig>, body: Json = {}) =>
    send(rig, {type: 'limit', limit_price: '3', client_order_id: 'rest', ...body}).body

  test('is listed under its parent when nested, and each leg apart when not', () => {
    const rig = legsRig()
    const {id, legs} = rest(rig)
    expect(rig.get('/v2/orders?nested=true').map((order: Json) => order.id)).toEqual([id])
    expect(new Set(rig.get('/v2/orders').map((order: Json) => order.id))).toEqual(new Set([id, legs[0].id, legs[1].id]))
    for (const symbols of [C160, 'AAPL'])
      expect(rig.get(`/v2/orders?nested=true&symbols=${symbols}`).map((order: Json) => order.id)).toEqual([id])
    expect(rig.get('/v2/orders?nested=true&symbols=SPY')).toEqual([])
    expect(rig.get('/v2/orders:by_client_order_id?client_order_id=rest').legs).toHaveLength(2)
    expect(rig.get(`/v2/orders/${legs[1].id}`)).toMatchObject({symbol: C160, ratio_qty: '1', legs: null})
  })

  test.each(['parent', 'leg', 'all'])('ends whole when its %s is cancelled', what => {
    const rig = legsRig()
    const {id, legs} = rest(rig)
    const path = what === 'all' ? '' : `/${what === 'leg' ? legs[1].id : id}`
    const answer = rig.request('DELETE', `/v2/orders${path}`)
    if (what === 'all') expect(answer).toEqual({status: 207, body: [{id, status: 200}]})
    else expect(answer.status).toBe(204)
    expect(rig.get(`/v2/orders/${id}`)).toMatchObject({
      status: 'canceled',
      legs: [{status: 'canceled'}, {status: 'canceled'}],
    })
    expect(rig.get('/v2/orders')).toEqual([])
    expect(rig.updates.map(({event}) => event)).toEqual(['pending_new', 'new', 'canceled'])
    rig.quote(C150, 3, 3.2, 20)
    expect(rig.get('/v2/positions')).toEqual([])
  })

  test('is replaced by another net price and size, its legs by new legs', () => {
    const rig = legsRig()
    const old = rest(rig)
    const {status, body} = rig.request('PATCH', `/v2/orders/${old.id}`, {limit_price: '3.2', qty: '2'})
    expect([status, body.status, body.replaces, body.qty, body.limit_price]).toEqual([200, 'new', old.id, '2', '3.2'])
    expect(rig.get(`/v2/orders/${old.id}`)).toMatchObject({
      status: 'replaced',
      replaced_by: body.id,
      legs: [{status: 'replaced', replaced_by: body.legs[0].id}, {status: 'replaced'}],
    })
    expect(rig.get(`/v2/orders/${body.id}`)).toMatchObject({status: 'filled', filled_avg_price: '3.2'})
    expect(held(rig)).toEqual({[C150]: '2', [C160]: '-2'})
    expect(rig.get('/v2/orders')).toEqual([])
  })

  test.each([
    [{qty: '1'}, 422, 'order parameters are not changed'],
    [{limit_price: 'x'}, 422, 'invalid limit price'],
    [{limit_price: '3.001'}, 422, /sub-penny increment/],
    [{qty: '1.5'}, 422, 'qty must be integer for options trading'],
    [{qty: '900'}, 403, 'insufficient options buying power'],
  ])('is not replaced by %j', (change, status, message) => {
    const rig = legsRig()
    const answer = rig.request('PATCH', `/v2/orders/${rest(rig).id}`, change)
    expect([answer.status, answer.body.message]).toEqual([
      status,
      typeof message === 'string' ? message : expect.stringMatching(message),
    ])
    expect(rig.get('/v2/orders?nested=true')).toMatchObject([{status: 'new', qty: '1'}])
  })

  test('a leg cannot be replaced', () => {
    const rig = legsRig()
    const {legs} = rest(rig)
    expect(rig.request('PATCH', `/v2/orders/${legs[0].id}`, {qty: '2'}).status).toBe(422)
  })

  test('lays claim to what it closes and to what it may cost', () => {
    const rig = legsRig()
    const fresh = Number(rig.account().options_buying_power)
    rest(rig, {qty: '10'})
    expect(Number(rig.account().options_buying_power)).toBe(fresh - 3_000)
    rig.request('DELETE', '/v2/orders')
    send(rig, {qty: '2'})
    send(rig, {qty: '2', legs: CLOSING, type: 'limit', limit_price: '-4'})
    expect(rig.get(`/v2/positions/${C150}`).qty_available).toBe('0')
    expect(rig.order({symbol: C150, qty: '1', side: 'sell'}).body.message).toBe(
      'insufficient qty available for order (requested: 1, available: 0)',
    )
  })
})

describe('what is refused', () => {
  const no = (...legs: Json[]) => ({legs})
  test.each<[Json, number, number, string]>([
    [{symbol: C150}, 422, 40010001, 'symbol is not allowed for mleg order'],
    [{legs: undefined}, 422, 42210000, 'mleg orders must have at least 2 legs and at most 4 legs'],
    [no(leg(C150, 'buy_to_open')), 422, 42210000, 'mleg orders must have at least 2 legs and at most 4 legs'],
    [
      no(...[C150, C160, C160_LATER, P145, P140].map(symbol => leg(symbol, 'buy_to_open'))),
      422,
      42210000,
      'mleg orders must have at least 2 legs and at most 4 legs',
    ],
    [
      no(leg(C150, 'buy_to_open'), {...leg(C160, 'sell_to_open'), position_intent: undefined}),
      422,
      42210000,
      'leg.1 position intent is required',
    ],
    [no(leg(C150, 'buy_to_open'), leg('AAPL', 'sell_to_open')), 422, 42210000, 'asset not found for AAPL'],
    [no(leg(C150, 'buy_to_open'), leg('NONE', 'sell_to_open')), 422, 42210000, 'asset not found for NONE'],
    [no(leg(C150, 'buy_to_open'), leg(SPY_CALL, 'buy_to_open')), 422, 42210000, 'underlying asset mismatch'],
    [no(leg(C150, 'buy_to_open'), leg(C150, 'sell_to_open')), 422, 42210000, 'mleg orders must have distinct symbols'],
    [
      no(leg(C150, 'buy_to_open', '2'), leg(C160, 'sell_to_open', '2')),
      422,
      42210000,
      'leg ratio quantities must be in their simplest form',
    ],
    [
      no(leg(C150, 'buy_to_open', '0.5'), leg(C160, 'sell_to_open')),
      422,
      42210000,
      'leg.0 ratio_qty must be a positive integer',
    ],
    [{type: 'limit'}, 422, 42210000, 'limit price is required for limit orders'],
    [{limit_price: '1'}, 422, 42210000, 'limit price is only valid for limit orders'],
    [{type: 'limit', limit_price: 'cheap'}, 422, 42210000, 'invalid limit price'],
    [{type: 'stop', stop_price: '1'}, 422, 42210000, 'invalid option(s) order_type'],
    [{time_in_force: 'gtc'}, 422, 42210000, 'order_time_in_force provided not supported for options trading'],
    [{extended_hours: true}, 422, 42210000, 'extended hours is not supported for options trading'],
    [{qty: undefined, notional: '100'}, 422, 42210000, 'notional orders are not supported for options trading'],
    [{qty: '1.5'}, 422, 42210000, 'qty must be integer for options trading'],
    [{qty: '1001'}, 422, 42210000, 'options order qty must be <= 1000'],
    [
      {legs: [leg(C150, 'buy_to_close'), leg(C160, 'sell_to_open')]},
      422,
      42210000,
      'position intent mismatch, inferred: buy_to_open, specified: buy_to_close',
    ],
    [
      no(leg(C150, 'sell_to_open'), leg(P145, 'sell_to_open')),
      403,
      40310000,
      'account not eligible to trade uncovered option contracts',
    ],
    [
      no(leg(C150, 'buy_to_open'), leg(C160, 'sell_to_open', '2')),
      403,
      40310000,
      'account not eligible to trade uncovered option contracts',
    ],
    [
      no(leg(C160, 'buy_to_open'), leg(C160_LATER, 'sell_to_open')),
      403,
      40310000,
      'account not eligible to trade uncovered option contracts',
    ],
    [{qty: '400'}, 403, 40310000, 'insufficient options buying power'],
  ])('%j', (body, status, code, message) => {
    const rig = legsRig()
    const answer = send(rig, body)
    expect([answer.status, answer.body.code, answer.body.message]).toEqual([status, code, message])
    expect([rig.get('/v2/orders?status=all'), rig.get('/v2/positions')]).toEqual([[], []])
  })

  test('below level 3, with trading suspended, after expiry, and under an id that was used', () => {
    const rig = legsRig()
    rig.request('PATCH', '/v2/account/configurations', {max_options_trading_level: 2})
    expect(send(rig)).toMatchObject({status: 403, body: {message: 'account not eligible for level3 options trading'}})
    rig.request('PATCH', '/v2/account/configurations', {max_options_trading_level: 3, suspend_trade: true})
    expect(send(rig).body.message).toBe('new orders are rejected by user request')
    rig.request('PATCH', '/v2/account/configurations', {suspend_trade: false})
    send(rig, {client_order_id: 'once'})
    expect(send(rig, {client_order_id: 'once'})).toMatchObject({
      status: 422,
      body: {code: 40010001, message: 'client_order_id must be unique'},
    })
    rig.advance(newYorkTime(parseDay('2025-06-13'), 15 * 60 + 40))
    expect(send(rig).body.message).toMatch(/expires soon/)
    rig.advance(newYorkTime(parseDay('2025-06-13'), 16 * 60 + 1))
    expect(send(rig, {type: 'limit', limit_price: '1'}).body.message).toBe(`contract "${C150}" is expired`)
  })
})

describe('what spreads lock', () => {
  test('a debit spread locks nothing beyond its price, a credit spread its width less what it brought', () => {
    const rig = legsRig()
    send(rig)
    expect(rig.account()).toMatchObject({options_buying_power: '99680', cash: '99680'})
    const other = legsRig()
    send(other, {legs: [leg(P145, 'sell_to_open'), leg(P140, 'buy_to_open')]})
    // 1.95 − 1.05 = 0.90 received, five dollars between the strikes.
    expect(other.account()).toMatchObject({cash: '100090', options_buying_power: '99590'})
  })

  test('an iron condor locks its wider side once', () => {
    const rig = legsRig()
    const condor = [
      leg(P140, 'buy_to_open'),
      leg(P145, 'sell_to_open'),
      leg(C150, 'sell_to_open'),
      leg(C160, 'buy_to_open'),
    ]
    send(rig, {legs: condor})
    const {cash, options_buying_power: power} = rig.account()
    expect(Number(cash) - Number(power)).toBe(1_000)
  })

  test('the bought call of a spread is not sold before the written one is gone', () => {
    const rig = legsRig()
    send(rig)
    expect(rig.order({symbol: C150, qty: '1', side: 'sell'}).body.message).toBe(
      'account not eligible to trade uncovered option contracts',
    )
    expect(rig.order({symbol: C160, qty: '1', side: 'buy'}).status).toBe(200)
    expect(rig.order({symbol: C150, qty: '1', side: 'sell'}).status).toBe(200)
  })

  test('closing all positions buys back what was written first', () => {
    const rig = legsRig()
    send(rig)
    rig.order({symbol: 'SPY', qty: '1', side: 'buy'})
    const {status, body} = rig.request('DELETE', '/v2/positions')
    expect(status).toBe(207)
    expect(body.map((row: Json) => [row.symbol, row.status])).toEqual([
      [C160, 200],
      [C150, 200],
      ['SPY', 200],
    ])
    expect(rig.get('/v2/positions')).toEqual([])
  })
})

test('cash and positions follow from the fills, whatever is sent', () => {
  const contracts = [C150, C160, C160_LATER, P145, P140]
  const order = fc.record({
    legs: fc.uniqueArray(
      fc.record({
        symbol: fc.constantFrom(...contracts),
        side: fc.constantFrom('buy', 'sell'),
        ratio: fc.integer({min: 1, max: 3}),
      }),
      {minLength: 2, maxLength: 4, selector: ({symbol}) => symbol},
    ),
    qty: fc.integer({min: 1, max: 5}),
    limit: fc.option(fc.integer({min: -800, max: 800})),
  })
  fc.assert(
    fc.property(fc.array(order, {minLength: 1, maxLength: 12}), orders => {
      const rig = legsRig({cash: 20_000})
      for (const {legs, qty, limit} of orders) {
        const now = held(rig)
        send(rig, {
          qty: String(qty),
          ...(limit === null ? {} : {type: 'limit', limit_price: String(limit / 100)}),
          legs: legs.map(({symbol, side, ratio}) => {
            const position = Number(now[symbol] ?? 0)
            const closes = side === 'buy' ? position < 0 : position > 0
            return leg(symbol, `${side}_to_${closes ? 'close' : 'open'}`, String(ratio))
          }),
        })
        // Nothing naked, nothing on credit.
        const account = rig.account()
        expect(Number(account.options_buying_power)).toBeGreaterThanOrEqual(0)
        const calls = Object.entries(held(rig)).reduce(
          (sum, [symbol, n]) => (/C\d{8}$/.test(symbol) ? sum + Number(n) : sum),
          0,
        )
        expect(calls).toBeGreaterThanOrEqual(0)
      }
      const lots: Record<string, number> = {}
      let cash = 20_000_00
      for (const fill of rig.get('/v2/account/activities/FILL?direction=asc')) {
        const signed = (fill.side === 'buy' ? 1 : -1) * Number(fill.qty)
        lots[fill.symbol] = (lots[fill.symbol] ?? 0) + signed
        cash -= Math.round(signed * Number(fill.price) * 100 * 100)
      }
      expect(Math.round(Number(rig.account().cash) * 100)).toBe(cash)
      for (const [symbol, n] of Object.entries(lots)) expect(Number(held(rig)[symbol] ?? 0)).toBe(n)
      // Every order's legs have filled as often as the order has.
      for (const parent of rig.get('/v2/orders?status=all&nested=true&limit=500'))
        for (const child of parent.legs)
          expect(Number(child.filled_qty)).toBe(Number(parent.filled_qty) * Number(child.ratio_qty))
    }),
    {numRuns: 60},
  )
})
