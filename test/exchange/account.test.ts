import fc from 'fast-check'
import {describe, expect, test} from 'vitest'
import {equity} from '../../src/domain/instrument.ts'
import {createRng} from '../../src/domain/rng.ts'
import {positionJson} from '../../src/exchange/account-json.ts'
import {listAssets} from '../../src/exchange/assets.ts'
import {
  type Decimal,
  formatDecimal,
  fromUnits,
  parseDecimal,
  quotient,
  times,
  toNumber,
} from '../../src/exchange/decimal.ts'
import {type MarginPosition, marginOf} from '../../src/exchange/margin.ts'
import {exchangeRig, type Json} from './exchange-rig.ts'

const d = (text: string): Decimal => parseDecimal(text) as Decimal

describe('decimals', () => {
  test('quotients carry at most 16 decimals, half up, trimmed (recorded: avg_entry_price of 25536.87 over 7)', () => {
    expect(formatDecimal(quotient(d('25536.87'), d('7')))).toBe('3648.1242857142857143')
    expect(formatDecimal(quotient(d('1'), d('4')))).toBe('0.25')
  })
  test.each([
    ['1e-7', '0.0000001'],
    ['150.10', '150.1'],
    ['-0', '0'],
    ['.5', '0.5'],
    ['1E3', '1000'],
  ])('%s is %s', (text, plain) => expect(formatDecimal(d(text))).toBe(plain))
  test.each(['', '.', 'abc', '1.2.3', '0x10', 'NaN', 'Infinity', '1e-19', null, {}, true])('%j is no amount', text => {
    expect(parseDecimal(text)).toBeUndefined()
  })
  test('what is written is what was read', () => {
    fc.assert(
      fc.property(fc.bigInt({min: -(10n ** 30n), max: 10n ** 30n}), value => {
        expect(parseDecimal(formatDecimal(value))).toBe(value)
      }),
    )
  })
})

/** Accounts and positions that the service recorded, and the values it computed for them. */
describe('numeric oracle', () => {
  const margin = (equity: string, long: string, short: string, multiplier: 1 | 2 | 4 = 4) => {
    const positions: MarginPosition[] = []
    if (long !== '0') positions.push({qty: d('1'), price: d(long), marginable: true})
    if (short !== '0') positions.push({qty: d('-100'), price: quotient(-d(short), d('100')), marginable: true})
    return marginOf({cash: d(equity) - d(long) - d(short), positions, multiplier, reserved: 0n, reservedCash: 0n})
  }
  test('a long account: equity 90466.93, long 4943.14', () => {
    const values = margin('90466.93', '4943.14', '0')
    expect(
      [values.regtBuyingPower, values.initialMargin, values.maintenanceMargin, values.equity].map(v =>
        formatDecimal(v),
      ),
    ).toEqual(['175990.72', '2471.57', '1482.942', '90466.93'])
  })
  test('a short account: equity 103365, short -20299', () => {
    expect(formatDecimal(margin('103365', '0', '-20299').regtBuyingPower)).toBe('186431')
  })
  test('a fresh account', () => {
    const values = margin('100000', '0', '0')
    expect([values.buyingPower, values.regtBuyingPower, values.initialMargin].map(v => formatDecimal(v))).toEqual([
      '400000',
      '200000',
      '0',
    ])
  })
  test('with multiplier 2 buying power is twice the excess, option buying power the excess, coins get the cash', () => {
    const values = margin('50000', '30000', '0', 2)
    expect(formatDecimal(values.buyingPower)).toBe('70000')
    expect(values.buyingPower).toBe(values.regtBuyingPower)
    expect(values.buyingPower).toBe(2n * values.optionsBuyingPower)
    expect(formatDecimal(values.nonMarginableBuyingPower)).toBe('20000')
  })
  test('maintenance of cheap and short shares', () => {
    const of = (qty: string, price: string) =>
      formatDecimal(
        marginOf({
          cash: 0n,
          positions: [{qty: d(qty), price: d(price), marginable: true}],
          multiplier: 4,
          reserved: 0n,
          reservedCash: 0n,
        }).maintenanceMargin,
      )
    expect([
      of('100', '2'),
      of('100', '5'),
      of('100', '10'),
      of('-100', '2'),
      of('-100', '10'),
      of('-100', '100'),
    ]).toEqual(['200', '250', '300', '250', '500', '3000'])
  })

  const [asset] = listAssets([equity('FB')], createRng(1))
  const view = (qty: string, cost: string, current: string, lastDay: string): Json =>
    positionJson(
      {key: 'FB', asset: asset as NonNullable<typeof asset>, qty: d(qty), cost: d(cost), overnightQty: 0n},
      {current: d(current), lastDay: d(lastDay)},
      d(qty),
    )
  test('the recorded short: 100 FB at 198.4, now 199.22', () => {
    expect(view('-100', '-19840', '199.22', '199.22')).toMatchObject({
      qty: '-100',
      side: 'short',
      avg_entry_price: '198.4',
      cost_basis: '-19840',
      market_value: '-19922',
      unrealized_pl: '-82',
      unrealized_plpc: '-0.004133064516129',
    })
  })
  test('an average that does not end', () => {
    expect(view('7', '25536.87', '3637.9', '3648.13')).toMatchObject({
      avg_entry_price: '3648.1242857142857143',
      cost_basis: '25536.87',
      market_value: '25465.3',
      unrealized_pl: '-71.57',
      unrealized_plpc: '-0.0028026144159406',
      change_today: '-0.0028041763862582',
    })
  })
})

describe('positions and money', () => {
  test('a short brings cash in and is closed by a buy of no more than is short', () => {
    const rig = exchangeRig()
    expect(rig.order({symbol: 'AAPL', qty: 10, side: 'sell'}).status).toBe(200)
    expect(rig.get('/v2/positions/AAPL')).toMatchObject({qty: '-10', side: 'short', cost_basis: '-1499.9'})
    expect(rig.account()).toMatchObject({cash: '101499.9', short_market_value: '-1500'})
    expect(rig.order({symbol: 'AAPL', qty: 11, side: 'buy'}).status).toBe(403)
    rig.request('DELETE', '/v2/positions/AAPL')
    expect(rig.get('/v2/positions')).toEqual([])
    expect(rig.account()).toMatchObject({cash: '99999.8', equity: '99999.8'})
  })

  test('a coin buy loses the taker fee in coin, a sale in dollars; orders keep the slash, positions do not', () => {
    const rig = exchangeRig()
    const {body} = rig.order({symbol: 'BTC/USD', qty: '0.1', side: 'buy', time_in_force: 'gtc'})
    expect(rig.get(`/v2/orders/${body.id}`)).toMatchObject({filled_qty: '0.1', symbol: 'BTC/USD'})
    expect(rig.updates.at(-1)).toMatchObject({position_qty: '0.09975'})
    for (const path of ['BTCUSD', 'BTC%2FUSD'])
      expect(rig.get(`/v2/positions/${path}`)).toMatchObject({
        symbol: 'BTCUSD',
        qty: '0.09975',
        avg_entry_price: '100010',
      })
    rig.request('DELETE', '/v2/positions/BTCUSD')
    expect(rig.get('/v2/positions')).toEqual([])
    expect(rig.account().cash).toBe(
      formatDecimal(d('100000') - d('10001') + times(d('0.09975'), d('99990')) - d('24.935007')),
    )
  })

  test('ETH/BTC is paid for in bitcoin and held as ETHUSD', () => {
    const rig = exchangeRig()
    rig.order({symbol: 'BTC/USD', qty: '0.4', side: 'buy', time_in_force: 'gtc'})
    rig.trade('BTC/USD', 100_000, 0.1)
    expect(rig.order({symbol: 'ETH/BTC', qty: '2', side: 'buy', time_in_force: 'gtc'}).status).toBe(200)
    expect(rig.get('/v2/positions/ETHUSD')).toMatchObject({qty: '1.995', avg_entry_price: '4001'})
    expect(rig.get('/v2/positions/BTCUSD').qty).toBe(formatDecimal(d('0.399') - d('0.08002')))
  })

  test('a coin that is listed against a pegged dollar only is worth that, as money of a cross pair too', () => {
    const rig = exchangeRig({symbols: ['BTC/USDT', 'ETH/USDC', 'ETH/BTC']})
    rig.quote('BTC/USDT', 99_990, 100_010, 5)
    rig.quote('ETH/USDC', 3_999, 4_001, 50)
    rig.quote('ETH/BTC', 0.03999, 0.04001, 50)
    expect(rig.order({symbol: 'BTC/USDT', qty: '0.1', side: 'buy', time_in_force: 'gtc'}).status).toBe(200)
    expect(rig.order({symbol: 'ETH/BTC', qty: '1', side: 'buy', time_in_force: 'gtc'}).status).toBe(200)
    const held = rig.get('/v2/positions') as unknown as {symbol: string; market_value: string}[]
    expect(held.map(({symbol}) => symbol)).toEqual(['BTCUSDT', 'ETHUSDC'])
    // 0.09975 less 0.04001 bitcoin, and 0.9975 ether: fees are taken in coin.
    expect(Number(held[0]?.market_value)).toBeCloseTo(0.05974 * 100_000, 6)
    expect(Number(held[1]?.market_value)).toBeCloseTo(0.9975 * 4_000, 6)
  })

  test('closing a part: shares stay whole when the position is', () => {
    const rig = exchangeRig()
    rig.order({symbol: 'AAPL', qty: 5, side: 'buy'})
    expect(rig.request('DELETE', '/v2/positions/AAPL?percentage=50').body.qty).toBe('2')
    expect(rig.request('DELETE', '/v2/positions/AAPL?qty=1').body).toMatchObject({
      qty: '1',
      side: 'sell',
      type: 'market',
    })
    expect(rig.get('/v2/positions/AAPL').qty).toBe('2')
  })

  test('closing everything lists cancelled orders under their ids', () => {
    const rig = exchangeRig()
    rig.order({symbol: 'AAPL', qty: 5, side: 'buy'})
    const open = rig.order({symbol: 'AAPL', qty: 5, side: 'sell', type: 'limit', limit_price: 200}).body.id
    expect(rig.request('DELETE', '/v2/positions').body).toMatchObject([
      {symbol: 'AAPL', status: 403, body: {code: 40310000}},
    ])
    const {status, body} = rig.request('DELETE', '/v2/positions?cancel_orders=true')
    expect(status).toBe(207)
    expect(body).toMatchObject([
      {symbol: open, status: 200, body: {status: 'canceled'}},
      {symbol: 'AAPL', status: 200, body: {side: 'sell', qty: '5'}},
    ])
    expect(rig.get('/v2/positions')).toEqual([])
  })

  test('activities list fills newest first, in pages', () => {
    const rig = exchangeRig()
    for (let i = 0; i < 5; i++) rig.order({symbol: 'AAPL', qty: 1, side: 'buy'})
    const first = rig.get('/v2/account/activities/FILL?page_size=3')
    const second = rig.get(`/v2/account/activities?activity_types=FILL&page_size=3&page_token=${first[2].id}`)
    expect(first).toHaveLength(3)
    expect(second).toHaveLength(2)
    expect(first[0]).toMatchObject({
      activity_type: 'FILL',
      type: 'fill',
      price: '150.01',
      qty: '1',
      leaves_qty: '0',
      cum_qty: '1',
      order_status: 'filled',
    })
    expect(first[0].id).toMatch(/^20250602100000\d{3}::[0-9a-f-]{36}$/)
  })

  test('portfolio history is numbers only, measured from the close before', () => {
    const rig = exchangeRig()
    rig.order({symbol: 'AAPL', qty: 100, side: 'buy'})
    rig.trade('AAPL', 151)
    rig.advance(rig.exchange.nowUs + 180e6)
    const history = rig.get('/v2/account/portfolio/history?period=1D&timeframe=1Min')
    expect(history).toMatchObject({base_value: 100_000, timeframe: '1Min'})
    expect(history.equity.at(-1)).toBe(100_099)
    expect(history.profit_loss).toEqual(history.equity.map((v: number) => v - 100_000))
  })
})

describe('whatever is traded', () => {
  const action = fc.oneof(
    fc.record({
      kind: fc.constant('order' as const),
      symbol: fc.constantFrom('AAPL', 'SPY', 'BTC/USD', 'ETH/USD', 'ETH/BTC'),
      side: fc.constantFrom('buy', 'sell'),
      size: fc.integer({min: 1, max: 40}),
      type: fc.constantFrom('market', 'limit'),
      offset: fc.integer({min: -30, max: 30}),
    }),
    fc.record({
      kind: fc.constant('quote' as const),
      symbol: fc.constantFrom('AAPL', 'SPY', 'BTC/USD', 'ETH/USD', 'ETH/BTC'),
      move: fc.integer({min: -50, max: 50}),
    }),
    fc.record({kind: fc.constant('cancel' as const)}),
    fc.record({kind: fc.constant('close' as const)}),
  )
  const base: Record<string, number> = {AAPL: 150, SPY: 600, 'BTC/USD': 100_000, 'ETH/USD': 4_000, 'ETH/BTC': 0.04}
  const tick: Record<string, number> = {AAPL: 0.01, SPY: 0.01, 'BTC/USD': 1, 'ETH/USD': 0.1, 'ETH/BTC': 0.00001}

  test('fills add up to filled_qty, equity is cash plus holdings, cash moves by fills and fees alone', () => {
    fc.assert(
      fc.property(fc.array(action, {maxLength: 40}), fc.constantFrom(0, 0.5), (actions, partialFillProbability) => {
        const rig = exchangeRig({partialFillProbability})
        for (const step of actions) {
          if (step.kind === 'quote') {
            const mid = (base[step.symbol] as number) + step.move * (tick[step.symbol] as number)
            rig.quote(step.symbol, mid - (tick[step.symbol] as number), mid + (tick[step.symbol] as number), 100)
          } else if (step.kind === 'cancel') rig.request('DELETE', '/v2/orders')
          else if (step.kind === 'close') rig.request('DELETE', '/v2/positions?cancel_orders=true')
          else {
            const coin = step.symbol.includes('/')
            const price =
              Math.round(((base[step.symbol] as number) + step.offset * (tick[step.symbol] as number)) * 1e5) / 1e5
            rig.order({
              symbol: step.symbol,
              side: step.side,
              qty: coin ? step.size / 100 : step.size,
              type: step.type,
              time_in_force: coin ? 'gtc' : 'day',
              ...(step.type === 'limit' ? {limit_price: price} : {}),
            })
          }
        }
        const filled = new Map<string, bigint>()
        for (const {event, order, qty} of rig.updates)
          if (event === 'fill' || event === 'partial_fill')
            filled.set(String(order['id']), (filled.get(String(order['id'])) ?? 0n) + d(String(qty)))
        for (const order of rig.get('/v2/orders?status=all&limit=500'))
          expect(formatDecimal(filled.get(order.id) ?? 0n)).toBe(order.filled_qty)
        const account = rig.account()
        const holdings = rig.get('/v2/positions')
        const value = holdings.reduce((sum: bigint, p: Json) => sum + d(p.market_value), 0n)
        expect(d(account.equity)).toBe(d(account.cash) + value)
        expect(d(account.equity)).toBe(d(account.cash) + d(account.long_market_value) + d(account.short_market_value))
        for (const position of holdings) {
          expect(toNumber(d(position.unrealized_pl))).toBeCloseTo(
            toNumber(d(position.market_value) - d(position.cost_basis)),
            9,
          )
          if (position.asset_class === 'crypto') expect(d(position.qty)).toBeGreaterThan(0n)
        }
        expect(rig.exchange.desk.open().every(order => fromUnits(0, 0) <= order.filledQty)).toBe(true)
      }),
      {numRuns: 60},
    )
  })
})
