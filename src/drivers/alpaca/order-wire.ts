import type {trading} from '@alpacahq/alpaca-trade-api'
import type {ApprovedOrder, BrokerOrder} from '../../broker/broker.ts'
import {type Instrument, type InstrumentTable, instrumentOf} from '../../domain/instrument.ts'
import type {OrderStatus} from '../../domain/order.ts'
import {type Side, type TsUs, tsUs} from '../../domain/units.ts'
import {parseTime} from '../../exchange/wire-time.ts'
import {lotsOf, priceText, qtyText, ticksOf} from './wire-numbers.ts'

/** An order of the wire, as the SDK passes it on: its own fields beside the raw ones. */
export type WireOrder = trading.Order & Readonly<Record<string, unknown>>

/** What of an order never changes, and a fill needs: a few words to keep instead of the whole object. */
export interface OrderFacts {
  readonly id: string
  readonly clientOrderId: string
  readonly symbol: string
  readonly assetClass: string | undefined
  readonly side: Side
  readonly type: string
  readonly qty: string | undefined
  readonly submittedUs: TsUs
  /** Of a leg: the order that it is part of, whose fills its own are. */
  readonly parent?: {
    readonly id: string
    readonly clientOrderId: string
    /** Units of the parent, and contracts of the leg in each. */
    readonly units: string
    readonly ratio: number
    readonly isLast: boolean
  }
}
export const factsOf = (order: WireOrder): OrderFacts => ({
  id: order.id ?? '',
  clientOrderId: order.clientOrderId ?? '',
  symbol: order.symbol ?? '',
  assetClass: order.assetClass,
  side: order.side as Side,
  type: String(order.type),
  qty: order.qty ?? undefined,
  submittedUs: timeOf(order['submitted_at'], order.submittedAt),
})

const STATUS: Readonly<Record<string, OrderStatus>> = {
  new: 'accepted',
  accepted: 'accepted',
  pending_new: 'submitted',
  accepted_for_bidding: 'accepted',
  pending_cancel: 'accepted',
  pending_replace: 'accepted',
  stopped: 'accepted',
  suspended: 'accepted',
  calculated: 'accepted',
  held: 'held',
  partially_filled: 'partiallyFilled',
  filled: 'filled',
  canceled: 'cancelled',
  expired: 'expired',
  done_for_day: 'expired',
  replaced: 'replaced',
  rejected: 'rejected',
}
/** A status that the wire may grow tomorrow counts as open: it is asked about again rather than forgotten. */
export const statusOf = (wire: string | undefined): OrderStatus => STATUS[wire ?? ''] ?? 'accepted'

/** Microseconds of a raw time of the wire; the SDK's own `Date` has lost them. */
export const timeOf = (raw: unknown, fallback?: Date | null): TsUs => {
  const exact = typeof raw === 'string' ? parseTime(raw) : undefined
  return tsUs(exact ?? (fallback == null ? 0 : fallback.getTime() * 1_000))
}

/** Finds the instrument of a symbol of the wire; a coin position has lost its slash. */
export const instrumentFinder = (
  instruments: InstrumentTable,
): ((symbol: string, assetClass?: string) => Instrument) => {
  const bare = new Map(instruments.all().map(instrument => [instrument.symbol.replace('/', ''), instrument]))
  return (symbol, assetClass) => {
    const index = instruments.indexOf(symbol)
    if (index !== undefined) return instruments.at(index)
    const known = bare.get(symbol)
    if (known !== undefined) return known
    if (assetClass === 'crypto' && !symbol.includes('/')) {
      const quote = ['USDT', 'USDC', 'USD', 'BTC'].find(currency => symbol.endsWith(currency)) ?? 'USD'
      return instrumentOf(`${symbol.slice(0, symbol.length - quote.length)}/${quote}`)
    }
    return instrumentOf(symbol)
  }
}

/**
 * The POST body of an order: decimals as text, exactly what was approved. Alpaca knows neither post-only nor reduce-only:
 * the first may take, the second is already held to what is owned, because closing and opening cannot be one order there.
 */
export const orderBody = (order: ApprovedOrder, instrument: Instrument): trading.PostOrderRequest => ({
  symbol: instrument.symbol,
  qty: qtyText(instrument, order.lots),
  side: order.side,
  type: order.type,
  timeInForce: order.timeInForce,
  clientOrderId: order.clientOrderId,
  ...(order.limitTicks === undefined ? {} : {limitPrice: priceText(instrument, order.limitTicks)}),
  ...(order.stopTicks === undefined ? {} : {stopPrice: priceText(instrument, order.stopTicks)}),
  ...(order.trailTicks === undefined ? {} : {trailPrice: priceText(instrument, order.trailTicks)}),
  ...(order.trailBps === undefined ? {} : {trailPercent: String(order.trailBps / 100)}),
  ...(order.extendedHours === true ? {extendedHours: true} : {}),
})

/** An order of several legs goes by the instrument and side of its first, and counts units. */
export const brokerOrder = (order: WireOrder, find: ReturnType<typeof instrumentFinder>): BrokerOrder => {
  const named = order.symbol ? order : (order.legs?.[0] ?? order)
  const instrument = find(named.symbol ?? '', named.assetClass)
  return {
    clientOrderId: order.clientOrderId ?? '',
    venueOrderId: order.id ?? '',
    symbol: instrument.symbol,
    side: named.side as Side,
    lots: lotsOf(instrument, order.qty ?? '0'),
    filledLots: lotsOf(instrument, order.filledQty ?? '0'),
    ...(order.limitPrice == null ? {} : {limitTicks: ticksOf(instrument, order.limitPrice)}),
    status: statusOf(order.status),
    submittedUs: timeOf(order['submitted_at'], order.submittedAt),
  }
}
