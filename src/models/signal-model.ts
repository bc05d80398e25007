import {ExitCode, UserError} from '../domain/errors.ts'
import type {Prediction} from './inference.ts'
import type {ModelDescription} from './model-file.ts'
import {STRATEGY_CHOICES, type StrategyChoice} from './strategy-labels.ts'

export type Direction = -1 | 0 | 1

/**
 * What a model's numbers mean for trading; `strategies` turn it into a `Signal` of their own. It reads the calibrated
 * probabilities alone: the decision rule of a model's card is for macro-F1, which prices a move it names by nothing but
 * how rare moves are, and has no say in direction, strength, size or confidence.
 */
export interface ModelView {
  readonly direction: Direction
  /** |P(up) − P(down)|, 0 to 1. */
  readonly strength: number
  readonly holdingPeriodUs: number
  /** The size head's stake in the direction where the model has one, else half the Kelly fraction of an even bet; 0 to 1. */
  readonly size: number
  /** Calibrated probability of the direction (of flat when flat). */
  readonly confidence: number
  /** Expected signed move, in deviations over the horizon. */
  readonly move: number
  /** Strategy whose proxy the model expects to pay best, and its probability; absent in models without that head. */
  readonly strategy?: {readonly name: StrategyChoice; readonly probability: number}
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
  const chosen = direction === 0 ? flat : Math.max(up, down)
  // The confidence head speaks of the likeliest class: where another direction was taken, its own probability counts.
  const isLikeliest = chosen >= Math.max(down, flat, up)
  const confidence = isLikeliest ? (prediction.confidence?.[row] ?? chosen) : chosen
  const strategy = strategyOf(prediction, row)
  return {
    direction,
    strength,
    holdingPeriodUs: Math.round((prediction.holding[row] as number) * horizon * rowUs),
    size: sizeOf(prediction, row, direction, strength),
    confidence,
    move: prediction.move[row] as number,
    ...(strategy === undefined ? {} : {strategy}),
  }
}

const sizeOf = ({size}: Prediction, row: number, direction: Direction, strength: number): number => {
  if (direction === 0) return 0
  // An even bet won with p and lost with q has Kelly fraction p - q; half of it is the usual caution for estimated odds.
  if (size === undefined) return strength / 2
  return Math.max(0, Math.min(1, direction * (size[row] as number)))
}

const strategyOf = ({strategy}: Prediction, row: number): ModelView['strategy'] => {
  if (strategy === undefined) return undefined
  const count = STRATEGY_CHOICES.length
  const shares = strategy.subarray(row * count, (row + 1) * count)
  const best = shares.indexOf(Math.max(...shares))
  return {name: STRATEGY_CHOICES[best] as StrategyChoice, probability: shares[best] as number}
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
