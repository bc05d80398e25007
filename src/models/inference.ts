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
  readonly predict: (windows: Float32Array, rows: number) => Prediction
}
