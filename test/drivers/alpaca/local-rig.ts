import {setTimeout as sleep} from 'node:timers/promises'
import {systemClock, systemScheduler} from '../../../src/core/system-clock.ts'
import {EventKind, emptyChunk, type TapeChunk} from '../../../src/data/tape.ts'
import {
  type Instrument,
  InstrumentTable,
  instrumentOf,
  priceToTicks,
  sizeToLots,
} from '../../../src/domain/instrument.ts'
import {type AlpacaClientSettings, createAlpacaClient} from '../../../src/drivers/alpaca/client.ts'
import {type LocalExchangeOptions, startLocalExchange} from '../../../src/drivers/exchange-server/local-exchange.ts'
import {listedInstrument} from '../../../src/exchange/assets.ts'
import type {MarketSource} from '../../../src/exchange/market-source.ts'

export const clock = systemClock()
export const scheduler = systemScheduler()

/** Waits until something is true; fails after `limitMs` saying what it waited for. */
export const until = async <T>(what: string, look: () => T | undefined | false, limitMs = 8_000): Promise<T> => {
  const deadline = performance.now() + limitMs
  for (;;) {
    const found = look()
    if (found !== undefined && found !== false) return found
    if (performance.now() > deadline) throw new Error(`timed out waiting for ${what}`)
    await sleep(2)
  }
}

/** A market that says what the test tells it, at the moment the exchange asks. */
export class ScriptedMarket implements MarketSource {
  readonly instruments: InstrumentTable
  readonly #rows: {kind: number; instrument: number; flags: number; values: number[]}[] = []
  readonly #chunk = emptyChunk(1)
  #lastUs = 0

  constructor(symbols: readonly string[]) {
    this.instruments = InstrumentTable.of(symbols.map(symbol => listedInstrument(instrumentOf(symbol))))
  }
  quote(symbol: string, bid: number, ask: number, size = 1_000): void {
    const [i, of] = this.#find(symbol)
    this.#rows.push({
      kind: EventKind.quote,
      instrument: i,
      flags: 0,
      values: [priceToTicks(of, bid), priceToTicks(of, ask), sizeToLots(of, size), sizeToLots(of, size)],
    })
  }
  trade(symbol: string, price: number, size = 100): void {
    const [i, of] = this.#find(symbol)
    this.#rows.push({
      kind: EventKind.trade,
      instrument: i,
      flags: 1,
      values: [priceToTicks(of, price), sizeToLots(of, size)],
    })
  }
  /** One depth row; `flags` are those of the tape. */
  depth(symbol: string, flags: number, price: number, size: number): void {
    const [i, of] = this.#find(symbol)
    this.#rows.push({
      kind: EventKind.depth,
      instrument: i,
      flags,
      values: [priceToTicks(of, price), sizeToLots(of, size)],
    })
  }
  readonly advanceTo = (nowUs: number): TapeChunk => {
    const row = nowUs > this.#lastUs ? this.#rows.shift() : undefined
    const chunk = this.#chunk
    chunk.count = row === undefined ? 0 : 1
    if (row === undefined) return chunk
    this.#lastUs = Math.max(this.#lastUs + 1, nowUs - 1_000)
    chunk.tsUs[0] = this.#lastUs
    chunk.kind[0] = row.kind
    chunk.instrument[0] = row.instrument
    chunk.flags[0] = row.flags
    ;[chunk.v0, chunk.v1, chunk.v2, chunk.v3, chunk.v4, chunk.v5].forEach((column, i) => {
      column[0] = row.values[i] ?? 0
    })
    return chunk
  }
  readonly nextUs = (): number => (this.#rows.length > 0 ? 0 : Infinity)
  readonly horizonUs = (): number => Infinity
  readonly ended = (): boolean => false
  #find(symbol: string): [number, Instrument] {
    const i = this.instruments.indexOf(symbol)
    if (i === undefined) throw new RangeError(symbol)
    return [i, this.instruments.at(i)]
  }
}

const SYMBOLS = ['AAPL', 'SPY', 'BTC/USD', 'ETH/USD', 'ETH/BTC']

/** A real exchange on a real port with a scripted market, and the official SDK pointed at it. */
export const localRig = async (
  options: Partial<LocalExchangeOptions> = {},
  settings: AlpacaClientSettings = {},
  more: readonly string[] = [],
) => {
  const symbols = [...SYMBOLS, ...more]
  const market = new ScriptedMarket(symbols)
  const bugs: unknown[] = []
  const server = await startLocalExchange({
    seed: 1,
    clock,
    scheduler,
    market,
    // Wall time stands still beside what a test asks; the limit has tests of its own.
    requestsPerMinute: 10_000,
    onBug: error => bugs.push(error),
    ...options,
  })
  market.quote('AAPL', 149.99, 150.01)
  market.quote('SPY', 599.99, 600.01)
  market.quote('BTC/USD', 99_990, 100_010, 5)
  market.quote('ETH/USD', 3_999, 4_001, 50)
  market.quote('ETH/BTC', 0.03999, 0.04001, 50)
  await until('the first quotes', () => market.nextUs() === Infinity)
  const keys = server.credentials
  const connect = (overrides: AlpacaClientSettings = settings) =>
    createAlpacaClient(
      {kind: 'local', url: server.url, streamUrl: server.streamUrl, keyId: keys.keyId, secret: keys.secret},
      overrides,
    )
  const client = await connect()
  return {
    market,
    server,
    client,
    connect,
    bugs,
    alpaca: client.alpaca,
    /** The tables a node would use: whole shares. */
    instruments: InstrumentTable.of(symbols),
    [Symbol.asyncDispose]: () => server.stop(),
  }
}
