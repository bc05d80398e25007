import type {ExecutionReport, Fill, OrderLeg} from '../domain/order.ts'
import type {Rng} from '../domain/rng.ts'
import {type Ticks, lots as toLots, ticks as toTicks, tsUs as toTsUs} from '../domain/units.ts'
import type {Asset} from './assets.ts'
import {type Decimal, formatDecimal, fromUnits, ONE, quotient, times, toUnits} from './decimal.ts'
import {holdingKey} from './holdings.ts'
import {isFinal, leavesOf, type OrderRecord, orderJson, type WireStatus} from './order-record.ts'
import {uuid} from './uuid.ts'
import type {Venue, VenueOrder} from './venue.ts'
import {isoUtc} from './wire-time.ts'

/** One message of the trading stream, ready for the wire. */
export interface TradeUpdate {
  readonly event: string
  readonly execution_id: string | null
  readonly timestamp: string
  readonly order: Record<string, unknown>
  readonly price?: string
  readonly qty?: string
  readonly position_qty?: string
}

export interface DeskFill {
  readonly order: OrderRecord
  readonly executionId: string
  readonly qty: Decimal
  readonly price: Decimal
  readonly fill: Fill
}

export interface DeskOptions {
  readonly venue: Venue
  /** Finished orders that are remembered; older ones are forgotten, so that memory does not grow with time. */
  readonly keptOrders: number
  readonly rng: Rng
  readonly instrumentIndex: (asset: Asset) => number
  readonly nowUs: () => number
  /** What a market order would pay now; sizes a notional order. */
  readonly farPrice: (order: OrderRecord) => Decimal | undefined
  /** Books the fill; afterwards `positionQty` is asked for the update. */
  readonly onFill: (fill: DeskFill) => void
  readonly positionQty: (key: string) => Decimal
  readonly onUpdate: (update: TradeUpdate) => void
}

/** Why the desk took an order out of the market: decides what the venue's cancellation means. */
type Withdrawal = 'cancel' | 'expire' | 'pause' | 'replace'

/** A coin order by notional is sized with a 2 % collar above the ask. */
const COIN_COLLAR = fromUnits(102, 2)

/**
 * The orders of the account between the wire and the matching core. Complex orders live here: the core sees each leg as
 * a plain order, at the moment it may trade. Every change of state is told to `onUpdate` in order.
 */
export class OrderDesk {
  readonly #options: DeskOptions
  readonly #byId = new Map<string, OrderRecord>()
  readonly #byClientId = new Map<string, OrderRecord>()
  readonly #open = new Set<OrderRecord>()
  /** Finished orders, oldest first. */
  #finished: OrderRecord[] = []
  #count = 0
  /** Key under which the core knows an order; a paused order comes back under a new one. */
  readonly #working = new Map<string, OrderRecord>()
  readonly #keys = new Map<OrderRecord, string>()
  readonly #withdrawn = new Map<string, Withdrawal>()
  readonly #trailing = new Set<OrderRecord>()
  #attempts = 0

  constructor(options: DeskOptions) {
    this.#options = options
  }

  get(id: string): OrderRecord | undefined {
    return this.#byId.get(id)
  }
  byClientId(clientOrderId: string): OrderRecord | undefined {
    return this.#byClientId.get(clientOrderId)
  }
  /** Orders ever taken, legs included. */
  get count(): number {
    return this.#count
  }
  /** Open orders and the finished ones that are remembered. */
  all(): OrderRecord[] {
    return [...this.#byId.values()]
  }
  open(): readonly OrderRecord[] {
    return [...this.#open]
  }
  isWorking(order: OrderRecord): boolean {
    return this.#keys.has(order)
  }

  add(order: OrderRecord): void {
    this.#take(order)
    for (const leg of order.legs) this.add(leg)
  }
  #take(order: OrderRecord): void {
    this.#byId.set(order.id, order)
    this.#byClientId.set(order.clientOrderId, order)
    this.#open.add(order)
    this.#count++
  }

  announce(order: OrderRecord, event: string, executionId: string | null = uuid(this.#options.rng)): void {
    this.#options.onUpdate({
      event,
      execution_id: executionId,
      timestamp: isoUtc(order.updatedUs),
      order: updateJson(order),
    })
  }

  /** Lets the order into the market: itself, and the stop of an OCO beside it. */
  release(order: OrderRecord): void {
    // Legs are released with the order they are part of.
    if (isFinal(order.status) || this.isWorking(order) || order.role === 'leg') return
    if (order.type === 'trailing_stop') {
      this.#trailing.add(order)
      this.#confirm(order)
    } else this.#send(order, this.#venueOrder(order))
    if (order.orderClass === 'oco') for (const leg of order.legs) this.#send(leg, this.#venueOrder(leg))
    this.settle()
  }

  /** Takes an order out of the market to come back later (end of session). */
  pause(order: OrderRecord): void {
    this.#trailing.delete(order)
    this.#withdraw(order, 'pause')
    this.settle()
  }

  cancel(order: OrderRecord): void {
    for (const member of membersOf(order)) this.#end(member, 'canceled')
    this.settle()
  }

  expire(order: OrderRecord): void {
    for (const member of membersOf(order)) this.#end(member, 'expired')
    this.settle()
  }

  /** The old order makes way for `next`, which keeps what was filled. */
  replace(order: OrderRecord, next: OrderRecord): void {
    const now = this.#options.nowUs()
    const working = this.isWorking(order)
    this.#withdraw(order, 'replace')
    order.status = 'replaced'
    order.replacedUs = now
    order.replacedBy = next.id
    order.updatedUs = now
    this.#close(order)
    this.#trailing.delete(order)
    if (order.parent !== undefined) {
      order.parent.legs.splice(order.parent.legs.indexOf(order), 1, next)
      next.parent = order.parent
    }
    if (order.role === 'combination') this.#replaceLegs(order, next)
    else
      for (const leg of order.legs) {
        leg.parent = next
        next.legs.push(leg)
      }
    this.#take(next)
    if (next.role === 'combination') for (const leg of next.legs) this.#take(leg)
    this.announce(order, 'replaced')
    if (working) this.release(next)
    else if (next.status === 'new') this.announce(next, 'new')
    this.settle()
  }

  /** Each new leg stands for an old one; nothing is said of them but in their order. */
  #replaceLegs(order: OrderRecord, next: OrderRecord): void {
    for (const [k, leg] of order.legs.entries()) {
      if (!isFinal(leg.status)) this.#close(leg)
      leg.status = 'replaced'
      leg.replacedUs = order.replacedUs
      leg.replacedBy = next.legs[k]?.id ?? null
      leg.updatedUs = order.updatedUs
    }
  }

  /** Trailing stops follow the trades; they become market orders when touched. */
  onTrade(asset: Asset, price: Decimal): void {
    for (const order of this.#trailing) {
      if (order.asset !== asset) continue
      ratchet(order, price)
      const stop = order.stopPrice as Decimal
      if (order.side === 'sell' ? price > stop : price < stop) continue
      this.#trailing.delete(order)
      this.#send(order, {...this.#base(order), type: 'market'})
    }
    this.settle()
  }

  /** Lets the core act on everything that is due at this instant. */
  settle(): void {
    this.#options.venue.advanceTo(this.#options.nowUs())
  }

  onReport(report: ExecutionReport): void {
    const key = report.kind === 'fill' ? report.fill.clientOrderId : report.clientOrderId
    const order = this.#working.get(key)
    if (order === undefined) return
    switch (report.kind) {
      case 'accepted':
        this.#confirm(order)
        return
      case 'fill':
        this.#onFill(order, report.fill)
        return
      case 'cancelled':
      case 'expired': {
        const reason = this.#withdrawn.get(key)
        this.#detach(order, key)
        if (reason === 'pause' || reason === 'replace') return
        this.#finish(order, reason === 'expire' || report.kind === 'expired' ? 'expired' : 'canceled')
        return
      }
      case 'rejected':
        this.#detach(order, key)
        this.#finish(order, 'rejected')
        return
      case 'cancelRejected':
      case 'replaced':
      // Only a venue that is asked to adjust orders does (`VenueOptions.adjustsOrders`).
      case 'adjusted':
        this.#withdrawn.delete(key)
        return
      default:
        report satisfies never
    }
  }

  #confirm(order: OrderRecord): void {
    if (order.status !== 'accepted' && order.status !== 'pending_new') return
    for (const member of order.role === 'combination' ? [order, ...order.legs] : [order]) {
      member.status = member.filledQty > 0n ? 'partially_filled' : 'new'
      member.updatedUs = this.#options.nowUs()
    }
    this.announce(order, 'new')
  }

  #onFill(order: OrderRecord, fill: Fill): void {
    if (order.role === 'combination') {
      this.#onLegFill(order, fill)
      return
    }
    const {qty, price, executionId, done} = this.#execute(order, fill)
    const position = this.#options.positionQty(holdingKey(order.asset.instrument))
    this.#tellFill(order, executionId, {qty, price, position})
    if (order.role === 'entry') {
      if (done) for (const leg of order.legs) this.#activate(leg)
    } else this.#shrinkSiblings(order, qty, done)
  }

  /** Books an execution of a plain order or of a leg. */
  #execute(order: OrderRecord, fill: Fill): {qty: Decimal; price: Decimal; executionId: string; done: boolean} {
    const {instrument} = order.asset
    const qty = fromUnits(fill.lots, instrument.sizeDecimals)
    const price = fromUnits(fill.priceTicks, instrument.priceDecimals)
    const done = this.#progress(order, qty, times(qty, price))
    const executionId = uuid(this.#options.rng)
    this.#options.onFill({order, executionId, qty, price, fill})
    return {qty, price, executionId, done}
  }

  /** So much more of the order is done; whether that is all of it. */
  #progress(order: OrderRecord, qty: Decimal, value: Decimal): boolean {
    const now = this.#options.nowUs()
    order.filledQty += qty
    order.filledValue += value
    order.updatedUs = now
    const done = leavesOf(order) <= 0n
    order.status = done ? 'filled' : 'partially_filled'
    if (!done) return false
    order.filledUs = now
    this.#close(order)
    this.#detach(order, this.#keys.get(order) ?? '')
    return true
  }

  #tellFill(
    order: OrderRecord,
    executionId: string,
    {qty, price, position}: {readonly qty: Decimal; readonly price: Decimal; readonly position: Decimal},
  ): void {
    this.#options.onUpdate({
      event: order.status === 'filled' ? 'fill' : 'partial_fill',
      execution_id: executionId,
      timestamp: isoUtc(order.updatedUs),
      order: updateJson(order),
      price: formatDecimal(price),
      qty: formatDecimal(qty),
      position_qty: formatDecimal(position),
    })
  }

  /** The legs of some units fill at one instant, in their order; the last of them is when the units are told. */
  #onLegFill(order: OrderRecord, fill: Fill): void {
    const leg = order.legs.find(({asset}) => this.#options.instrumentIndex(asset) === fill.instrument)
    if (leg === undefined) return
    const {executionId} = this.#execute(leg, fill)
    if (leg !== order.legs.at(-1)) return
    const qty = leg.filledQty / BigInt(leg.ratio ?? 1) - order.filledQty
    const value = order.legs.reduce(
      (sum, {side, filledValue}) => sum + (side === 'buy' ? filledValue : -filledValue),
      0n,
    )
    const price = quotient(value - order.filledValue, qty)
    this.#progress(order, qty, value - order.filledValue)
    // It has no position of its own: those are of its legs.
    this.#tellFill(order, executionId, {qty, price, position: 0n})
  }

  /** A filled entry frees its exits. */
  #activate(leg: OrderRecord): void {
    if (leg.status !== 'held') return
    leg.status = 'pending_new'
    this.#send(leg, this.#venueOrder(leg))
  }

  /** What one exit has sold, the other must not sell again. */
  #shrinkSiblings(order: OrderRecord, qty: Decimal, done: boolean): void {
    const root = order.parent ?? order
    for (const sibling of [root, ...root.legs]) {
      if (sibling === order || sibling.role === 'entry' || isFinal(sibling.status)) continue
      if (done) {
        this.#end(sibling, 'canceled')
        continue
      }
      sibling.qty = (sibling.qty ?? 0n) - qty
      if (!this.isWorking(sibling)) continue
      this.#withdraw(sibling, 'pause')
      this.#detach(sibling, this.#keys.get(sibling) ?? '')
      this.#send(sibling, this.#venueOrder(sibling))
    }
  }

  /** Ends an order that is in the market through the market, and one that is not at once. */
  #end(order: OrderRecord, status: 'canceled' | 'expired'): void {
    if (isFinal(order.status)) return
    this.#trailing.delete(order)
    if (this.isWorking(order)) this.#withdraw(order, status === 'expired' ? 'expire' : 'cancel')
    else this.#finish(order, status)
  }

  #finish(order: OrderRecord, status: WireStatus): void {
    if (isFinal(order.status)) return
    const ended = order.role === 'combination' ? [...order.legs, order] : [order]
    for (const member of ended) if (!isFinal(member.status)) this.#stamp(member, status)
    this.announce(order, status)
    // Exits whose entry is gone have nothing to protect; an exit that dies takes its sibling along.
    for (const leg of order.legs) if (leg.status === 'held') this.#end(leg, 'canceled')
  }

  #stamp(order: OrderRecord, status: WireStatus): void {
    const now = this.#options.nowUs()
    order.status = status
    order.updatedUs = now
    if (status === 'canceled') order.canceledUs = now
    if (status === 'expired') order.expiredUs = now
    if (status === 'rejected') order.failedUs = now
    this.#close(order)
  }

  #close(order: OrderRecord): void {
    this.#open.delete(order)
    this.#finished.push(order)
    const {keptOrders} = this.#options
    if (this.#finished.length < 2 * keptOrders) return
    for (const old of this.#finished.splice(0, keptOrders)) {
      this.#byId.delete(old.id)
      if (this.#byClientId.get(old.clientOrderId) === old) this.#byClientId.delete(old.clientOrderId)
    }
  }

  #withdraw(order: OrderRecord, reason: Withdrawal): void {
    const key = this.#keys.get(order)
    if (key === undefined) return
    this.#withdrawn.set(key, reason)
    this.#options.venue.cancel(key, this.#options.nowUs())
    if (reason === 'replace') this.#detach(order, key)
  }

  #detach(order: OrderRecord, key: string): void {
    this.#working.delete(key)
    this.#withdrawn.delete(key)
    if (this.#keys.get(order) === key) this.#keys.delete(order)
  }

  #send(order: OrderRecord, venueOrder: VenueOrder): void {
    if (this.isWorking(order) || isFinal(order.status)) return
    if (venueOrder.lots === 0) {
      this.#finish(order, 'rejected')
      return
    }
    const key = `${order.id}/${++this.#attempts}`
    this.#working.set(key, order)
    this.#keys.set(order, key)
    this.#options.venue.submit({...venueOrder, clientOrderId: key}, this.#options.nowUs())
  }

  #base(order: OrderRecord): VenueOrder {
    const {sizeDecimals} = order.asset.instrument
    return {
      clientOrderId: order.id,
      instrument: this.#options.instrumentIndex(order.asset),
      side: order.side,
      ...(order.role === 'combination' ? {legs: this.#legs(order)} : {}),
      type: order.type,
      // Days, auctions and sessions are kept by the exchange; the core only knows now or until cancelled.
      timeInForce: order.timeInForce === 'ioc' || order.timeInForce === 'fok' ? order.timeInForce : 'gtc',
      lots: toLots(Number(toUnits(this.#sized(order), sizeDecimals))),
      decidedUs: toTsUs(order.submittedUs),
    } as VenueOrder
  }

  #legs(order: OrderRecord): OrderLeg[] {
    return order.legs.map(({asset, side, ratio = 1}) => ({
      instrument: this.#options.instrumentIndex(asset),
      side,
      ratio,
    }))
  }

  /** Fixes the quantity of a notional order at the price of this moment. */
  #sized(order: OrderRecord): Decimal {
    if (order.qty === undefined) {
      const far = this.#options.farPrice(order)
      if (far === undefined || order.notional === undefined) return 0n
      const {kind, sizeDecimals} = order.asset.instrument
      const price = kind === 'crypto' && order.side === 'buy' ? times(far, COIN_COLLAR) : (order.limitPrice ?? far)
      order.qty = fromUnits(toUnits((order.notional * ONE) / price, sizeDecimals), sizeDecimals)
    }
    return leavesOf(order)
  }

  #venueOrder(order: OrderRecord): VenueOrder {
    const {priceDecimals, kind} = order.asset.instrument
    const inTicks = (price: Decimal): Ticks => toTicks(Number(toUnits(price, priceDecimals)))
    const base = this.#base(order)
    if (order.type === 'stop' && order.side === 'buy' && order.stopPrice !== undefined) {
      // A buy stop is worked as a stop-limit: 4 % above a stop under $50, 2.5 % above from there.
      const collar = order.stopPrice < 50n * ONE ? fromUnits(104, 2) : fromUnits(1025, 3)
      const limit = quotient(times(order.stopPrice, collar), ONE, kind === 'crypto' ? priceDecimals : 2)
      return {...base, type: 'stop_limit', stopTicks: inTicks(order.stopPrice), limitTicks: inTicks(limit)}
    }
    return {
      ...base,
      ...(order.limitPrice === undefined ? {} : {limitTicks: inTicks(order.limitPrice)}),
      ...(order.stopPrice === undefined ? {} : {stopTicks: inTicks(order.stopPrice)}),
    }
  }
}

/** The group that ends together; the legs of one order end with it. */
const membersOf = (order: OrderRecord): readonly OrderRecord[] => {
  const root = order.parent ?? order
  return root.role === 'combination' ? [root] : [root, ...root.legs]
}

/** The order as the stream shows it: there one of several legs has an intent, an empty one. */
const updateJson = (order: OrderRecord): Record<string, unknown> =>
  order.role === 'combination' ? {...orderJson(order), position_intent: ''} : orderJson(order)

/** Moves the high-water mark (low for a buy) and the stop behind it; the stop is never rounded. */
export const ratchet = (order: OrderRecord, price: Decimal): void => {
  const {side, highWater} = order
  if (highWater === undefined || (side === 'sell' ? price > highWater : price < highWater)) order.highWater = price
  const mark = order.highWater as Decimal
  const distance = order.trailPrice ?? times(mark, (order.trailPercent ?? 0n) / 100n)
  order.stopPrice = side === 'sell' ? mark - distance : mark + distance
}
