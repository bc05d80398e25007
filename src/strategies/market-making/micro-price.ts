// State indices are imbalance bucket × spread bucket, both clamped, so `!` cannot miss here.
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
  readonly #adjustment = new Float64Array(STATES)
  readonly #work = {
    staysOut: new Float64Array(STATES * STATES),
    term: new Float64Array(STATES),
    moved: new Float64Array(STATES),
  }
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

  /** G* = Σ Bⁱ G¹ with G¹ = (I − Q)⁻¹ R and B = (I − Q)⁻¹ T: each term solves (I − Q) x = T · (the one before). */
  #fit(): void {
    const {staysOut, term, moved} = this.#work
    for (let a = 0; a < STATES; a++) {
      // One pseudo-visit that leaves for good keeps a state that was never left from being absorbing.
      const visits = this.#visits[a]! + 1
      term[a] = this.#moveSum[a]! / visits
      for (let b = 0; b < STATES; b++) staysOut[a * STATES + b] = -this.#stay[a * STATES + b]! / visits
      staysOut[a * STATES + a]! += 1
    }
    factorise(staysOut)
    solve(staysOut, term)
    this.#adjustment.set(term)
    for (let i = 0; i < ITERATIONS; i++) {
      for (let a = 0; a < STATES; a++) {
        let sum = 0
        for (let b = 0; b < STATES; b++) sum += this.#moved[a * STATES + b]! * term[b]!
        moved[a] = sum / (this.#visits[a]! + 1)
      }
      term.set(moved)
      solve(staysOut, term)
      for (let a = 0; a < STATES; a++) this.#adjustment[a]! += term[a]!
    }
    this.#isFitted = true
  }
}

/**
 * LU in place. No pivots are needed: every row of I − Q is strictly diagonally dominant, as a state's visits are one more
 * than its counted stays. The fit runs inside the event loop of `gpi trade`, cold: a matrix library took 13 ms there.
 */
const factorise = (m: Float64Array): void => {
  for (let k = 0; k < STATES; k++) {
    for (let a = k + 1; a < STATES; a++) {
      const row = a * STATES
      if (m[row + k] === 0) continue
      const factor = m[row + k]! / m[k * STATES + k]!
      m[row + k] = factor
      for (let b = k + 1; b < STATES; b++) m[row + b]! -= factor * m[k * STATES + b]!
    }
  }
}

/** Overwrites `x` with the solution of L U x = x. */
const solve = (lu: Float64Array, x: Float64Array): void => {
  for (let a = 1; a < STATES; a++) {
    let sum = x[a]!
    for (let b = 0; b < a; b++) sum -= lu[a * STATES + b]! * x[b]!
    x[a] = sum
  }
  for (let a = STATES - 1; a >= 0; a--) {
    let sum = x[a]!
    for (let b = a + 1; b < STATES; b++) sum -= lu[a * STATES + b]! * x[b]!
    x[a] = sum / lu[a * STATES + a]!
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
