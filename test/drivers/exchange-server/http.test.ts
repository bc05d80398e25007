import {expect, test} from 'vitest'
import {startLocalExchange} from '../../../src/drivers/exchange-server/local-exchange.ts'
import {clock, localRig, scheduler} from '../alpaca/local-rig.ts'

const KEYS = {'APCA-API-KEY-ID': 'local', 'APCA-API-SECRET-KEY': 'local'}

test('without keys a page, with wrong keys a line, with Basic or a bearer token the answer', async () => {
  await using rig = await localRig()
  const get = (headers: Record<string, string>, path = '/v2/account') => fetch(`${rig.server.url}${path}`, {headers})
  const page = await get({})
  expect([page.status, page.headers.get('content-type'), (await page.text()).startsWith('<html>')]).toEqual([
    401,
    'text/html',
    true,
  ])
  const wrong = await get({...KEYS, 'APCA-API-SECRET-KEY': 'guess'})
  expect([wrong.status, await wrong.text()]).toEqual([401, '{"message": "unauthorized."}'])
  expect((await get({Authorization: `Basic ${btoa('local:local')}`})).status).toBe(200)
  expect((await get({Authorization: 'Bearer local'})).status).toBe(200)
  expect((await get({}, '/v1beta3/crypto/us/latest/quotes?symbols=BTC%2FUSD')).status).toBe(200)
  expect(
    (await get({...KEYS, 'APCA-API-KEY-ID': 'x'}, '/v1beta3/crypto/us/latest/quotes?symbols=BTC%2FUSD')).status,
  ).toBe(401)
})

test('a body that is not JSON is 400, before anything is looked at', async () => {
  await using rig = await localRig()
  const answer = await fetch(`${rig.server.url}/v2/orders`, {method: 'POST', headers: KEYS, body: '{"symbol":'})
  expect([answer.status, await answer.json()]).toEqual([
    400,
    {code: 40010000, message: 'request body format is invalid'},
  ])
  expect((await fetch(`${rig.server.url}/v2/assets/%E0%A4%A`, {headers: KEYS})).status).toBe(404)
})

test('counts requests a minute, for trading and data apart', async () => {
  await using rig = await localRig({requestsPerMinute: 3})
  const get = (path: string) => fetch(`${rig.server.url}${path}`, {headers: KEYS})
  const first = await get('/v2/clock')
  expect([first.headers.get('x-ratelimit-limit'), first.headers.get('x-ratelimit-remaining')]).toEqual(['3', '2'])
  expect(Number(first.headers.get('x-ratelimit-reset')) * 1_000).toBeGreaterThan(Date.now())
  expect(first.headers.get('x-request-id')).toMatch(/^[0-9a-f]{32}$/)
  await get('/v2/clock')
  await get('/v2/clock')
  const over = await get('/v2/clock')
  expect([over.status, await over.json()]).toEqual([429, {code: 42910000, message: 'rate limit exceeded'}])
  expect((await get('/v2/stocks/quotes/latest?symbols=AAPL')).status).toBe(200)
})

test('a hurried market counts by its own minutes, a slow one by the wall’s', async () => {
  for (const [speed, limit] of [
    [60, '12000'],
    [0.5, '200'],
    [1, '200'],
  ] as const) {
    await using server = await startLocalExchange({seed: 1, clock, scheduler, speed})
    const answer = await fetch(`${server.url}/v2/clock`, {headers: KEYS})
    expect(answer.headers.get('x-ratelimit-limit')).toBe(limit)
  }
})

test('a port that is taken is an error the person can fix', async () => {
  await using rig = await localRig()
  await expect(startLocalExchange({seed: 1, clock, scheduler, port: rig.server.port})).rejects.toMatchObject({
    code: 'PORT_IN_USE',
    exitCode: 2,
  })
})

test('order latency holds commands back, not queries', async () => {
  await using rig = await localRig({orderLatencyUs: () => 100_000})
  const order = {symbol: 'AAPL', qty: 1, side: 'buy', type: 'market', time_in_force: 'day'}
  const answered: string[] = []
  await Promise.all([
    fetch(`${rig.server.url}/v2/orders`, {method: 'POST', headers: KEYS, body: JSON.stringify(order)}).then(() =>
      answered.push('order'),
    ),
    fetch(`${rig.server.url}/v2/clock`, {headers: KEYS}).then(() => answered.push('clock')),
  ])
  expect(answered).toEqual(['clock', 'order'])
})

test('stops at once, though clients hold connections', async () => {
  const rig = await localRig()
  await fetch(`${rig.server.url}/v2/clock`, {headers: KEYS})
  const stream = rig.client.tradingStream()
  stream.connect()
  await stream.waitForAuthentication(5_000)
  await rig.server.stop()
  stream.disconnect()
  await expect(fetch(`${rig.server.url}/v2/clock`, {headers: KEYS})).rejects.toThrow()
})

test('a simulated market has a past: who asks from before its start gets it, with its own bars after', async () => {
  await using server = await startLocalExchange({seed: 1, clock, scheduler})
  const get = async (path: string) =>
    (await fetch(`${server.url}${path}`, {headers: KEYS})).json() as Promise<Record<string, never>>
  const {bars} = (await get('/v2/stocks/bars?symbols=SPY&timeframe=1Day&start=2025-03-01')) as unknown as {
    bars: Record<string, {t: string}[]>
  }
  expect([bars['SPY']?.length, bars['SPY']?.[0]?.t]).toEqual([63, '2025-03-03T05:00:00Z'])
  const today = (await get('/v2/stocks/bars?symbols=SPY&timeframe=1Day')) as unknown as {bars: Record<string, unknown>}
  expect(Object.keys(today.bars).length).toBeLessThanOrEqual(1)
  // In its first minute the market has no day of its own yet.
  expect(await get('/v2/stocks/SPY/snapshot')).toMatchObject({
    dailyBar: {t: '2025-05-30T04:00:00Z'},
    prevDailyBar: {t: '2025-05-29T04:00:00Z'},
  })
})
