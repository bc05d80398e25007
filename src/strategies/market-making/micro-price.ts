// State indices are imbalance bucket × spread bucket, both clamped, so `!` cannot miss here.
import {inverse, Matrix} from 'ml-matrix'

const IMBALANCES = 10
const SPREADS = 4
const STATES = IMBALANCES * SPREADS
const ITERATIONS = 6

/**
 * Stoikov's micro-price ("The micro-price: a high frequency estimator of future prices", 2018): the mid plus the limit of
 * expected mid changes given the book's imbalance and spread, from transition counts that are kept as events come, made
 * symmetric under exchanging bid and ask. Spread buckets are quarters of two average spreads. Distances in price units.
 */
export class MicroPrice {
  readonly #stay = new Float64Array(STATES * STATES)
  readonly #moved = new Float64Array(STATES * STATES)
  readonly #moveSum = new Float64Array(STATES)
  readonly #visits = new Float64Array(STATES)
  #adjustment = new Float64Array(STATES)
  #state = -1
  #mid = 0
  #updates = 0
  #isFitted = false
  #nextFit: number

  /** First fit after this many updates; later ones grow apart by a quarter, as the counts change ever less. */
  constructor(firstFit = 2_000) {
    this.#nextFit = firstFit
  }

  get isFitted(): boolean {
    return this.#isFitted
  }

  /** Takes a changed quote: imbalance bid/(bid+ask) in [0, 1], spread, average spread and mid in one price unit. */
  update(imbalance: number, spread: number, averageSpread: number, mid: number): void {
    const state = stateOf(imbalance, spread, averageSpread)
    if (this.#state >= 0) this.#count(this.#state, state, clamp(mid - this.#mid, 2 * averageSpread))
    this.#state = state
    this.#mid = mid
    this.#updates++
    if (this.#updates < this.#nextFit) return
    this.#nextFit = Math.ceil(1.25 * this.#nextFit)
    this.#fit()
  }

  /** What to add to the mid. Before the first fit: half the distance to the size-weighted mid. */
  adjustment(imbalance: number, spread: number, averageSpread: number): number {
    if (!this.#isFitted) return 0.5 * spread * (imbalance - 0.5)
    return this.#adjustment[stateOf(imbalance, spread, averageSpread)]!
  }

  /** Each transition counts for its mirror image too: bid and ask exchanged, the move reversed. */
  #count(from: number, to: number, move: number): void {
    this.#countOne(from, to, move)
    this.#countOne(mirror(from), mirror(to), -move)
  }

  #countOne(from: number, to: number, move: number): void {
    this.#visits[from]! += 1
    if (move === 0) this.#stay[from * STATES + to]! += 1
    else {
      this.#moved[from * STATES + to]! += 1
      this.#moveSum[from]! += move
    }
  }

  /** G* = Σ Bⁱ G¹ with G¹ = (I − Q)⁻¹ R and B = (I − Q)⁻¹ T. */
  #fit(): void {
    const staysOut = Matrix.zeros(STATES, STATES)
    const t = Matrix.zeros(STATES, STATES)
    const r = Matrix.zeros(STATES, 1)
    for (let a = 0; a < STATES; a++) {
      // One pseudo-visit that leaves for good keeps a state that was never left from being absorbing.
      const visits = this.#visits[a]! + 1
      r.set(a, 0, this.#moveSum[a]! / visits)
      for (let b = 0; b < STATES; b++) {
        staysOut.set(a, b, (a === b ? 1 : 0) - this.#stay[a * STATES + b]! / visits)
        t.set(a, b, this.#moved[a * STATES + b]! / visits)
      }
    }
    const resolvent = inverse(staysOut)
    let term = resolvent.mmul(r)
    const b = resolvent.mmul(t)
    const total = term.clone()
    for (let i = 0; i < ITERATIONS; i++) {
      term = b.mmul(term)
      total.add(term)
    }
    this.#adjustment = Float64Array.from(total.to1DArray())
    this.#isFitted = true
  }
}

const stateOf = (imbalance: number, spread: number, averageSpread: number): number => {
  const i = Math.min(IMBALANCES - 1, Math.max(0, Math.floor(imbalance * IMBALANCES)))
  const s = averageSpread > 0 ? Math.min(SPREADS - 1, Math.floor((2 * spread) / averageSpread)) : 0
  return i * SPREADS + s
}
const mirror = (state: number): number => {
  const spread = state % SPREADS
  return (IMBALANCES - 1 - (state - spread) / SPREADS) * SPREADS + spread
}
const clamp = (value: number, bound: number): number => Math.max(-bound, Math.min(bound, value))

/**
 * Order-flow imbalance of one quote change (Cont, Kukanov and Stoikov 2014): size that arrived at the bid less size that
 * arrived at the ask, price improvements counting whole sizes.
 */
export const orderFlowImbalance = (
  bid: number,
  bidSize: number,
  ask: number,
  askSize: number,
  lastBid: number,
  lastBidSize: number,
  lastAsk: number,
  lastAskSize: number,
): number =>
  (bid >= lastBid ? bidSize : 0) -
  (bid <= lastBid ? lastBidSize : 0) -
  (ask <= lastAsk ? askSize : 0) +
  (ask >= lastAsk ? lastAskSize : 0)
