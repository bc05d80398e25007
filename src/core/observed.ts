import type {ApprovedOrder, Broker} from '../broker/broker.ts'
import type {Journal, JournalEntry} from '../broker/journal.ts'
import type {KillLatch} from '../broker/kill-latch.ts'
import type {TapeChunk} from '../data/tape.ts'
import type {ExecutionReport, Fill} from '../domain/order.ts'
import {tsUs} from '../domain/units.ts'
import type {Feed} from '../feed/feed.ts'

/** The same feed under a name of the caller's; `observe` sees each chunk before the node does, `taken` when it has taken it. */
export const observedFeed = (
  feed: Feed,
  name: string,
  observe: (chunk: TapeChunk & {count: number}) => void,
  taken: () => void,
): Feed => ({
  name,
  instruments: feed.instruments,
  async *chunks() {
    for await (const chunk of feed.chunks()) {
      // The feed's own columns, which it fills anew after.
      observe(chunk as TapeChunk & {count: number})
      yield chunk
      taken()
    }
  },
  [Symbol.asyncDispose]: () => feed[Symbol.asyncDispose](),
})

const REMEMBERED_ORDERS = 10_000

/** The same journal; `onFill` hears each fill once it is durable, with the strategy whose order it was. */
export const observedJournal = (journal: Journal, onFill: (strategy: string, fill: Fill) => void): Journal => {
  // Two generations: fills come soon after their order or not at all, and a node runs for weeks.
  let young = new Map<string, string>()
  let old = young
  const learn = (entry: JournalEntry): void => {
    if (entry.kind !== 'intent') return
    young.set(entry.intent.clientOrderId, entry.intent.strategy)
    if (young.size < REMEMBERED_ORDERS) return
    old = young
    young = new Map()
  }
  for (const {entry} of journal.entries()) learn(entry)
  return {
    append(entry) {
      const seq = journal.append(entry)
      learn(entry)
      if (entry.kind === 'report' && entry.report.kind === 'fill') {
        const {fill} = entry.report
        onFill(young.get(fill.clientOrderId) ?? old.get(fill.clientOrderId) ?? 'external', fill)
      }
      return seq
    },
    entries: () => journal.entries(),
    hash: () => journal.hash(),
    [Symbol.dispose]: () => journal[Symbol.dispose](),
  }
}

/**
 * The same broker, whose questions wait for `quiet`: while a kill is at work the books are not closed, so that they close
 * on what it did. Fills that others made in the account (the kill, a person) get an id of this run in front when fills
 * are asked for, so that they are booked, to no strategy, and the ledger holds what the broker holds. Orders, cancels and
 * reports pass at once.
 */
export const patientBroker = (
  broker: Broker,
  {quiet, runId}: {readonly quiet: () => Promise<void>; readonly runId: string},
): Broker => {
  let lastFillUs = Number.POSITIVE_INFINITY
  const later =
    <A extends unknown[], T>(ask: (...args: A) => Promise<T>) =>
    async (...args: A): Promise<T> => {
      await quiet()
      return ask(...args)
    }
  return {
    ...forwarded(broker),
    onReport(listener) {
      broker.onReport(report => {
        if (report.kind === 'fill') lastFillUs = report.tsUs
        listener(report)
      })
    },
    orderByClientId: later(id => broker.orderByClientId(id)),
    openOrders: later(() => broker.openOrders()),
    positions: later(() => broker.positions()),
    account: later(() => broker.account()),
    fillsSince: later(async sinceUs => {
      const fills = await broker.fillsSince(tsUs(Math.min(sinceUs, lastFillUs)))
      lastFillUs = fills.at(-1)?.tsUs ?? lastFillUs
      return fills.map(report => bookable(report, runId))
    }),
  }
}

type FillReport = Extract<ExecutionReport, {kind: 'fill'}>
const bookable = (report: FillReport, runId: string): FillReport =>
  report.fill.clientOrderId.startsWith(`${runId}-`)
    ? report
    : {...report, fill: {...report.fill, clientOrderId: `${runId}-other-${report.fill.clientOrderId}`}}

/** Everything a broker does, as an object that can be spread over. */
const forwarded = (broker: Broker): Broker => ({
  name: broker.name,
  separatesSides: broker.separatesSides ?? false,
  ...(broker.requestUse === undefined ? {} : {requestUse: broker.requestUse}),
  onReport: listener => broker.onReport(listener),
  submit: order => broker.submit(order),
  ...(broker.submitWhen === undefined ? {} : {submitWhen: broker.submitWhen}),
  cancel: clientOrderId => broker.cancel(clientOrderId),
  cancelAll: () => broker.cancelAll(),
  orderByClientId: clientOrderId => broker.orderByClientId(clientOrderId),
  openOrders: () => broker.openOrders(),
  positions: () => broker.positions(),
  account: () => broker.account(),
  fillsSince: sinceUs => broker.fillsSince(sinceUs),
  [Symbol.asyncDispose]: () => broker[Symbol.asyncDispose](),
})

/** What must be on the disk before an order leaves. */
export interface Syncable {
  readonly sync: () => Promise<void>
}

export interface JournaledBrokerOptions {
  readonly journal: Syncable
  readonly latch: KillLatch
  /** The journal begins to sync for orders that wait. */
  readonly onSync?: () => void
  /** Called with each order as it is handed over. */
  readonly onSent: (clientOrderId: string) => void
}

/**
 * The same broker behind a group commit: an order leaves only after the journal has been synced, once for all orders of
 * one instant. A sync that fails keeps its orders here, and so does a latch that closed while they waited for the disk:
 * those come back as rejected, never sent.
 */
export const journaledBroker = (broker: Broker, {journal, latch, onSync, onSent}: JournaledBrokerOptions): Broker => {
  const listeners: ((report: ExecutionReport) => void)[] = []
  let pending: Promise<void> | undefined
  /** Orders that wait for the disk: each will take a request that the broker still counts as free. */
  let unsent = 0
  const {requestUse} = broker
  const synced = (): Promise<void> => {
    pending ??= Promise.resolve().then(() => {
      pending = undefined
      onSync?.()
      return journal.sync()
    })
    return pending
  }
  const mayLeave = async ({clientOrderId, decidedUs}: ApprovedOrder): Promise<boolean> => {
    await synced()
    const state = latch.check()
    if (state.latched) {
      const report = {kind: 'rejected', clientOrderId, tsUs: decidedUs, code: 'latched', reason: state.reason} as const
      for (const listener of listeners) listener(report)
      return false
    }
    onSent(clientOrderId)
    return true
  }
  return {
    ...forwarded(broker),
    ...(requestUse === undefined
      ? {}
      : {
          requestUse: () => {
            const use = requestUse()
            return {...use, available: Math.max(0, use.available - unsent)}
          },
        }),
    onReport(listener) {
      listeners.push(listener)
      broker.onReport(listener)
    },
    async submit(order) {
      // The request is made ready while the disk is at work, where the broker can; it leaves when the disk is done.
      if (broker.submitWhen !== undefined) return broker.submitWhen(order, mayLeave(order))
      unsent++
      const may = await mayLeave(order).finally(() => {
        unsent--
      })
      if (may) return broker.submit(order)
    },
  }
}
