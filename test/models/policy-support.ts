import {createRng} from '../../src/domain/rng.ts'
import {type PolicyMarket, policyMarket, type StrategyStreams, splitStreams} from '../../src/models/policy-streams.ts'
import type {PolicyTrainerOptions} from '../../src/models/policy-trainer.ts'

const HOUR = 3_600_000_000

export interface ToyOptions {
  readonly periods?: number
  readonly strategies?: number
  readonly seed?: number
  /** Share of a return that carries on into the next period. */
  readonly lean?: number
  readonly costRate?: number
  readonly exposure?: number
  readonly available?: readonly boolean[]
}

/** Hourly returns of 1 % deviation; with `lean` each strategy's trend goes on, which is something to learn. */
export const toyStreams = ({
  periods = 600,
  strategies = 3,
  seed = 3,
  lean = 0,
  costRate = 0.0002,
  exposure = 1,
  available = new Array<boolean>(strategies).fill(true),
}: ToyOptions = {}): StrategyStreams => {
  const rng = createRng(seed, 'toy')
  const last = new Float64Array(strategies)
  const returns = Float64Array.from({length: periods * strategies}, (_, i) => {
    const s = i % strategies
    if (available[s] !== true) return 0
    last[s] = lean * (last[s] as number) + 0.01 * Math.sqrt(1 - lean * lean) * rng.normal()
    return last[s] as number
  })
  return {
    market: `toy-${seed}`,
    strategies: Array.from({length: strategies}, (_, s) => `s${s}`),
    available,
    endUs: Float64Array.from({length: periods}, (_, at) => 1.7e15 + at * HOUR),
    period: '1h',
    periodsPerYear: 8_760,
    returns,
    exposure: new Float64Array(periods * strategies).fill(exposure),
    turnover: new Float64Array(periods * strategies),
    costRate,
  }
}

export const toyGround = (options: ToyOptions = {}) => {
  const streams = toyStreams(options)
  const split = splitStreams(streams)
  const market: PolicyMarket = policyMarket(streams, split.train)
  return {market, split}
}

export const quickOptions: PolicyTrainerOptions = {
  hidden: 16,
  batch: 64,
  maxSteps: 320,
  validateEvery: 80,
  patience: 99,
  minWeight: 0,
  maxTurnover: 2,
  drawdownPenalty: 0,
  episode: 32,
  learningRate: 3e-3,
  discount: 0.5,
}
