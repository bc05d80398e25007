import type {BrokerAccount, BrokerPosition} from '../../broker/broker.ts'
import {type TsUs, US_PER_MS} from '../../domain/units.ts'
import {isNotFound} from './alpaca-errors.ts'
import type {AlpacaClient} from './client.ts'
import {forgetFirst} from './forget-first.ts'
import {isCombination, isLoneLeg, type LegExecution, legFactsOf} from './multi-leg-wire.ts'
import {factsOf, type instrumentFinder, type OrderFacts, timeOf, type WireOrder} from './order-wire.ts'
import {Priority, type RequestBudget} from './request-budget.ts'
import {microsOf, signedLotsOf} from './wire-numbers.ts'

const PAGE = 100
/** An order and its legs are stamped together. */
const PARENT_WITHIN_MS = 1_000
/** Orders remembered, so that none is asked for twice; the oldest are forgotten. */
const REMEMBERED_ORDERS = 5_000

export interface AccountReaderOptions {
  readonly client: AlpacaClient
  readonly budget: RequestBudget
  readonly find: ReturnType<typeof instrumentFinder>
}

/** What the venue says of the account when it is asked; every question counts against the request budget. */
export class AccountReader {
  readonly #client: AlpacaClient
  readonly #budget: RequestBudget
  readonly #find: AccountReaderOptions['find']
  /** By the venue's id. */
  readonly #facts = new Map<string, OrderFacts>()

  constructor({client, budget, find}: AccountReaderOptions) {
    this.#client = client
    this.#budget = budget
    this.#find = find
  }

  async positions(): Promise<BrokerPosition[]> {
    await this.#budget.take(Priority.query)
    const positions = await this.#client.alpaca.trading.positions.getAllOpenPositions()
    return positions.map(({symbol = '', assetClass, qty = '0'}) => {
      const instrument = this.#find(symbol, assetClass)
      return {symbol: instrument.symbol, lots: signedLotsOf(instrument, qty)}
    })
  }

  async balances(): Promise<BrokerAccount> {
    await this.#budget.take(Priority.query)
    const account = await this.#client.alpaca.trading.account.getAccount()
    return {
      cashMicros: microsOf(account.cash ?? '0'),
      equityMicros: microsOf(account.equity ?? '0'),
      buyingPowerMicros: microsOf(account.buyingPower ?? '0'),
    }
  }

  /** Executions at or after a time, oldest first, each with the order it belongs to. */
  async *executionsSince(sinceUs: TsUs): AsyncGenerator<LegExecution & {readonly atUs: TsUs}> {
    let pageToken: string | undefined
    for (;;) {
      await this.#budget.take(Priority.query)
      const page = await this.#client.alpaca.trading.accountActivities.getAccountActivities({
        activityTypes: ['FILL'],
        // Exclusive, and no finer than a millisecond.
        after: new Date(Math.floor(sinceUs / 1_000) - 1),
        direction: 'asc',
        pageSize: PAGE,
        ...(pageToken === undefined ? {} : {pageToken}),
      })
      for (const activity of page) {
        const atUs = timeOf(activity['transaction_time'], undefined)
        if (atUs < sinceUs) continue
        const facts = await this.factsOf(String(activity['order_id']))
        if (facts === undefined) continue
        const [qty, price, cumulative] = [activity['qty'], activity['price'], activity['cum_qty']].map(String)
        yield {facts, qty: qty as string, price: price as string, cumulative: cumulative as string, atUs}
      }
      if (page.length < PAGE) return
      pageToken = String(page.at(-1)?.['id'])
    }
  }

  async order(clientOrderId: string): Promise<WireOrder | undefined> {
    await this.#budget.take(Priority.query)
    try {
      return (await this.#client.alpaca.trading.orders.getOrderByClientOrderId({clientOrderId})) as WireOrder
    } catch (error) {
      if (isNotFound(error)) return undefined
      throw error
    }
  }

  async openOrders(): Promise<WireOrder[]> {
    const found: WireOrder[] = []
    for (;;) {
      await this.#budget.take(Priority.query)
      const last = found.at(-1)
      const page = (await this.#client.alpaca.trading.orders.getAllOrders({
        status: 'open',
        limit: 500,
        direction: 'asc',
        // Exits and legs come with the order that they are part of.
        nested: true,
        ...(last?.id === undefined ? {} : {afterOrderId: last.id}),
      })) as WireOrder[]
      found.push(...page)
      if (page.length < 500) return found
    }
  }

  remember(order: WireOrder): OrderFacts {
    const facts = factsOf(order)
    for (const known of isCombination(order) ? [facts, ...legFactsOf(order)] : [facts]) {
      this.#facts.set(known.id, known)
      if (this.#facts.size > REMEMBERED_ORDERS) forgetFirst(this.#facts)
    }
    return facts
  }

  async factsOf(venueOrderId: string): Promise<OrderFacts | undefined> {
    const known = this.#facts.get(venueOrderId)
    if (known !== undefined) return known
    await this.#budget.take(Priority.query)
    const {orders} = this.#client.alpaca.trading
    try {
      const order = (await orders.getOrderByOrderID({orderId: venueOrderId})) as WireOrder
      if (!isLoneLeg(order)) return this.remember(order)
      await this.#rememberParents(factsOf(order).submittedUs)
      return this.#facts.get(venueOrderId)
    } catch (error) {
      if (isNotFound(error)) return undefined
      throw error
    }
  }

  /** A leg does not name its parent, but was submitted with it. */
  async #rememberParents(submittedUs: TsUs): Promise<void> {
    await this.#budget.take(Priority.query)
    const submittedMs = Math.floor(submittedUs / US_PER_MS)
    const orders = (await this.#client.alpaca.trading.orders.getAllOrders({
      status: 'all',
      nested: true,
      limit: 500,
      direction: 'asc',
      after: new Date(submittedMs - PARENT_WITHIN_MS).toISOString(),
      until: new Date(submittedMs + PARENT_WITHIN_MS).toISOString(),
    })) as WireOrder[]
    for (const order of orders) if (isCombination(order)) this.remember(order)
  }
}
