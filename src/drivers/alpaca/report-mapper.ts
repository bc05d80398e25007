import type {trading} from '@alpacahq/alpaca-trade-api'
import {type Instrument, type InstrumentTable, notionalMicros} from '../../domain/instrument.ts'
import type {ExecutionReport} from '../../domain/order.ts'
import {type Lots, micros, type Ticks, type TsUs, lots as toLots} from '../../domain/units.ts'
import type {FeeModel} from '../../exchange/venue.ts'
import {type instrumentFinder, type OrderFacts, statusOf, type WireOrder} from './order-wire.ts'
import {lotsOf, ticksOf} from './wire-numbers.ts'

export type FillReport = Extract<ExecutionReport, {kind: 'fill'}>

export interface ReportMapperOptions {
  readonly instruments: InstrumentTable
  readonly find: ReturnType<typeof instrumentFinder>
  readonly fees: FeeModel
  /** A limit order that executes within this time of reaching the venue took; later it made. The wire does not say. */
  readonly takerWindowUs: number
}

interface Execution {
  readonly order: OrderFacts
  readonly qty: string
  readonly price: string
  /** Filled quantity of the order after this execution. */
  readonly cumulative: string
  readonly atUs: TsUs
}

/**
 * Turns what the wire says into execution reports. A fill's id is the venue's order id and the quantity filled so far:
 * the stream and the account's activities both know those, so a fill seen on both is one fill. A leg's fill bears the id
 * of the leg's own order and is its parent's fill.
 */
export class ReportMapper {
  readonly #options: ReportMapperOptions

  constructor(options: ReportMapperOptions) {
    this.#options = options
  }

  fill({order, qty, price, cumulative, atUs}: Execution): FillReport {
    const {instruments, find, fees} = this.#options
    const instrument = find(order.symbol, order.assetClass)
    const index = instruments.indexOf(instrument.symbol) ?? instruments.add(instrument)
    const lots: Lots = lotsOf(instrument, qty)
    const priceTicks: Ticks = ticksOf(instrument, price)
    const {side} = order
    const liquidity = this.#liquidity(order, atUs)
    const fee = fees.feeOf({
      instrument: index,
      side,
      lots,
      priceTicks,
      notionalMicros: notionalMicros(instrument, priceTicks, lots),
      liquidity,
      tsUs: atUs,
    })
    const {parent} = order
    return {
      kind: 'fill',
      venueOrderId: parent?.id ?? order.id,
      leavesLots: leavesAfter(order, Number(lotsOf(instrument, cumulative)), lots, instrument),
      tsUs: atUs,
      fill: {
        fillId: `${order.id}#${cumulative}`,
        clientOrderId: parent?.clientOrderId ?? order.clientOrderId,
        instrument: index,
        side,
        lots,
        priceTicks,
        feeMicros: micros(fee.feeMicros),
        ...(fee.feeLots === undefined || fee.feeLots === 0 ? {} : {feeLots: toLots(fee.feeLots)}),
        liquidity,
        tsUs: atUs,
      },
    }
  }

  accepted(order: WireOrder, atUs: TsUs): ExecutionReport {
    return {kind: 'accepted', clientOrderId: order.clientOrderId ?? '', venueOrderId: order.id ?? '', tsUs: atUs}
  }

  /** How a finished order ended, fills aside; undefined while it is open or when it was filled. */
  ending(order: WireOrder, atUs: TsUs): ExecutionReport | undefined {
    const clientOrderId = order.clientOrderId ?? ''
    switch (statusOf(order.status as trading.OrderStatus | undefined)) {
      case 'cancelled':
        return {kind: 'cancelled', clientOrderId, tsUs: atUs}
      case 'expired':
        return {kind: 'expired', clientOrderId, tsUs: atUs}
      case 'rejected':
        return {kind: 'rejected', clientOrderId, tsUs: atUs, code: 'rejected', reason: 'rejected by the venue'}
      default:
        return undefined
    }
  }

  #liquidity(order: OrderFacts, atUs: TsUs): 'maker' | 'taker' {
    if (order.type !== 'limit') return 'taker'
    return atUs - order.submittedUs <= this.#options.takerWindowUs ? 'taker' : 'maker'
  }
}

/** Lots left of an order, units of one of several legs: those count as done with the last leg. */
const leavesAfter = ({qty, parent}: OrderFacts, filled: number, lots: number, instrument: Instrument): number => {
  if (parent === undefined) return Math.max(0, (qty === undefined ? 0 : lotsOf(instrument, qty)) - filled)
  const told = parent.isLast ? filled : filled - lots
  return Math.max(0, Number(parent.units) - Math.floor(told / parent.ratio))
}
