// Windows are indexed inside their bounds, hence the `!`.
import {createRng} from '../domain/rng.ts'
import type {OpenSession} from '../nn/execution.ts'
import type {Network, Weights} from '../nn/nn.ts'
import {type Attack, EPSILON} from './adversarial.ts'
import {allocateBatch, type Dataset, fillBatch, widthOf} from './dataset.ts'
import {GradientSign} from './gradient-sign.ts'
import {Perturber, type WindowShape} from './perturbations.ts'

export interface PerturbedOptions {
  readonly attack: Attack
  readonly shape: WindowShape
  /** Of the draws; each window has its own, whichever others are asked for. */
  readonly seed: number
  /** What a gradient-sign attack is aimed at. */
  readonly target: {readonly network: Network; readonly weights: Weights; readonly open: OpenSession}
}

const BATCH = 64

/**
 * The windows that end at `rows` perturbed, as a dataset that reads like the one they come from: only those windows can be
 * read of it, and their labels and fields are the unperturbed ones.
 */
export const perturbedWindows = (dataset: Dataset, rows: Int32Array, options: PerturbedOptions): Dataset => {
  const {attack, shape, seed, target} = options
  const {window} = shape
  const size = window * widthOf(dataset)
  const held = new Float32Array(rows.length * size)
  const batch = allocateBatch(BATCH, window, widthOf(dataset))
  const sign = attack === 'gradient-sign' ? new GradientSign(target.network, BATCH, target.open) : undefined
  const perturber = new Perturber(shape)
  for (let from = 0; from < rows.length; from += BATCH) {
    const count = fillBatch(dataset, rows, from, window, batch)
    const x = batch.x.subarray(0, count * size)
    sign?.perturb(x, batch.target.subarray(0, 3 * count), target.weights, {
      epsilon: EPSILON,
      deviation: shape.deviation,
    })
    if (attack !== 'gradient-sign') {
      for (let i = 0; i < count; i++)
        perturber.apply(attack, x.subarray(i * size, (i + 1) * size), createRng(seed, `${attack}/${rows[from + i]}`))
    }
    held.set(x, from * size)
  }
  sign?.dispose()
  const places = new Map([...rows].map((row, i) => [row - window + 1, i]))
  const source = dataset.rows
  return {
    ...dataset,
    rows: {
      length: source.length,
      width: source.width,
      field: (row, name) => source.field(row, name),
      features: (first, count, out, offset = 0) => {
        const place = places.get(first)
        if (place === undefined || count !== window) throw new RangeError(`no perturbed window starts at row ${first}`)
        out.set(held.subarray(place * size, (place + 1) * size), offset)
      },
    },
  }
}
