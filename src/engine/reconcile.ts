import type {Broker, BrokerOrder} from '../broker/broker.ts'
import type {InstrumentTable} from '../domain/instrument.ts'
import type {ExecutionReport} from '../domain/order.ts'
import {type TsUs, tsUs} from '../domain/units.ts'
import type {Engine} from './engine.ts'

export interface ReconcileOptions {
  readonly engine: Engine
  readonly broker: Broker
  readonly instruments: InstrumentTable
  /** Start of every client order id of this run. */
  readonly runId: string
  /** Executions before this time are known to be in the journal. */
  readonly sinceUs: TsUs
  readonly nowUs: () => TsUs
  /** Orders younger than this may still be on their way and are left alone; 0 by default. */
  readonly graceUs?: number
}

/** What was found and done; empty everywhere when journal and broker agreed. */
export interface Reconciliation {
  /** Fills the journal had missed, applied now. */
  readonly missedFills: readonly string[]
  /** Client order ids of orders that had ended at the broker, or that it has never seen: told to the engine now. */
  readonly ended: readonly string[]
  readonly neverArrived: readonly string[]
  /** Open orders of this run that the engine no longer holds open (they arrived after they were given up): cancelled now. */
  readonly orphans: readonly string[]
  /** Open orders and fills that are not this run's: left alone, shown to the user. */
  readonly externalOrders: readonly string[]
  readonly externalFills: readonly string[]
  /** Positions where broker and ledger differ after all that, in lots. */
  readonly differences: readonly {readonly symbol: string; readonly ledgerLots: number; readonly brokerLots: number}[]
}

/**
 * Brings orders and ledger to what the broker knows: fills first, then the fate of each order that the journal holds
 * open. Everything goes through the engine's journal, so doing it again finds nothing. Nobody else's orders are touched.
 */
export const reconcile = async (options: ReconcileOptions): Promise<Reconciliation> => {
  const {engine, broker, runId, sinceUs, nowUs, graceUs = 0} = options
  const isOurs = (clientOrderId: string): boolean => clientOrderId.startsWith(`${runId}-`)
  const missedFills: string[] = []
  const externalFills: string[] = []
  for (const report of await broker.fillsSince(sinceUs)) {
    if (!isOurs(report.fill.clientOrderId)) externalFills.push(report.fill.fillId)
    else if (!engine.ledger.has(report.fill.fillId)) {
      engine.onReport(report, nowUs())
      missedFills.push(report.fill.fillId)
    }
  }
  const open = await broker.openOrders()
  const openById = new Map(open.map(order => [order.clientOrderId, order]))
  const ended: string[] = []
  const neverArrived: string[] = []
  for (const order of [...engine.desk.orders.values()]) {
    const {clientOrderId} = order.intent
    if (nowUs() - order.sentUs < graceUs) continue
    const known = openById.get(clientOrderId) ?? (await broker.orderByClientId(clientOrderId))
    // While the broker was asked, a report may have ended it.
    if (!engine.desk.orders.has(clientOrderId)) continue
    const report = fateOf(clientOrderId, known, order.status === 'submitted', nowUs())
    if (report === undefined) continue
    engine.onReport(report, nowUs())
    if (report.kind === 'rejected' && known === undefined) neverArrived.push(clientOrderId)
    else if (report.kind !== 'accepted') ended.push(clientOrderId)
  }
  const orphans = open
    .map(order => order.clientOrderId)
    .filter(id => isOurs(id) && !engine.desk.orders.has(id) && !ended.includes(id))
  for (const clientOrderId of orphans) await broker.cancel(clientOrderId)
  return {
    missedFills,
    ended,
    neverArrived,
    orphans,
    externalOrders: open.filter(order => !isOurs(order.clientOrderId)).map(order => order.clientOrderId),
    externalFills,
    differences: await differencesOf(options),
  }
}

/** What the broker's record of an order means for one we hold open; undefined when they agree. */
const fateOf = (
  clientOrderId: string,
  known: BrokerOrder | undefined,
  unanswered: boolean,
  at: TsUs,
): ExecutionReport | undefined => {
  if (known === undefined)
    return {kind: 'rejected', clientOrderId, tsUs: at, code: 'never_arrived', reason: 'the broker has no such order'}
  switch (known.status) {
    case 'cancelled':
    case 'replaced':
      return {kind: 'cancelled', clientOrderId, tsUs: at, reason: `${known.status} at the broker`}
    case 'expired':
      return {kind: 'expired', clientOrderId, tsUs: at}
    case 'rejected':
      return {kind: 'rejected', clientOrderId, tsUs: at, code: 'rejected', reason: 'rejected at the broker'}
    case 'submitted':
    case 'accepted':
    case 'held':
    case 'partiallyFilled':
      return unanswered
        ? {kind: 'accepted', clientOrderId, venueOrderId: known.venueOrderId, tsUs: known.submittedUs}
        : undefined
    case 'filled':
      // Its fills end it; until they are all here it stays open, so that none is lost.
      return undefined
    default:
      known.status satisfies never
      return undefined
  }
}

const differencesOf = async ({engine, broker, instruments}: ReconcileOptions) => {
  const held = new Map((await broker.positions()).map(({symbol, lots}) => [symbol, lots]))
  const differences: {symbol: string; ledgerLots: number; brokerLots: number}[] = []
  for (const [i, {symbol}] of instruments.all().entries()) {
    const ledgerLots = engine.ledger.account.lots[i] as number
    const brokerLots = held.get(symbol) ?? 0
    held.delete(symbol)
    if (ledgerLots !== brokerLots) differences.push({symbol, ledgerLots, brokerLots})
  }
  for (const [symbol, brokerLots] of held) if (brokerLots !== 0) differences.push({symbol, ledgerLots: 0, brokerLots})
  return differences
}

/** A start far enough back to see every fill of orders that are still open, with room for clocks that differ. */
export const reconcileSince = (engine: Engine, startedUs: number): TsUs => {
  let sinceUs = Math.max(startedUs, engine.nowUs)
  for (const order of engine.desk.orders.values()) sinceUs = Math.min(sinceUs, order.sentUs)
  return tsUs(Math.max(0, Math.floor(sinceUs - 60_000_000)))
}
