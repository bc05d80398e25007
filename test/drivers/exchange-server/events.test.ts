import {decode, encode} from '@msgpack/msgpack'
import {describe, expect, test} from 'vitest'
import {WebSocket} from 'ws'
import {localRig, until} from '../alpaca/local-rig.ts'

const KEYS = {'APCA-API-KEY-ID': 'local', 'APCA-API-SECRET-KEY': 'local'}
// biome-ignore lint/suspicious/noExplicitAny: messages of the wire are read field by field.
type Json = any

/** A server-sent stream, read as it comes. */
const follow = async (url: string) => {
  const stop = new AbortController()
  const response = await fetch(url, {headers: KEYS, signal: stop.signal})
  const events: Json[] = []
  let text = ''
  const done = (async () => {
    const decoder = new TextDecoder()
    for await (const part of response.body as unknown as AsyncIterable<Uint8Array>) {
      text += decoder.decode(part, {stream: true})
      const blocks = text.split('\n\n')
      text = blocks.pop() as string
      for (const block of blocks) if (block.startsWith('data: ')) events.push(JSON.parse(block.slice(6)))
    }
  })().catch(() => {})
  return {response, events, done, stop: () => stop.abort()}
}
const post = (url: string, body: Json) =>
  fetch(`${url}/v2/orders`, {method: 'POST', headers: KEYS, body: JSON.stringify(body)}).then(r => r.json() as Json)
const MARKET = {symbol: 'AAPL', qty: '1', side: 'buy', type: 'market', time_in_force: 'day'}

describe('server-sent events', () => {
  test('order events as they happen, under ids that sort and can be asked for again', async () => {
    await using rig = await localRig()
    const live = await follow(`${rig.server.url}/v2/events/trades`)
    expect([live.response.status, live.response.headers.get('content-type')]).toEqual([200, 'text/event-stream'])
    const order = await post(rig.server.url, MARKET)
    await until('its events', () => live.events.length === 3)
    expect(live.events.map(({event}) => event)).toEqual(['pending_new', 'new', 'fill'])
    expect(live.events.map(event => event.order.id)).toEqual([order.id, order.id, order.id])
    expect(live.events[2]).toMatchObject({price: '150.01', qty: '1', position_qty: '1', at: expect.any(String)})
    const ids = live.events.map(event => event.event_id)
    expect(ids.toSorted()).toEqual(ids)
    expect(ids.every((id: string) => /^[0-9A-HJKMNP-TV-Z]{26}$/.test(id))).toBe(true)
    live.stop()
    // From an id on, to an id: a stream that ends.
    const part = await follow(`${rig.server.url}/v2/events/trades?since_id=${ids[0]}&until_id=${ids[2]}`)
    await part.done
    expect(part.events).toEqual(live.events.slice(1))
    const all = await follow(`${rig.server.url}/v2/events/trades?since=2025-01-01`)
    await until('the past', () => all.events.length === 3)
    await post(rig.server.url, MARKET)
    await until('the present', () => all.events.length === 6)
    all.stop()
  })

  test('activities too; a range that cannot be read is refused', async () => {
    await using rig = await localRig()
    const live = await follow(`${rig.server.url}/v2beta1/events/activities`)
    await post(rig.server.url, MARKET)
    await until('the fill', () => live.events.length === 1)
    expect(live.events[0]).toMatchObject({activity_type: 'FILL', symbol: 'AAPL', qty: '1'})
    live.stop()
    const refused = async (query: string) =>
      (await fetch(`${rig.server.url}/v2/events/trades?${query}`, {headers: KEYS})).status
    expect(
      await Promise.all(['since=yesterday', 'until=2025-01-01', 'since=2025-01-01&since_id=X'].map(refused)),
    ).toEqual([422, 422, 422])
    expect((await fetch(`${rig.server.url}/v2/events/trades`)).status).toBe(401)
  })
})

const open = async (url: string, headers: Record<string, string> = {}) => {
  const socket = new WebSocket(url, {headers})
  const frames: {data: Buffer; isBinary: boolean}[] = []
  socket.on('message', (data: Buffer, isBinary: boolean) => frames.push({data, isBinary}))
  await new Promise((resolve, reject) => socket.once('open', resolve).once('error', reject))
  return {socket, frames}
}

describe('streams in the other codec, and beside the market', () => {
  test('the trading stream speaks msgpack to who asks for it', async () => {
    await using rig = await localRig()
    const {socket, frames} = await open(`${rig.server.streamUrl}/stream`, {'Content-Type': 'application/msgpack'})
    const seen = () => frames.map(({data}) => decode(data) as Json)
    socket.send(encode({action: 'authenticate', data: {key_id: 'local', secret_key: 'local'}}))
    await until('the login', () => frames.length === 1)
    socket.send(encode({action: 'listen', data: {streams: ['trade_updates', 'nothing']}}))
    await until('the list', () => frames.length === 2)
    await post(rig.server.url, MARKET)
    await until('the fill', () => frames.length === 5)
    expect(seen().map(({stream, data}) => `${stream} ${data.status ?? data.streams ?? data.event}`)).toEqual([
      'authorization authorized',
      'listening trade_updates',
      'trade_updates pending_new',
      'trade_updates new',
      'trade_updates fill',
    ])
    socket.close()
  })

  test('news can be subscribed to', async () => {
    await using rig = await localRig()
    const {socket, frames} = await open(`${rig.server.streamUrl}/v1beta1/news`, KEYS)
    socket.send(JSON.stringify({action: 'subscribe', news: ['*']}))
    await until('the list', () => frames.length === 3)
    expect(JSON.parse(String(frames[2]?.data))).toEqual([{T: 'subscription', news: ['*']}])
    socket.send(JSON.stringify({action: 'subscribe', trades: ['AAPL']}))
    await until('the refusal', () => frames.length === 4)
    expect(JSON.parse(String(frames[3]?.data))).toMatchObject([{T: 'error', code: 410}])
    socket.close()
  })

  test('the test stream ticks for one symbol, at any hour', async () => {
    await using rig = await localRig({startUs: Date.parse('2025-06-01T03:00:00Z') * 1_000})
    const {socket, frames} = await open(`${rig.server.streamUrl}/v2/test`, KEYS)
    socket.send(JSON.stringify({action: 'subscribe', trades: ['FAKEPACA'], quotes: ['*'], bars: ['*']}))
    const seen = () => frames.flatMap(({data}) => JSON.parse(String(data)) as Json[])
    await until('two ticks', () => seen().filter(({T}) => T === 't').length === 2)
    const [trade, , quote] = ['t', 't', 'q'].map(kind => seen().find(({T}) => T === kind))
    expect(trade).toMatchObject({S: 'FAKEPACA', i: 1, p: expect.any(Number), c: ['@'], t: expect.stringMatching(/Z$/)})
    expect(quote.ap - quote.bp).toBeCloseTo(0.02)
    socket.close()
  })
})
