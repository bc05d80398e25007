import {ExitCode, UserError} from '../../domain/errors.ts'
import type {Clock, Scheduler} from '../../domain/time.ts'
import {US_PER_SECOND} from '../../domain/units.ts'

export type HistoryKind = 'bars' | 'quotes' | 'trades'

export interface HistoryRequest {
  readonly kind: HistoryKind
  /** One stock symbol or coin pair. */
  readonly symbol: string
  /** Epoch microseconds; the end is exclusive. */
  readonly fromUs: number
  readonly toUs: number
  /** Bars only, in the wire's spelling: `1Min`, `1Hour`, `1Day`. */
  readonly timeframe?: string
  /** Stock bars only. */
  readonly adjustment?: string
  /** Stocks only. */
  readonly feed?: string
}

export interface HistoryDependencies {
  /** Such as `https://data.alpaca.markets`. */
  readonly baseUrl: string
  readonly keyId?: string
  readonly secret?: string
  readonly clock: Clock
  readonly scheduler: Scheduler
  readonly fetch?: typeof fetch
  readonly signal?: AbortSignal
  readonly note?: (message: string) => void
}

/** One element as the wire has it; the fields depend on the kind. */
export type HistoryItem = Readonly<Record<string, unknown>> & {readonly t: string}

const PAGE_ITEMS = 10_000
const ATTEMPTS = 6
const FIRST_DELAY_US = US_PER_SECOND
const LONGEST_DELAY_US = 60 * US_PER_SECOND

/** Every element of a range, oldest first, page after page. Waits out rate limits and retries what may pass. */
export async function* fetchHistory(
  request: HistoryRequest,
  dependencies: HistoryDependencies,
): AsyncGenerator<HistoryItem> {
  let pageToken: string | undefined
  do {
    const page = await fetchPage(pageUrl(request, dependencies.baseUrl, pageToken), dependencies)
    const container = page[request.kind]
    const items = (container as Readonly<Record<string, readonly HistoryItem[]>> | undefined)?.[request.symbol]
    yield* items ?? []
    const next = page['next_page_token']
    if (typeof next === 'string' && next === pageToken) throw new Error(`the data host repeated the page token ${next}`)
    pageToken = typeof next === 'string' ? next : undefined
  } while (pageToken !== undefined)
}

const pageUrl = (request: HistoryRequest, baseUrl: string, pageToken: string | undefined): URL => {
  const isPair = request.symbol.includes('/')
  const url = new URL(`${isPair ? '/v1beta3/crypto/us' : '/v2/stocks'}/${request.kind}`, baseUrl)
  const iso = (us: number) => new Date(us / 1000).toISOString()
  const query: Record<string, string | undefined> = {
    symbols: request.symbol,
    // The wire's end is inclusive.
    start: iso(request.fromUs),
    end: iso(request.toUs - 1000),
    limit: String(PAGE_ITEMS),
    sort: 'asc',
    timeframe: request.kind === 'bars' ? (request.timeframe ?? '1Min') : undefined,
    adjustment: request.kind === 'bars' && !isPair ? request.adjustment : undefined,
    feed: isPair ? undefined : request.feed,
    page_token: pageToken,
  }
  for (const [name, value] of Object.entries(query)) if (value !== undefined) url.searchParams.set(name, value)
  return url
}

const fetchPage = async (url: URL, dependencies: HistoryDependencies): Promise<Readonly<Record<string, unknown>>> => {
  const {keyId, secret, signal, note, fetch: send = fetch} = dependencies
  const headers: Record<string, string> = {accept: 'application/json'}
  if (keyId !== undefined && secret !== undefined) {
    headers['APCA-API-KEY-ID'] = keyId
    headers['APCA-API-SECRET-KEY'] = secret
  }
  let problem = ''
  for (let attempt = 0; attempt < ATTEMPTS; attempt++) {
    signal?.throwIfAborted()
    let response: Response
    try {
      response = await send(url, {headers, ...(signal === undefined ? {} : {signal})})
    } catch (error) {
      signal?.throwIfAborted()
      problem =
        error instanceof Error ? (error.cause instanceof Error ? error.cause.message : error.message) : String(error)
      await sleep(backoffUs(attempt), dependencies)
      continue
    }
    if (response.ok) {
      const page = (await response.json()) as Readonly<Record<string, unknown>>
      if (response.headers.get('x-ratelimit-remaining') === '0')
        await sleep(untilResetUs(response, dependencies), dependencies)
      return page
    }
    const text = await response.text()
    problem = `${response.status} ${messageOf(text)}`
    if (response.status === 429) {
      const waitUs = Math.max(untilResetUs(response, dependencies), backoffUs(attempt))
      note?.(`rate limit reached, waiting ${Math.ceil(waitUs / US_PER_SECOND)} s`)
      await sleep(waitUs, dependencies)
    } else if (response.status >= 500) await sleep(backoffUs(attempt), dependencies)
    else throw refused(response.status, problem)
  }
  throw new UserError('ALPACA_UNREACHABLE', `${url.host} did not answer after ${ATTEMPTS} attempts: ${problem}`, {
    exitCode: ExitCode.timeout,
    hints: ['check the network, then run the same command again: finished periods are kept'],
  })
}

const refused = (status: number, problem: string): UserError => {
  const hints =
    status === 401
      ? ['check APCA_API_KEY_ID and APCA_API_SECRET_KEY']
      : status === 403
        ? ['free plans get --feed iex, or data older than 15 minutes']
        : ['check symbols, dates and period']
  return new UserError('ALPACA_REFUSED', `Alpaca refused the request: ${problem}`, {hints})
}

/** The wire's own message; gateways answer HTML. */
const messageOf = (text: string): string => {
  try {
    const {message} = JSON.parse(text) as {message?: unknown}
    return typeof message === 'string' ? message : text.slice(0, 120)
  } catch {
    return text.startsWith('<') ? 'no message' : text.slice(0, 120)
  }
}

const backoffUs = (attempt: number): number => Math.min(LONGEST_DELAY_US, FIRST_DELAY_US * 2 ** attempt)

/** From `X-RateLimit-Reset` (Unix seconds) or `Retry-After` (seconds); 0 when neither is there. */
const untilResetUs = ({headers}: Response, {clock}: HistoryDependencies): number => {
  const retryAfter = Number(headers.get('retry-after'))
  if (Number.isFinite(retryAfter) && retryAfter > 0) return Math.min(LONGEST_DELAY_US, retryAfter * US_PER_SECOND)
  const reset = Number(headers.get('x-ratelimit-reset'))
  if (!Number.isFinite(reset) || reset <= 0) return 0
  return Math.min(LONGEST_DELAY_US, Math.max(0, reset * US_PER_SECOND - clock.nowUs()))
}

const sleep = (delayUs: number, {scheduler, signal}: HistoryDependencies): Promise<void> =>
  new Promise((resolve, reject) => {
    if (delayUs <= 0) {
      resolve()
      return
    }
    const cancel = scheduler.after(delayUs, () => {
      signal?.removeEventListener('abort', stop)
      resolve()
    })
    const stop = (): void => {
      cancel()
      reject(signal?.reason as Error)
    }
    signal?.addEventListener('abort', stop, {once: true})
  })

/** Microseconds of an RFC 3339 UTC stamp with up to nine decimals, rounded down; NaN when it is none. */
export const parseStampUs = (text: string): number => {
  const dot = text.indexOf('.')
  if (dot === -1) return Date.parse(text) * 1000
  const fraction = text.slice(dot + 1).replace(/[^0-9].*$/, '')
  return Date.parse(`${text.slice(0, dot)}Z`) * 1000 + Number(fraction.padEnd(6, '0').slice(0, 6))
}
