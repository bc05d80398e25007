import type {Interval} from './bootstrap.ts'
import type {MetricsDetail} from './metrics.ts'

/** The product's stated targets. They are aims to be measured against, not promises. */
export const TARGETS = {sharpe: 2, winRate: 0.52, avgWinLoss: 1.5, maxDrawdown: 0.05} as const

/** Less than this cannot show that a figure of time (Sharpe, drawdown) holds; less trades not that one of trades does. */
const LEAST_DAYS = 20
const LEAST_TRADES = 30

export interface ScorecardLine {
  readonly target: keyof typeof TARGETS
  readonly wanted: number
  readonly value: number | null
  /** 90 % interval where one can be made. */
  readonly interval: Interval | null
  /** `met` only when the whole interval says so and there is enough to say it; `missed` when the whole interval is short of it. */
  readonly verdict: 'met' | 'missed' | 'uncertain' | 'undefined'
}

export const scorecard = (detail: MetricsDetail): ScorecardLine[] => {
  const isLong = detail.days >= LEAST_DAYS
  const isMany = detail.trades >= LEAST_TRADES
  const isDeep = detail.maxDrawdown > TARGETS.maxDrawdown
  const isIdle = detail.trades === 0 && detail.exposure === 0 && detail.maxDrawdown === 0
  return [
    line('sharpe', detail.sharpe, detail.intervals.sharpe, isLong),
    line('winRate', detail.winRate, detail.intervals.winRate, isMany),
    line('avgWinLoss', detail.avgWinLoss, detail.intervals.avgWinLoss, isMany),
    {
      target: 'maxDrawdown',
      wanted: TARGETS.maxDrawdown,
      value: detail.maxDrawdown,
      interval: null,
      // Who held nothing at all has shown no restraint.
      verdict: isIdle ? 'undefined' : isDeep ? 'missed' : isLong ? 'met' : 'uncertain',
    },
  ]
}

const line = (
  target: keyof typeof TARGETS,
  value: number | null,
  interval: Interval | null,
  isEnough: boolean,
): ScorecardLine => {
  const wanted = TARGETS[target]
  const low = interval?.low ?? Number.NEGATIVE_INFINITY
  const high = interval?.high ?? Number.POSITIVE_INFINITY
  const found = low >= wanted && isEnough ? 'met' : high < wanted ? 'missed' : 'uncertain'
  return {target, wanted, value, interval, verdict: value === null ? 'undefined' : found}
}
