import {createServer, type Server} from 'node:http'
import type {AddressInfo} from 'node:net'
import {UserError} from '../../domain/errors.ts'
import {InstrumentTable, instrumentOf} from '../../domain/instrument.ts'
import {createRng} from '../../domain/rng.ts'
import type {Clock, Scheduler} from '../../domain/time.ts'
import {listedInstrument} from '../../exchange/assets.ts'
import {annualVolatilityOf, calibrationOf} from '../../exchange/calibration.ts'
import {PaperExchange} from '../../exchange/exchange.ts'
import type {MarketSource} from '../../exchange/market-source.ts'
import {withOptions} from '../../exchange/options/option-market.ts'
import {createPastMarket, type PastMarket} from '../../exchange/past-market.ts'
import {type Credentials, LOCAL_CREDENTIALS} from '../../exchange/server/credentials.ts'
import {createSimulatedMarket, DEFAULT_SYMBOLS, type SimulatedMarket} from '../../exchange/simulated-market.ts'
import {parseTime} from '../../exchange/wire-time.ts'
import {EventServer} from './event-server.ts'
import {MarketPump} from './market-pump.ts'
import {requestsPerMinute} from './rate-window.ts'
import {restHandler} from './rest-server.ts'
import {StreamServer} from './stream-server.ts'

/** Monday 2 June 2025, 09:30 in New York. */
export const DEFAULT_START_US = parseTime('2025-06-02T13:30:00Z') as number

export interface LocalExchangeOptions {
  readonly seed: number
  /** Market microseconds a wall microsecond; 1 by default. */
  readonly speed?: number
  readonly startUs?: number
  readonly symbols?: readonly string[]
  /** Shares of the simulated market whose option chains are listed; none by default. */
  readonly optionsOn?: readonly string[]
  /** Replaces the simulated market; its table must be in the exchange's scale (`listedInstrument`). */
  readonly market?: MarketSource
  /** 0, the default, takes a free port. */
  readonly port?: number
  /** Wall clock and wall timers. */
  readonly clock: Clock
  readonly scheduler: Scheduler
  readonly credentials?: Credentials
  readonly startingCash?: number
  readonly partialFillProbability?: number
  /** Requests a market minute (a wall minute where the market is not hurried), for trading and for data; 200 by default, as at Alpaca. */
  readonly requestsPerMinute?: number
  readonly symbolLimit?: number
  /** Finished orders that can still be asked for; 20,000 by default. */
  readonly keptOrders?: number
  /** Market microseconds a command waits before it is acted on: the latency of a stressed venue. */
  readonly orderLatencyUs?: () => number
  readonly onRequest?: (request: {readonly method: string; readonly path: string; readonly status: number}) => void
  /** Told of a request that failed by a fault of the exchange itself; rethrown asynchronously by default. */
  readonly onBug?: (error: unknown) => void
}

export interface LocalExchangeStatistics {
  readonly nowUs: number
  readonly rows: number
  readonly requests: number
  readonly orders: number
  readonly fills: number
  readonly connections: number
  readonly longestSliceUs: number
}

export interface LocalExchange extends AsyncDisposable {
  readonly url: string
  readonly streamUrl: string
  readonly port: number
  readonly credentials: Credentials
  readonly exchange: PaperExchange
  /** The simulated market with its scenario hooks; undefined for a replay. */
  readonly market: SimulatedMarket | undefined
  readonly statistics: () => LocalExchangeStatistics
  /** Resolves when a replay has run out. */
  readonly ended: Promise<void>
  /** Cuts every stream without a word, as a network fault would. */
  readonly dropStreams: () => void
  readonly stop: () => Promise<void>
}

/** Serves a paper exchange on loopback: REST and streams on one port, over a simulated or replayed market. */
export const startLocalExchange = async (options: LocalExchangeOptions): Promise<LocalExchange> => {
  const {seed, clock, scheduler} = options
  const startUs = options.startUs ?? DEFAULT_START_US
  const rng = createRng(seed, 'exchange')
  const simulated = options.market === undefined ? simulate(options, startUs) : undefined
  const source = options.market ?? listed(simulated as SimulatedMarket, options, startUs)
  const exchange = new PaperExchange({
    instruments: source.instruments,
    rng,
    startUs,
    ...(simulated === undefined ? {} : {past: pastOf(simulated, options.seed, startUs)}),
    ...(source.openInterest === undefined ? {} : {openInterest: source.openInterest}),
    ...(options.keptOrders === undefined ? {} : {keptOrders: options.keptOrders}),
    ...(options.startingCash === undefined ? {} : {startingCash: options.startingCash}),
    ...(options.partialFillProbability === undefined ? {} : {partialFillProbability: options.partialFillProbability}),
  })
  const credentials = options.credentials ?? LOCAL_CREDENTIALS
  let requests = 0
  let reportEnd = (): void => {}
  const ended = new Promise<void>(resolve => {
    reportEnd = resolve
  })

  const server = createServer()
  const streams = new StreamServer(server, {
    exchange,
    credentials,
    scheduler,
    symbolLimit: options.symbolLimit ?? Infinity,
    rng: createRng(seed, 'test feed'),
  })
  const events = new EventServer(exchange, scheduler)
  const speed = options.speed ?? 1
  const pump = new MarketPump({
    exchange,
    source,
    clock,
    scheduler,
    startUs,
    speed,
    onDepth: (chunk, row) => streams.hub.onDepth(chunk, row),
    flush: () => streams.hub.flush(),
    buffered: () => streams.buffered(),
    onEnd: () => reportEnd(),
  })
  server.on(
    'request',
    restHandler({
      exchange,
      credentials,
      clock,
      rng: rng.fork('request-ids'),
      requestsPerMinute: requestsPerMinute(speed, options.requestsPerMinute),
      events,
      sidesOf: instrument => streams.hub.sidesOf(instrument),
      catchUp: () => pump.catchUp(),
      delay: run => {
        const latencyUs = options.orderLatencyUs?.() ?? 0
        if (latencyUs > 0) scheduler.after(latencyUs / speed, run)
        else run()
      },
      onRequest: (method, path, status) => {
        requests++
        options.onRequest?.({method, path, status})
      },
      onBug:
        options.onBug ??
        (error => {
          scheduler.after(0, () => {
            throw error
          })
        }),
    }),
  )
  const port = await listen(server, options.port ?? 0)
  pump.start()

  const stop = async (): Promise<void> => {
    pump.stop()
    reportEnd()
    events.close()
    streams.close()
    server.closeAllConnections()
    await new Promise<void>(resolve => server.close(() => resolve()))
  }
  return {
    url: `http://127.0.0.1:${port}`,
    streamUrl: `ws://127.0.0.1:${port}`,
    port,
    credentials,
    exchange,
    market: simulated,
    ended,
    statistics: () => ({
      nowUs: exchange.nowUs,
      rows: pump.rows,
      requests,
      orders: exchange.desk.count,
      fills: exchange.fills,
      connections: streams.connections,
      longestSliceUs: pump.longestSliceUs,
    }),
    dropStreams: () => streams.dropAll(),
    stop,
    [Symbol.asyncDispose]: stop,
  }
}

const simulate = (options: LocalExchangeOptions, startUs: number): SimulatedMarket => {
  const symbols = options.symbols ?? DEFAULT_SYMBOLS
  return createSimulatedMarket({
    instruments: InstrumentTable.of(symbols.map(symbol => listedInstrument(instrumentOf(symbol)))),
    rng: createRng(options.seed, 'market'),
    startUs,
  })
}

/** Bars from before the simulated market, leading to its first prices. */
const pastOf = ({instruments, efficientPrice}: SimulatedMarket, seed: number, startUs: number): PastMarket =>
  createPastMarket({
    instruments,
    rng: createRng(seed, 'past'),
    startUs,
    openingPrices: instruments.all().map((_, i) => efficientPrice(i)),
  })

/** The simulated market with the chains that were asked for, priced by the calibration of their underlyings. */
const listed = (
  market: SimulatedMarket,
  {seed, optionsOn = []}: LocalExchangeOptions,
  startUs: number,
): MarketSource => {
  if (optionsOn.length === 0) return market
  const missing = optionsOn.filter(symbol => market.instruments.indexOf(symbol) === undefined)
  if (missing.length > 0)
    throw new UserError('OPTIONS_WITHOUT_UNDERLYING', `the market does not list ${missing.join(', ')}`, {
      hints: [
        `add it to --symbols; listed are ${market.instruments
          .all()
          .map(({symbol}) => symbol)
          .join(', ')}`,
      ],
    })
  const underlyings = optionsOn.map(symbol => ({
    symbol,
    price: calibrationOf(symbol).price,
    volatility: annualVolatilityOf(symbol),
  }))
  return withOptions(market, {underlyings, rng: createRng(seed, 'options'), startUs})
}

/** Loopback only: the credentials are public. */
const listen = (server: Server, port: number): Promise<number> =>
  new Promise((resolve, reject) => {
    server.once('error', (error: NodeJS.ErrnoException) => {
      reject(
        error.code === 'EADDRINUSE'
          ? new UserError('PORT_IN_USE', `port ${port} on 127.0.0.1 is in use`, {
              hints: ['--port 0 takes a free one', 'another gpi exchange may be running: gpi status'],
              cause: error,
            })
          : error,
      )
    })
    server.listen(port, '127.0.0.1', () => resolve((server.address() as AddressInfo).port))
  })
