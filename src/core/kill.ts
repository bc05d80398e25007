import {readFileSync} from 'node:fs'
import process from 'node:process'
import {ExitCode} from '../domain/errors.ts'
import {killAtVenue, type VenueOutcome} from './kill-flow.ts'
import {httpKillVenue} from './kill-http.ts'
import {type KillVenue, VenueRefused} from './kill-venue.ts'
import {findNodes} from './node-file.ts'
import {readSecrets} from './secrets.ts'

/** The latch as a kill uses it: on disk, durable when it returns. */
export interface LatchWriter {
  readonly engage: (reason: string) => void
  /** False when there was none. */
  readonly release: () => boolean
}

export interface KillOptions {
  readonly flatten: boolean
  readonly timeoutMs: number
  readonly reason: string
  readonly venues: readonly KillVenue[]
  readonly latch: LatchWriter
  /** Latches in a store that other machines see; runs beside the cancels, never before them. */
  readonly remoteLatch?: () => Promise<void>
  /** Monotonic milliseconds since the process started. */
  readonly nowMs: () => number
  readonly sleep: (ms: number) => Promise<void>
  readonly onProgress?: (text: string) => void
}

export interface KillResult {
  readonly latched: boolean
  /** Why it is not latched, when it is not. */
  readonly latchError?: string
  readonly cancelled: number
  readonly openOrders: number
  /** The broker says nothing is held; null when nobody could be asked. */
  readonly flat: boolean | null
  /** Process start to the first cancel handed to the network; null when none could be. */
  readonly firstCancelMs: number | null
  readonly elapsedMs: number
  readonly venues: readonly VenueOutcome[]
  /** `latched`, `failed: …` or `not configured`. */
  readonly remoteLatch: string
  readonly exitCode: ExitCode
}

/**
 * Latches first, then cancels (and closes) at every venue at once; a disk that will not hold the latch is told and does
 * not keep the orders alive. Exit code 0 only when latched and every venue that can be reached has confirmed, and at least
 * one could; 5 when the time ran out; 1 otherwise.
 */
export const runKill = async (options: KillOptions): Promise<KillResult> => {
  const {flatten, timeoutMs, venues, latch, remoteLatch, nowMs, sleep, onProgress} = options
  const startedMs = nowMs()
  const latchError = engaged(latch, options.reason)
  let firstCancelMs: number | null = null
  const flows = venues.map(venue =>
    killAtVenue(venue, {
      flatten,
      deadlineMs: startedMs + timeoutMs,
      nowMs,
      sleep,
      onSent: () => {
        firstCancelMs ??= nowMs()
      },
      ...(onProgress === undefined ? {} : {onProgress}),
    }),
  )
  const remote = remoteLatch === undefined ? Promise.resolve('not configured') : latchRemotely(remoteLatch)
  const outcomes = await Promise.all(flows)
  const asked = outcomes.filter(({state}) => state !== 'unreachable' && state !== 'refused')
  return {
    latched: latchError === undefined,
    ...(latchError === undefined ? {} : {latchError}),
    cancelled: outcomes.reduce((sum, {cancelled}) => sum + cancelled, 0),
    openOrders: outcomes.reduce((sum, {openOrders}) => sum + openOrders, 0),
    flat: asked.length === 0 ? null : asked.every(({positions}) => positions.length === 0),
    firstCancelMs: firstCancelMs === null ? null : round(firstCancelMs),
    elapsedMs: round(nowMs()),
    venues: outcomes,
    remoteLatch: await remote,
    exitCode:
      latchError === undefined ? exitCodeOf(outcomes) : (Math.max(ExitCode.failure, exitCodeOf(outcomes)) as ExitCode),
  }
}

const engaged = (latch: LatchWriter, reason: string): string | undefined => {
  try {
    latch.engage(reason)
    return undefined
  } catch (error) {
    return (error as Error).message
  }
}

const latchRemotely = async (remoteLatch: () => Promise<void>): Promise<string> => {
  try {
    await remoteLatch()
    return 'latched'
  } catch (error) {
    // The disk latch and the broker's answers decide; a store that is down must not stop a kill, but is told.
    return `failed: ${(error as Error).message}`
  }
}

const exitCodeOf = (outcomes: readonly VenueOutcome[]): ExitCode => {
  if (outcomes.some(({state}) => state === 'timeout')) return ExitCode.timeout
  if (outcomes.some(({state}) => state === 'refused')) return ExitCode.failure
  return outcomes.some(({state}) => state === 'confirmed') ? ExitCode.ok : ExitCode.failure
}

const round = (ms: number): number => Math.round(ms * 10) / 10

const PAPER = 'https://paper-api.alpaca.markets'
const LIVE = 'https://api.alpaca.markets'
/** The local exchange's well-known pair. */
export const LOCAL_CREDENTIALS = {keyId: 'local', secret: 'local'} as const
const REQUEST_TIMEOUT_MS = 4_000

export interface TargetOptions {
  readonly home: string
  /** Also (or only) this broker, whether or not a node left a record. */
  readonly broker?: 'local' | 'alpaca'
  /** Address of a local exchange to kill at besides those found. */
  readonly exchange?: string
  readonly live?: boolean
  readonly environment: Readonly<Record<string, string | undefined>>
}

/**
 * Where to kill: the exchange of every node, running or gone, that can still be there, and Alpaca where keys are present and either a node used it or
 * `--broker alpaca` asks for it.
 */
export const killVenues = ({home, broker, exchange, live, environment}: TargetOptions): KillVenue[] => {
  const {nodes} = findNodes(home)
  const urls = new Map<string, 'local' | 'environment'>()
  for (const node of nodes) {
    // An exchange that lived in a dead process holds nothing any more.
    if (node.ownsExchange && !node.alive) continue
    if (broker === undefined || node.broker === broker) urls.set(node.exchangeUrl, node.credentials)
  }
  if (exchange !== undefined) urls.set(exchange, 'local')
  if (broker === 'alpaca') urls.set(live === true ? LIVE : PAPER, 'environment')
  return [...urls].map(([url, credentials]) => {
    const pair = credentials === 'local' ? LOCAL_CREDENTIALS : alpacaKeys(environment)
    return pair === undefined
      ? keylessVenue(url)
      : httpKillVenue({name: url, baseUrl: url, ...pair, timeoutMs: REQUEST_TIMEOUT_MS})
  })
}

const alpacaKeys = (
  environment: Readonly<Record<string, string | undefined>>,
): {readonly keyId: string; readonly secret: string} | undefined => {
  const {APCA_API_KEY_ID: keyId, APCA_API_SECRET_KEY: secret} = readSecrets(environment)
  return keyId === undefined || secret === undefined ? undefined : {keyId, secret}
}

/** Stands for a broker that orders may be at but nobody gave keys to: the others are still killed at, and this one is told. */
const keylessVenue = (name: string): KillVenue => {
  const refuse = () =>
    Promise.reject(new VenueRefused(`${name} needs APCA_API_KEY_ID and APCA_API_SECRET_KEY in the environment`))
  return {name, cancelAll: refuse, cancel: refuse, openOrders: refuse, positions: refuse, closePosition: refuse}
}

/**
 * The home folder and broker without the configuration schema: a kill must work when the configuration is broken, and
 * fast. Flag, `GPI__HOME`, then `home` of the files; unreadable files are passed over because the latch matters more.
 */
export const killHome = (
  flag: string | undefined,
  files: readonly string[],
  environment: Readonly<Record<string, string | undefined>> = process.env,
): string => {
  if (flag !== undefined) return flag
  if (environment['GPI__HOME']) return environment['GPI__HOME']
  const named = files.length > 0 ? files : ['gpi.config.json']
  for (const file of named.toReversed()) {
    const home = homeIn(file)
    if (home !== undefined) return home
  }
  return '.gpi'
}

const homeIn = (file: string): string | undefined => {
  try {
    const {home} = JSON.parse(readFileSync(file, 'utf8')) as {home?: unknown}
    return typeof home === 'string' ? home : undefined
  } catch {
    return undefined
  }
}
