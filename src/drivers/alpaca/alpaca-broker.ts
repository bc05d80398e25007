import type {streaming, trading} from '@alpacahq/alpaca-trade-api'
import type {
  ApprovedOrder,
  Broker,
  BrokerAccount,
  BrokerOrder,
  BrokerPosition,
  RequestUse,
} from '../../broker/broker.ts'
import {ExitCode, UserError} from '../../domain/errors.ts'
import type {InstrumentTable} from '../../domain/instrument.ts'
import {type ExecutionReport, isTerminal, type OrderLeg} from '../../domain/order.ts'
import type {Clock, Scheduler} from '../../domain/time.ts'
import {type TsUs, tsUs, US_PER_MS, US_PER_SECOND} from '../../domain/units.ts'
import {feeSchedule} from '../../exchange/fees.ts'
import {AccountReader} from './account-reader.ts'
import {isApiFailure, isRateLimited, isRefusal, unclear} from './alpaca-errors.ts'
import type {AlpacaClient, StreamTuning} from './client.ts'
import {forgetFirst} from './forget-first.ts'
import type {HeldInit} from './lean-fetch.ts'
import {
  isCombination,
  isLoneLeg,
  type LegExecution,
  LegProgressBook,
  legFactsOf,
  multiLegBody,
} from './multi-leg-wire.ts'
import {brokerOrder, instrumentFinder, orderBody, statusOf, timeOf, type WireOrder} from './order-wire.ts'
import {type FillReport, ReportMapper} from './report-mapper.ts'
import {BudgetClosed, BudgetExhausted, Priority, RequestBudget} from './request-budget.ts'

export interface AlpacaBrokerOptions {
  readonly client: AlpacaClient
  readonly instruments: InstrumentTable
  /** Wall clock and wall timers: they pace requests and wait for the stream. */
  readonly clock: Clock
  readonly scheduler: Scheduler
  /** What the venue allows an account in a minute: 200 by default. Its own headers may lower it. */
  readonly requestsPerMinute?: number
  readonly stream?: StreamTuning
  /** The order stream was lost (false) or is whole again, with everything missed delivered (true). */
  readonly onConnection?: (connected: boolean) => void
  /** An order waits for the venue's request limit. */
  readonly onWait?: (clientOrderId: string) => void
  /** A listener threw, or the venue sent what cannot be read. Rethrown asynchronously by default. */
  readonly onBug?: (error: unknown) => void
}

export interface AlpacaBroker extends Broker {
  /** Whether the order stream is live and caught up. */
  readonly isConnected: () => boolean
}

const CONNECT_TIMEOUT_US = 15 * US_PER_SECOND
/** Fills are asked for again from a little before the last known one. */
const OVERLAP_US = 2 * US_PER_SECOND
const CANCEL_ATTEMPTS = 3
/** The account's history may lag behind the stream. */
const HISTORY_ATTEMPTS = 6
/** The venue counts by the minute, so its own word for longer is a clock that differs from ours. */
const LONGEST_BLOCK_US = 60 * US_PER_SECOND
/** Alpaca's limit for an account's trading requests. */
const ALLOWED_PER_MINUTE = 200
/** An opening order that has waited longer was decided on another market. */
const OPENING_PATIENCE_US = 250 * US_PER_MS
/** Fills remembered, so that none is told twice; the oldest are forgotten. */
const REMEMBERED_FILLS = 5_000

/** What is known of an order that may still change. */
interface Tracked {
  venueOrderId: string | undefined
  accepted: boolean
}

/** Something that an order needs first went wrong: the order itself never left. */
class NotSent extends Error {
  override readonly name = 'NotSent'
}

/** Connects to the trading stream and returns once the venue has confirmed that it will tell us everything. */
export const createAlpacaBroker = async (options: AlpacaBrokerOptions): Promise<AlpacaBroker> => {
  const core = new AlpacaBrokerCore(options)
  await core.connect()
  return {
    separatesSides: true,
    name: options.client.target.kind === 'local' ? 'local exchange' : `alpaca ${options.client.target.kind}`,
    isConnected: () => core.connected,
    requestUse: () => core.requestUse(),
    onReport: listener => core.onReport(listener),
    submit: order => core.submit(order),
    submitWhen: (order, go) => core.submit(order, go),
    cancel: clientOrderId => core.cancel(clientOrderId),
    cancelAll: () => core.cancelAll(),
    orderByClientId: clientOrderId => core.orderByClientId(clientOrderId),
    openOrders: () => core.openOrders(),
    positions: () => core.positions(),
    account: () => core.account(),
    fillsSince: sinceUs => core.fillsSince(sinceUs),
    [Symbol.asyncDispose]: () => core.dispose(),
  }
}

class AlpacaBrokerCore {
  connected = false
  readonly #options: AlpacaBrokerOptions
  readonly #mapper: ReportMapper
  readonly #find: ReturnType<typeof instrumentFinder>
  readonly #budget: RequestBudget
  readonly #account: AccountReader
  readonly #stream: streaming.TradingStream
  readonly #listeners: ((report: ExecutionReport) => void)[] = []
  readonly #tracked = new Map<string, Tracked>()
  readonly #seenFills = new Set<string>()
  readonly #legs = new LegProgressBook()
  /** Updates that came while missed ones were being fetched. */
  #held: streaming.TradeUpdate[] | undefined
  /** Submits that have left and have no answer yet. */
  readonly #inFlight = new Set<Promise<unknown>>()
  #lastUpdateUs = 0
  #disposed = false

  constructor(options: AlpacaBrokerOptions) {
    const {client, instruments, clock, scheduler} = options
    const local = client.target.kind === 'local'
    this.#options = options
    this.#find = instrumentFinder(instruments)
    this.#mapper = new ReportMapper({
      instruments,
      find: this.#find,
      fees: feeSchedule(client.target.kind === 'live' ? 'us' : 'alpaca-paper', instruments),
      takerWindowUs: local ? 0 : 250 * US_PER_MS,
    })
    this.#budget = new RequestBudget({clock, scheduler, perMinute: options.requestsPerMinute ?? ALLOWED_PER_MINUTE})
    this.#account = new AccountReader({client, budget: this.#budget, find: this.#find})
    client.onRate(rate => this.#budget.learn(rate))
    this.#stream = client.tradingStream(options.stream)
  }

  connect(): Promise<void> {
    const stream = this.#stream
    return new Promise((resolve, reject) => {
      let settled = false
      const settle = (run: () => void): void => {
        if (settled) return
        settled = true
        cancelTimeout()
        run()
      }
      const fail = (code: string, message: string, exitCode: ExitCode): void =>
        settle(() => {
          stream.disconnect()
          reject(new UserError(code, message, {hints: ['gpi doctor checks the connection'], exitCode}))
        })
      const cancelTimeout = this.#options.scheduler.after(CONNECT_TIMEOUT_US, () =>
        fail('BROKER_TIMEOUT', 'the order stream did not answer within 15 s', ExitCode.timeout),
      )
      stream.onTradeUpdate(update => this.#guard(() => this.#onUpdate(update)))
      stream.on('error', (message: string) => {
        if (message === 'auth failed') fail('ALPACA_KEYS_REFUSED', 'the venue refused the keys', ExitCode.usage)
      })
      stream.on('disconnected', () => this.#setConnected(false))
      // The acknowledgement of `listen`, not of the login: from here on nothing is missed.
      stream.on('subscription', () => {
        if (!settled) {
          this.#setConnected(true)
          settle(resolve)
        } else void this.#recover()
      })
      stream.subscribeTradeUpdates()
      stream.connect()
    })
  }

  onReport(listener: (report: ExecutionReport) => void): void {
    this.#listeners.push(listener)
  }

  requestUse(): RequestUse {
    return this.#budget.use()
  }

  async submit(order: ApprovedOrder, go?: Promise<boolean>): Promise<void> {
    const {client, onWait} = this.#options
    const hold = go === undefined ? undefined : new Hold(go)
    const tracked: Tracked = {venueOrderId: undefined, accepted: false}
    this.#tracked.set(order.clientOrderId, tracked)
    try {
      const reduces = order.reduceOnly === true
      const priority = reduces ? Priority.reduce : Priority.submit
      if (!this.#budget.tryTake(priority)) {
        onWait?.(order.clientOrderId)
        await this.#budget.take(priority, reduces ? Infinity : OPENING_PATIENCE_US)
      }
      const postOrderRequest = order.legs === undefined ? this.#bodyOfOne(order) : await this.#bodyOf(order, order.legs)
      const post = client.alpaca.trading.orders.postOrder({postOrderRequest}, hold?.init)
      this.#inFlight.add(post)
      try {
        tracked.venueOrderId ??= (await post).id
      } finally {
        this.#inFlight.delete(post)
      }
    } catch (error) {
      if (hold?.isShut === true) {
        this.#tracked.delete(order.clientOrderId)
        await go
      } else if (error instanceof BudgetClosed) this.#refuseOrder(order, 'not_sent', error.message)
      else if (error instanceof NotSent) this.#refuseOrder(order, 'not_sent', error.message)
      else if (error instanceof BudgetExhausted) this.#refuseOrder(order, 'request-budget', error.message)
      else if (isRefusal(error)) {
        if (isRateLimited(error)) this.#slowDown(error.retryAfterMs)
        this.#refuseOrder(order, String(error.code ?? error.status), error.message)
      } else throw unclear(`the order ${order.clientOrderId} may have been placed`, error)
    }
  }

  #bodyOfOne(order: ApprovedOrder): trading.PostOrderRequest {
    return orderBody(order, this.#options.instruments.at(order.instrument))
  }
  async #bodyOf(order: ApprovedOrder, legs: readonly OrderLeg[]): Promise<trading.PostOrderRequest> {
    try {
      return multiLegBody(order, legs, this.#options.instruments, await this.positions())
    } catch (error) {
      if (error instanceof BudgetClosed) throw error
      throw new NotSent(`what is held could not be asked for: ${(error as Error).message}`, {cause: error})
    }
  }

  #refuseOrder({clientOrderId, decidedUs}: ApprovedOrder, code: string, reason: string): void {
    this.#tracked.delete(clientOrderId)
    this.#emit({kind: 'rejected', clientOrderId, tsUs: this.#reportTime(decidedUs), code, reason})
  }

  async cancel(clientOrderId: string): Promise<void> {
    const venueOrderId =
      this.#tracked.get(clientOrderId)?.venueOrderId ?? (await this.orderByClientId(clientOrderId))?.venueOrderId
    if (venueOrderId === undefined) {
      this.#refuseCancel(clientOrderId, 'the venue does not know the order')
      return
    }
    for (let attempt = 1; ; ) {
      if (!this.#budget.tryTake(Priority.cancel)) await this.#budget.take(Priority.cancel)
      try {
        const answer = await this.#options.client.alpaca.trading.orders.deleteOrderByOrderIDRaw({orderId: venueOrderId})
        // Unread, it would keep its request and a timer until the time limit of both is over.
        await answer.value()
        return
      } catch (error) {
        if (isRateLimited(error)) {
          // It waits for its turn in the budget, which knows how long; the venue never looked at it.
          this.#slowDown(error.retryAfterMs)
          continue
        }
        if (isRefusal(error)) {
          this.#refuseCancel(clientOrderId, error.message)
          return
        }
        // Cancelling twice is cancelling once, so unlike a submit it may be sent again.
        if (attempt++ === CANCEL_ATTEMPTS) throw unclear(`the cancel of ${clientOrderId} was not confirmed`, error)
        await this.#sleep(50 * US_PER_MS * 2 ** attempt)
      }
    }
  }

  async cancelAll(): Promise<number> {
    await this.#budget.take(Priority.cancel)
    const answers = await this.#options.client.alpaca.trading.orders.deleteAllOrders()
    return answers.filter(({status}) => status === undefined || status < 300).length
  }

  async orderByClientId(clientOrderId: string): Promise<BrokerOrder | undefined> {
    const order = await this.#account.order(clientOrderId)
    return order === undefined ? undefined : brokerOrder(order, this.#find)
  }

  async openOrders(): Promise<BrokerOrder[]> {
    return (await this.#account.openOrders()).map(order => brokerOrder(order, this.#find))
  }

  positions(): Promise<BrokerPosition[]> {
    return this.#account.positions()
  }

  account(): Promise<BrokerAccount> {
    return this.#account.balances()
  }

  async fillsSince(sinceUs: TsUs): Promise<FillReport[]> {
    const fills: FillReport[] = []
    for await (const {atUs, ...execution} of this.#account.executionsSince(sinceUs)) {
      fills.push(
        execution.facts.parent === undefined
          ? this.#mapper.fill({...execution, order: execution.facts, atUs})
          : this.#legFill(execution, atUs),
      )
    }
    return fills
  }

  /** Orders that wait are not sent any more; those that have left are waited for, so that none is forgotten on its way. */
  async dispose(): Promise<void> {
    this.#disposed = true
    this.#budget.close()
    await Promise.allSettled(this.#inFlight)
    this.#stream.disconnect()
  }

  // --- the stream ----------------------------------------------------------------------------------------------

  #onUpdate(update: streaming.TradeUpdate): void {
    if (this.#held !== undefined) {
      this.#held.push(update)
      return
    }
    const order = update.order as WireOrder
    // The order's own time has the microseconds that the SDK's date of the event has lost.
    const whenUs = timeOf(order['updated_at'], update.timestamp)
    this.#lastUpdateUs = Math.max(this.#lastUpdateUs, whenUs)
    // What a leg does is told with the order that it is part of.
    if (isLoneLeg(order)) return
    const clientOrderId = order.clientOrderId ?? ''
    const tracked = this.#track(clientOrderId, order)
    const facts = this.#account.remember(order)
    switch (update.event) {
      case 'accepted':
      case 'new':
        this.#accept(tracked, order, whenUs)
        return
      case 'fill':
      case 'partial_fill':
        this.#accept(tracked, order, facts.submittedUs)
        if (order.orderClass === 'mleg') this.#fillLegs(order, update.qty ?? '0', whenUs)
        else
          this.#emitFill(
            this.#mapper.fill({
              order: facts,
              qty: update.qty ?? '0',
              price: update.price ?? '0',
              cumulative: order.filledQty ?? '0',
              atUs: whenUs,
            }),
          )
        if (update.event === 'fill') this.#tracked.delete(clientOrderId)
        return
      case 'canceled':
      case 'expired':
      case 'done_for_day':
      case 'rejected': {
        const ending = this.#mapper.ending(order, whenUs)
        if (ending !== undefined) this.#emit(ending)
        this.#tracked.delete(clientOrderId)
        return
      }
      case 'order_cancel_rejected':
        this.#refuseCancel(clientOrderId, 'the venue rejected the cancel')
        return
      case 'replaced':
        this.#tracked.delete(clientOrderId)
        return
      default:
        return
    }
  }

  /** The executions of an order of several legs; where one was missed, the account's history tells them apart. */
  #fillLegs(order: WireOrder, units: string, atUs: TsUs): void {
    // A message that leaves the legs out says nothing of their prices.
    const executions = isCombination(order) ? this.#legs.executions(order, legFactsOf(order), units) : undefined
    if (executions === undefined) void this.#recover(order)
    else for (const execution of executions) this.#emitFill(this.#legFill(execution, atUs))
  }
  #legFill(execution: LegExecution, atUs: TsUs): FillReport {
    this.#legs.note(execution)
    const {facts: order, qty, price, cumulative} = execution
    return this.#mapper.fill({order, qty, price, cumulative, atUs})
  }

  #track(clientOrderId: string, order: WireOrder): Tracked {
    let tracked = this.#tracked.get(clientOrderId)
    if (tracked === undefined) {
      tracked = {venueOrderId: order.id, accepted: false}
      this.#tracked.set(clientOrderId, tracked)
    }
    tracked.venueOrderId = order.id
    return tracked
  }

  #accept(tracked: Tracked, order: WireOrder, atUs: TsUs): void {
    if (tracked.accepted) return
    tracked.accepted = true
    this.#emit(this.#mapper.accepted(order, atUs))
  }

  #emitFill(report: FillReport): void {
    if (this.#seenFills.has(report.fill.fillId)) return
    this.#seenFills.add(report.fill.fillId)
    if (this.#seenFills.size > REMEMBERED_FILLS) forgetFirst(this.#seenFills)
    this.#emit(report)
  }

  /**
   * After a reconnect: what happened meanwhile, in order, before anything newer. Tried until it works or the stream is lost
   * again, and until the fills of `expected` are in the account's history.
   */
  async #recover(expected?: WireOrder): Promise<void> {
    if (this.#held !== undefined) return
    this.#held = []
    for (let attempt = 0; !this.#disposed; attempt++) {
      try {
        await this.#tellMissed()
        if (expected === undefined || this.#legs.isCurrent(expected) || attempt === HISTORY_ATTEMPTS) break
        await this.#sleep(50 * US_PER_MS * 2 ** attempt)
      } catch (error) {
        if (isApiFailure(error) && error.status < 500 && !isRateLimited(error)) {
          this.#report(error)
          break
        }
        await this.#sleep(Math.min(10 * US_PER_SECOND, 250 * US_PER_MS * 2 ** attempt))
      }
    }
    const held = this.#held
    this.#held = undefined
    for (const update of held) this.#guard(() => this.#onUpdate(update))
    this.#setConnected(this.#stream.getState() === 'authenticated')
  }

  async #tellMissed(): Promise<void> {
    if (this.#lastUpdateUs > 0) {
      const sinceUs = tsUs(Math.max(0, this.#lastUpdateUs - OVERLAP_US))
      for (const report of await this.fillsSince(sinceUs)) this.#guard(() => this.#emitFill(report))
    }
    for (const clientOrderId of [...this.#tracked.keys()]) {
      const order = await this.#account.order(clientOrderId)
      // An order the venue does not know is left to whoever sent it: its outcome was unclear then and is theirs to ask.
      if (order !== undefined) this.#guard(() => this.#tellState(order))
    }
  }

  #tellState(order: WireOrder): void {
    const atUs = timeOf(order['updated_at'], order.updatedAt)
    const clientOrderId = order.clientOrderId ?? ''
    const status = statusOf(order.status)
    if (status !== 'submitted' && status !== 'rejected') this.#accept(this.#track(clientOrderId, order), order, atUs)
    const ending = this.#mapper.ending(order, atUs)
    if (ending !== undefined) this.#emit(ending)
    if (isTerminal(status)) this.#tracked.delete(clientOrderId)
  }

  #setConnected(connected: boolean): void {
    if (this.connected === connected || this.#disposed) return
    this.connected = connected
    this.#options.onConnection?.(connected)
  }

  // --- helpers -------------------------------------------------------------------------------------------------

  #refuseCancel(clientOrderId: string, reason: string): void {
    this.#emit({kind: 'cancelRejected', clientOrderId, tsUs: this.#reportTime(0), reason})
  }

  /** The venue's clock as far as it is known: reports of our own making must not run ahead of its. */
  #reportTime(fallbackUs: number): TsUs {
    return tsUs(Math.max(this.#lastUpdateUs, fallbackUs))
  }

  #slowDown(retryAfterMs: number | undefined): void {
    this.#budget.block(Math.min(LONGEST_BLOCK_US, (retryAfterMs ?? 1_000) * US_PER_MS))
  }

  #sleep(delayUs: number): Promise<void> {
    return new Promise(resolve => {
      this.#options.scheduler.after(delayUs, () => resolve())
    })
  }

  #emit(report: ExecutionReport): void {
    for (const listener of this.#listeners) listener(report)
  }

  /** The SDK swallows what a listener throws; a bug must not be. */
  #guard(run: () => void): void {
    try {
      run()
    } catch (error) {
      this.#report(error)
    }
  }
  #report(error: unknown): void {
    const {onBug, scheduler} = this.#options
    if (onBug !== undefined) onBug(error)
    else
      scheduler.after(0, () => {
        throw error
      })
  }
}

/** Keeps a request that is ready until it may leave, or for good. */
class Hold {
  /** It will never leave: nothing was sent. */
  isShut = false
  readonly init: RequestInit & HeldInit

  constructor(go: Promise<boolean>) {
    const shut = (error: Error): never => {
      this.isShut = true
      throw error
    }
    const gate = go.then(
      may => {
        if (!may) shut(new Error('the order was held back'))
      },
      (error: Error) => shut(error),
    )
    // It may be refused before anybody waits for it.
    gate.catch(() => {})
    this.init = {gate}
  }
}
