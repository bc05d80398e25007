import {
  type KillVenue,
  type OpenOrder,
  type OpenPosition,
  VenueRefused,
  VenueThrottled,
  VenueUnreachable,
} from './kill-venue.ts'

export interface KillFlowOptions {
  readonly flatten: boolean
  readonly deadlineMs: number
  /** Monotonic milliseconds. */
  readonly nowMs: () => number
  readonly sleep: (ms: number) => Promise<void>
  readonly onSent?: () => void
  readonly onProgress?: (text: string) => void
}

export interface VenueOutcome {
  readonly venue: string
  readonly state: 'confirmed' | 'timeout' | 'unreachable' | 'refused'
  readonly cancelled: number
  readonly openOrders: number
  readonly positions: readonly OpenPosition[]
  readonly detail?: string
}

const POLL_MS = 50
const SLOWEST_POLL_MS = 400
/** Three requests a step at this pace stay well within 200 a minute, for a kill that takes long. */
const PATIENT_POLL_MS = 1_500
const PATIENT_AFTER_MS = 8_000
/** Consecutive clean answers before a venue counts as confirmed: an order in flight may land after the first. */
const CONFIRMATIONS = 2
/** A liquidation that has not moved for this long is taken back and sent anew. */
const STUCK_MS = 3_000
/** How long a closing order just sent may be missing from the broker's lists before it counts as gone. */
const SETTLE_MS = 500
/** Refused connections in a row after which nobody is taken to listen. */
const REFUSALS = 4

/**
 * Cancels until the broker says nothing is open, then (with `flatten`) closes until it says nothing is held. Only what
 * the broker answers counts: new orders that appear are cancelled, partial fills closed again, unclear requests asked
 * about. Never throws for what a venue does.
 */
export const killAtVenue = async (venue: KillVenue, options: KillFlowOptions): Promise<VenueOutcome> => {
  const {flatten, deadlineMs, nowMs, sleep, onSent, onProgress} = options
  const cancelled = new Set<string>()
  /** Our own closing orders: id to when it was last seen to make progress. */
  const closing = new Map<string, {symbol: string; quantity: number; sinceMs: number}>()
  let open: readonly OpenOrder[] = []
  let held: readonly OpenPosition[] = []
  let clean = 0
  let refusals = 0
  let pollMs = POLL_MS
  let first = true
  let known = false
  let detail: string | undefined

  const startedMs = nowMs()
  const slowestMs = (): number => (nowMs() - startedMs > PATIENT_AFTER_MS ? PATIENT_POLL_MS : SLOWEST_POLL_MS)

  const outcome = (state: VenueOutcome['state']): VenueOutcome => ({
    venue: venue.name,
    state,
    cancelled: cancelled.size,
    openOrders: open.length,
    positions: held,
    ...(detail === undefined ? {} : {detail}),
  })

  const cancelEverything = async (): Promise<void> => {
    for (const id of await venue.cancelAll(first ? onSent : undefined)) if (!closing.has(id)) cancelled.add(id)
    first = false
    closing.clear()
  }

  const step = async (): Promise<void> => {
    if (first) await cancelEverything()
    open = await venue.openOrders()
    const strangers = open.filter(({id}) => !closing.has(id))
    if (strangers.length > 0) {
      clean = 0
      onProgress?.(`${venue.name}: ${strangers.length} orders still open`)
      if (closing.size === 0) await cancelEverything()
      else for (const {id} of strangers) await venue.cancel(id).then(() => cancelled.add(id))
      return
    }
    held = await venue.positions()
    known = true
    if (open.length === 0 && (!flatten || held.length === 0)) {
      clean++
      return
    }
    clean = 0
    if (flatten) await closeAll()
  }

  const closeAll = async (): Promise<void> => {
    const working = new Set(open.map(({id}) => id))
    for (const [id, order] of closing) {
      const now = held.find(({symbol}) => sameSymbol(symbol, order.symbol))?.quantity ?? 0
      if (now !== order.quantity) {
        order.quantity = now
        order.sinceMs = nowMs()
      }
      const quietMs = nowMs() - order.sinceMs
      if (working.has(id) ? quietMs <= STUCK_MS : quietMs <= SETTLE_MS) continue
      // What is forgotten here but still at the venue is a stranger next time round, and is cancelled.
      closing.delete(id)
      if (working.has(id)) await venue.cancel(id)
    }
    for (const {symbol, quantity} of held) {
      if ([...closing.values()].some(order => sameSymbol(order.symbol, symbol))) continue
      // Written contracts go first: whatever covers them is kept until the broker says they are gone.
      if (mayCoverShort(symbol, quantity, held)) continue
      onProgress?.(`${venue.name}: closing ${quantity} ${symbol}`)
      const id = await venue.closePosition(symbol)
      if (id !== undefined) closing.set(id, {symbol, quantity, sinceMs: nowMs()})
    }
  }

  while (true) {
    try {
      await step()
      refusals = 0
      detail = undefined
      pollMs = POLL_MS
    } catch (error) {
      clean = 0
      detail = (error as Error).message
      if (error instanceof VenueRefused) return outcome('refused')
      if (error instanceof VenueUnreachable) {
        refusals++
        if (refusals >= REFUSALS) return outcome('unreachable')
      }
      pollMs = error instanceof VenueThrottled ? PATIENT_POLL_MS : Math.min(pollMs * 2, slowestMs())
      onProgress?.(`${venue.name}: ${detail}`)
    }
    if (known && clean >= CONFIRMATIONS) return outcome('confirmed')
    if (nowMs() >= deadlineMs) return outcome('timeout')
    await sleep(clean > 0 ? POLL_MS : Math.min(pollMs, Math.max(0, deadlineMs - nowMs())))
    if (clean === 0) pollMs = Math.min(pollMs * 1.5, slowestMs())
  }
}

/** Positions spell a pair `BTCUSD`, orders `BTC/USD`. */
const sameSymbol = (a: string, b: string): boolean => a.replace('/', '') === b.replace('/', '')

const CONTRACT = /^([A-Z.]{1,6}\d?)\d{6}[CP]\d{8}$/
const underlyingOf = (symbol: string): string => CONTRACT.exec(symbol)?.[1] ?? symbol

/** Whether closing this could uncover a short option on the same underlying that is still held. */
const mayCoverShort = (symbol: string, quantity: number, held: readonly OpenPosition[]): boolean =>
  !(quantity < 0 && CONTRACT.test(symbol)) &&
  held.some(
    other => other.quantity < 0 && CONTRACT.test(other.symbol) && underlyingOf(other.symbol) === underlyingOf(symbol),
  )
