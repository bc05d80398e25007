import type {trading} from '@alpacahq/alpaca-trade-api'
import type {ApprovedOrder, BrokerPosition} from '../../broker/broker.ts'
import type {InstrumentTable} from '../../domain/instrument.ts'
import type {OrderLeg} from '../../domain/order.ts'
import {type Decimal, formatDecimal, quotient, times} from '../../exchange/decimal.ts'
import {factsOf, type OrderFacts, type WireOrder} from './order-wire.ts'
import {decimalOf, priceText} from './wire-numbers.ts'

/** The parent of an order of several legs: it has no instrument, its legs are orders of their own inside it. */
export const isCombination = (order: WireOrder): boolean =>
  order.orderClass === 'mleg' && order.legs != null && order.legs.length > 0
/** One of the legs, seen on its own: nothing on it names its parent. */
export const isLoneLeg = (order: WireOrder): boolean =>
  order.orderClass === 'mleg' && !isCombination(order) && Boolean(order.symbol)

/**
 * The POST body of an order of several legs. Every leg must say whether it opens or closes; that follows from what is
 * held, which the intent does not know.
 */
export const multiLegBody = (
  order: ApprovedOrder,
  legs: readonly OrderLeg[],
  instruments: InstrumentTable,
  positions: readonly BrokerPosition[],
): trading.PostOrderRequest => {
  const held = new Map(positions.map(({symbol, lots}) => [symbol, lots]))
  const instrument = instruments.at(order.instrument)
  const {incrementTicks} = instrument
  const {limitTicks} = order
  return {
    orderClass: 'mleg',
    qty: String(order.lots),
    type: order.type,
    timeInForce: order.timeInForce,
    clientOrderId: order.clientOrderId,
    // The most that may be paid, on the venue's increment and never above what was approved.
    ...(limitTicks === undefined
      ? {}
      : {limitPrice: priceText(instrument, Math.floor(limitTicks / incrementTicks) * incrementTicks)}),
    legs: legs.map(({instrument, side, ratio}) => {
      const {symbol} = instruments.at(instrument)
      const lots = held.get(symbol) ?? 0
      const closes = side === 'buy' ? lots < 0 : lots > 0
      return {symbol, side, ratioQty: String(ratio), positionIntent: `${side}_to_${closes ? 'close' : 'open'}` as const}
    }),
  }
}

/** What a fill of each leg needs to know, in the parent's order of legs. */
export const legFactsOf = (parent: WireOrder): OrderFacts[] => {
  const {legs} = parent
  if (legs == null) return []
  const {id, clientOrderId, submittedUs, qty: units = '0'} = factsOf(parent)
  return legs.map((leg, k) => ({
    ...factsOf(leg as WireOrder),
    submittedUs,
    parent: {id, clientOrderId, units, ratio: ratioOf(leg.qty ?? '0', units), isLast: k === legs.length - 1},
  }))
}
const ratioOf = (legQty: string, units: string): number => Math.max(1, Math.round(Number(legQty) / Number(units) || 1))

/** How much of a leg is known to have filled, and for how much in all; `value` is unknown after a gap. */
interface LegProgress {
  readonly qty: Decimal
  readonly value: Decimal | undefined
}
/** One execution of a leg, as the wire writes numbers. */
export interface LegExecution {
  readonly facts: OrderFacts
  readonly qty: string
  readonly price: string
  readonly cumulative: string
}

const ZERO: LegProgress = {qty: 0n, value: 0n}
const REMEMBERED = 5_000

/**
 * The stream tells of an order of several legs as a whole: how far each leg is, at which average. Its executions are the
 * differences between what it told before and what it tells now.
 */
export class LegProgressBook {
  readonly #legs = new Map<string, LegProgress>()

  /** An execution is known, from wherever. */
  note({facts, qty, price, cumulative}: LegExecution): void {
    const before = this.#legs.get(facts.id) ?? ZERO
    const [done, cost, after] = [decimalOf(qty), decimalOf(price), decimalOf(cumulative)]
    if (after <= before.qty) return
    const follows = before.qty + done === after && before.value !== undefined
    this.#legs.set(facts.id, {qty: after, value: follows ? (before.value as Decimal) + times(done, cost) : undefined})
    for (const id of this.#legs.keys()) {
      if (this.#legs.size <= REMEMBERED) break
      this.#legs.delete(id)
    }
  }

  /**
   * Executions that bring the legs to where `order` has them; `units` are those of this message. Undefined when something
   * before it was missed, so that its own prices cannot be told apart.
   */
  executions(order: WireOrder, facts: readonly OrderFacts[], units: string): LegExecution[] | undefined {
    const found: LegExecution[] = []
    for (const [k, leg] of (order.legs ?? []).entries()) {
      const legFacts = facts[k] as OrderFacts
      const before = this.#legs.get(legFacts.id) ?? ZERO
      const cumulative = decimalOf(leg.filledQty ?? '0')
      const done = cumulative - before.qty
      if (done <= 0n) continue
      const isWhole = done === decimalOf(units) * BigInt(legFacts.parent?.ratio ?? 1)
      if (!isWhole || before.value === undefined) return undefined
      const value = times(cumulative, decimalOf(leg.filledAvgPrice ?? '0'))
      const price = quotient(value - before.value, done)
      found.push({
        facts: legFacts,
        qty: formatDecimal(done),
        price: formatDecimal(price),
        cumulative: leg.filledQty ?? '0',
      })
    }
    return found
  }

  /** Whether every leg is known as far as the order says. */
  isCurrent(order: WireOrder): boolean {
    return (order.legs ?? []).every(
      leg => (this.#legs.get(leg.id ?? '') ?? ZERO).qty >= decimalOf(leg.filledQty ?? '0'),
    )
  }
}
