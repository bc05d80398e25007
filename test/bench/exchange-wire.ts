/**
 * What the local exchange costs: `node test/bench/exchange-wire.ts`. Each figure stands beside the bare cost of the same
 * thing in the same run (an HTTP server that answers a constant, a WebSocket that echoes, the reference msgpack encoder).
 */
import {once} from 'node:events'
import {createServer} from 'node:http'
import type {AddressInfo} from 'node:net'
import {monitorEventLoopDelay} from 'node:perf_hooks'
import process from 'node:process'
import {encode} from '@msgpack/msgpack'
import {WebSocket, WebSocketServer} from 'ws'
import {systemClock, systemScheduler} from '../../src/core/system-clock.ts'
import {EventKind, emptyChunk} from '../../src/data/tape.ts'
import {equity} from '../../src/domain/instrument.ts'
import {createRng} from '../../src/domain/rng.ts'
import {createAlpacaClient} from '../../src/drivers/alpaca/client.ts'
import {startLocalExchange} from '../../src/drivers/exchange-server/local-exchange.ts'
import {listAssets, listedInstrument} from '../../src/exchange/assets.ts'
import {TickEncoder} from '../../src/exchange/server/market-messages.ts'
import {MsgpackWriter} from '../../src/exchange/server/msgpack.ts'
import {createSimulatedMarket} from '../../src/exchange/simulated-market.ts'

/** The limit of a minute is not what is measured. */
const UNLIMITED = 1e9

const quantile = (x: readonly number[], q: number): number =>
  [...x].sort((a, b) => a - b)[Math.floor(q * (x.length - 1))] ?? 0
const print = (what: string, figure: string, reference: string): void => {
  process.stdout.write(`${what.padEnd(46)} ${figure.padEnd(34)} ${reference}\n`)
}
const timed = async (count: number, run: () => Promise<unknown>): Promise<number[]> => {
  const times: number[] = []
  for (let i = 0; i < count + 100; i++) {
    const began = performance.now()
    await run()
    if (i >= 100) times.push(performance.now() - began)
  }
  return times
}
const ms = (x: readonly number[]): string =>
  `p50 ${quantile(x, 0.5).toFixed(2)} ms, p99 ${quantile(x, 0.99).toFixed(2)} ms`

const encoding = (): void => {
  const [asset] = listAssets([listedInstrument(equity('AAPL'))], createRng(1))
  if (asset === undefined) return
  const encoder = new TickEncoder(asset, new MsgpackWriter())
  const chunk = emptyChunk(1)
  chunk.kind[0] = EventKind.quote
  chunk.tsUs[0] = 1_748_871_000_123_456
  chunk.v0.fill(1_500_000)
  chunk.v1.fill(1_500_100)
  chunk.v2.fill(1e11)
  chunk.v3.fill(1e11)
  const message = {
    T: 'q',
    S: 'AAPL',
    bx: 'Q',
    bp: 150,
    bs: 100,
    ax: 'Q',
    ap: 150.01,
    as: 100,
    c: ['R'],
    z: 'C',
    t: new Date(1_748_871_000_123),
  }
  const rounds = 200_000
  const cost = (run: () => {readonly length: number}): number => {
    let bytes = 0
    const began = performance.now()
    for (let i = 0; i < rounds; i++) bytes += run().length
    if (bytes === 0) throw new Error('nothing was encoded')
    return ((performance.now() - began) * 1e6) / rounds
  }
  const ours = (): number => cost(() => encoder.message(chunk, 0, 0).msgpack())
  const theirs = (): number => cost(() => encode(message))
  ours()
  theirs()
  const [a, b] = [ours(), theirs()]
  print('encode a quote', `${a.toFixed(0)} ns`, `@msgpack/msgpack ${b.toFixed(0)} ns, ratio ${(a / b).toFixed(2)}`)
}

const generating = (): void => {
  const startUs = 1_748_871_000_000_000
  const source = createSimulatedMarket({rng: createRng(1), startUs})
  let rows = 0
  const began = performance.now()
  for (;;) {
    const chunk = source.advanceTo(startUs + 3_600e6, 256)
    if (chunk.count === 0) break
    rows += chunk.count
  }
  const seconds = (performance.now() - began) / 1_000
  print(
    'simulate an hour of eight instruments',
    `${(rows / seconds / 1e3).toFixed(0)} thousand rows/s`,
    `${(3_600 / seconds).toFixed(0)} times real time`,
  )
}

const serving = async (): Promise<void> => {
  await using exchange = await startLocalExchange({
    seed: 1,
    clock: systemClock(),
    scheduler: systemScheduler(),
    requestsPerMinute: UNLIMITED,
  })
  const client = await createAlpacaClient({
    kind: 'local',
    url: exchange.url,
    streamUrl: exchange.streamUrl,
    keyId: 'local',
    secret: 'local',
  })
  const bare = createServer((request, response) => {
    request.resume()
    request.on('end', () => response.end('{"status":"pending_new"}'))
  })
  await new Promise<void>(resolve => bare.listen(0, '127.0.0.1', () => resolve()))
  const bareUrl = `http://127.0.0.1:${(bare.address() as AddressInfo).port}`
  let side: 'buy' | 'sell' = 'sell'
  const order = () => {
    side = side === 'buy' ? 'sell' : 'buy'
    return client.alpaca.trading.orders.market({symbol: 'SPY', qty: 1, side, timeInForce: 'day'})
  }
  const post = () =>
    fetch(`${bareUrl}/v2/orders`, {method: 'POST', body: '{"symbol":"SPY"}'}).then(answer => answer.json())
  const orders = await timed(1_000, order)
  const plain = await timed(1_000, post)
  print(
    'market order through the SDK',
    ms(orders),
    `bare POST ${ms(plain)}, ratio of medians ${(quantile(orders, 0.5) / quantile(plain, 0.5)).toFixed(1)}`,
  )
  bare.close()
}

const streaming = async (): Promise<void> => {
  const delay = monitorEventLoopDelay({resolution: 1})
  const clock = systemClock()
  await using exchange = await startLocalExchange({
    seed: 1,
    speed: 60,
    clock,
    scheduler: systemScheduler(),
    requestsPerMinute: UNLIMITED,
  })
  const client = await createAlpacaClient({
    kind: 'local',
    url: exchange.url,
    streamUrl: exchange.streamUrl,
    keyId: 'local',
    secret: 'local',
  })
  const stream = client.stockStream()
  const sentAt = new Map<string, number>()
  const lag: number[] = []
  exchange.exchange.listen({onRow: (chunk, row) => sentAt.set(`${chunk.tsUs[row]}`, performance.now())})
  stream.onQuote(({timestamp, timestampRaw = ''}) => {
    const at = sentAt.get(`${timestamp.getTime() * 1_000 + Number(timestampRaw.slice(23, 26))}`)
    if (at !== undefined) lag.push(performance.now() - at)
  })
  stream.subscribeForQuotes(['*'])
  stream.connect()
  delay.enable()
  const began = exchange.exchange.nowUs
  await new Promise(resolve => setTimeout(resolve, 8_000))
  stream.disconnect()

  const echo = new WebSocketServer({port: 0, host: '127.0.0.1'})
  echo.on('connection', socket => socket.on('message', data => socket.send(data)))
  await once(echo, 'listening')
  const socket = new WebSocket(`ws://127.0.0.1:${(echo.address() as AddressInfo).port}`)
  await once(socket, 'open')
  const round = await timed(1_000, async () => {
    socket.send('x'.repeat(100))
    await once(socket, 'message')
  })
  socket.close()
  echo.close()
  print(
    'market row to SDK handler, speed 60, one process',
    ms(lag),
    `WebSocket echo ${ms(round)}; ${lag.length} quotes`,
  )
  print(
    'market speed reached of 60',
    ((exchange.exchange.nowUs - began) / 8e6).toFixed(1),
    `event loop delay p99 ${(delay.percentile(99) / 1e6).toFixed(1)} ms`,
  )
}

encoding()
generating()
await serving()
await streaming()
