import {Notice} from '../data/tape.ts'
import type {Instrument} from '../domain/instrument.ts'
import type {WorkingOrder} from './working-order.ts'

/** What becomes of an order on the ex-date: undefined leaves it as it is. */
export type Adjustment =
  | {readonly kind: 'cancel'; readonly reason: string}
  | {
      readonly kind: 'change'
      readonly reason: string
      readonly leavesLots: number
      readonly filledLots: number
      readonly limitTicks: number
      readonly stopTicks: number
      /** Factor on a trailing stop's distance and high-water mark. */
      readonly priceFactor: number
    }

/** Distributions below a cent move no order. */
const LEAST_DIVIDEND_DOLLARS = 0.01

/**
 * FINRA Rule 5330 (Adjustment of Orders). A dividend of a cent or more comes off good-till-cancelled buy limits and sell
 * stops, rounded down to the increment, unless the order says do not reduce; sell limits and buy stops stay. A forward
 * split divides prices and multiplies sizes, fractions of a lot dropped; the rule leaves sell limits and buy stops to the
 * firm, here they follow too, rounded to the side that is no better for us. A reverse split cancels.
 */
export const adjustmentOf = (
  working: WorkingOrder,
  instrument: Instrument,
  notice: number,
  first: number,
  second: number,
  cashTicks: number,
): Adjustment | undefined => {
  if (notice === Notice.split) return splitOf(working, instrument, first, second)
  if (notice === Notice.dividend) return dividendOf(working, instrument, cashTicks)
  return undefined
}

const splitOf = (
  working: WorkingOrder,
  instrument: Instrument,
  numerator: number,
  denominator: number,
): Adjustment | undefined => {
  if (numerator === denominator) return undefined
  if (numerator < denominator) return {kind: 'cancel', reason: 'reverse split'}
  const leavesLots = Math.floor((working.leavesLots * numerator) / denominator)
  if (leavesLots < instrument.minLots) return {kind: 'cancel', reason: 'split leaves less than the smallest order'}
  const priceFactor = denominator / numerator
  const {isBuy} = working
  return {
    kind: 'change',
    reason: `split ${numerator}:${denominator}`,
    leavesLots,
    filledLots: Math.floor((working.filledLots * numerator) / denominator),
    limitTicks: onIncrement(instrument, working.limitTicks * priceFactor, !isBuy),
    stopTicks: onIncrement(instrument, working.stopTicks * priceFactor, isBuy),
    priceFactor,
  }
}

const dividendOf = (working: WorkingOrder, instrument: Instrument, cashTicks: number): Adjustment | undefined => {
  const {order, isBuy, leavesLots, filledLots, limitTicks, stopTicks} = working
  const reduces = isBuy ? order.type === 'limit' : order.type === 'stop' || order.type === 'stop_limit'
  const isOpen = order.timeInForce === 'gtc' && order.doNotReduce !== true
  if (!reduces || !isOpen || cashTicks < LEAST_DIVIDEND_DOLLARS * 10 ** instrument.priceDecimals) return undefined
  const limit = onIncrement(instrument, limitTicks - cashTicks, false)
  const stop = onIncrement(instrument, stopTicks - cashTicks, false)
  // A stop that sells at the market has a limit of minus infinity.
  if ((Number.isFinite(limit) && limit <= 0) || stop <= 0)
    return {kind: 'cancel', reason: 'the dividend is more than its price'}
  return {
    kind: 'change',
    reason: 'dividend',
    leavesLots,
    filledLots,
    limitTicks: limit,
    stopTicks: stop,
    priceFactor: 1,
  }
}

/** NaN and infinities pass. */
const onIncrement = ({incrementTicks, priceDecimals}: Instrument, ticks: number, up: boolean): number => {
  const step = ticks >= 10 ** priceDecimals ? incrementTicks : 1
  // A quotient that is whole but for its last bit is whole.
  const steps = Number((ticks / step).toPrecision(14))
  return (up ? Math.ceil(steps) : Math.floor(steps)) * step
}
