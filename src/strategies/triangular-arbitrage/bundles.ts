// Columns are indexed by instruments of the run's table, so `!` cannot miss here.
import type {OrderLeg} from '../../domain/order.ts'
import type {StrategyContext} from '../strategy.ts'

/** Instruments that are worth more together than they cost, or the reverse: bought and sold at once. */
export interface Bundle {
  readonly kind: string
  readonly name: string
  /** Signed lots of one set. */
  readonly legs: readonly {readonly instrument: number; readonly lots: number; readonly limitTicks: number}[]
  readonly sets: number
  /**
   * `one-order`: two to four options that the venue fills together or not at all. `buys-first`: sales follow when the buys
   * have filled, so that nothing is ever sold uncovered. All at once otherwise.
   */
  readonly legging?: 'one-order' | 'buys-first'
  /** Expected after costs for one set, micros. */
  readonly edgeMicros: number
}

interface Running {
  readonly bundle: Bundle
  deadlineUs: number
  /** Sales still wait for the buys. */
  isWaiting: boolean
  /** Of the order that all legs are in. */
  readonly orderId?: string
  /** `open` while legs fill, `held` once they have, `closing` while legs that are not wanted go back. */
  state: 'open' | 'held' | 'closing'
  sets: number
}

export interface BundleCounts {
  bundles: number
  complete: number
  partial: number
  missed: number
  refused: number
  closed: number
  expectedMicros: number
}

/**
 * Sends the legs of bundles, in one order, together or buys first, and keeps them matched. A leg that has not filled in time leaves as many whole sets as
 * all legs filled; what any leg has beyond them goes back at the market. An instrument belongs to one bundle at a time, so
 * that its position is that bundle's.
 */
export class BundleDesk {
  readonly counts: BundleCounts = {
    bundles: 0,
    complete: 0,
    partial: 0,
    missed: 0,
    refused: 0,
    closed: 0,
    expectedMicros: 0,
  }
  readonly #timeoutUs: number
  #running: Running[] = []
  readonly #busy = new Set<number>()

  constructor(timeoutUs: number) {
    this.#timeoutUs = timeoutUs
  }

  get held(): readonly Bundle[] {
    return this.#running.filter(({state}) => state === 'held').map(({bundle}) => bundle)
  }
  get open(): number {
    return this.#running.length
  }
  isFree(instruments: Iterable<number>): boolean {
    for (const i of instruments) if (this.#busy.has(i)) return false
    return true
  }

  start(context: StrategyContext, bundle: Bundle): void {
    const deadlineUs = context.nowUs + this.#timeoutUs
    const common = {bundle, deadlineUs, state: 'open' as const, sets: bundle.sets}
    this.counts.bundles++
    if (bundle.legging === 'one-order') {
      const orderId = context.multiLeg(orderLegs(bundle, 1), bundle.sets, {limitTicks: netTicks(bundle)})
      if (orderId === undefined) {
        this.counts.refused++
        return
      }
      this.#running.push({...common, orderId, isWaiting: false})
    } else {
      const isWaiting = bundle.legging === 'buys-first'
      this.#running.push({...common, isWaiting})
      this.#send(context, bundle, lots => lots > 0 || !isWaiting)
    }
    for (const {instrument} of bundle.legs) this.#busy.add(instrument)
    context.wakeAt(deadlineUs, BUNDLE_TIMER)
  }

  #send(context: StrategyContext, {legs, sets}: Bundle, isWanted: (lots: number) => boolean): void {
    for (const {instrument, lots, limitTicks} of legs)
      if (isWanted(lots)) context.target(instrument, sets * lots, {limitTicks})
  }

  /** Takes a held bundle off again, at the market. */
  close(context: StrategyContext, bundle: Bundle): void {
    const running = this.#running.find(one => one.bundle === bundle && one.state === 'held')
    if (running === undefined) return
    this.counts.closed++
    this.#shrinkTo(context, running, 0)
  }

  /** Call when time has passed or a leg has filled. */
  onTime(context: StrategyContext): void {
    if (this.#running.length === 0) return
    const before = this.#running
    this.#running = before.filter(running => this.#advance(context, running))
    if (this.#running.length === before.length) return
    this.#busy.clear()
    for (const {bundle} of this.#running) for (const {instrument} of bundle.legs) this.#busy.add(instrument)
  }

  /** False when nothing of the bundle is left. */
  #advance(context: StrategyContext, running: Running): boolean {
    const {bundle, state, deadlineUs} = running
    if (state === 'open' && running.isWaiting && this.#hasBuys(context, bundle)) {
      running.isWaiting = false
      running.deadlineUs = context.nowUs + this.#timeoutUs
      this.#send(context, bundle, lots => lots < 0)
      context.wakeAt(running.deadlineUs, BUNDLE_TIMER)
      return true
    }
    const complete = this.#completeSets(context, bundle)
    if (state === 'open' && complete >= bundle.sets) {
      this.counts.complete++
      this.counts.expectedMicros += bundle.sets * bundle.edgeMicros
      running.state = 'held'
    } else if (state === 'open' && context.nowUs >= deadlineUs) {
      if (complete === 0) this.counts.missed++
      else {
        this.counts.partial++
        this.counts.expectedMicros += complete * bundle.edgeMicros
      }
      this.#shrinkTo(context, running, complete)
    } else if (state === 'closing' && this.#isAt(context, running)) running.state = 'held'
    // Sets that have expired or were closed hold nothing.
    return running.state !== 'held' || bundle.legs.some(({instrument}) => context.positionLots(instrument) !== 0)
  }

  #shrinkTo(context: StrategyContext, running: Running, sets: number): void {
    running.state = 'closing'
    const {orderId, bundle} = running
    if (orderId !== undefined) {
      // Whole units only: what has filled is matched, and what has not is taken back.
      context.cancelMultiLeg(orderId)
      if (sets === 0 && running.sets > 0 && this.#completeSets(context, bundle) > 0)
        context.multiLeg(orderLegs(bundle, -1), this.#completeSets(context, bundle))
      running.sets = sets
      running.state = 'held'
      return
    }
    running.sets = sets
    for (const {instrument, lots} of running.bundle.legs) // Adding 0 takes the sign off a negative zero.
      context.target(instrument, sets * lots + 0)
    if (this.#isAt(context, running)) running.state = 'held'
  }

  #isAt(context: StrategyContext, {bundle, sets}: Running): boolean {
    return bundle.legs.every(({instrument, lots}) => context.positionLots(instrument) === sets * lots)
  }

  #hasBuys(context: StrategyContext, {legs, sets}: Bundle): boolean {
    return legs.every(({instrument, lots}) => lots < 0 || context.positionLots(instrument) >= sets * lots)
  }

  #completeSets(context: StrategyContext, {legs, sets}: Bundle): number {
    let complete = sets
    for (const {instrument, lots} of legs)
      complete = Math.min(complete, Math.max(0, Math.floor(context.positionLots(instrument) / lots)))
    return complete
  }
}

const orderLegs = ({legs}: Bundle, direction: 1 | -1): OrderLeg[] =>
  legs.map(({instrument, lots}) => ({
    instrument,
    side: direction * lots > 0 ? ('buy' as const) : ('sell' as const),
    ratio: Math.abs(lots),
  }))

/** The most a unit may cost a share, negative for the least to be received. */
const netTicks = ({legs}: Bundle): number => legs.reduce((sum, {lots, limitTicks}) => sum + lots * limitTicks, 0)

/** Tag of the desk's timers. */
export const BUNDLE_TIMER = 1
