import {createHash} from 'node:crypto'
import path from 'node:path'
import process from 'node:process'
import type {Broker} from '../broker/broker.ts'
import {ExitCode, UserError} from '../domain/errors.ts'
import type {AlpacaClient, AlpacaTarget} from '../drivers/alpaca/client.ts'
import type {FileLatch} from '../drivers/files/file-latch.ts'
import {accountFolder, openAccountRun} from './account-journal.ts'
import type {ExchangeRequest} from './exchange-thread.ts'
import {requireChecklist} from './live-checklist.ts'
import {newRunId, runFolder} from './run-folder.ts'
import {strategyCodeOf} from './strategy-code.ts'
import {isModulePath} from './strategy-module.ts'
import {systemClock} from './system-clock.ts'
import type {TradeOptions} from './trade.ts'
import {tradingUrlOf} from './trade-target.ts'

export const exchangeRequest = ({
  resolved,
  speed,
  symbols,
  port,
  data,
  optionsOn = [],
}: TradeOptions): ExchangeRequest => ({
  seed: resolved.config.seed,
  speed,
  symbols,
  port,
  requestsPerMinute: resolved.config.api.requestsPerMinute,
  // The exchange lives in the node's own memory, and nobody asks it for last week's orders.
  keptOrders: 4_000,
  ...(optionsOn.length === 0 ? {} : {optionsOn}),
  ...(data === undefined ? {} : {data}),
})

/** Throws UserError LATCHED while the latch is on: a restart must not undo a kill. */
export const refuseLatched = (latch: FileLatch): void => {
  const state = latch.check()
  if (!state.latched) return
  throw new UserError('LATCHED', `the kill latch is on: ${state.reason}`, {
    hints: ['gpi kill --release takes it off when trading may start again', `the latch is ${latch.file}`],
    exitCode: ExitCode.refused,
  })
}

export interface VenueFacts {
  readonly accountNumber: string
  readonly nowUs: number
}

/** Throws UserError VENUE_UNREACHABLE when nobody answers there, KEYS_REFUSED when somebody does and says no. */
export const venueFacts = async ({alpaca}: AlpacaClient, target: AlpacaTarget): Promise<VenueFacts> => {
  const [account, clock] = await Promise.all([
    alpaca.trading.account.getAccount(),
    alpaca.trading.clock.legacyClock(),
  ]).catch((error: unknown) => {
    const url = tradingUrlOf(target)
    const {status} = error as {status?: number}
    if (status === 401 || status === 403)
      throw new UserError('KEYS_REFUSED', `${url} does not accept these keys (${status})`, {
        hints: ['paper and live accounts have keys of their own', 'check APCA_API_KEY_ID and APCA_API_SECRET_KEY'],
        cause: error,
      })
    if (status !== undefined) throw error
    throw new UserError('VENUE_UNREACHABLE', `nobody answers at ${url}: ${reasonOf(error)}`, {
      hints:
        target.kind === 'local' ? ['start one with gpi exchange, or leave --exchange away'] : ['check the network'],
      exitCode: ExitCode.failure,
      cause: error,
    })
  })
  return {
    accountNumber: String(account.accountNumber ?? account.id ?? 'account'),
    nowUs: Math.floor(new Date(clock.timestamp as unknown as string).getTime() * 1_000),
  }
}

/** The innermost cause says what happened; the outer ones only that something did. */
const reasonOf = (error: unknown): string => {
  let at = error as Error & {code?: string}
  while (at.cause instanceof Error) at = at.cause
  return at.code ?? at.message
}

/** The pre-launch checklist of real money. */
export const requireReady = async (
  {resolved, strategies}: TradeOptions,
  {alpaca}: AlpacaClient,
  {nowUs}: VenueFacts,
) => {
  const {config, hash} = resolved
  const [account, open] = await Promise.all([
    alpaca.trading.account.getAccount(),
    alpaca.trading.orders.getAllOrders({status: 'open'}),
  ])
  requireChecklist({
    home: config.home,
    strategies: strategies.length > 0 ? strategies : Object.keys(config.strategies.weights),
    configHash: hash,
    equityMicros: Math.round(Number(account.equity) * 1e6),
    minimumCapitalDollars: config.risk.minimumCapitalDollars,
    openOrders: open.length,
    clockSkewMs: (systemClock().nowUs() - nowUs) / 1_000,
    code: strategies.filter(isModulePath).map(strategyCodeOf),
  })
}

export interface OpenRun {
  readonly runId: string
  readonly cashMicros: number
  readonly journalFile: string
  readonly resumed: boolean
}

/** An exchange of the node's own starts from nothing, and so does its run; any other account has one run for good. */
export const openRun = async (
  {resolved}: TradeOptions,
  broker: Broker,
  accountNumber: string,
  ownsExchange: boolean,
): Promise<OpenRun> => {
  const {home} = resolved.config
  const salt = createHash('sha256').update(`${process.pid} ${process.hrtime.bigint()}`).digest('hex')
  const fresh = (): string => newRunId(systemClock().nowUs(), salt)
  if (ownsExchange) {
    const runId = fresh()
    const {cashMicros} = await broker.account()
    return {runId, cashMicros, journalFile: path.join(runFolder(home, runId), 'journal.sqlite'), resumed: false}
  }
  const folder = accountFolder(home, accountNumber)
  return {...(await openAccountRun(folder, broker, fresh)), journalFile: path.join(folder, 'journal.sqlite')}
}

/** Symbols that a local exchange which was already there lists. */
export const listedSymbols = async (target: Extract<AlpacaTarget, {kind: 'local'}>): Promise<readonly string[]> => {
  const response = await fetch(
    new URL('/v2/assets?status=active&asset_class=us_equity&asset_class=crypto', target.url),
    {
      headers: {'APCA-API-KEY-ID': target.keyId, 'APCA-API-SECRET-KEY': target.secret},
    },
  )
  if (!response.ok) throw new Error(`${target.url} answered ${response.status} to what it lists`)
  return ((await response.json()) as {readonly symbol: string}[]).map(({symbol}) => symbol)
}
