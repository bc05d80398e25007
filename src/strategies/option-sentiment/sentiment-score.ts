import type {ChainFeatures} from '../../options/chain-features.ts'
import type {SentimentHeads} from '../services.ts'

/** Running mean and deviation with exponential forgetting, and the standard score of a new value against the past. */
class RunningScore {
  #mean = 0
  #variance = 0
  #count = 0
  readonly #memory: number
  constructor(memory: number) {
    this.#memory = memory
  }
  /** Score of the value against what came before it, limited to ±4; 0 while fewer than twenty values are known. */
  next(value: number): number {
    if (!Number.isFinite(value)) return 0
    const deviation = Math.sqrt(this.#variance)
    const score = this.#count >= 20 && deviation > 0 ? Math.max(-4, Math.min(4, (value - this.#mean) / deviation)) : 0
    this.#count++
    const rate = Math.max(1 / this.#count, 1 / this.#memory)
    const delta = value - this.#mean
    this.#mean += rate * delta
    this.#variance = (1 - rate) * (this.#variance + rate * delta * delta)
    return score
  }
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
 * Positive is bullish, about one unit a standard deviation. A definition, not a truth: there is no label for sentiment.
 */
export class SentimentScore {
  readonly #skew: RunningScore
  readonly #flow: RunningScore
  readonly #gamma: RunningScore
  readonly #weights: ScoreWeights
  readonly #momentum: RunningScore

  constructor(weights: ScoreWeights, memory: number) {
    this.#weights = weights
    this.#skew = new RunningScore(memory)
    this.#flow = new RunningScore(memory)
    this.#gamma = new RunningScore(memory)
    this.#momentum = new RunningScore(memory)
  }

  next(features: ChainFeatures, heads: SentimentHeads | undefined, underlyingReturn: number): number {
    const {skewWeight, flowWeight, gammaWeight, headWeight} = this.#weights
    const skew = this.#skew.next(features.riskReversal30)
    const flow = -this.#flow.next(logRatio(features.putCallPremium))
    const gamma = this.#gamma.next(features.gammaExposure)
    const momentum = this.#momentum.next(underlyingReturn)
    const head = heads === undefined ? 0 : 2 * heads.sentiment
    const total = skewWeight + flowWeight + gammaWeight + (heads === undefined ? 0 : headWeight)
    const sum = skewWeight * skew + flowWeight * flow - (gammaWeight * (gamma * momentum)) / 4 + headWeight * head
    return total > 0 ? sum / total : 0
  }
}

const logRatio = (ratio: number): number => (ratio > 0 && Number.isFinite(ratio) ? Math.log(ratio) : Number.NaN)
