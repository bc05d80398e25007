import type {Interval} from './bootstrap.ts'
import type {MetricsDetail} from './metrics.ts'

/** The product's stated targets. They are aims to be measured against, not promises. */
export const TARGETS = {sharpe: 2, winRate: 0.52, avgWinLoss: 1.5, maxDrawdown: 0.05} as const

export interface ScorecardLine {
  readonly target: keyof typeof TARGETS
  readonly wanted: number
  readonly value: number | null
  /** 90 % interval where one can be made. */
  readonly interval: Interval | null
  /** `met` and `missed` only when the whole interval (or the exact figure) says so. */
  readonly verdict: 'met' | 'missed' | 'uncertain' | 'undefined'
}

export const scorecard = (detail: MetricsDetail): ScorecardLine[] => [
  line('sharpe', detail.sharpe, detail.intervals.sharpe),
  line('winRate', detail.winRate, detail.intervals.winRate),
  line('avgWinLoss', detail.avgWinLoss, detail.intervals.avgWinLoss),
  {
    target: 'maxDrawdown',
    wanted: TARGETS.maxDrawdown,
    value: detail.maxDrawdown,
    interval: null,
    verdict: detail.maxDrawdown <= TARGETS.maxDrawdown ? 'met' : 'missed',
  },
]

const line = (target: keyof typeof TARGETS, value: number | null, interval: Interval | null): ScorecardLine => {
  const wanted = TARGETS[target]
  const low = interval?.low ?? Number.NEGATIVE_INFINITY
  const high = interval?.high ?? Number.POSITIVE_INFINITY
  const verdict = value === null ? 'undefined' : low >= wanted ? 'met' : high < wanted ? 'missed' : 'uncertain'
  return {target, wanted, value, interval, verdict}
}
