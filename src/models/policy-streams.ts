// Periods and strategies are indexed inside their bounds, hence the `!`.
import {ExitCode, UserError} from '../domain/errors.ts'
import {StrategyFeatures} from '../features/strategy-features.ts'

/** What each strategy alone, on the whole capital and after its costs, made of one market, period by period. */
export interface StrategyStreams {
  readonly market: string
  readonly strategies: readonly string[]
  /** Whether it can run there at all; one that cannot returns zero throughout. */
  readonly available: readonly boolean[]
  /** End of each period. */
  readonly endUs: Float64Array
  /** `1h`, `10s`, … */
  readonly period: string
  readonly periodsPerYear: number
  /** [periods, strategies] simple returns of equity. */
  readonly returns: Float64Array
  /** [periods, strategies] gross exposure over equity at the end of the period. */
  readonly exposure: Float64Array
  /** [periods, strategies] traded value over equity. */
  readonly turnover: Float64Array
  /** Fees, spread and slippage paid on this market over value traded: what moving exposure costs. */
  readonly costRate: number
}

/** Stretches of one market's periods; `to` exclusive. Between them lies an embargo that nobody sees. */
export interface Stretch {
  readonly from: number
  readonly to: number
}
export interface PolicySplit {
  readonly train: Stretch
  readonly valid: Stretch
  readonly test: Stretch
}

/** Periods left out between two parts: what the slow features remember most of. */
export const EMBARGO = 30
/** Fewest periods of a market that can be split. */
export const LEAST_PERIODS = 240

/** Refuses streams that are not numbers, do not fit together or are too short. */
export const checkStreams = (streams: StrategyStreams): StrategyStreams => {
  const {market, strategies, endUs, returns, exposure, turnover} = streams
  const refuse = (code: string, message: string, hint: string): UserError =>
    new UserError(code, message, {hints: [hint], exitCode: ExitCode.invalidData})
  const cells = endUs.length * strategies.length
  for (const [name, column] of Object.entries({returns, exposure, turnover})) {
    if (column.length !== cells)
      throw refuse('STREAMS_INVALID', `${market}: ${name} has ${column.length} values for ${cells}`, 'run it again')
    const bad = column.findIndex(value => !Number.isFinite(value))
    if (bad >= 0) {
      const strategy = strategies[bad % strategies.length]
      const at = new Date(endUs[Math.floor(bad / strategies.length)]! / 1000).toISOString()
      throw refuse(
        'STREAMS_INVALID',
        `${market}: ${name} of ${strategy} at ${at} was ${column[bad]}`,
        'the market data or the strategy is at fault: look at it with gpi backtest',
      )
    }
  }
  if (endUs.length < LEAST_PERIODS)
    throw refuse(
      'TOO_LITTLE_DATA',
      `${market} gives ${endUs.length} periods of ${streams.period}; a policy needs ${LEAST_PERIODS} or more`,
      'give more data, or leave this market out',
    )
  return streams
}

/** 60 % to learn from, 15 % to choose by, the rest to be judged on; an embargo between. */
export const splitStreams = ({endUs}: Pick<StrategyStreams, 'endUs'>): PolicySplit => {
  const periods = endUs.length
  const [valid, test] = [Math.floor(0.6 * periods), Math.floor(0.75 * periods)]
  return {
    train: {from: 0, to: valid - EMBARGO},
    valid: {from: valid, to: test - EMBARGO},
    test: {from: test, to: periods},
  }
}

/** Fewest periods of a market that takes part in walk-forward folds. */
export const LEAST_FOLD_PERIODS = 2 * LEAST_PERIODS

/** Expanding windows: each tests one part of the second half, having learned and chosen on what lies before it. */
export const walkForwardStreams = ({endUs}: Pick<StrategyStreams, 'endUs'>, folds: number): PolicySplit[] =>
  Array.from({length: folds}, (_, k) => {
    const periods = endUs.length
    const [from, to] = [k, k + 1].map(at => Math.floor(periods * (0.5 + (0.5 * at) / folds))) as [number, number]
    const valid = Math.floor(0.8 * from)
    return {
      train: {from: 0, to: valid - EMBARGO},
      valid: {from: valid, to: from - EMBARGO},
      test: {from, to},
    }
  })

/** Streams with their features, computed once: they depend on no decision. */
export interface PolicyMarket {
  readonly streams: StrategyStreams
  /** [periods, width]: what is known before each period; columns of holdings are zero. */
  readonly features: Float32Array
  readonly width: number
  /** [periods, strategies]: 1 where the strategy's returns before the period show that it trades. */
  readonly moved: Uint8Array
  /** Mean deviation of the running strategies' returns in training: makes rewards of seconds and of days comparable. */
  readonly scale: number
}

export const policyMarket = (streams: StrategyStreams, train: Stretch): PolicyMarket => {
  const {returns, endUs, available} = streams
  const count = available.length
  const tracker = new StrategyFeatures(available)
  const {width} = tracker
  const features = new Float32Array(width * endUs.length)
  const moved = new Uint8Array(count * endUs.length)
  for (let at = 0; at < endUs.length; at++) {
    tracker.write(features, at * width)
    for (let s = 0; s < count; s++) moved[at * count + s] = tracker.hasMoved(s) ? 1 : 0
    tracker.push(returns, at * count)
  }
  let square = 0
  let cells = 0
  for (let at = train.from; at < train.to; at++) {
    for (let s = 0; s < count; s++) {
      if (available[s] !== true || returns[at * count + s] === 0) continue
      square += returns[at * count + s]! ** 2
      cells++
    }
  }
  return {streams, features, width, moved, scale: cells === 0 ? 1e-4 : Math.sqrt(square / cells)}
}
