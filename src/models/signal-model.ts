import {ExitCode, UserError} from '../domain/errors.ts'
import type {Prediction} from './inference.ts'
import type {ModelDescription} from './model-file.ts'

export type Direction = -1 | 0 | 1

/** What a model's numbers mean for trading; `strategies` turn it into a `Signal` of their own. */
export interface ModelView {
  readonly direction: Direction
  /** |P(up) − P(down)|, 0 to 1. */
  readonly strength: number
  readonly holdingPeriodUs: number
  /** Kelly fraction of an even bet at the model's odds, halved, 0 to 1; 0 when flat. */
  readonly size: number
  /** Calibrated probability of the direction (of flat when flat). */
  readonly confidence: number
  /** Expected signed move, in deviations over the horizon. */
  readonly move: number
}

export interface ViewOptions {
  /** Smallest |P(up) − P(down)| that counts as a direction. */
  readonly minStrength?: number
  /** Time a row stands for; the model's bar period unless its rows are books. */
  readonly rowUs?: number
}

/** View of window `row` of a prediction. A pure function, so that any process reads the same numbers the same way. */
export const viewOf = (
  prediction: Prediction,
  row: number,
  {horizon, periodUs}: Pick<ModelDescription, 'horizon' | 'periodUs'>,
  {minStrength = 0.1, rowUs = periodUs}: ViewOptions = {},
): ModelView => {
  const [down, flat, up] = prediction.probabilities.subarray(3 * row, 3 * row + 3) as unknown as [
    number,
    number,
    number,
  ]
  const strength = Math.abs(up - down)
  const direction: Direction = strength < minStrength ? 0 : up > down ? 1 : -1
  const confidence = direction === 0 ? flat : Math.max(up, down)
  // An even bet won with p and lost with q has Kelly fraction p - q; half of it is the usual caution for estimated odds.
  return {
    direction,
    strength,
    holdingPeriodUs: Math.round((prediction.holding[row] as number) * horizon * rowUs),
    size: direction === 0 ? 0 : strength / 2,
    confidence,
    move: prediction.move[row] as number,
  }
}

/** Refuses windows with a value that is not a finite number, naming the first. */
export const requireFinite = (windows: Float32Array, width: number): void => {
  for (let i = 0; i < windows.length; i++) {
    if (Number.isFinite(windows[i])) continue
    throw new UserError(
      'FEATURE_NOT_FINITE',
      `feature ${i % width} of row ${Math.floor(i / width)} was ${windows[i]}`,
      {
        hints: ['a price, size or volume in the input is missing or not a number'],
        exitCode: ExitCode.invalidData,
      },
    )
  }
}
