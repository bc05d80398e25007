import type {WorkingOrder} from './working-order.ts'

export interface BarMatch {
  /** Orders of the instrument in priority, as they are at the time of the call. */
  readonly orders: () => readonly WorkingOrder[]
  readonly bar: {
    readonly open: number
    readonly high: number
    readonly low: number
    readonly close: number
    readonly startUs: number
    readonly periodUs: number
  }
  /** Lots that all our orders together may trade in this bar. */
  readonly budgetLots: number
  readonly halfSpreadBps: number
  /** Whether a touch of the limit fills (true) or only a trade through it (false). */
  readonly touchFills: boolean
  readonly elect: (order: WorkingOrder) => void
  readonly fill: (order: WorkingOrder, lots: number, ticks: number, liquidity: 'maker' | 'taker') => number
}

/** An order this close to the start of the bar is taken to be there for its open. */
const OPEN_SHARE = 0.01

/**
 * What a bar does to orders, by the least favourable path that its four prices allow:
 * 1. market orders, and limits the open already crosses, trade at the open; one that came later trades at the bar's worst price;
 * 2. then stops: at the open when it gapped through them, else at the stop, both worse by half the hidden spread;
 * 3. then resting limits, at their own price, only if the bar went through it; one that came mid-bar needs the close through it;
 * 4. exits freed in this bar: their stops may trigger at once, their limits not before the next bar.
 */
export const matchBar = (match: BarMatch): void => {
  let left = match.budgetLots
  const fill = (order: WorkingOrder, ticks: number, liquidity: 'maker' | 'taker'): void => {
    const lots = Math.min(left, order.leavesLots)
    if (lots > 0) left -= match.fill(order, lots, ticks, liquidity)
  }
  const there = new Set(match.orders())
  for (const order of there) if (order.state === 'live') meetOpen(order, match, fill)
  const waiting = new Set([...there].filter(order => order.state === 'stopped'))
  for (const order of waiting) if (order.state === 'stopped') meetStop(order, match, fill)
  for (const order of there) if (order.state === 'live' && !waiting.has(order)) meetLimit(order, match, fill)
  for (const order of match.orders()) if (!there.has(order) && order.state === 'stopped') meetStop(order, match, fill)
}

type FillBar = (order: WorkingOrder, ticks: number, liquidity: 'maker' | 'taker') => void

const meetOpen = (order: WorkingOrder, {bar, halfSpreadBps}: BarMatch, fill: FillBar): void => {
  const early = isEarly(order, bar)
  const reference = early ? bar.open : order.isBuy ? bar.high : bar.low
  const price = worse(order, reference, halfSpreadBps)
  const within = order.isBuy ? price <= order.limitTicks : price >= order.limitTicks
  // A resting limit that the open gapped through is filled at the limit, as a maker, in step 3.
  const isNew = order.arrivedUs >= bar.startUs - bar.periodUs * OPEN_SHARE || !Number.isFinite(order.limitTicks)
  if (within && isNew && (early || !Number.isFinite(order.limitTicks))) fill(order, price, 'taker')
}

const meetStop = (order: WorkingOrder, match: BarMatch, fill: FillBar): void => {
  const {bar, halfSpreadBps} = match
  if (order.order.type === 'trailing_stop') trailThrough(order, bar)
  const {isBuy, stopTicks} = order
  const triggered = isBuy ? bar.high >= stopTicks : bar.low <= stopTicks
  if (!triggered || Number.isNaN(stopTicks)) return
  match.elect(order)
  const early = isEarly(order, bar)
  const gapped = early && (isBuy ? bar.open > stopTicks : bar.open < stopTicks)
  const price = worse(order, gapped ? bar.open : stopTicks, halfSpreadBps)
  if (order.order.type !== 'stop_limit') fill(order, price, 'taker')
  else if (isBuy ? bar.close <= order.limitTicks : bar.close >= order.limitTicks) fill(order, order.limitTicks, 'taker')
}

const meetLimit = (order: WorkingOrder, {bar, touchFills}: BarMatch, fill: FillBar): void => {
  const {isBuy, limitTicks} = order
  if (!Number.isFinite(limitTicks)) return
  const reach = isEarly(order, bar) ? (isBuy ? bar.low : bar.high) : bar.close
  const through = isBuy ? reach < limitTicks : reach > limitTicks
  if (through || (touchFills && reach === limitTicks)) fill(order, limitTicks, 'maker')
}

const isEarly = (order: WorkingOrder, bar: BarMatch['bar']): boolean =>
  order.arrivedUs <= bar.startUs + bar.periodUs * OPEN_SHARE

/** Half the spread against the order, rounded away from the mid, but never better than a price of one tick. */
const worse = (order: WorkingOrder, ticks: number, halfSpreadBps: number): number => {
  const half = (ticks * halfSpreadBps) / 10_000
  return order.isBuy ? Math.ceil(ticks + half) : Math.max(1, Math.floor(ticks - half))
}

/** The stop that held at the open comes first; only if it held through the bar does the bar's best price move it. */
const trailThrough = (order: WorkingOrder, bar: BarMatch['bar']): void => {
  const {isBuy} = order
  if (isBuy ? bar.high >= order.stopTicks : bar.low <= order.stopTicks) return
  const best = isBuy ? bar.low : bar.high
  const highWater = Number.isNaN(order.highWater)
    ? best
    : isBuy
      ? Math.min(order.highWater, best)
      : Math.max(order.highWater, best)
  order.highWater = highWater
  const distance = order.order.trailTicks ?? (highWater * (order.order.trailBps ?? 0)) / 10_000
  order.stopTicks = isBuy ? Math.floor(highWater + distance) : Math.ceil(highWater - distance)
}
