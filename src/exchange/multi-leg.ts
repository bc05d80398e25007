import type {InstrumentTable} from '../domain/instrument.ts'
import type {Execution} from './execution.ts'
import type {ShownLevel, ShownMarket} from './shown-market.ts'
import type {VenueOrder} from './venue.ts'
import {createWorkingOrder, type WorkingOrder} from './working-order.ts'

/** Why a venue would refuse a multi-leg order on its face; undefined when it would not, or when it has no legs. */
export const legsFault = (
  order: VenueOrder,
  instruments: InstrumentTable,
): {readonly code: string; readonly reason: string} | undefined => {
  const {legs} = order
  if (legs === undefined) return undefined
  const fault = (reason: string) => ({code: 'invalid_legs', reason})
  if (legs.length < 2 || legs.length > 4) return fault(`a multi-leg order has 2 to 4 legs, had ${legs.length}`)
  if (new Set(legs.map(leg => leg.instrument)).size < legs.length) return fault('every leg must be another contract')
  if (order.type !== 'market' && order.type !== 'limit') return fault(`a multi-leg order must not be a ${order.type}`)
  if (order.timeInForce === 'opg' || order.timeInForce === 'cls')
    return fault(`a multi-leg order must not be ${order.timeInForce}: legs have no common auction`)
  if (order.postOnly === true || order.reduceOnly === true) return fault('legs are neither post-only nor reduce-only')
  if (order.instrument !== legs[0]?.instrument) return fault('the order names the instrument of its first leg')
  const [first, ...rest] = legs.map(leg => instruments.at(leg.instrument))
  for (const leg of legs)
    if (!Number.isSafeInteger(leg.ratio) || leg.ratio < 1) return fault(`a ratio must be at least 1, was ${leg.ratio}`)
  if (legs.reduce((common, leg) => greatestCommonDivisor(common, leg.ratio), 0) > 1)
    return fault('ratios must be in lowest terms')
  if (first?.option === undefined) return fault(`${first?.symbol} is no option`)
  for (const other of rest) {
    if (other.option === undefined) return fault(`${other.symbol} is no option`)
    if (other.option.underlying !== first.option.underlying) return fault('legs must share their underlying')
    if (other.priceDecimals !== first.priceDecimals || other.multiplier !== first.multiplier)
      return fault('legs must share their price scale and multiplier')
  }
  return undefined
}

const greatestCommonDivisor = (a: number, b: number): number => (b === 0 ? a : greatestCommonDivisor(b, a % b))

interface Combination {
  readonly working: WorkingOrder
  /** One per leg, as a market order, to walk what is shown. */
  readonly legs: readonly WorkingOrder[]
  readonly ratios: readonly number[]
}

/** Units that can be had at one set of levels. */
interface Batch {
  readonly units: number
  readonly levels: readonly ShownLevel[]
}

/**
 * Orders of several legs. All legs fill at one instant against what their own markets show, in whole units, at the sum of
 * the levels taken: never better than the touches, and no better than the net limit. A unit takes each leg from one
 * level, so a level that shows less than the ratio is passed over. They do not rest in any leg's queue: whenever a leg's
 * market changes they try again, which is how exchanges' complex order books meet the leg markets.
 */
export class MultiLegOrders {
  readonly #shown: ShownMarket
  readonly #execution: Execution
  readonly #resting: Combination[] = []
  /** By order, from its first try to its end. */
  readonly #known = new Map<WorkingOrder, Combination>()
  /** Orders that wait for the instrument. */
  readonly #watchers: Uint16Array

  constructor(instruments: number, shown: ShownMarket, execution: Execution) {
    this.#shown = shown
    this.#execution = execution
    this.#watchers = new Uint16Array(instruments)
  }

  watches(i: number): boolean {
    return this.#watchers[i] !== 0
  }

  /** Units that the markets offer within the limit now, up to what is left. */
  takeable(working: WorkingOrder, atUs: number): number {
    return this.#plan(this.#of(working), atUs).reduce((sum, {units}) => sum + units, 0)
  }
  /** Takes what there is. */
  take(working: WorkingOrder, atUs: number): void {
    this.#take(this.#of(working), atUs)
  }
  add(working: WorkingOrder): void {
    const combination = this.#of(working)
    this.#resting.push(combination)
    for (const leg of combination.legs) this.#watchers[leg.instrument] = (this.#watchers[leg.instrument] as number) + 1
  }
  /** The order has ended. */
  remove(working: WorkingOrder): void {
    const {legs} = this.#of(working)
    this.#known.delete(working)
    for (const leg of legs) leg.state = 'done'
    const at = this.#resting.findIndex(combination => combination.working === working)
    if (at < 0) return
    this.#resting.splice(at, 1)
    for (const leg of legs) this.#watchers[leg.instrument] = (this.#watchers[leg.instrument] as number) - 1
  }
  /** The market of a leg changed. */
  onRow(i: number, atUs: number): void {
    for (const combination of [...this.#resting])
      if (combination.legs.some(leg => leg.instrument === i) && combination.working.state === 'live')
        this.#take(combination, atUs)
  }

  #of(working: WorkingOrder): Combination {
    let combination = this.#known.get(working)
    if (combination === undefined) {
      combination = combinationOf(working)
      this.#known.set(working, combination)
    }
    return combination
  }

  #take(combination: Combination, atUs: number): void {
    const {working, legs, ratios} = combination
    for (const {units, levels} of this.#plan(combination, atUs)) {
      const leavesAfter = working.leavesLots - units
      for (const [k, leg] of legs.entries()) {
        const level = levels[k] as ShownLevel
        const fill = {leg, lots: units * (ratios[k] as number), ticks: level.ticks, shown: level.shown}
        this.#execution.fillLeg(working, fill, k === legs.length - 1 ? leavesAfter : working.leavesLots, atUs)
      }
      working.leavesLots = leavesAfter
      working.filledLots += units
      this.#execution.legsFilled(working, units, atUs)
    }
  }

  /** Batches of units, cheapest first, until the limit, the size or a leg's market ends. */
  #plan({working, legs, ratios}: Combination, atUs: number): Batch[] {
    const books = legs.map(leg => this.#shown.levels(leg, atUs))
    const at = legs.map(() => 0)
    const batches: Batch[] = []
    for (let left = working.leavesLots; left > 0; ) {
      const levels: ShownLevel[] = []
      let net = 0
      let units = left
      for (const [k, leg] of legs.entries()) {
        const ratio = ratios[k] as number
        const book = books[k] as ShownLevel[]
        while ((book[at[k] as number]?.available ?? Infinity) < ratio) at[k] = (at[k] as number) + 1
        const level = book[at[k] as number]
        if (level === undefined) return batches
        levels.push(level)
        net += (leg.isBuy ? 1 : -1) * ratio * level.ticks
        units = Math.min(units, Math.floor(level.available / ratio))
      }
      // A market order takes what there is; on which side its first leg stands says nothing of the net.
      if (working.order.type === 'limit' && net > working.limitTicks) return batches
      for (const [k, level] of levels.entries()) level.available -= units * (ratios[k] as number)
      batches.push({units, levels})
      left -= units
    }
    return batches
  }
}

const combinationOf = (working: WorkingOrder): Combination => {
  const legs = working.order.legs ?? []
  return {
    working,
    ratios: legs.map(leg => leg.ratio),
    legs: legs.map(({instrument, side}) => {
      const {clientOrderId, timeInForce, lots} = working.order
      const order: VenueOrder = {clientOrderId, instrument, side, type: 'market', timeInForce, lots}
      return createWorkingOrder(order, working.venueOrderId, working.seq, working.arrivedUs)
    }),
  }
}
