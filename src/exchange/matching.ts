import {aggressorOfExecution, type MarketState} from '../data/market-state.ts'
import {Aggressor, Depth, EventKind, OrderAction, type TapeChunk} from '../data/tape.ts'
import {type Instrument, notionalMicros} from '../domain/instrument.ts'
import type {ExecutionReport} from '../domain/order.ts'
import {lots as toLots, micros as toMicros, ticks as toTicks, tsUs as toTsUs} from '../domain/units.ts'
import {matchBar} from './bar-path.ts'
import {ConsumedLiquidity} from './liquidity.ts'
import {joinQueue, passTrade, seeLevel} from './queue.ts'
import type {BarMatching, Venue, VenueOptions, VenueOrder} from './venue.ts'
import {byPriority, createWorkingOrder, faultOf, type WorkingOrder} from './working-order.ts'

// A matching kernel: columns are indexed by instrument numbers that the table has handed out, so they are read under `!`.

/** The matching core of the back-test and of the local exchange. See `Venue` for its contract. */
export const createVenue = (options: VenueOptions): Venue => {
  const core = new VenueCore(options)
  return {
    submit: (order, nowUs) => core.submit(order, nowUs),
    cancel: (clientOrderId, nowUs) => core.cancel(clientOrderId, nowUs),
    replace: (clientOrderId, change, nowUs) => core.replace(clientOrderId, change, nowUs),
    onRow: (chunk, row) => core.onRow(chunk, row),
    advanceTo: nowUs => core.advanceTo(nowUs),
    nextDueUs: () => core.dueUs,
    openOrders: () => core.openOrders(),
  }
}

type Change = Parameters<Venue['replace']>[1]
type Command =
  | {readonly kind: 'submit'; readonly order: VenueOrder}
  | {readonly kind: 'cancel'; readonly clientOrderId: string}
  | {readonly kind: 'replace'; readonly clientOrderId: string; readonly change: Change}

/** First in, first out, each with the time it is due; times never decrease, as on one connection. */
class Channel<T> {
  #items: {readonly dueUs: number; readonly item: T}[] = []
  #head = 0
  #lastUs = 0
  push(dueUs: number, item: T): void {
    this.#lastUs = Math.max(this.#lastUs, dueUs)
    this.#items.push({dueUs: this.#lastUs, item})
  }
  headUs(): number {
    return this.#items[this.#head]?.dueUs ?? Infinity
  }
  shift(): T {
    const head = this.#items[this.#head++]
    if (head === undefined) throw new Error('shift of an empty channel')
    if (this.#head === this.#items.length) {
      this.#items = []
      this.#head = 0
    }
    return head.item
  }
}

/** Remembers the last 8,192 to 16,384 ids: duplicates come soon or never, and memory must stay bounded. */
class RecentIds {
  #young = new Set<string>()
  #old = new Set<string>()
  has(id: string): boolean {
    return this.#young.has(id) || this.#old.has(id)
  }
  add(id: string): void {
    this.#young.add(id)
    if (this.#young.size < 8_192) return
    this.#old = this.#young
    this.#young = new Set()
  }
}

const DEFAULT_BARS: BarMatching = {participation: 0.1, halfSpreadBps: 1}
/** Good-till-cancelled lasts 90 days, as at Alpaca. */
const GTC_US = 90 * 86_400_000_000

class VenueCore {
  readonly #options: VenueOptions
  readonly #market: MarketState
  readonly #bars: BarMatching
  readonly #inbound = new Channel<Command>()
  readonly #outbound = new Channel<ExecutionReport>()
  readonly #byId = new Map<string, WorkingOrder>()
  readonly #usedIds = new RecentIds()
  readonly #groups = new Map<string, WorkingOrder[]>()
  /** Orders that market rows can touch, by instrument, in priority. */
  readonly #working: WorkingOrder[][]
  /** 1 where a row of the instrument needs more than a glance: orders are near or liquidity was taken. */
  readonly #watched: Uint8Array
  readonly #consumed: ConsumedLiquidity[]
  readonly #held: Float64Array
  readonly #hasVolume: Uint8Array
  readonly #scratch: WorkingOrder[] = []
  #seq = 0
  #wakeUs = Infinity
  /** Time of the next scheduled thing. */
  dueUs = Infinity

  constructor(options: VenueOptions) {
    const size = options.instruments.size
    this.#options = options
    this.#market = options.market
    this.#bars = options.bars ?? DEFAULT_BARS
    this.#working = Array.from({length: size}, () => [])
    this.#watched = new Uint8Array(size)
    this.#consumed = Array.from({length: size}, () => new ConsumedLiquidity())
    this.#held = Float64Array.from({length: size}, (_, i) => options.initialLots?.(i) ?? 0)
    this.#hasVolume = new Uint8Array(size)
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
    const kind = chunk.kind[row]!
    if (kind === EventKind.bar) {
      if (chunk.v4[row]! > 0) this.#hasVolume[i] = 1
    }
    if (this.#watched[i] === 0) return
    this.#onWatchedRow(chunk, row, i, kind)
    if (this.#working[i]!.length === 0 && this.#consumed[i]!.isEmpty()) this.#watched[i] = 0
    this.#reschedule()
  }

  openOrders(): {order: VenueOrder; leavesLots: number; filledLots: number}[] {
    return [...this.#byId.values()].map(({order, leavesLots, filledLots}) => ({order, leavesLots, filledLots}))
  }

  // --- arrivals ------------------------------------------------------------------------------------------------

  #send(command: Command, nowUs: number): void {
    this.#inbound.push(nowUs + this.#options.latency.orderUs(this.#options.rng), command)
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
      : faultOf(order, instrument.minLots, instrument.incrementTicks, 10 ** instrument.priceDecimals)
    if (fault !== undefined) {
      this.#report({kind: 'rejected', clientOrderId: order.clientOrderId, tsUs: toTsUs(atUs), ...fault}, atUs)
      return
    }
    this.#usedIds.add(order.clientOrderId)
    const working = createWorkingOrder(order, `v${++this.#seq}`, this.#seq, atUs)
    if (order.postOnly === true && this.#wouldTake(working)) {
      const reason = 'a post-only order must not take'
      this.#report(
        {kind: 'rejected', clientOrderId: order.clientOrderId, tsUs: toTsUs(atUs), code: 'post_only', reason},
        atUs,
      )
      return
    }
    this.#byId.set(order.clientOrderId, working)
    if (order.groupId !== undefined) {
      const group = this.#groups.get(order.groupId)
      if (group === undefined) this.#groups.set(order.groupId, [working])
      else group.push(working)
    }
    this.#report(
      {kind: 'accepted', clientOrderId: order.clientOrderId, venueOrderId: working.venueOrderId, tsUs: toTsUs(atUs)},
      atUs,
    )
    if (order.groupRole === 'exit' && this.#entryIsOpen(working)) working.state = 'held'
    else this.#activate(working, atUs)
  }

  #entryIsOpen(exit: WorkingOrder): boolean {
    const group = this.#groups.get(exit.order.groupId ?? '') ?? []
    return group.some(member => member.order.groupRole === 'entry' && member.state !== 'done')
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
      this.#enlist(working)
      this.#electStop(working, atUs)
      return
    }
    working.state = 'live'
    this.#goLive(working, atUs)
  }

  #setTimes(working: WorkingOrder, atUs: number): void {
    const {sessions} = this.#options
    const {order, instrument} = working
    const closeUs = sessions?.closeUs(instrument, atUs) ?? Infinity
    working.expiresUs = order.timeInForce === 'gtc' ? atUs + GTC_US : closeUs
    working.wakeUs = working.expiresUs
    if (order.timeInForce === 'opg') {
      const openUs = sessions?.openUs(instrument, atUs) ?? atUs
      // An order for the open that comes during the session waits for the next one.
      working.wakeUs = openUs >= atUs ? openUs : (sessions?.openUs(instrument, closeUs + 1) ?? atUs)
      working.expiresUs = Infinity
    } else if (order.timeInForce === 'cls') {
      working.wakeUs = closeUs
      working.expiresUs = Infinity
    }
  }

  #goLive(working: WorkingOrder, atUs: number): void {
    const {order} = working
    const immediate = order.timeInForce === 'ioc' || order.timeInForce === 'fok'
    if (order.timeInForce === 'fok' && this.#takeable(working) < working.leavesLots) {
      this.#end(working, {kind: 'cancelled', reason: 'fill or kill'}, atUs)
      return
    }
    this.#take(working, atUs)
    if (working.state === 'done') return
    if (immediate) {
      this.#end(working, {kind: 'cancelled', reason: 'immediate or cancel'}, atUs)
      return
    }
    const {instrument, isBuy, limitTicks} = working
    if (Number.isFinite(limitTicks)) {
      const book = this.#market.books[instrument]
      joinQueue(working, this.#options.queue, this.#shownAt(instrument, !isBuy, limitTicks), book?.arrivals() ?? 0)
    }
    this.#enlist(working)
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
    this.#replaceInGroup(old, next)
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

  #replaceInGroup(old: WorkingOrder, next: WorkingOrder): void {
    const group = this.#groups.get(old.order.groupId ?? '')
    const at = group?.indexOf(old) ?? -1
    if (at >= 0) group?.splice(at, 1, next)
  }

  // --- time ----------------------------------------------------------------------------------------------------

  #wake(atUs: number): void {
    const due = [...this.#byId.values()].filter(working => working.wakeUs <= atUs)
    for (const working of due) {
      if (working.state === 'scheduled') this.#auction(working, atUs)
      else if (working.state !== 'done' && working.state !== 'held') this.#end(working, {kind: 'expired'}, atUs)
    }
    this.#wakeUs = Infinity
    for (const working of this.#byId.values()) this.#wakeUs = Math.min(this.#wakeUs, working.wakeUs)
  }

  /** On the close: what the last quote gives, the rest expires. On the open: the first row of the session decides. */
  #auction(working: WorkingOrder, atUs: number): void {
    working.wakeUs = Infinity
    working.state = 'live'
    if (working.order.timeInForce === 'cls') {
      this.#take(working, atUs)
      if ((working.state as WorkingOrder['state']) !== 'done') this.#end(working, {kind: 'expired'}, atUs)
      return
    }
    this.#enlist(working)
  }

  #reschedule(): void {
    this.dueUs = Math.min(this.#inbound.headUs(), this.#outbound.headUs(), this.#wakeUs)
  }

  // --- market rows ---------------------------------------------------------------------------------------------

  #onWatchedRow(chunk: TapeChunk, row: number, i: number, kind: number): void {
    const atUs = chunk.tsUs[row]!
    const flags = chunk.flags[row]!
    switch (kind) {
      case EventKind.quote:
      case EventKind.option:
        this.#onQuote(i, atUs)
        return
      case EventKind.depth:
        if ((flags & Depth.last) !== 0) this.#onQuote(i, atUs)
        return
      case EventKind.trade:
        // Where single orders are known, their executions are the trades: a print would be the same trade again.
        if (this.#market.books[i]?.hasOrders === true) return
        this.#onTrade(i, chunk.v0[row]!, chunk.v1[row]!, flags, atUs)
        return
      case EventKind.order:
        this.#onBookOrder(i, chunk, row, atUs)
        return
      case EventKind.bar:
        this.#onBar(i, chunk, row, atUs)
        return
      default:
        return
    }
  }

  #onQuote(i: number, atUs: number): void {
    const consumed = this.#consumed[i]!
    if (!consumed.isEmpty()) consumed.refresh((ask, ticks) => this.#shownAt(i, ask, ticks))
    if (this.#market.books[i]?.halted === true) return
    for (const working of this.#snapshot(i)) {
      if (working.state === 'stopped' && this.#market.lastTicks[i] === 0) this.#electStop(working, atUs)
      if (working.state !== 'live') continue
      if (Number.isFinite(working.limitTicks)) {
        seeLevel(working, this.#options.queue, this.#shownAt(i, !working.isBuy, working.limitTicks))
        if (this.#wouldTake(working)) this.#meetCrossing(working, atUs)
      } else this.#take(working, atUs)
      this.#expireOpening(working, atUs)
    }
  }

  /** A print: it elects stops, and reaches resting orders that it traded through or that were first in their queue. */
  #onTrade(i: number, ticks: number, lots: number, flags: number, atUs: number): void {
    if (this.#market.books[i]?.halted === true) return
    const side = flags === Aggressor.none ? this.#inferAggressor(i, ticks) : flags
    const unquoted = this.#market.quotedUs[i] === 0
    let left = this.#options.respectSize ? Math.floor(lots) : Infinity
    for (const working of this.#snapshot(i)) {
      if (working.state === 'stopped') this.#electStop(working, atUs)
      if (working.state !== 'live' || left <= 0) continue
      if (Number.isFinite(working.limitTicks)) left -= this.#meetTrade(working, ticks, left, side, atUs)
      // Where no quote was ever seen, prints are the only liquidity there is.
      else if (unquoted) left -= this.#fill(working, Math.min(left, working.leavesLots), ticks, 'taker', atUs)
      this.#expireOpening(working, atUs)
    }
  }

  #meetTrade(working: WorkingOrder, ticks: number, lots: number, side: number, atUs: number): number {
    // Alpaca's paper engine looks at quotes only.
    if (!this.#options.respectSize && this.#market.quotedUs[working.instrument]! > 0) return 0
    const through = working.isBuy ? ticks < working.limitTicks : ticks > working.limitTicks
    if (through) return this.#fill(working, Math.min(lots, working.leavesLots), working.limitTicks, 'maker', atUs)
    if (ticks !== working.limitTicks || this.#options.queue === 'fifo-l3') return 0
    if (side !== (working.isBuy ? Aggressor.sell : Aggressor.buy)) return 0
    const reached = this.#options.queue === 'none' ? lots : passTrade(working, lots)
    return reached > 0 ? this.#fill(working, Math.min(reached, working.leavesLots), ticks, 'maker', atUs) : 0
  }

  /** Level 3: who was touched says exactly who stood before us. */
  #onBookOrder(i: number, chunk: TapeChunk, row: number, atUs: number): void {
    const flags = chunk.flags[row]!
    const action = flags >> 1
    const ask = (flags & 1) !== 0
    const lots = chunk.v1[row]!
    const touched = this.#market.books[i]?.touched
    const ticks = touched?.ticks ?? chunk.v0[row]!
    if (this.#options.queue === 'fifo-l3' && action !== OrderAction.add && action !== OrderAction.halt) {
      for (const working of this.#snapshot(i)) {
        if (working.state !== 'live' || working.isBuy === ask || working.limitTicks !== ticks) continue
        const wasAhead = touched === undefined || touched.arrival < working.bookArrival
        if (wasAhead && action !== OrderAction.hiddenExecute) working.aheadLots = Math.max(0, working.aheadLots - lots)
        else if (action === OrderAction.execute && working.aheadLots === 0)
          this.#fill(working, Math.min(Math.floor(lots), working.leavesLots), ticks, 'maker', atUs)
      }
    }
    if (action === OrderAction.execute || action === OrderAction.hiddenExecute)
      this.#onTrade(i, chunk.v0[row]!, lots, aggressorOfExecution(flags), atUs)
    this.#onQuote(i, atUs)
  }

  #onBar(i: number, chunk: TapeChunk, row: number, atUs: number): void {
    const close = chunk.v3[row]!
    if (this.#market.quotedUs[i]! > 0) {
      for (const working of this.#snapshot(i)) if (working.state === 'stopped') this.#electStop(working, atUs)
      return
    }
    const volume = chunk.v4[row]!
    const limited = this.#options.respectSize && (volume > 0 || this.#hasVolume[i] === 1)
    matchBar({
      orders: () => this.#snapshot(i),
      bar: {
        open: chunk.v0[row]!,
        high: chunk.v1[row]!,
        low: chunk.v2[row]!,
        close,
        startUs: atUs - chunk.v5[row]!,
        periodUs: chunk.v5[row]!,
      },
      budgetLots: limited ? Math.floor(volume * this.#bars.participation) : Infinity,
      halfSpreadBps: this.#bars.halfSpreadBps,
      touchFills: this.#options.queue === 'none',
      elect: working => {
        working.state = 'live'
      },
      fill: (working, lots, ticks, liquidity) => this.#fill(working, lots, ticks, liquidity, atUs),
    })
    for (const working of this.#snapshot(i)) this.#expireOpening(working, atUs)
  }

  /** An order for the open has had its row. */
  #expireOpening(working: WorkingOrder, atUs: number): void {
    if (working.order.timeInForce === 'opg' && working.state === 'live') this.#end(working, {kind: 'expired'}, atUs)
  }

  #inferAggressor(i: number, ticks: number): number {
    if (this.#market.bidLots[i]! > 0 && ticks <= this.#market.bidTicks[i]!) return Aggressor.sell
    if (this.#market.askLots[i]! > 0 && ticks >= this.#market.askTicks[i]!) return Aggressor.buy
    return Aggressor.none
  }

  // --- stops ---------------------------------------------------------------------------------------------------

  /** Triggers on the last trade where the instrument prints trades, else on the quote's near side to the stop. */
  #electStop(working: WorkingOrder, atUs: number): void {
    const {instrument: i, isBuy, order} = working
    const last = this.#market.lastTicks[i]!
    const shown = isBuy ? this.#market.askLots[i]! > 0 : this.#market.bidLots[i]! > 0
    const price = last > 0 ? last : shown ? (isBuy ? this.#market.askTicks[i]! : this.#market.bidTicks[i]!) : Number.NaN
    if (Number.isNaN(price)) return
    if (order.type === 'trailing_stop') trail(working, price)
    if (!(isBuy ? price >= working.stopTicks : price <= working.stopTicks)) return
    working.state = 'live'
    this.#delist(working)
    this.#goLive(working, atUs)
  }

  // --- liquidity -----------------------------------------------------------------------------------------------

  /** Lots the market shows at a price; NaN where it cannot be seen (deeper than a top-of-book quote). */
  #shownAt(i: number, ask: boolean, ticks: number): number {
    const book = this.#market.books[i]
    if (book !== undefined) return book.lotsAt(ask, ticks)
    const lots = ask ? this.#market.askLots[i]! : this.#market.bidLots[i]!
    if (!(lots > 0)) return this.#market.quotedUs[i]! > 0 ? 0 : Number.NaN
    const best = ask ? this.#market.askTicks[i]! : this.#market.bidTicks[i]!
    if (ticks === best) return lots
    return (ask ? ticks < best : ticks > best) ? 0 : Number.NaN
  }

  #wouldTake(working: WorkingOrder): boolean {
    const {instrument: i, isBuy, limitTicks} = working
    if (isBuy) return this.#market.askLots[i]! > 0 && this.#market.askTicks[i]! <= limitTicks
    return this.#market.bidLots[i]! > 0 && this.#market.bidTicks[i]! >= limitTicks
  }

  /** Lots within the limit right now. */
  #takeable(working: WorkingOrder): number {
    let total = 0
    this.#walk(working, (_ticks, available) => {
      total += available
      return total < working.leavesLots
    })
    return total
  }

  /** Visits the levels that the order may take, best first, until `visit` returns false. */
  #walk(working: WorkingOrder, visit: (ticks: number, available: number, shown: number) => boolean): void {
    const {instrument: i, isBuy, limitTicks} = working
    const market = this.#market
    const book = market.books[i]
    if (book !== undefined && (book.halted || book.isCrossed())) return
    const consumed = this.#consumed[i]!
    const levels = book === undefined ? 1 : isBuy ? book.askLevels() : book.bidLevels()
    for (let level = 0; level < levels; level++) {
      const ticks =
        book === undefined
          ? isBuy
            ? market.askTicks[i]!
            : market.bidTicks[i]!
          : isBuy
            ? book.askTicks(level)
            : book.bidTicks(level)
      const shown =
        book === undefined
          ? isBuy
            ? market.askLots[i]!
            : market.bidLots[i]!
          : isBuy
            ? book.askLots(level)
            : book.bidLots(level)
      if (!(shown > 0) || (isBuy ? ticks > limitTicks : ticks < limitTicks)) return
      const available = this.#options.respectSize ? Math.floor(consumed.available(isBuy, ticks, shown)) : Infinity
      if (available > 0 && !visit(ticks, available, shown)) return
    }
  }

  /** Takes what the market shows within the limit, level by level. */
  #take(working: WorkingOrder, atUs: number): void {
    let wanted = this.#firstPart(working)
    this.#walk(working, (ticks, available, shown) => {
      const taken = this.#fill(
        working,
        Math.min(available, wanted),
        this.#withImpact(working, ticks, shown, wanted),
        'taker',
        atUs,
      )
      if (taken > 0 && this.#options.respectSize) this.#consume(working.instrument, working.isBuy, ticks, shown, taken)
      wanted -= taken
      return taken > 0 && wanted > 0 && working.state === 'live'
    })
  }

  /** The market came to a resting order: it is filled as the maker, at its own price. */
  #meetCrossing(working: WorkingOrder, atUs: number): void {
    this.#walk(working, (ticks, available, shown) => {
      const taken = this.#fill(working, Math.min(available, working.leavesLots), working.limitTicks, 'maker', atUs)
      if (taken > 0 && this.#options.respectSize) this.#consume(working.instrument, working.isBuy, ticks, shown, taken)
      return taken > 0 && working.state === 'live'
    })
  }

  #consume(i: number, ask: boolean, ticks: number, shown: number, lots: number): void {
    this.#consumed[i]!.take(ask, ticks, shown, lots)
    this.#watched[i] = 1
  }

  /** How much a marketable order may take at its first try; all of it, unless chance says partial. */
  #firstPart(working: WorkingOrder): number {
    const {partialFillProbability, rng} = this.#options
    const firstTry = !working.partialDrawn
    working.partialDrawn = true
    if (partialFillProbability <= 0 || !firstTry || working.leavesLots < 2 || working.order.timeInForce === 'fok')
      return working.leavesLots
    if (rng.uniform() >= partialFillProbability) return working.leavesLots
    return 1 + rng.below(working.leavesLots - 1)
  }

  #withImpact(working: WorkingOrder, ticks: number, shownLots: number, lots: number): number {
    const impact =
      this.#options.impact?.ticks({instrument: working.instrument, lots, shownLots, priceTicks: ticks}) ?? 0
    return working.isBuy
      ? Math.min(ticks + impact, working.limitTicks)
      : Math.max(ticks - impact, working.limitTicks, Math.min(ticks, 1))
  }

  // --- outcomes ------------------------------------------------------------------------------------------------

  /** Returns the lots filled: fewer than asked for when reduce-only shrinks the order. */
  #fill(working: WorkingOrder, wantedLots: number, ticks: number, liquidity: 'maker' | 'taker', atUs: number): number {
    const {instrument: i, order, isBuy} = working
    let filled = wantedLots
    if (order.reduceOnly === true) {
      const room = isBuy ? Math.max(0, -this.#held[i]!) : Math.max(0, this.#held[i]!)
      filled = Math.min(filled, room)
      if (room === 0) {
        this.#end(working, {kind: 'cancelled', reason: 'reduce-only with nothing left to reduce'}, atUs)
        return 0
      }
    }
    if (!(filled > 0)) return 0
    working.leavesLots -= filled
    working.filledLots += filled
    this.#held[i]! += isBuy ? filled : -filled
    const fee = this.#feeOf(working, this.#options.instruments.at(i), filled, ticks, liquidity, atUs)
    const fill = {
      fillId: `${working.venueOrderId}-${++working.fills}`,
      clientOrderId: order.clientOrderId,
      instrument: i,
      side: order.side,
      lots: toLots(filled),
      priceTicks: toTicks(ticks),
      feeMicros: toMicros(fee.feeMicros),
      ...(fee.feeLots === undefined || fee.feeLots === 0 ? {} : {feeLots: toLots(fee.feeLots)}),
      liquidity,
      tsUs: toTsUs(atUs),
    }
    if (fee.feeLots !== undefined) this.#held[i]! -= isBuy ? fee.feeLots : 0
    this.#report(
      {kind: 'fill', fill, venueOrderId: working.venueOrderId, leavesLots: working.leavesLots, tsUs: toTsUs(atUs)},
      atUs,
    )
    if (working.leavesLots === 0) this.#forget(working)
    if (order.groupId !== undefined) this.#tellGroup(working, filled, atUs)
    return filled
  }

  #feeOf(
    working: WorkingOrder,
    instrument: Instrument,
    lots: number,
    ticks: number,
    liquidity: 'maker' | 'taker',
    atUs: number,
  ) {
    return this.#options.fees.feeOf({
      instrument: working.instrument,
      side: working.order.side,
      lots,
      priceTicks: ticks,
      notionalMicros: notionalMicros(instrument, ticks, lots),
      liquidity,
      tsUs: atUs,
    })
  }

  /** A filled entry frees its exits; a filling exit shrinks its siblings and, when done, cancels them. */
  #tellGroup(working: WorkingOrder, filledLots: number, atUs: number): void {
    const group = this.#groups.get(working.order.groupId ?? '') ?? []
    for (const member of [...group]) {
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
    const group = this.#groups.get(working.order.groupId ?? '') ?? [working]
    for (const member of [...group])
      if (member.state !== 'done')
        this.#end(member, {kind: 'cancelled', reason: member === working ? reason : 'its group was cancelled'}, atUs)
  }

  #end(
    working: WorkingOrder,
    outcome: {readonly kind: 'cancelled'; readonly reason: string} | {readonly kind: 'expired'},
    atUs: number,
  ): void {
    this.#forget(working)
    this.#report({...outcome, clientOrderId: working.clientOrderId, tsUs: toTsUs(atUs)}, atUs)
    // Exits whose entry died with nothing bought have nothing to protect; a part that filled stays protected.
    if (working.order.groupRole !== 'entry') return
    for (const member of this.#groups.get(working.order.groupId ?? '') ?? []) {
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
    this.#outbound.push(atUs + this.#options.latency.reportUs(this.#options.rng), report)
  }

  // --- lists ---------------------------------------------------------------------------------------------------

  #enlist(working: WorkingOrder): void {
    const list = this.#working[working.instrument]!
    list.push(working)
    if (list.length > 1) list.sort(byPriority)
    this.#watched[working.instrument] = 1
  }
  #delist(working: WorkingOrder): void {
    const list = this.#working[working.instrument]!
    const at = list.indexOf(working)
    if (at >= 0) list.splice(at, 1)
  }
  #forget(working: WorkingOrder): void {
    working.state = 'done'
    this.#byId.delete(working.clientOrderId)
    this.#delist(working)
    const {groupId} = working.order
    if (groupId === undefined) return
    const group = this.#groups.get(groupId)
    if (group?.every(member => member.state === 'done')) this.#groups.delete(groupId)
  }
  /** The list as it is now, because matching removes from it while it is walked; valid until the next call. */
  #snapshot(i: number): readonly WorkingOrder[] {
    const list = this.#working[i]!
    const scratch = this.#scratch
    scratch.length = 0
    for (let k = 0; k < list.length; k++) scratch.push(list[k]!)
    return scratch
  }
}

/** Ratchets a trailing stop towards the market, never away. */
export const trail = (working: WorkingOrder, priceTicks: number): void => {
  const {order, isBuy} = working
  const better = isBuy ? Math.min : Math.max
  working.highWater = Number.isNaN(working.highWater) ? priceTicks : better(working.highWater, priceTicks)
  const distance = order.trailTicks ?? (working.highWater * (order.trailBps ?? 0)) / 10_000
  working.stopTicks = isBuy ? Math.floor(working.highWater + distance) : Math.ceil(working.highWater - distance)
}
