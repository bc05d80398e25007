import {EventKind, Notice, type TapeChunk} from '../data/tape.ts'
import type {ExecutionReport} from '../domain/order.ts'
import {lots as toLots, ticks as toTicks, tsUs as toTsUs} from '../domain/units.ts'
import {Channel} from './channel.ts'
import {Execution, type Outcome} from './execution.ts'
import {legsFault, MultiLegOrders} from './multi-leg.ts'
import {type Adjustment, adjustmentOf} from './order-adjust.ts'
import {OrderGroups} from './order-groups.ts'
import {OrderLists} from './order-lists.ts'
import {joinQueue} from './queue.ts'
import {RecentIds} from './recent-ids.ts'
import {RowMatching} from './row-matching.ts'
import {ShownMarket} from './shown-market.ts'
import {isStopReached} from './stop-trigger.ts'
import type {Venue, VenueOptions, VenueOrder} from './venue.ts'
import {createWorkingOrder, faultOf, type WorkingOrder} from './working-order.ts'

// A matching kernel: columns are indexed by instrument numbers that the table has handed out, so they are read under `!`.

/** The matching core of the back-test and of the local exchange. See `Venue` for its contract. */
export const createVenue = (options: VenueOptions): Venue => {
  const core = new VenueCore(options)
  return {
    submit: (order, nowUs) => core.submit(order, nowUs),
    cancel: (clientOrderId, nowUs) => core.cancel(clientOrderId, nowUs),
    replace: (clientOrderId, change, nowUs) => core.replace(clientOrderId, change, nowUs),
    onRow: (chunk, row) => core.onRow(chunk, row),
    onNotice: (chunk, row) => core.onNotice(chunk, row),
    advanceTo: nowUs => core.advanceTo(nowUs),
    nextDueUs: () => core.dueUs,
    hold: (instrument, lots) => core.hold(instrument, lots),
    deliver: () => core.deliver(),
    endOfTape: nowUs => core.endOfTape(nowUs),
    openOrders: () => core.openOrders(),
  }
}

type Change = Parameters<Venue['replace']>[1]
type Command =
  | {readonly kind: 'submit'; readonly order: VenueOrder}
  | {readonly kind: 'cancel'; readonly clientOrderId: string}
  | {readonly kind: 'replace'; readonly clientOrderId: string; readonly change: Change}

/** How long after the close its print is waited for, where an instrument has quotes to fall back on. */
const CLOSING_PRINT_US = 300_000_000

/** Good-till-cancelled lasts 90 days, as at Alpaca. */
const GTC_US = 90 * 86_400_000_000

/** Keeps the orders: arrivals, groups, triggers and time. What rows do to them is `RowMatching`, fills are `Execution`. */
class VenueCore {
  readonly #options: VenueOptions
  readonly #inbound = new Channel<Command>()
  readonly #outbound = new Channel<ExecutionReport>()
  readonly #byId = new Map<string, WorkingOrder>()
  readonly #usedIds = new RecentIds()
  readonly #groups = new OrderGroups()
  readonly #lists: OrderLists
  readonly #watched: Uint8Array
  readonly #shown: ShownMarket
  readonly #execution: Execution
  readonly #rows: RowMatching
  readonly #combinations: MultiLegOrders
  readonly #observe: ((chunk: TapeChunk, row: number) => void) | undefined
  #seq = 0
  #wakeUs = Infinity
  /** Time of the next scheduled thing. */
  dueUs = Infinity

  constructor(options: VenueOptions) {
    const {size} = options.instruments
    this.#options = options
    const lists = new OrderLists(size)
    const shown = new ShownMarket(options.market, size, options.respectSize, options.impact)
    const end = (working: WorkingOrder, outcome: Outcome, atUs: number) => this.#end(working, outcome, atUs)
    const execution = new Execution(options, shown, {
      report: (report, atUs) => this.#report(report, atUs),
      filled: (working, lots, atUs) => this.#onFilled(working, lots, atUs),
      end,
      consumed: instrument => {
        lists.watched[instrument] = 1
      },
    })
    const hooks = {electStop: (working: WorkingOrder, atUs: number) => this.#electStop(working, atUs), end}
    this.#observe = options.impact?.onRow
    this.#lists = lists
    this.#watched = lists.watched
    this.#shown = shown
    this.#execution = execution
    this.#combinations = new MultiLegOrders(size, shown, execution)
    this.#rows = new RowMatching({options, lists, shown, execution, hooks})
  }

  submit(order: VenueOrder, nowUs: number): void {
    this.#send({kind: 'submit', order}, nowUs)
  }
  cancel(clientOrderId: string, nowUs: number): void {
    this.#send({kind: 'cancel', clientOrderId}, nowUs)
  }
  replace(clientOrderId: string, change: Change, nowUs: number): void {
    this.#send({kind: 'replace', clientOrderId, change}, nowUs)
  }

  advanceTo(nowUs: number): void {
    while (this.dueUs <= nowUs) {
      const inboundUs = this.#inbound.headUs()
      const outboundUs = this.#outbound.headUs()
      // At one instant the venue acts before anybody hears of it.
      if (this.#wakeUs <= inboundUs && this.#wakeUs <= outboundUs) this.#wake(this.#wakeUs)
      else if (inboundUs <= outboundUs) this.#arrive(this.#inbound.shift(), inboundUs)
      else {
        const report = this.#outbound.shift()
        this.#reschedule()
        this.#options.onReport(report)
      }
      this.#reschedule()
    }
  }

  onRow(chunk: TapeChunk, row: number): void {
    const i = chunk.instrument[row]!
    if (this.#observe !== undefined) this.#observe(chunk, row)
    if (chunk.kind[row] === EventKind.bar && chunk.v4[row]! > 0) this.#rows.sawVolume(i)
    if (this.#watched[i] === 0) return
    this.#rows.onRow(chunk, row)
    const isCombined = this.#combinations.watches(i)
    if (isCombined) this.#combinations.onRow(i, chunk.tsUs[row]!)
    else if (this.#lists.isEmpty(i) && this.#shown.isUntouched(i)) this.#watched[i] = 0
    this.#reschedule()
  }

  hold(instrument: number, lots: number): void {
    this.#execution.hold(instrument, lots)
  }
  /** What the venue has said is heard at once: books are closed before an ex-date begins. */
  deliver(): void {
    while (this.#outbound.headUs() < Infinity) this.#options.onReport(this.#outbound.shift())
    this.#reschedule()
  }

  openOrders(): {order: VenueOrder; leavesLots: number; filledLots: number}[] {
    return [...this.#byId.values()].map(({order, leavesLots, filledLots}) => ({order, leavesLots, filledLots}))
  }

  // --- arrivals ------------------------------------------------------------------------------------------------

  #send(command: Command, nowUs: number): void {
    this.#inbound.push(nowUs + this.#options.latency.orderUs(this.#options.rng, nowUs), command)
    this.#reschedule()
  }

  #arrive(command: Command, atUs: number): void {
    switch (command.kind) {
      case 'submit':
        this.#accept(command.order, atUs)
        return
      case 'cancel': {
        const working = this.#byId.get(command.clientOrderId)
        if (working === undefined) this.#refuseCancel(command.clientOrderId, atUs)
        else this.#cancelGroup(working, 'cancelled by request', atUs)
        return
      }
      case 'replace':
        this.#replaceNow(command.clientOrderId, command.change, atUs)
        return
      default:
        command satisfies never
    }
  }

  #accept(order: VenueOrder, atUs: number): void {
    const instrument = this.#options.instruments.at(order.instrument)
    const fault = this.#usedIds.has(order.clientOrderId)
      ? {code: 'duplicate_id', reason: `client order id ${order.clientOrderId} was used before`}
      : (legsFault(order, this.#options.instruments) ??
        faultOf(order, instrument.minLots, instrument.incrementTicks, 10 ** instrument.priceDecimals) ??
        this.#auctionFault(order, atUs))
    if (fault !== undefined) {
      this.#report({kind: 'rejected', clientOrderId: order.clientOrderId, tsUs: toTsUs(atUs), ...fault}, atUs)
      return
    }
    this.#usedIds.add(order.clientOrderId)
    const working = createWorkingOrder(order, `v${++this.#seq}`, this.#seq, atUs)
    if (order.postOnly === true && this.#shown.wouldTake(working)) {
      const reason = 'a post-only order must not take'
      this.#report(
        {kind: 'rejected', clientOrderId: order.clientOrderId, tsUs: toTsUs(atUs), code: 'post_only', reason},
        atUs,
      )
      return
    }
    this.#byId.set(order.clientOrderId, working)
    this.#groups.add(working)
    this.#report(
      {kind: 'accepted', clientOrderId: order.clientOrderId, venueOrderId: working.venueOrderId, tsUs: toTsUs(atUs)},
      atUs,
    )
    if (order.groupRole === 'exit' && this.#groups.entryIsOpen(working)) working.state = 'held'
    else this.#activate(working, atUs)
  }

  #auctionFault({timeInForce, instrument}: VenueOrder, atUs: number): {code: string; reason: string} | undefined {
    if (timeInForce !== 'opg' && timeInForce !== 'cls') return undefined
    if (this.#options.sessions?.bars?.(instrument, timeInForce, atUs) !== true) return undefined
    return {code: 'auction_closed', reason: `the cut-off for ${timeInForce} orders has passed`}
  }

  /** Lets an order loose: it trades at once, rests, or waits for its trigger or its auction. */
  #activate(working: WorkingOrder, atUs: number): void {
    const {order} = working
    this.#setTimes(working, atUs)
    if (working.wakeUs < working.expiresUs) {
      working.state = 'scheduled'
      this.#wakeUs = Math.min(this.#wakeUs, working.wakeUs)
      return
    }
    this.#wakeUs = Math.min(this.#wakeUs, working.wakeUs)
    if (order.type === 'stop' || order.type === 'stop_limit' || order.type === 'trailing_stop') {
      working.state = 'stopped'
      this.#lists.add(working)
      this.#electStop(working, atUs)
      return
    }
    working.state = 'live'
    if (order.legs === undefined) this.#goLive(working, atUs)
    else this.#combine(working, atUs)
  }

  /** An order of several legs takes what there is and waits for the rest. */
  #combine(working: WorkingOrder, atUs: number): void {
    const {timeInForce, legs = []} = working.order
    if (timeInForce === 'fok' && this.#combinations.takeable(working, atUs) < working.leavesLots) {
      this.#end(working, {kind: 'cancelled', reason: 'fill or kill'}, atUs)
      return
    }
    this.#combinations.take(working, atUs)
    if ((working.state as WorkingOrder['state']) === 'done') return
    if (timeInForce === 'ioc' || timeInForce === 'fok') {
      this.#end(working, {kind: 'cancelled', reason: 'immediate or cancel'}, atUs)
      return
    }
    this.#combinations.add(working)
    for (const {instrument} of legs) this.#watched[instrument] = 1
  }

  #setTimes(working: WorkingOrder, atUs: number): void {
    const {sessions} = this.#options
    const {order, instrument} = working
    const closeUs = sessions?.closeUs(instrument, atUs) ?? Infinity
    // The session's last bar is known at the close, and what is in it happened before.
    working.expiresUs = order.timeInForce === 'gtc' ? atUs + GTC_US : closeUs + 1
    working.wakeUs = working.expiresUs
    if (order.timeInForce === 'opg') {
      const openUs = sessions?.openUs(instrument, atUs) ?? atUs
      // An order for the open that comes during the session waits for the next one.
      working.wakeUs = openUs >= atUs ? openUs : (sessions?.openUs(instrument, closeUs + 1) ?? atUs)
      working.auctionUs = working.wakeUs
      working.expiresUs = Infinity
    } else if (order.timeInForce === 'cls') {
      working.wakeUs = closeUs
      working.auctionUs = closeUs
      working.expiresUs = Infinity
    }
  }

  #goLive(working: WorkingOrder, atUs: number): void {
    const {order} = working
    const immediate = order.timeInForce === 'ioc' || order.timeInForce === 'fok'
    if (order.timeInForce === 'fok' && this.#shown.takeable(working, atUs) < working.leavesLots) {
      this.#end(working, {kind: 'cancelled', reason: 'fill or kill'}, atUs)
      return
    }
    this.#execution.take(working, atUs)
    if (working.state === 'done') return
    if (immediate) {
      this.#end(working, {kind: 'cancelled', reason: 'immediate or cancel'}, atUs)
      return
    }
    this.#join(working)
    this.#lists.add(working)
  }

  #join(working: WorkingOrder): void {
    const {instrument, isBuy, limitTicks} = working
    if (!Number.isFinite(limitTicks)) return
    const arrivals = this.#options.market.books[instrument]?.arrivals() ?? 0
    joinQueue(working, this.#options.queue, this.#shown.shownAt(instrument, !isBuy, limitTicks), arrivals)
  }

  #replaceNow(clientOrderId: string, change: Change, atUs: number): void {
    const old = this.#byId.get(clientOrderId)
    const wantedLots = change.lots ?? (old === undefined ? 0 : old.leavesLots + old.filledLots)
    if (old === undefined || wantedLots <= old.filledLots) {
      this.#refuseCancel(clientOrderId, atUs)
      return
    }
    const {newClientOrderId, lots: _lots, ...prices} = change
    const order: VenueOrder = {...old.order, ...prices, clientOrderId: newClientOrderId, lots: toLots(wantedLots)}
    const instrument = this.#options.instruments.at(order.instrument)
    const fault = faultOf(order, instrument.minLots, instrument.incrementTicks, 10 ** instrument.priceDecimals)
    if (fault !== undefined || this.#usedIds.has(newClientOrderId)) {
      this.#refuseCancel(clientOrderId, atUs, fault?.reason ?? `client order id ${newClientOrderId} was used before`)
      return
    }
    this.#usedIds.add(newClientOrderId)
    const next = createWorkingOrder(order, `v${++this.#seq}`, this.#seq, atUs)
    next.filledLots = old.filledLots
    next.leavesLots = wantedLots - old.filledLots
    this.#groups.replace(old, next)
    const oldState = old.state
    this.#forget(old)
    this.#byId.set(newClientOrderId, next)
    this.#report(
      {kind: 'replaced', clientOrderId, newClientOrderId, venueOrderId: next.venueOrderId, tsUs: toTsUs(atUs)},
      atUs,
    )
    if (oldState === 'held') {
      next.state = 'held'
      return
    }
    const keepsPlace = next.limitTicks === old.limitTicks && next.leavesLots <= old.leavesLots && oldState === 'live'
    this.#activate(next, atUs)
    if (!keepsPlace || next.state !== 'live') return
    // Only a smaller size keeps its place in the queue.
    next.aheadLots = old.aheadLots
    next.levelLots = old.levelLots
    next.tradedLots = old.tradedLots
    next.bookArrival = old.bookArrival
  }

  // --- time ----------------------------------------------------------------------------------------------------

  #wake(atUs: number): void {
    const due = [...this.#byId.values()].filter(working => working.wakeUs <= atUs)
    for (const working of due) {
      if (working.state === 'scheduled') this.#auction(working, atUs)
      else if (working.state === 'closing') this.#endClosing(working, atUs)
      else if (working.state !== 'done' && working.state !== 'held') this.#end(working, {kind: 'expired'}, atUs)
    }
    this.#wakeUs = Infinity
    for (const working of this.#byId.values()) this.#wakeUs = Math.min(this.#wakeUs, working.wakeUs)
  }

  /**
   * On the close: the session's last bar or the closing print decides, at its one price; where none can come, what the quote
   * gives, and the rest expires. On the open: the first row of the session decides.
   */
  #auction(working: WorkingOrder, atUs: number): void {
    working.wakeUs = Infinity
    const {timeInForce} = working.order
    const {instrument: i} = working
    if (timeInForce !== 'cls') working.state = 'live'
    else if (this.#options.market.lastTicks[i] === 0) {
      this.#endClosing(working, atUs)
      return
    } else {
      working.state = 'closing'
      const isQuoted = this.#options.market.quotedUs[i]! > 0
      const nextOpenUs = this.#options.sessions?.openUs(i, atUs) ?? Infinity
      working.wakeUs = isQuoted ? atUs + CLOSING_PRINT_US : nextOpenUs
    }
    this.#lists.add(working)
  }
  #endClosing(working: WorkingOrder, atUs: number): void {
    working.wakeUs = Infinity
    working.state = 'live'
    this.#execution.take(working, atUs)
    if ((working.state as WorkingOrder['state']) !== 'done') this.#end(working, {kind: 'expired'}, atUs)
  }

  /** The tape is over: no row will bring the closing print that somebody waits for. */
  endOfTape(nowUs: number): void {
    for (const working of [...this.#byId.values()]) if (working.state === 'closing') this.#endClosing(working, nowUs)
    this.#reschedule()
  }

  /** Orders that rest over an ex-date follow the split or the dividend. */
  onNotice(chunk: TapeChunk, row: number): void {
    const i = chunk.instrument[row]!
    const atUs = chunk.tsUs[row]!
    const instrument = this.#options.instruments.at(i)
    if (chunk.flags[row] === Notice.split) this.#options.impact?.onSplit?.(i, chunk.v0[row]!, chunk.v1[row]!)
    for (const working of [...this.#byId.values()]) {
      if (working.instrument !== i || working.state === 'done') continue
      const change = adjustmentOf(
        working,
        instrument,
        chunk.flags[row]!,
        chunk.v0[row]!,
        chunk.v1[row]!,
        chunk.v2[row]!,
      )
      if (change?.kind === 'cancel') this.#end(working, {kind: 'cancelled', reason: change.reason}, atUs)
      else if (change !== undefined) this.#adjust(working, change, atUs)
    }
    this.#reschedule()
  }

  #adjust(working: WorkingOrder, change: Extract<Adjustment, {kind: 'change'}>, atUs: number): void {
    const {leavesLots, filledLots, limitTicks, stopTicks, priceFactor, reason} = change
    const {trailTicks} = working.order
    const prices = {
      ...(Number.isFinite(limitTicks) ? {limitTicks: toTicks(limitTicks)} : {}),
      ...(Number.isFinite(stopTicks) ? {stopTicks: toTicks(stopTicks)} : {}),
    }
    working.order = {
      ...working.order,
      ...prices,
      lots: toLots(leavesLots + filledLots),
      ...(trailTicks === undefined ? {} : {trailTicks: toTicks(Math.max(1, Math.round(trailTicks * priceFactor)))}),
    }
    Object.assign(working, {leavesLots, filledLots, limitTicks, stopTicks})
    working.highWater *= priceFactor
    if (working.state === 'live') this.#join(working)
    this.#lists.sort(working.instrument)
    const {clientOrderId} = working
    this.#report({kind: 'adjusted', clientOrderId, tsUs: toTsUs(atUs), leavesLots, filledLots, ...prices, reason}, atUs)
  }

  #reschedule(): void {
    this.dueUs = Math.min(this.#inbound.headUs(), this.#outbound.headUs(), this.#wakeUs)
  }

  // --- stops ---------------------------------------------------------------------------------------------------

  #electStop(working: WorkingOrder, atUs: number): void {
    if (!isStopReached(working, this.#options.market)) return
    working.state = 'live'
    this.#lists.remove(working)
    this.#goLive(working, atUs)
  }

  // --- outcomes ------------------------------------------------------------------------------------------------

  #onFilled(working: WorkingOrder, filledLots: number, atUs: number): void {
    if (working.leavesLots === 0) this.#forget(working)
    if (working.order.groupId !== undefined) this.#tellGroup(working, filledLots, atUs)
  }

  /** A filled entry frees its exits; a filling exit shrinks its siblings and, when done, cancels them. */
  #tellGroup(working: WorkingOrder, filledLots: number, atUs: number): void {
    for (const member of this.#groups.of(working)) {
      if (member === working || member.state === 'done') continue
      if (working.order.groupRole === 'entry') {
        if (working.state === 'done' && member.state === 'held') this.#activate(member, atUs)
      } else if (working.state === 'done') this.#end(member, {kind: 'cancelled', reason: 'the other exit filled'}, atUs)
      else if (member.order.groupRole === 'exit') {
        member.leavesLots -= Math.min(filledLots, member.leavesLots)
        if (member.leavesLots === 0) this.#end(member, {kind: 'cancelled', reason: 'the other exit filled'}, atUs)
      }
    }
  }

  #cancelGroup(working: WorkingOrder, reason: string, atUs: number): void {
    const members = working.order.groupId === undefined ? [working] : this.#groups.of(working)
    for (const member of members)
      if (member.state !== 'done')
        this.#end(member, {kind: 'cancelled', reason: member === working ? reason : 'its group was cancelled'}, atUs)
  }

  #end(working: WorkingOrder, outcome: Outcome, atUs: number): void {
    this.#forget(working)
    this.#report({...outcome, clientOrderId: working.clientOrderId, tsUs: toTsUs(atUs)}, atUs)
    // Exits whose entry died with nothing bought have nothing to protect; a part that filled stays protected.
    if (working.order.groupRole !== 'entry') return
    for (const member of this.#groups.of(working)) {
      if (member.state !== 'held') continue
      if (working.filledLots === 0) this.#end(member, {kind: 'cancelled', reason: 'its entry ended'}, atUs)
      else {
        member.leavesLots = Math.min(member.leavesLots, working.filledLots)
        this.#activate(member, atUs)
      }
    }
  }

  #refuseCancel(clientOrderId: string, atUs: number, reason = 'no such open order'): void {
    this.#report({kind: 'cancelRejected', clientOrderId, tsUs: toTsUs(atUs), reason}, atUs)
  }

  #report(report: ExecutionReport, atUs: number): void {
    this.#outbound.push(atUs + this.#options.latency.reportUs(this.#options.rng, atUs), report)
  }

  #forget(working: WorkingOrder): void {
    working.state = 'done'
    this.#byId.delete(working.clientOrderId)
    if (working.order.legs === undefined) this.#lists.remove(working)
    else this.#combinations.remove(working)
    this.#groups.prune(working)
  }
}
