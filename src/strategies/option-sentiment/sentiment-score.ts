import type {ChainFeatures} from '../../options/chain-features.ts'
import type {SentimentHeads} from '../services.ts'

/** Running mean and deviation with exponential forgetting, and the standard score of a new value against the past. */
class RunningScore {
  #mean = 0
  #variance = 0
  #count = 0
  readonly #memory: number
  readonly #warmUp: number
  constructor(memory: number, warmUp: number) {
    this.#memory = memory
    this.#warmUp = warmUp
  }
  /** Score of the value against what came before it, limited to ±4; NaN while fewer values than the warm-up's are known. */
  next(value: number): number {
    if (!Number.isFinite(value)) return Number.NaN
    const known = Math.min(this.#count, this.#memory)
    const score =
      this.#count >= this.#warmUp && this.#variance > 0
        ? limited(predictiveScore(value - this.#mean, this.#variance, known))
        : Number.NaN
    this.#count++
    const rate = Math.max(1 / this.#count, 1 / this.#memory)
    const delta = value - this.#mean
    this.#mean += rate * delta
    this.#variance = (1 - rate) * (this.#variance + rate * delta * delta)
    return score
  }
}

/**
 * Standard score as unusual as the deviation is after so few values: the next of n + 1 normal values deviates from the mean of
 * n by a Student t of n − 1 degrees, here turned into the normal deviate of equal probability (D. Wallace, Annals of
 * Mathematical Statistics 30, 1959). `variance` is the mean square about the mean.
 */
export const predictiveScore = (deviation: number, variance: number, n: number): number => {
  const freedom = n - 1
  const square = (deviation * deviation * freedom) / (variance * (n + 1))
  return (
    (Math.sign(deviation) * (8 * freedom + 1) * Math.sqrt(freedom * Math.log1p(square / freedom))) / (8 * freedom + 3)
  )
}

export interface ScoreWeights {
  readonly skewWeight: number
  readonly flowWeight: number
  readonly gammaWeight: number
  readonly headWeight: number
}

/**
 * One number for what an option market seems to fear or hope, each part standardised against the underlying's own past:
 * a risk reversal above its usual is bullish (puts are cheap against calls), put volume and premium above their usual are
 * bearish, gamma exposure turns momentum down (hedgers long gamma lean against moves), the embedding's head as it is.
 * The parts that are there are added as if independent, to a sum of deviation one: a feed without volume has no flow, and nothing
 * stands in for it. Positive is bullish. A definition, not a truth: there is no label for sentiment.
 */
export class SentimentScore {
  readonly #skew: RunningScore
  readonly #flow: RunningScore
  readonly #gamma: RunningScore
  readonly #weights: ScoreWeights
  readonly #momentum: RunningScore

  constructor(weights: ScoreWeights, memory: number, warmUp: number) {
    this.#weights = weights
    this.#skew = new RunningScore(memory, warmUp)
    this.#flow = new RunningScore(memory, warmUp)
    this.#gamma = new RunningScore(memory, warmUp)
    this.#momentum = new RunningScore(memory, warmUp)
  }

  next(features: ChainFeatures, heads: SentimentHeads | undefined, underlyingReturn: number): number {
    const {skewWeight, flowWeight, gammaWeight, headWeight} = this.#weights
    const skew = this.#skew.next(features.riskReversal30)
    const flow = -this.#flow.next(logRatio(features.putCallPremium))
    const gamma = this.#gamma.next(features.gammaExposure)
    const momentum = this.#momentum.next(underlyingReturn)
    // A head alone has no usual level to be unusual against.
    if (Number.isNaN(skew) && Number.isNaN(flow)) return 0
    let sum = 0
    let squares = 0
    const add = (weight: number, part: number): void => {
      if (Number.isNaN(part)) return
      sum += weight * part
      squares += weight * weight
    }
    add(skewWeight, skew)
    add(flowWeight, flow)
    // The product of two standard scores has deviation one too.
    add(gammaWeight, -limited(gamma * momentum))
    if (heads !== undefined) add(headWeight, 2 * heads.sentiment)
    return squares > 0 ? sum / Math.sqrt(squares) : 0
  }
}

const limited = (score: number): number => Math.max(-4, Math.min(4, score))

const logRatio = (ratio: number): number => (ratio > 0 && Number.isFinite(ratio) ? Math.log(ratio) : Number.NaN)
