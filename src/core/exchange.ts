import {UserError} from '../domain/errors.ts'
import type {LocalExchange, LocalExchangeStatistics} from '../drivers/exchange-server/local-exchange.ts'
import {DEFAULT_START_US, startLocalExchange} from '../drivers/exchange-server/local-exchange.ts'
import {type Credentials, LOCAL_CREDENTIALS} from '../exchange/server/credentials.ts'
import {isoUtc, parseTime} from '../exchange/wire-time.ts'
import {openReplay} from './exchange-replay.ts'
import {readSecrets} from './secrets.ts'
import {systemClock, systemScheduler} from './system-clock.ts'

export interface ExchangeSettings {
  readonly seed: number
  readonly port: number
  readonly speed: number
  /** Start of the market's clock: a date-time. The default is a market open, or a replay's first row. */
  readonly at?: string
  readonly symbols: readonly string[]
  /** Shares whose option chains the simulated market lists. */
  readonly optionsOn?: readonly string[]
  /** Catalog to replay instead of simulating. */
  readonly data?: string
  readonly cash?: number
  /** Requests a market minute, for trading and for data; 200, as at Alpaca, by default. */
  readonly requestsPerMinute?: number
  readonly environment: Readonly<Record<string, string | undefined>>
}

/** What happens at a served exchange, one record each. */
export type ExchangeEvent =
  | {
      readonly kind: 'exchange'
      readonly url: string
      readonly streamUrl: string
      readonly seed: number
      readonly speed: number
      readonly startUs: number
      readonly symbols: readonly string[]
      readonly market: 'simulated' | 'replay'
    }
  | {
      readonly kind: 'request'
      readonly tsUs: number
      readonly method: string
      readonly path: string
      readonly status: number
    }
  | {readonly kind: 'trade-update'; readonly tsUs: number; readonly event: string; readonly order: unknown}

export interface ExchangeResult extends LocalExchangeStatistics {
  readonly url: string
  readonly stoppedBy: 'signal' | 'end-of-data'
  readonly equity: string
  readonly cash: string
}

/**
 * Serves until `signal` aborts or a replay has run out. `onEvent` is told of the address first, then of each request and
 * each change of an order.
 */
export const serveExchange = async (
  settings: ExchangeSettings,
  signal: AbortSignal,
  onEvent: (event: ExchangeEvent) => void,
): Promise<ExchangeResult> => {
  const {seed, port, speed, symbols, data, cash, environment} = settings
  if (!(speed > 0) || speed > 100_000)
    throw new UserError('INVALID_SPEED', `--speed must be above 0 and at most 100000, was ${speed}`)
  const at = settings.at === undefined ? undefined : startOf(settings.at)
  const replay = data === undefined ? undefined : await openReplay(data, symbols, at)
  const startUs = at ?? replay?.startUs ?? DEFAULT_START_US
  await using exchange: LocalExchange = await startLocalExchange({
    seed,
    speed,
    port,
    startUs,
    clock: systemClock(),
    scheduler: systemScheduler(),
    credentials: credentialsOf(environment),
    ...(cash === undefined ? {} : {startingCash: cash}),
    ...(settings.requestsPerMinute === undefined ? {} : {requestsPerMinute: settings.requestsPerMinute}),
    ...(replay === undefined ? (symbols.length === 0 ? {} : {symbols}) : {market: replay.market}),
    ...(settings.optionsOn === undefined ? {} : {optionsOn: settings.optionsOn}),
    onRequest: request => onEvent({kind: 'request', tsUs: exchange.exchange.nowUs, ...request}),
  })
  onEvent({
    kind: 'exchange',
    url: exchange.url,
    streamUrl: exchange.streamUrl,
    seed,
    speed,
    startUs,
    // Contracts come and go by the hundred; `/v2/options/contracts` lists them.
    symbols: exchange.exchange.instruments.all().flatMap(({symbol, kind}) => (kind === 'option' ? [] : [symbol])),
    market: replay === undefined ? 'simulated' : 'replay',
  })
  exchange.exchange.listen({
    onUpdate: ({event, order}) => onEvent({kind: 'trade-update', tsUs: exchange.exchange.nowUs, event, order}),
  })
  const stopped = new Promise<'signal'>(resolve => {
    if (signal.aborted) resolve('signal')
    else signal.addEventListener('abort', () => resolve('signal'), {once: true})
  })
  const stoppedBy = await Promise.race([stopped, exchange.ended.then(() => 'end-of-data' as const)])
  replay?.market.close()
  if (stoppedBy === 'end-of-data') await replay?.market.finished
  const account = exchange.exchange.accountJson()
  return {
    ...exchange.statistics(),
    url: exchange.url,
    stoppedBy,
    equity: String(account['equity']),
    cash: String(account['cash']),
  }
}

const startOf = (text: string): number => {
  const at = parseTime(text)
  if (at !== undefined) return at
  throw new UserError('INVALID_TIME', `--at must be a date or an RFC 3339 time, was ${JSON.stringify(text)}`, {
    hints: [`for example --at ${isoUtc(DEFAULT_START_US)}`],
  })
}

/** `GPI_EXCHANGE_KEY` and `GPI_EXCHANGE_SECRET`, or the secrets file's pair named by `GPI_SECRETS_FILE`; else local/local. */
const credentialsOf = (environment: Readonly<Record<string, string | undefined>>): Credentials => {
  const keyId = environment['GPI_EXCHANGE_KEY']
  const secret = environment['GPI_EXCHANGE_SECRET']
  if ((keyId === undefined) !== (secret === undefined))
    throw new UserError('HALF_CREDENTIALS', 'GPI_EXCHANGE_KEY and GPI_EXCHANGE_SECRET must be set together')
  if (keyId !== undefined && secret !== undefined) return {keyId, secret}
  if (environment['GPI_SECRETS_FILE'] === undefined) return LOCAL_CREDENTIALS
  // Only the file: keys of the real service in the environment are not for a local server to accept.
  const {APCA_API_KEY_ID, APCA_API_SECRET_KEY} = readSecrets({GPI_SECRETS_FILE: environment['GPI_SECRETS_FILE']})
  return APCA_API_KEY_ID !== undefined && APCA_API_SECRET_KEY !== undefined
    ? {keyId: APCA_API_KEY_ID, secret: APCA_API_SECRET_KEY}
    : LOCAL_CREDENTIALS
}
