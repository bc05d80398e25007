import {once} from 'node:events'
import http from 'node:http'
import type {AddressInfo} from 'node:net'
import {afterEach, expect, test} from 'vitest'
import {httpKillVenue} from '../../src/core/kill-http.ts'
import {VenueRefused, VenueUnreachable} from '../../src/core/kill-venue.ts'

let server: http.Server | undefined
afterEach(() => {
  server?.closeAllConnections()
  server?.close()
})

/** A broker that answers every request from a table of `METHOD path` to [status, body]. */
const serve = async (table: Record<string, readonly [number, unknown]>) => {
  const seen: string[] = []
  server = http.createServer((request, response) => {
    const key = `${request.method} ${request.url}`
    seen.push(`${key} ${request.headers['apca-api-key-id']}`)
    const answer = table[key]
    if (answer === undefined) return // never answered
    response.writeHead(answer[0], {'content-type': 'application/json'})
    response.end(answer[1] === undefined ? '' : JSON.stringify(answer[1]))
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const baseUrl = `http://127.0.0.1:${(server.address() as AddressInfo).port}`
  return {seen, venue: httpKillVenue({name: 'test', baseUrl, keyId: 'local', secret: 'local', timeoutMs: 200})}
}

test('cancels everything with one request and returns the ids that were accepted for it', async () => {
  const {venue, seen} = await serve({
    'DELETE /v2/orders': [
      207,
      [
        {id: 'a', status: 200},
        {id: 'b', status: 500},
      ],
    ],
  })
  let sent = 0
  expect(await venue.cancelAll(() => sent++)).toEqual(['a'])
  expect(sent).toBe(1)
  expect(seen).toEqual(['DELETE /v2/orders local'])
})

test('reads positions with their sign, and skips what is nothing', async () => {
  const {venue} = await serve({
    'GET /v2/positions': [
      200,
      [
        {symbol: 'AAPL', qty: '10', side: 'long'},
        {symbol: 'KO', qty: '7', side: 'short'},
        {symbol: 'PEP', qty: '-3', side: 'short'},
        {symbol: 'BTCUSD', qty: '0', side: 'long'},
      ],
    ],
  })
  expect(await venue.positions()).toEqual([
    {symbol: 'AAPL', quantity: 10},
    {symbol: 'KO', quantity: -7},
    {symbol: 'PEP', quantity: -3},
  ])
})

test('a slash in a symbol does not become a path, and a position that is gone is not an error', async () => {
  const {venue} = await serve({
    'DELETE /v2/positions/BTC%2FUSD': [200, {id: 'x'}],
    'DELETE /v2/positions/KO': [404, {code: 40410000, message: 'position does not exist'}],
  })
  expect(await venue.closePosition('BTC/USD')).toBe('x')
  expect(await venue.closePosition('KO')).toBeUndefined()
})

test.each([
  {status: 401, error: VenueRefused},
  {status: 503, error: Error},
  {status: 429, error: Error},
])('an answer of $status throws', async ({status, error}) => {
  const {venue} = await serve({'GET /v2/positions': [status, {message: 'no'}]})
  await expect(venue.positions()).rejects.toThrow(error)
})

test('shares held by open orders (403 on a close) are worth another try, not a refusal', async () => {
  const {venue} = await serve({'DELETE /v2/positions/KO': [403, {code: 40310000, message: 'insufficient qty'}]})
  await expect(venue.closePosition('KO')).rejects.not.toThrow(VenueRefused)
})

test('an answer that does not come in time throws', async () => {
  const {venue} = await serve({})
  await expect(venue.openOrders()).rejects.toThrow('did not answer in 200 ms')
})

test('nobody listening is unreachable', async () => {
  const venue = httpKillVenue({
    name: 'nobody',
    baseUrl: 'http://127.0.0.1:1',
    keyId: 'local',
    secret: 'local',
    timeoutMs: 500,
  })
  await expect(venue.cancelAll()).rejects.toThrow(VenueUnreachable)
})
