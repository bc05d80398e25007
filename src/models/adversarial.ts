// Slots of a batch are indexed inside their bounds, hence the `!`.
import {createRng} from '../domain/rng.ts'
import type {OpenSession} from '../nn/execution.ts'
import type {Network, Weights} from '../nn/nn.ts'
import {CLASSES, type Dataset, fillBatch, type WindowBatch} from './dataset.ts'
import {GradientSign} from './gradient-sign.ts'
import {PERTURBATIONS, Perturber, type WindowShape} from './perturbations.ts'
import type {RowRuns} from './row-runs.ts'
import {permutation} from './shuffle.ts'
import {STRATEGY_CHOICES} from './strategy-labels.ts'

/** How far a gradient-sign perturbation moves each input, in deviations of its feature. */
export const EPSILON = 0.1
/** In the order in which perturbed rows take them. */
export const ATTACKS = [...PERTURBATIONS, 'gradient-sign'] as const
export type Attack = (typeof ATTACKS)[number]

/** Simulator-made rows: a dataset of their own, so that nothing can put them into a split of the market's. */
export interface Episodes {
  readonly dataset: Dataset
  readonly ends: RowRuns
}

/**
 * What share of every batch is adversarial and what it is made of: perturbed windows of the market and, where there are
 * episodes, simulator-made ones by turns. As JSON it is what tells one run from another, whatever the episodes weigh.
 */
export class AdversarialMix {
  readonly ratio: number
  readonly shape: WindowShape
  readonly episodes: Episodes | undefined

  constructor(ratio: number, shape: WindowShape, episodes?: Episodes) {
    this.ratio = ratio
    this.shape = shape
    this.episodes = episodes
  }

  toJSON(): Readonly<Record<string, unknown>> {
    const episodes = this.episodes?.dataset.dataHash
    return {ratio: this.ratio, attacks: ATTACKS, epsilon: EPSILON, ...(episodes === undefined ? {} : {episodes})}
  }

  /** Adversarial rows of all batches before `step`: any stretch of steps has its exact share, to the row. */
  before(step: number, batch: number): number {
    return Math.floor(step * batch * this.ratio + 1e-9)
  }

  /** What the n-th adversarial row of a training is; the same for every run. */
  sourceOf(n: number): Attack | 'episode' {
    const perturbed = this.episodes === undefined ? n : n >> 1
    return this.episodes !== undefined && n % 2 === 1 ? 'episode' : ATTACKS[perturbed % ATTACKS.length]!
  }
}

/** Replaces the last slots of a batch by adversarial rows. A pure function of the seed, the step and the weights. */
export class AdversarialMixer {
  readonly #mix: AdversarialMix
  readonly #seed: number
  readonly #perturber: Perturber
  readonly #attack: GradientSign
  #order: (n: number) => number = n => n
  #orderTurn = -1

  constructor(mix: AdversarialMix, seed: number, batch: number, network: Network, open: OpenSession) {
    this.#mix = mix
    this.#seed = seed
    this.#perturber = new Perturber(mix.shape)
    const most = Math.ceil(mix.ratio * batch) + 1
    this.#attack = new GradientSign(network, Math.ceil(most / ATTACKS.length) + 1, open)
  }

  /** `weights`: those the step is about to change. */
  mix(batch: WindowBatch, step: number, weights: () => Weights): void {
    const size = batch.weight.length
    const first = this.#mix.before(step, size)
    const last = this.#mix.before(step + 1, size)
    const rng = createRng(this.#seed, `adversarial/${step}`)
    const attacked: number[] = []
    for (let n = first; n < last; n++) {
      const slot = size - (last - n)
      const source = this.#mix.sourceOf(n)
      if (source === 'episode') this.#episode(slotOf(batch, slot), n >> 1)
      else if (source === 'gradient-sign') attacked.push(slot)
      else this.#perturber.apply(source, slotOf(batch, slot).x, rng)
    }
    if (attacked.length > 0) this.#gradientSign(batch, attacked, weights())
  }

  dispose(): void {
    this.#attack.dispose()
  }

  /** Episodes come in an order of their own, all of them before any comes again. */
  #episode(slot: WindowBatch, n: number): void {
    const {dataset, ends} = this.#mix.episodes!
    const turn = Math.floor(n / ends.length)
    if (turn !== this.#orderTurn) {
      this.#order = permutation(ends.length, createRng(this.#seed, `episodes/${turn}`))
      this.#orderTurn = turn
    }
    fillBatch(dataset, Int32Array.of(ends.at(this.#order(n % ends.length))!), 0, this.#mix.shape.window, slot)
  }

  #gradientSign(batch: WindowBatch, slots: readonly number[], weights: Weights): void {
    const windowSize = batch.x.length / batch.weight.length
    const {deviation} = this.#mix.shape
    for (let from = 0; from < slots.length; from += this.#attack.batch) {
      const some = slots.slice(from, from + this.#attack.batch)
      const x = new Float32Array(some.length * windowSize)
      const target = new Float32Array(some.length * CLASSES)
      for (const [i, slot] of some.entries()) {
        x.set(slotOf(batch, slot).x, i * windowSize)
        target.set(slotOf(batch, slot).target, i * CLASSES)
      }
      this.#attack.perturb(x, target, weights, {epsilon: EPSILON, deviation})
      for (const [i, slot] of some.entries())
        slotOf(batch, slot).x.set(x.subarray(i * windowSize, (i + 1) * windowSize))
    }
  }
}

/** One slot of a batch as a batch of one. */
export const slotOf = (batch: WindowBatch, slot: number): WindowBatch => {
  const part = (column: Float32Array, width: number): Float32Array => column.subarray(slot * width, (slot + 1) * width)
  return {
    x: part(batch.x, batch.x.length / batch.weight.length),
    target: part(batch.target, CLASSES),
    holding: part(batch.holding, 1),
    move: part(batch.move, 1),
    cost: part(batch.cost, 1),
    strategy: part(batch.strategy, STRATEGY_CHOICES.length),
    weight: part(batch.weight, 1),
  }
}
