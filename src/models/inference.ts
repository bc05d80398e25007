import {STRATEGY_CHOICES} from './strategy-labels.ts'

/** Outputs of a signal model for `rows` windows. */
export interface Prediction {
  /** [rows, 3]: down, flat, up. */
  readonly probabilities: Float32Array
  /** [rows]: expected share of the horizon until the exit. */
  readonly holding: Float32Array
  /** [rows]: expected signed move in deviations over the horizon. */
  readonly move: Float32Array
  /** [rows]: signed share of the stake, -1 to 1, by the size head. Absent in models of before it, as are the next two. */
  readonly size?: Float32Array
  /** [rows]: probability that the likeliest of the three classes is right. */
  readonly confidence?: Float32Array
  /** [rows, choices]: probabilities in the order of `STRATEGY_CHOICES`. */
  readonly strategy?: Float32Array
}

/**
 * A model that answers without blocking its caller's event loop. Each window is evaluated for itself, so an answer never
 * depends on what it was batched with: the same window gives the same bits here and in a `SyncPredictor`.
 */
export interface Predictor extends AsyncDisposable {
  /** The device that runs, not the one that was wished for. */
  readonly device: string
  /** `windows`: rows × window × features, unscaled. Rejects with UserError on a value that is no number. */
  readonly predict: (windows: Float32Array, rows: number) => Promise<Prediction>
}

/** A model that answers in place and blocks until it has: for deterministic loops, where nothing else may run anyway. */
export interface SyncPredictor extends Disposable {
  readonly device: string
  /** What the model gives; the three first ones where it does not say. */
  readonly outputs?: readonly OutputName[]
  readonly predict: (windows: Float32Array, rows: number) => Prediction
}

/** Numbers a window has in each output. The first three every signal model gives, the others only newer ones. */
export const OUTPUT_WIDTHS = {
  probabilities: 3,
  holding: 1,
  move: 1,
  size: 1,
  confidence: 1,
  strategy: STRATEGY_CHOICES.length,
} as const satisfies Readonly<Record<keyof Prediction, number>>
export type OutputName = keyof typeof OUTPUT_WIDTHS

/** Outputs of a model, by the names its graph has. */
export const outputsOf = (names: readonly string[]): readonly OutputName[] =>
  (Object.keys(OUTPUT_WIDTHS) as OutputName[]).filter(name => names.includes(name))

/** Room for the outputs of `rows` windows, made by `allocate`. */
export const allocatePrediction = (
  names: readonly OutputName[],
  rows: number,
  allocate: (length: number) => Float32Array = length => new Float32Array(length),
): Prediction =>
  Object.fromEntries(names.map(name => [name, allocate(rows * OUTPUT_WIDTHS[name])])) as unknown as Prediction

/** Copies windows [from, from + rows) of one prediction to window `at` of another with the same outputs. */
export const copyPrediction = (
  source: Prediction,
  from: number,
  rows: number,
  target: Prediction,
  at: number,
): void => {
  for (const name of outputsOf(Object.keys(source))) {
    const width = OUTPUT_WIDTHS[name]
    target[name]?.set((source[name] as Float32Array).subarray(width * from, width * (from + rows)), width * at)
  }
}
