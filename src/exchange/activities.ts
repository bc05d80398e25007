import type {Rng} from '../domain/rng.ts'
import {type Decimal, formatDecimal} from './decimal.ts'
import type {DeskFill} from './order-desk.ts'
import {leavesOf} from './order-record.ts'
import {isoDay, isoNewYork, newYorkDay} from './sessions.ts'
import {uuid} from './uuid.ts'
import {isoUtc} from './wire-time.ts'

/** A line of the account's history, as the wire shows it, with what the queries need. */
export interface Activity {
  readonly id: string
  readonly type: string
  readonly atUs: number
  readonly json: Readonly<Record<string, unknown>>
}

/** `20200602093022170::uuid`, the time in New York. */
export const activityId = (atUs: number, id: string): string => {
  const seconds = isoNewYork(Math.floor(atUs / 1e6) * 1e6).slice(0, 19)
  const milliseconds = String(Math.floor((atUs % 1e6) / 1000)).padStart(3, '0')
  return `${seconds.replace(/\D/g, '')}${milliseconds}::${id}`
}

export const fillActivity = ({order, executionId, qty, price}: DeskFill, atUs: number): Activity => {
  const id = activityId(atUs, executionId)
  const leaves = leavesOf(order)
  return {
    id,
    type: 'FILL',
    atUs,
    json: {
      activity_type: 'FILL',
      id,
      transaction_time: isoUtc(atUs),
      type: leaves > 0n ? 'partial_fill' : 'fill',
      price: formatDecimal(price),
      qty: formatDecimal(qty),
      side: order.side,
      symbol: order.asset.instrument.symbol,
      leaves_qty: formatDecimal(leaves),
      order_id: order.id,
      cum_qty: formatDecimal(order.filledQty),
      order_status: order.status,
    },
  }
}

/** A coin fee taken out of what was received, in that coin. */
export const coinFeeActivity = (symbol: string, qty: Decimal, price: Decimal, atUs: number, rng: Rng): Activity => {
  const id = activityId(atUs, uuid(rng))
  return {
    id,
    type: 'CFEE',
    atUs,
    json: {
      activity_type: 'CFEE',
      id,
      date: isoDay(newYorkDay(atUs)),
      net_amount: '0',
      symbol,
      qty: formatDecimal(-qty),
      price: formatDecimal(price),
      description: 'Coin Pair Transaction Fee (Non USD)',
      status: 'executed',
    },
  }
}

/** A fee paid in dollars, out of the proceeds of a coin sale. */
export const cashFeeActivity = (symbol: string, amount: Decimal, atUs: number, rng: Rng): Activity => {
  const id = activityId(atUs, uuid(rng))
  return {
    id,
    type: 'CFEE',
    atUs,
    json: {
      activity_type: 'CFEE',
      id,
      date: isoDay(newYorkDay(atUs)),
      net_amount: formatDecimal(-amount),
      symbol,
      qty: '0',
      price: '0',
      description: 'Coin Pair Transaction Fee (USD)',
      status: 'executed',
    },
  }
}
