// Windows are indexed inside their bounds, hence the `!`.
import type {Rng} from '../domain/rng.ts'
import type {FeatureSchema} from '../features/features.ts'

/** What is done to a window while its label stays: what a feed, a market maker or an attacker can do to it. */
export const PERTURBATIONS = ['noise', 'jump', 'gap', 'spread', 'missing'] as const
export type Perturbation = (typeof PERTURBATIONS)[number]

export interface WindowShape {
  readonly schema: FeatureSchema
  readonly window: number
  /** Of each column over the training part; 0 for flags, which are never touched by noise. */
  readonly deviation: readonly number[]
  readonly mean: readonly number[]
}

/** Perturbs windows [window, width] in place; every draw comes from the generator given, so a seed gives the same bits. */
export class Perturber {
  readonly shape: WindowShape
  readonly #width: number
  readonly #columns: ReadonlyMap<string, number>

  constructor(shape: WindowShape) {
    this.shape = shape
    this.#width = shape.schema.names.length
    this.#columns = new Map(shape.schema.names.map((name, i) => [name, i]))
  }

  apply(kind: Perturbation, x: Float32Array, rng: Rng): void {
    const apply = {
      noise: () => this.#noise(x, rng),
      jump: () => this.#jump(x, rng),
      gap: () => this.#gap(x, rng),
      spread: () => this.#spread(x, rng),
      missing: () => this.#missing(x, rng),
    } satisfies Record<Perturbation, () => void>
    apply[kind]()
  }

  /** Adds to a column of a row; a column the schema has not is passed over. */
  #add(x: Float32Array, row: number, name: string, value: number): void {
    const column = this.#columns.get(name)
    if (column !== undefined) x[row * this.#width + column]! += value
  }

  #get(x: Float32Array, row: number, name: string): number {
    const column = this.#columns.get(name)
    return column === undefined ? 0 : x[row * this.#width + column]!
  }

  #set(x: Float32Array, row: number, name: string, value: number): void {
    const column = this.#columns.get(name)
    if (column !== undefined) x[row * this.#width + column] = value
  }

  /** Normal noise of one scale, 0.25 to 1 deviations, over the whole window. */
  #noise(x: Float32Array, rng: Rng): void {
    const scale = 0.25 + 0.75 * rng.uniform()
    const {deviation} = this.shape
    for (let i = 0; i < x.length; i++) x[i]! += scale * deviation[i % this.#width]! * rng.normal()
  }

  /**
   * The price opens 3 to 6 deviations away from its last close and stays there: what `BarFeatures` would then have shown
   * in the return, the running deviation, the distances and the momentum of every later row (first order in the jump).
   */
  #jump(x: Float32Array, rng: Rng): void {
    const size = (rng.uniform() < 0.5 ? -1 : 1) * (3 + 3 * rng.uniform())
    const from = Math.min(this.shape.window - 1, 1 + rng.below(Math.max(1, this.shape.window - 1)))
    if (this.#columns.has('midReturn')) this.#bookJump(x, from, size)
    else this.#barJump(x, from, size)
  }

  #barJump(x: Float32Array, from: number, size: number): void {
    const deviation = Math.exp(this.#get(x, from, 'logDeviation'))
    this.#add(x, from, 'return', size * deviation)
    for (let row = from; row < this.shape.window; row++) {
      const age = row - from
      const grown = Math.sqrt(1 + MEDIUM * size * size * (1 - MEDIUM) ** age)
      const left = (rate: number): number => (1 - rate) ** (age + 1)
      const shift = {
        returnInDeviations: age === 0 ? size : 0,
        distanceToVwap: size,
        momentumFast: size * (left(MEDIUM) - left(FAST)),
        momentumSlow: size * (left(SLOW) - left(MEDIUM)),
      }
      for (const [name, value] of Object.entries(shift))
        this.#set(x, row, name, (this.#get(x, row, name) + value) / grown)
      this.#add(x, row, 'returnSinceOpen', 0.1 * size * deviation)
      this.#add(x, row, 'logDeviation', Math.log(grown))
    }
  }

  #bookJump(x: Float32Array, from: number, size: number): void {
    const jump = size * Math.exp(this.#get(x, from, 'logDeviation'))
    this.#add(x, from, 'midReturn', jump)
    for (let row = from; row < this.shape.window; row++)
      this.#add(x, row, 'midMomentum', jump * (1 - BOOK_FAST) ** (row - from + 1))
  }

  /** One to a quarter of the window's rows never arrived: older ones move up and the oldest is repeated. */
  #gap(x: Float32Array, rng: Rng): void {
    const {window} = this.shape
    const lost = 1 + rng.below(Math.max(1, window >> 2))
    const at = Math.min(window - 1, lost + rng.below(window - lost))
    const width = this.#width
    x.copyWithin(lost * width, 0, Math.max(0, at - lost) * width)
    for (let row = 1; row < Math.min(lost, window); row++) x.copyWithin(row * width, 0, width)
  }

  /**
   * Wider quotes from some row on: where a row holds spreads they grow 2 to 20 times; where it is a bar of trades, prices
   * bounce between a bid and an ask that lie 2 to 20 basis points off.
   */
  #spread(x: Float32Array, rng: Rng): void {
    const from = rng.below(this.shape.window)
    const times = 2 * 10 ** rng.uniform()
    // In thousandths, as bar returns are.
    const half = 0.1 * times
    let before = 0
    for (let row = from; row < this.shape.window; row++) {
      const bounce = rng.uniform() < 0.5 ? -half : half
      const range = this.#get(x, row, 'range')
      const scale = Math.exp(this.#get(x, row, 'logDeviation'))
      if (this.#columns.has('range')) {
        this.#set(x, row, 'range', range + 2 * half)
        const close = this.#get(x, row, 'closeLocation') * range + bounce
        this.#set(x, row, 'closeLocation', Math.max(-0.5, Math.min(0.5, close / (range + 2 * half))))
        this.#add(x, row, 'return', bounce - before)
        this.#add(x, row, 'bodyReturn', bounce - before)
        this.#add(x, row, 'returnInDeviations', (bounce - before) / scale)
      }
      if (this.#has(x, row, 'microSpread')) {
        this.#add(x, row, 'microSpread', Math.log(times))
        if (row === from) this.#add(x, row, 'microSpreadRatio', Math.log(times))
      }
      this.#widenBook(x, row, times)
      before = bounce
    }
  }

  #widenBook(x: Float32Array, row: number, times: number): void {
    if (!this.#columns.has('relativeSpread')) return
    const wider = ((times - 1) * Math.exp(this.#get(x, row, 'relativeSpread'))) / 2
    this.#add(x, row, 'relativeSpread', Math.log(times))
    for (const [name, column] of this.#columns) {
      if (!/^(bid|ask)Gap\d$/.test(name)) continue
      const at = row * this.#width + column
      x[at] = Math.log1p(Math.expm1(x[at]!) + wider)
    }
  }

  /** Whether the kind of information that a column belongs to is there. */
  #has(x: Float32Array, row: number, name: string): boolean {
    const column = this.#columns.get(name)
    if (column === undefined) return false
    const owner = this.shape.schema.modalities?.find(({from, to}) => column >= from && column < to)
    return owner?.flag === undefined || x[row * this.#width + owner.flag] === 1
  }

  /** All kinds of information that can be absent are; where none is there, a quarter of the columns are stuck at their means. */
  #missing(x: Float32Array, rng: Rng): void {
    const width = this.#width
    const {modalities = []} = this.shape.schema
    let taken = 0
    for (const {from, to, flag} of modalities) {
      if (flag === undefined) continue
      for (let row = 0; row < this.shape.window; row++) {
        taken += x[row * width + flag]!
        x[row * width + flag] = 0
        x.fill(0, row * width + from, row * width + to)
      }
    }
    if (taken > 0) return
    for (let column = 0; column < (modalities[0]?.to ?? width); column++) {
      if (rng.uniform() >= 0.25) continue
      for (let row = 0; row < this.shape.window; row++) x[row * width + column] = this.shape.mean[column]!
    }
  }
}

/** Rates of the running means of `BarFeatures` and `BookFeatures`. */
const FAST = 2 / (3 + 1)
const MEDIUM = 2 / (8 + 1)
const SLOW = 2 / (21 + 1)
const BOOK_FAST = 2 / (10 + 1)
