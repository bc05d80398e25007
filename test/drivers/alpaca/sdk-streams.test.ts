import {decode, encode} from '@msgpack/msgpack'
import {describe, expect, test} from 'vitest'
import {WebSocket} from 'ws'
import {localRig, until} from './local-rig.ts'

// biome-ignore lint/suspicious/noExplicitAny: frames are read field by field.
type Frame = any

/** A bare client, to see the frames themselves. */
const socket = async (url: string, headers: Record<string, string> = {}) => {
  const frames: Frame[] = []
  const binary: boolean[] = []
  const ws = new WebSocket(url, {headers})
  const state = {closed: false}
  ws.on('message', (data: Buffer, isBinary) => {
    binary.push(isBinary)
    frames.push(headers['Content-Type'] === 'application/msgpack' ? decode(data) : JSON.parse(data.toString()))
  })
  ws.on('close', () => {
    state.closed = true
  })
  await new Promise((resolve, reject) => {
    ws.on('open', resolve)
    ws.on('error', reject)
  })
  return {
    ws,
    frames,
    binary,
    state,
    say: (message: unknown) => ws.send(typeof message === 'string' ? message : JSON.stringify(message)),
    next: (count: number) => until(`frame ${count}`, () => frames.length >= count && frames[count - 1]),
  }
}

describe('the trading stream', () => {
  test('the SDK hears pending_new, new and fill in order, in binary frames', async () => {
    await using rig = await localRig()
    const stream = rig.client.tradingStream()
    const heard: string[] = []
    stream.onTradeUpdate(update =>
      heard.push(`${update.event} ${update.order.filledQty} ${update.positionQty ?? ''}`.trim()),
    )
    stream.subscribeTradeUpdates()
    stream.connect()
    expect((await stream.waitForAuthenticationResult(5_000)).authenticated).toBe(true)
    const order = await rig.alpaca.trading.submitAndWait(
      {symbol: 'AAPL', qty: 3, side: 'buy', type: 'market', timeInForce: 'day'},
      {stream},
    )
    expect(order).toMatchObject({status: 'filled', filledQty: '3', filledAvgPrice: '150.01'})
    expect(heard).toEqual(['pending_new 0', 'new 0', 'fill 3 3'])
    stream.disconnect()
  })

  test('listen replaces the list and is always acknowledged; before login it is refused', async () => {
    await using rig = await localRig()
    const client = await socket(`${rig.server.streamUrl}/stream`)
    client.say({action: 'listen', data: {streams: ['trade_updates']}})
    expect(await client.next(1)).toEqual({stream: 'authorization', data: {status: 'unauthorized', action: 'listen'}})
    client.say({action: 'auth', key: 'local', secret: 'local'})
    expect(await client.next(2)).toEqual({
      stream: 'authorization',
      data: {status: 'authorized', action: 'authenticate'},
    })
    client.say({action: 'listen', data: {streams: ['trade_updates', 'account_updates']}})
    expect(await client.next(3)).toEqual({stream: 'listening', data: {streams: ['trade_updates']}})
    client.say({action: 'listen', data: {streams: []}})
    expect(await client.next(4)).toEqual({stream: 'listening', data: {streams: []}})
    client.say('{nonsense')
    expect((await client.next(5)).action).toBe('error')
    expect(client.binary).toEqual([true, true, true, true, true])
    client.ws.close()
  })

  test('wrong keys end the SDK stream for good', async () => {
    await using rig = await localRig()
    const {createAlpacaClient} = await import('../../../src/drivers/alpaca/client.ts')
    const wrong = await createAlpacaClient({
      kind: 'local',
      url: rig.server.url,
      streamUrl: rig.server.streamUrl,
      keyId: 'local',
      secret: 'guess',
    })
    const stream = wrong.tradingStream()
    stream.on('error', () => undefined)
    stream.connect()
    expect(await stream.waitForAuthenticationResult(5_000)).toMatchObject({
      authenticated: false,
      status: 'server_rejected',
    })
    await expect(wrong.alpaca.trading.account.getAccount()).rejects.toMatchObject({name: 'AuthError', status: 401})
  })
})

describe('the market-data streams', () => {
  test('the SDK gets stock quotes and trades with microseconds', async () => {
    await using rig = await localRig()
    const stream = rig.client.stockStream()
    const quotes: Frame[] = []
    const trades: Frame[] = []
    let acknowledged: Frame
    stream.onQuote(quote => quotes.push(quote))
    stream.onTrade(trade => trades.push(trade))
    stream.on('subscription', (state: Frame) => {
      acknowledged = state
    })
    stream.subscribeForQuotes(['AAPL'])
    stream.subscribeForTrades(['*'])
    stream.connect()
    await until('the acknowledgement', () => acknowledged)
    expect(acknowledged).toMatchObject({quotes: ['AAPL'], trades: ['*'], bars: []})
    rig.market.quote('AAPL', 150.1, 150.12, 300)
    rig.market.quote('SPY', 1, 2)
    rig.market.trade('SPY', 600.01, 7)
    rig.market.trade('BTC/USD', 100_000, 1)
    const trade = await until('a trade', () => trades[0])
    expect(quotes).toHaveLength(1)
    expect(quotes[0]).toMatchObject({
      symbol: 'AAPL',
      bidPrice: 150.1,
      askPrice: 150.12,
      bidSize: 300,
      bidExchange: 'Q',
      tape: 'C',
    })
    expect(quotes[0].timestampRaw).toMatch(/^2025-06-02T13:30:\d\d\.\d{9}Z$/)
    expect(trade).toMatchObject({symbol: 'SPY', price: 600.01, size: 7, id: 1, idRaw: '1', exchange: 'P'})
    expect(trades).toHaveLength(1)
    stream.disconnect()
  })

  test('a halt and its end are told as trading statuses', async () => {
    await using rig = await localRig()
    const stream = rig.client.stockStream()
    const statuses: string[] = []
    let ready = false
    stream.on('subscription', () => {
      ready = true
    })
    stream.onStatus(status => statuses.push(`${status.symbol} ${status.statusCode}`))
    stream.subscribeForStatuses(['AAPL'])
    stream.connect()
    await until('the acknowledgement', () => ready)
    rig.market.quote('AAPL', 0, 0, 0)
    rig.market.quote('AAPL', 0, 0, 0)
    rig.market.quote('AAPL', 140, 140.05)
    await until('both statuses', () => statuses.length === 2)
    expect(statuses).toEqual(['AAPL H', 'AAPL T'])
    stream.disconnect()
  })

  test('the SDK gets coins: a full book first, then what changed', async () => {
    await using rig = await localRig()
    const stream = rig.client.cryptoStream()
    const books: Frame[] = []
    const trades: Frame[] = []
    stream.onOrderbook(book => books.push(book))
    stream.onTrade(trade => trades.push(trade))
    stream.subscribeForOrderbooks(['BTC/USD'])
    stream.subscribeForTrades(['BTC/USD'])
    stream.connect()
    const first = await until('the full book', () => books[0])
    expect(first).toMatchObject({symbol: 'BTC/USD', reset: true, bids: [], asks: []})
    rig.market.quote('BTC/USD', 99_991, 100_010, 3)
    rig.market.trade('BTC/USD', 100_010, 0.25)
    expect(await until('a trade', () => trades[0])).toMatchObject({price: 100_010, size: 0.25, takerSide: 'B'})
    expect(books[1]).toMatchObject({reset: false, bids: [{price: 99_991, size: 3}]})
    stream.disconnect()
  })

  test('acknowledgements are the whole state, JSON without the msgpack header', async () => {
    await using rig = await localRig()
    const client = await socket(`${rig.server.streamUrl}/v2/iex`)
    expect(await client.next(1)).toEqual([{T: 'success', msg: 'connected'}])
    client.say({action: 'subscribe', trades: ['AAPL']})
    expect(await client.next(2)).toEqual([{T: 'error', code: 401, msg: 'not authenticated'}])
    client.say({action: 'auth', key: 'local', secret: 'local'})
    expect(await client.next(3)).toEqual([{T: 'success', msg: 'authenticated'}])
    client.say({action: 'auth', key: 'local', secret: 'local'})
    expect(await client.next(4)).toEqual([{T: 'error', code: 403, msg: 'already authenticated'}])
    client.say({action: 'subscribe', trades: ['AAPL'], something: 'else'})
    await client.next(5)
    client.say({action: 'subscribe', quotes: ['SPY']})
    expect(await client.next(6)).toEqual([
      {
        T: 'subscription',
        trades: ['AAPL'],
        quotes: ['SPY'],
        bars: [],
        updatedBars: [],
        dailyBars: [],
        statuses: [],
        lulds: [],
        imbalances: [],
        corrections: ['AAPL'],
        cancelErrors: ['AAPL'],
      },
    ])
    client.say({action: 'subscribe', orderbooks: ['SPY']})
    expect(await client.next(7)).toEqual([{T: 'error', code: 410, msg: 'invalid subscribe action for this feed'}])
    client.say('{nonsense')
    expect(await client.next(8)).toEqual([{T: 'error', code: 400, msg: 'invalid syntax'}])
    rig.market.quote('SPY', 600, 600.02, 100)
    expect((await client.next(9))[0]).toMatchObject({T: 'q', S: 'SPY', bp: 600, bs: 100, ap: 600.02, c: ['R'], z: 'B'})
    client.say({action: 'unsubscribe', quotes: ['SPY'], trades: ['AAPL']})
    expect((await client.next(10))[0]).toMatchObject({trades: [], quotes: []})
    client.ws.close()
  })

  test('msgpack carries times as the timestamp extension and a large subscription in fragments', async () => {
    await using rig = await localRig()
    const client = await socket(`${rig.server.streamUrl}/v2/sip`, {'Content-Type': 'application/msgpack'})
    client.ws.send(encode({action: 'auth', key: 'local', secret: 'local'}))
    await client.next(2)
    const many = encode({action: 'subscribe', quotes: ['AAPL', ...Array.from({length: 9_000}, (_, i) => `SYM${i}`)]})
    for (let from = 0; from < many.length; from += 32_768)
      client.ws.send(many.subarray(from, from + 32_768), {fin: from + 32_768 >= many.length})
    expect((await client.next(3))[0].quotes).toHaveLength(9_001)
    rig.market.quote('AAPL', 150, 150.01)
    const [quote] = await client.next(4)
    expect(quote.t).toBeInstanceOf(Date)
    expect(quote.t.toISOString()).toMatch(/^2025-06-02T13:30/)
    client.ws.close()
  })

  test('wrong keys: 402 and closed; a second connection: 406, useless, and the first unharmed', async () => {
    await using rig = await localRig()
    const url = `${rig.server.streamUrl}/v1beta3/crypto/us`
    const wrong = await socket(url)
    wrong.say({action: 'auth', key: 'local', secret: 'no'})
    expect(await wrong.next(2)).toEqual([{T: 'error', code: 402, msg: 'auth failed'}])
    await until('the close', () => wrong.state.closed)
    const first = await socket(url)
    first.say({action: 'auth', key: 'local', secret: 'local'})
    await first.next(2)
    const second = await socket(url)
    second.say({action: 'auth', key: 'local', secret: 'local'})
    expect(await second.next(2)).toEqual([{T: 'error', code: 406, msg: 'connection limit exceeded'}])
    second.say({action: 'subscribe', quotes: ['BTC/USD']})
    expect(await second.next(3)).toEqual([{T: 'error', code: 401, msg: 'not authenticated'}])
    expect(second.state.closed).toBe(false)
    first.say({action: 'subscribe', quotes: ['BTC/USD']})
    expect((await first.next(3))[0].quotes).toEqual(['BTC/USD'])
    first.ws.close()
    await until('the place to be free', () => rig.server.statistics().connections === 1)
    const third = await socket(url)
    third.say({action: 'auth', key: 'local', secret: 'local'})
    expect(await third.next(2)).toEqual([{T: 'success', msg: 'authenticated'}])
    third.ws.close()
  })

  test('symbols beyond the plan are refused and change nothing', async () => {
    await using rig = await localRig({symbolLimit: 1})
    const client = await socket(`${rig.server.streamUrl}/v2/iex`)
    client.say({action: 'auth', key: 'local', secret: 'local'})
    await client.next(2)
    client.say({action: 'subscribe', quotes: ['AAPL', 'SPY']})
    expect(await client.next(3)).toEqual([{T: 'error', code: 405, msg: 'symbol limit exceeded'}])
    client.say({action: 'subscribe', bars: ['*']})
    expect((await client.next(4))[0]).toMatchObject({quotes: [], bars: ['*']})
    client.ws.close()
  })

  test('an unknown path is no stream', async () => {
    await using rig = await localRig()
    await expect(socket(`${rig.server.streamUrl}/v9/nothing`)).rejects.toThrow('404')
  })
})
