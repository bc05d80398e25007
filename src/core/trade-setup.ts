import {createHash} from 'node:crypto'
import path from 'node:path'
import process from 'node:process'
import type {Broker} from '../broker/broker.ts'
import {ExitCode, UserError} from '../domain/errors.ts'
import type {AlpacaClient} from '../drivers/alpaca/client.ts'
import type {FileLatch} from '../drivers/files/file-latch.ts'
import {accountFolder, openAccountRun} from './account-journal.ts'
import type {ExchangeRequest} from './exchange-thread.ts'
import {requireChecklist} from './live-checklist.ts'
import {newRunId, runFolder} from './run-folder.ts'
import {systemClock} from './system-clock.ts'
import type {TradeOptions} from './trade.ts'

export const exchangeRequest = ({resolved, speed, symbols, port, data}: TradeOptions): ExchangeRequest => ({
  seed: resolved.config.seed,
  speed,
  symbols,
  port,
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

export const venueFacts = async ({alpaca}: AlpacaClient): Promise<VenueFacts> => {
  const [account, clock] = await Promise.all([alpaca.trading.account.getAccount(), alpaca.trading.clock.legacyClock()])
  return {
    accountNumber: String(account.accountNumber ?? account.id ?? 'account'),
    nowUs: Math.floor(new Date(clock.timestamp as unknown as string).getTime() * 1_000),
  }
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
