import {expect, test} from 'vitest'
import {exchangeRig} from './exchange-rig.ts'

test('a watchlist is made, filled, renamed and removed', () => {
  const rig = exchangeRig()
  const {body} = rig.request('POST', '/v2/watchlists', {name: 'mine', symbols: ['AAPL']})
  expect(body).toMatchObject({name: 'mine', account_id: rig.account().id, assets: [{symbol: 'AAPL'}]})
  rig.request('POST', `/v2/watchlists/${body.id}`, {symbol: 'BTC/USD'})
  rig.request('DELETE', `/v2/watchlists/${body.id}/AAPL`)
  rig.request('PUT', `/v2/watchlists/${body.id}`, {name: 'coins'})
  expect(rig.get('/v2/watchlists:by_name?name=coins').assets.map(({symbol}: {symbol: string}) => symbol)).toEqual([
    'BTC/USD',
  ])
  expect(rig.get('/v2/watchlists')).toMatchObject([{id: body.id, name: 'coins'}])
  expect(rig.get('/v2/watchlists')[0]).not.toHaveProperty('assets')
  expect(rig.request('DELETE', `/v2/watchlists/${body.id}`).status).toBe(204)
  expect(rig.get('/v2/watchlists')).toEqual([])
})

test.each([
  ['POST', '/v2/watchlists', {name: 'x'.repeat(65)}, 422, 40010001, 'name must be no more than 64 characters'],
  ['GET', '/v2/watchlists/nope', undefined, 422, 40010001, 'watchlist is required'],
  [
    'GET',
    '/v2/watchlists/00000000-0000-4000-8000-000000000000',
    undefined,
    404,
    40410000,
    'watchlist not found: 00000000-0000-4000-8000-000000000000',
  ],
])('%s %s is refused', (method, path, body, status, code, message) => {
  expect(exchangeRig().request(method, path, body)).toEqual({status, body: {code, message}})
})

test('the screener ranks what is listed', () => {
  const rig = exchangeRig()
  rig.trade('AAPL', 151, 10)
  rig.trade('SPY', 599, 20)
  rig.trade('SPY', 598, 20)
  rig.advance(rig.exchange.nowUs + 60e6)
  const symbols = (rows: {symbol: string}[]) => rows.map(({symbol}) => symbol)
  expect(rig.get('/v1beta1/screener/stocks/most-actives?by=volume').most_actives).toEqual([
    {symbol: 'SPY', volume: 40, trade_count: 2},
    {symbol: 'AAPL', volume: 10, trade_count: 1},
  ])
  const movers = rig.get('/v1beta1/screener/stocks/movers?top=5')
  expect([symbols(movers.gainers), symbols(movers.losers)]).toEqual([['AAPL'], ['SPY']])
  expect(movers.gainers[0]).toEqual({symbol: 'AAPL', percent_change: 0.67, change: 1, price: 151})
})
