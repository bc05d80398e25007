/**
 * Numbers a model sees, computed one event at a time by the same code in training, back-test and live. Prices are float
 * dollars and sizes float units here; nothing in this folder knows what comes next.
 */
export interface FeatureSchema {
  readonly set: 'bar' | 'book' | 'multi'
  /** Rises when a formula changes: weights trained on another version do not fit. */
  readonly version: number
  /** One for each column, in order. */
  readonly names: readonly string[]
  /** Where a row is made of several kinds of information; one whose flag is 0 is absent, and its columns mean nothing. */
  readonly modalities?: readonly Modality[]
}

/** A group of columns [from, to) that one source of information fills. */
export interface Modality {
  readonly name: string
  readonly from: number
  readonly to: number
  /** Column that is 1 where the group is there and 0 where it is not; a group without one is always there. */
  readonly flag?: number
}

/** Identity of a schema; kept in a model's metadata and compared before it runs. */
export const schemaKey = ({set, version, names}: FeatureSchema): string => `${set}@${version}:${names.join(',')}`

/** The last `length` rows of one session, oldest first. */
export class FeatureWindow {
  readonly width: number
  readonly length: number
  readonly #rows: Float32Array
  #count = 0

  constructor(width: number, length: number) {
    this.width = width
    this.length = length
    this.#rows = new Float32Array(width * length)
  }

  get isFull(): boolean {
    return this.#count >= this.length
  }

  push(row: Float32Array): void {
    this.#rows.copyWithin(0, this.width)
    this.#rows.set(row, this.width * (this.length - 1))
    this.#count++
  }

  /** Copies the window [length, width] to `out`. Only meaningful once full. */
  copyTo(out: Float32Array, offset = 0): void {
    out.set(this.#rows, offset)
  }

  reset(): void {
    this.#count = 0
  }
}

/** Standardises columns; fitted on training rows only, and carried by the model. */
export interface Scaler {
  readonly mean: readonly number[]
  readonly deviation: readonly number[]
  /** Scaled values are limited to ±this. */
  readonly limit: number
}

/** Scales one row in place. */
export const scaleRow = (row: Float32Array, {mean, deviation, limit}: Scaler, offset = 0): void => {
  for (let i = 0; i < mean.length; i++) {
    const scaled = ((row[offset + i] as number) - (mean[i] as number)) / (deviation[i] as number)
    row[offset + i] = Math.max(-limit, Math.min(limit, scaled))
  }
}

/** Collects the means and deviations of columns, row by row, by Welford's update: stable far from zero. */
export class ScalerFit {
  readonly #mean: Float64Array
  readonly #square: Float64Array
  readonly #count: Float64Array
  readonly #modalities: readonly Modality[]

  /** Columns of an absent modality do not count; flags stay as they are. */
  constructor(width: number, modalities: readonly Modality[] = []) {
    this.#mean = new Float64Array(width)
    this.#square = new Float64Array(width)
    this.#count = new Float64Array(width)
    this.#modalities = modalities.length > 0 ? modalities : [{name: 'all', from: 0, to: width}]
  }

  add(rows: Float32Array, offset = 0): void {
    for (const {from, to, flag} of this.#modalities) {
      if (flag !== undefined && rows[offset + flag] === 0) continue
      for (let i = from; i < to; i++) {
        const value = rows[offset + i] as number
        const count = (this.#count[i] as number) + 1
        const delta = value - (this.#mean[i] as number)
        const mean = (this.#mean[i] as number) + delta / count
        this.#count[i] = count
        this.#mean[i] = mean
        this.#square[i] = (this.#square[i] as number) + delta * (value - mean)
      }
    }
  }

  /** A column that is constant, or was never seen, gets deviation 1. */
  scaler(limit = 6): Scaler {
    const deviation = Array.from(this.#square, (sum, i) => {
      const value = Math.sqrt(sum / Math.max(1, this.#count[i] as number))
      return value > 1e-9 ? value : 1
    })
    return {mean: Array.from(this.#mean), deviation, limit}
  }
}

/** Column means and deviations of rows [count, width]. */
export const fitScaler = (rows: Float32Array, width: number, limit = 6): Scaler => {
  const fit = new ScalerFit(width)
  for (let at = 0; at < rows.length; at += width) fit.add(rows, at)
  return fit.scaler(limit)
}
