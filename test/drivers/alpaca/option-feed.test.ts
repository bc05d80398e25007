import {expect, test} from 'vitest'
import {EventKind} from '../../../src/data/tape.ts'
import {InstrumentTable} from '../../../src/domain/instrument.ts'
import {createAlpacaFeed} from '../../../src/drivers/alpaca/alpaca-feed.ts'
import {createAlpacaClient} from '../../../src/drivers/alpaca/client.ts'
import {startLocalExchange} from '../../../src/drivers/exchange-server/local-exchange.ts'
import {clock, scheduler, until} from './local-rig.ts'

const start = async () => {
  const server = await startLocalExchange({seed: 1, speed: 60, clock, scheduler, optionsOn: ['SPY']})
  const client = await createAlpacaClient({
    kind: 'local',
    url: server.url,
    streamUrl: server.streamUrl,
    keyId: 'local',
    secret: 'local',
  })
  const contracts = server.exchange.instruments.all().filter(({kind}) => kind === 'option')
  return {server, client, contracts}
}

test('chains come through the official SDK as option rows, with the open interest of their contracts', async () => {
  const {server, client, contracts} = await start()
  await using _ = server
  const instruments = InstrumentTable.of(['SPY', ...contracts.slice(0, 20).map(({symbol}) => symbol)])
  await using feed = await createAlpacaFeed({client, instruments, clock, scheduler})
  const seen = new Map<number, number[]>()
  for await (const chunk of feed.chunks()) {
    for (let row = 0; row < chunk.count; row++)
      if (chunk.kind[row] === EventKind.option)
        seen.set(
          chunk.instrument[row] as number,
          [chunk.v0, chunk.v1, chunk.v2, chunk.v3, chunk.v5].map(v => v[row] ?? 0),
        )
    if (seen.size >= 15) break
  }
  for (const [i, [bid = 0, ask = 0, , askLots, openInterest]] of seen) {
    expect(instruments.at(i).kind).toBe('option')
    expect(ask).toBeGreaterThan(bid)
    expect(askLots).toBeGreaterThan(0)
    expect(openInterest).toBeGreaterThan(0)
  }
})

test('contracts, chain and an order by the SDK’s own calls', async () => {
  const {server, client, contracts} = await start()
  await using _ = server
  const {trading} = client.alpaca
  const listed = await trading.assets.getOptionsContracts({
    underlyingSymbols: ['SPY'] as never,
    expirationDateGte: new Date('2025-06-01'),
    limit: 1_000,
  })
  expect(listed.optionContracts).toHaveLength(contracts.length)
  const nearest = contracts.find(({option}) => option?.right === 'call')?.symbol as string
  const i = server.exchange.instruments.indexOf(nearest) as number
  await until('its quote', () => server.exchange.store.lastQuote(i) !== undefined)
  const order = await trading.orders.postOrder({
    postOrderRequest: {symbol: nearest, qty: '1', side: 'buy', type: 'market', timeInForce: 'day'} as never,
  })
  expect([order.assetClass, order.positionIntent]).toEqual(['us_option', 'buy_to_open'])
  await until('its fill', () => server.statistics().fills === 1)
  const [position] = await trading.positions.getAllOpenPositions()
  expect(position).toMatchObject({symbol: nearest, assetClass: 'us_option', qty: '1'})
})
