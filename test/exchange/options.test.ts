import {describe, expect, test} from 'vitest'
import {newYorkTime, parseDay} from '../../src/exchange/sessions.ts'
import {exchangeRig} from './exchange-rig.ts'

const CALL = 'AAPL250613C00150000'
const PUT = 'AAPL250613P00145000'
const LATER = 'AAPL250718C00160000'
const SYMBOLS = ['AAPL', 'SPY', CALL, PUT, LATER]

/** Two weeks before the first expiry, with both sides of every contract quoted. */
const optionRig = (options: Parameters<typeof exchangeRig>[0] = {}) => {
  const rig = exchangeRig({symbols: SYMBOLS, ...options})
  rig.quote(CALL, 4.9, 5.1, 20)
  rig.quote(PUT, 1.95, 2.05, 20)
  rig.quote(LATER, 3.4, 3.6, 20)
  return rig
}
const order = (rig: ReturnType<typeof optionRig>, body: Record<string, unknown>) =>
  rig.order({qty: '1', side: 'buy', symbol: CALL, ...body})

describe('option orders', () => {
  test('a contract costs a hundred times its price, and its position is counted in contracts', () => {
    const rig = optionRig()
    const {status, body} = order(rig, {qty: '2', position_intent: 'buy_to_open'})
    expect([status, body.asset_class, body.order_class, body.position_intent]).toEqual([
      200,
      'us_option',
      'simple',
      'buy_to_open',
    ])
    expect(rig.account()).toMatchObject({cash: '98980', equity: '99980', long_market_value: '1000'})
    expect(rig.get(`/v2/positions/${CALL}`)).toMatchObject({
      symbol: CALL,
      asset_class: 'us_option',
      exchange: '',
      qty: '2',
      avg_entry_price: '5.1',
      current_price: '5',
      cost_basis: '1020',
      market_value: '1000',
      unrealized_pl: '-20',
    })
    expect(rig.get(`/v2/orders/${body.id}`)).toMatchObject({status: 'filled', filled_avg_price: '5.1', filled_qty: '2'})
    expect(order(rig, {side: 'sell', qty: '2'}).body.position_intent).toBe('sell_to_close')
    expect(rig.account().cash).toBe('99960')
    expect(rig.get('/v2/positions')).toEqual([])
  })

  test.each([
    [{qty: '1.5'}, 422, 'qty must be integer for options trading'],
    [{qty: undefined, notional: '100'}, 422, 'notional orders are not supported for options trading'],
    [
      {type: 'limit', limit_price: '5', extended_hours: true},
      422,
      'extended hours is not supported for options trading',
    ],
    [{time_in_force: 'ioc'}, 422, 'order_time_in_force provided not supported for options trading'],
    [{type: 'trailing_stop', trail_price: '1'}, 422, 'invalid option(s) order_type'],
    [
      {type: 'limit', limit_price: '5', order_class: 'oto', stop_loss: {stop_price: '4'}},
      422,
      'complex orders not supported for options trading',
    ],
    [
      {position_intent: 'buy_to_close'},
      422,
      'position intent mismatch, inferred: buy_to_open, specified: buy_to_close',
    ],
    [{position_intent: 'sideways'}, 422, 'invalid position_intent'],
    [{qty: '300'}, 403, 'insufficient options buying power'],
    [{side: 'sell'}, 403, 'insufficient underlying qty available for covered call (required: 100, available: 0)'],
    [
      {symbol: PUT, side: 'sell', qty: '7'},
      403,
      'insufficient options buying power for cash-secured put (required: 101500, available: 100000)',
    ],
  ])('%j is refused as the service does', (body, status, message) => {
    const answer = order(optionRig(), body as Record<string, unknown>)
    expect([answer.status, answer.body.message]).toEqual([status, message])
  })

  test('a written call locks its shares, a written put its cash', () => {
    const rig = optionRig()
    rig.order({symbol: 'AAPL', qty: '150', side: 'buy'})
    expect(order(rig, {side: 'sell'}).body.position_intent).toBe('sell_to_open')
    expect(rig.get('/v2/positions/AAPL').qty_available).toBe('50')
    expect(rig.order({symbol: 'AAPL', qty: '100', side: 'sell'}).status).toBe(403)
    expect(order(rig, {side: 'sell', symbol: LATER}).status).toBe(403)
    const before = Number(rig.account().options_buying_power)
    expect(order(rig, {side: 'sell', symbol: PUT}).status).toBe(200)
    expect(before - Number(rig.account().options_buying_power)).toBeGreaterThan(14_000)
    // Bought back, both are free again.
    order(rig, {side: 'buy', position_intent: 'buy_to_close'})
    expect(rig.get('/v2/positions/AAPL').qty_available).toBe('150')
  })

  test('levels: nothing is written at 0, nothing bought at 1', () => {
    const rig = optionRig()
    rig.request('PATCH', '/v2/account/configurations', {max_options_trading_level: 1})
    expect(order(rig, {}).body.message).toBe('account not eligible for level2 options trading')
    expect(order(rig, {side: 'sell', symbol: PUT}).status).toBe(200)
  })
})

describe('expiry and exercise', () => {
  const lastDay = parseDay('2025-06-13')
  const close = newYorkTime(lastDay, 960)

  test('at the close a long call in the money buys its shares, one out of it is gone', () => {
    const rig = optionRig()
    order(rig, {})
    order(rig, {symbol: PUT})
    rig.advance(newYorkTime(lastDay, 931))
    expect(order(rig, {}).body.message).toBe(`contract "${CALL}" expires soon, unable to open new positions`)
    rig.quote('AAPL', 155.99, 156.01)
    const cash = Number(rig.account().cash)
    rig.advance(close)
    expect(rig.get('/v2/positions')).toMatchObject([{symbol: 'AAPL', qty: '100', avg_entry_price: '150'}])
    expect(Number(rig.account().cash)).toBe(cash - 15_000)
    const lines = rig.get('/v2/account/activities?activity_types=OPEXC,OPTRD,OPEXP') as unknown as Record<
      string,
      string
    >[]
    expect(lines.map(line => `${line['activity_type']} ${line['symbol']} ${line['qty']}`).sort()).toEqual([
      `OPEXC ${CALL} -1`,
      `OPEXP ${PUT} -1`,
      'OPTRD AAPL 100',
    ])
    expect(order(rig, {}).body.message).toBe(`contract "${CALL}" is expired`)
  })

  test('a written put in the money is assigned, one that its holder will not use lapses', () => {
    const rig = optionRig()
    order(rig, {symbol: PUT, side: 'sell'})
    order(rig, {})
    expect(rig.request('POST', `/v2/positions/${CALL}/do-not-exercise`).status).toBe(422)
    rig.advance(newYorkTime(lastDay, 900))
    rig.quote('AAPL', 139.99, 140.01)
    rig.advance(close)
    expect(rig.get('/v2/positions')).toMatchObject([{symbol: 'AAPL', qty: '100', avg_entry_price: '145'}])
    const other = optionRig()
    order(other, {})
    other.advance(newYorkTime(lastDay, 900))
    other.quote('AAPL', 159.99, 160.01)
    expect(other.request('POST', `/v2/positions/${CALL}/do-not-exercise`).status).toBe(200)
    other.advance(close)
    expect(other.get('/v2/positions')).toEqual([])
  })

  test('a contract out of the money is not exercised', () => {
    const rig = optionRig()
    order(rig, {symbol: PUT})
    expect(rig.request('POST', `/v2/positions/${PUT}/exercise`)).toMatchObject({
      status: 403,
      body: {code: 40310000, message: 'option contract is out of the money'},
    })
  })

  test('exercise is at once; a written contract has none', () => {
    const rig = optionRig()
    order(rig, {})
    expect(rig.request('POST', `/v2/positions/${CALL}/exercise`)).toMatchObject({status: 200})
    expect(rig.get('/v2/positions')).toMatchObject([{symbol: 'AAPL', qty: '100'}])
    order(rig, {side: 'sell'})
    expect(rig.request('POST', `/v2/positions/${CALL}/exercise`).body.code).toBe(40310001)
    expect(rig.request('POST', `/v2/positions/${PUT}/exercise`).body).toMatchObject({
      code: 40410000,
      message: `long position not found: ${PUT}`,
    })
  })
})

describe('contracts and option data', () => {
  test('contracts are found by underlying, expiry, strike and type, page by page', () => {
    const rig = optionRig()
    const list = (query: string) => rig.get(`/v2/options/contracts?${query}`)
    expect(list('underlying_symbols=AAPL').option_contracts).toEqual([])
    const page = list('underlying_symbols=AAPL,SPY&expiration_date_gte=2025-06-01&limit=2')
    expect(page.option_contracts.map((contract: {symbol: string}) => contract.symbol)).toEqual([CALL, PUT])
    const rest = list(
      `underlying_symbols=AAPL&expiration_date_gte=2025-06-01&limit=2&page_token=${page.next_page_token}`,
    )
    expect([rest.option_contracts[0].symbol, rest.next_page_token]).toEqual([LATER, null])
    expect(list('type=put&strike_price_lte=145&expiration_date_lte=2025-12-31').option_contracts).toHaveLength(1)
    expect(rig.get(`/v2/options/contracts/${CALL}`)).toMatchObject({
      symbol: CALL,
      name: 'AAPL Jun 13 2025 150 Call',
      status: 'active',
      tradable: true,
      expiration_date: '2025-06-13',
      type: 'call',
      style: 'american',
      strike_price: '150',
      multiplier: '100',
      size: '100',
    })
    expect(rig.request('GET', '/v2/options/contracts/AAPL').status).toBe(404)
    // Contracts are no assets unless they are asked for.
    expect((rig.get('/v2/assets') as unknown as unknown[]).length).toBe(2)
  })

  test('chains carry quotes, implied volatility and greeks that agree with them', () => {
    const rig = optionRig()
    const {snapshots, next_page_token} = rig.get('/v1beta1/options/snapshots/AAPL?type=call')
    expect([Object.keys(snapshots), next_page_token]).toEqual([[CALL, LATER], null])
    const {latestQuote, impliedVolatility, greeks} = snapshots[CALL]
    expect(latestQuote).toMatchObject({bx: 'C', bp: 4.9, bs: 20, ax: 'C', ap: 5.1, as: 20, c: ' '})
    expect(impliedVolatility).toBeGreaterThan(0.3)
    expect(greeks.delta).toBeGreaterThan(0.45)
    expect(greeks.delta).toBeLessThan(0.6)
    expect(greeks.theta).toBeLessThan(0)
    expect(rig.get(`/v1beta1/options/quotes/latest?symbols=${PUT},NOPE`).quotes[PUT].ap).toBe(2.05)
    expect(rig.get(`/v1beta1/options/trades/latest?symbols=${PUT}`)).toEqual({trades: {}})
    expect(rig.request('GET', '/v1beta1/options/snapshots?symbols=').status).toBe(400)
  })
})
