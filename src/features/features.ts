/**
 * Numbers a model sees, computed one event at a time by the same code in training, back-test and live. Prices are float
 * dollars and sizes float units here; nothing in this folder knows what comes next.
 */
export interface FeatureSchema {
  readonly set: 'bar' | 'book'
  /** Rises when a formula changes: weights trained on another version do not fit. */
  readonly version: number
  /** One for each column, in order. */
  readonly names: readonly string[]
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

/** Column means and deviations of the rows that `include` admits; a constant column gets deviation 1. */
export const fitScaler = (
  rows: Float32Array,
  width: number,
  include: (row: number) => boolean = () => true,
  limit = 6,
): Scaler => {
  const mean = new Float64Array(width)
  const square = new Float64Array(width)
  let count = 0
  for (let row = 0; row < rows.length / width; row++) {
    if (!include(row)) continue
    count++
    // Welford's update, stable for columns whose mean is far from zero.
    for (let i = 0; i < width; i++) {
      const delta = (rows[row * width + i] as number) - (mean[i] as number)
      mean[i] = (mean[i] as number) + delta / count
      square[i] = (square[i] as number) + delta * ((rows[row * width + i] as number) - (mean[i] as number))
    }
  }
  const deviation = Array.from(square, sum => {
    const value = Math.sqrt(sum / Math.max(1, count))
    return value > 1e-9 ? value : 1
  })
  return {mean: Array.from(mean), deviation, limit}
}
