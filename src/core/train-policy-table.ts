// Markets and periods are indexed below their counts, hence the `!`.
import type {Rng} from '../domain/rng.ts'
import {type Interval, sortedQuantile} from '../evaluation/bootstrap.ts'
import type {AllocationRun} from '../models/strategy-environment.ts'

/** One rule over the same stretches of all markets, played one after the other with one account. */
export interface RuleRuns {
  readonly runs: readonly AllocationRun[]
  readonly periodsPerYear: readonly number[]
}

/** `null` where undefined: nothing was ever risked. Intervals are 90 %, by the stationary bootstrap within each market. */
export interface RuleFigures {
  /** Annualised: return a year over deviation of a year, each market for the time it lasted. */
  readonly sharpe: number | null
  readonly sharpeInterval: Interval | null
  readonly return: number
  readonly returnInterval: Interval
  readonly drawdown: number
  /** Mean sum of absolute changes of the weights a period; `null` for the oracle. */
  readonly turnover: number | null
  readonly cash: number | null
}

/** How a baseline stands to the policy, on the same bootstrap draws. */
export interface BaselineFigures extends RuleFigures {
  /** Policy less baseline, in log growth over the whole stretch. */
  readonly difference: {readonly growth: number; readonly interval: Interval}
}

export interface PolicyTable<Name extends string> {
  readonly test: RuleFigures
  readonly baselines: Readonly<Record<Name, BaselineFigures>>
}

interface Moments {
  readonly sharpe: number | null
  readonly growth: number
}

const DRAWS = 500

/** Figures of the policy and of what it is compared with. */
export const policyTable = <Name extends string>(
  policy: RuleRuns,
  baselines: Readonly<Record<Name, RuleRuns>>,
  rng: Rng,
): PolicyTable<Name> => {
  const names = Object.keys(baselines) as Name[]
  const rules = [policy, ...names.map(name => baselines[name])]
  const draws = Array.from({length: DRAWS}, () => {
    const rows = policy.runs.map(({returns}) => stationaryRows(returns.length, rng))
    return rules.map(rule => momentsOf(rule, rows))
  })
  const point = rules.map(rule => momentsOf(rule))
  const figures = (r: number): RuleFigures => {
    const {runs} = rules[r]!
    const total = runs.reduce((sum, {returns}) => sum + returns.length, 0)
    const mean = (of: (run: AllocationRun) => number): number | null => {
      const value = runs.reduce((sum, run) => sum + of(run) * run.returns.length, 0) / total
      return Number.isFinite(value) ? value : null
    }
    const sharpes = draws.flatMap(draw => draw[r]!.sharpe ?? [])
    return {
      sharpe: point[r]!.sharpe,
      sharpeInterval: sharpes.length < DRAWS / 2 ? null : intervalOf(sharpes),
      return: Math.expm1(point[r]!.growth),
      returnInterval: intervalOf(draws.map(draw => Math.expm1(draw[r]!.growth))),
      drawdown: drawdownOf(runs),
      turnover: mean(run => run.turnover),
      cash: mean(run => run.cash),
    }
  }
  return {
    test: figures(0),
    baselines: Object.fromEntries(
      names.map((name, k) => [
        name,
        {
          ...figures(k + 1),
          difference: {
            growth: point[0]!.growth - point[k + 1]!.growth,
            interval: intervalOf(draws.map(draw => draw[0]!.growth - draw[k + 1]!.growth)),
          },
        },
      ]),
    ) as Record<Name, BaselineFigures>,
  }
}

/** Figures of one rule alone. */
export const ruleFigures = (rule: RuleRuns, rng: Rng): RuleFigures => policyTable(rule, {}, rng).test

/** Rows of blocks of geometric length, n^⅓ on average (Politis and Romano 1994). */
const stationaryRows = (n: number, rng: Rng): Int32Array => {
  const goesOn = 1 - 1 / Math.max(1, Math.cbrt(n))
  let at = rng.below(n)
  return Int32Array.from({length: n}, () => {
    const row = at
    at = rng.uniform() < goesOn ? (at + 1) % n : rng.below(n)
    return row
  })
}

const momentsOf = ({runs, periodsPerYear}: RuleRuns, rows?: readonly Int32Array[]): Moments => {
  let [sum, variance, years, growth] = [0, 0, 0, 0]
  for (const [m, {returns}] of runs.entries()) {
    const n = returns.length
    let [own, square] = [0, 0]
    for (let i = 0; i < n; i++) {
      const r = returns[rows === undefined ? i : rows[m]![i]!]!
      own += r
      square += r * r
      growth += Math.log1p(r)
    }
    sum += own
    variance += Math.max(0, square - (own * own) / n)
    years += n / periodsPerYear[m]!
  }
  // Below rounding of the sum itself nothing varies.
  return {sharpe: variance > 1e-24 ? sum / years / Math.sqrt(variance / years) : null, growth}
}

const drawdownOf = (runs: readonly AllocationRun[]): number => {
  let [wealth, peak, worst] = [1, 1, 0]
  for (const {returns} of runs) {
    for (const r of returns) {
      wealth *= 1 + r
      peak = Math.max(peak, wealth)
      worst = Math.max(worst, 1 - wealth / peak)
    }
  }
  return worst
}

const intervalOf = (values: number[]): Interval => {
  values.sort((a, b) => a - b)
  return {low: sortedQuantile(values, 0.05), high: sortedQuantile(values, 0.95)}
}

const TITLES: Readonly<Record<string, string>> = {
  equalWeight: 'equal weight',
  inverseVolatility: 'inverse volatility',
  bestFixed: 'the strategy that was best in training',
  cash: 'holding cash',
}

/** Plain sentences on what the figures show, bad ones included. */
export const policyVerdict = ({test, baselines}: PolicyTable<string>): string[] => {
  const percent = (value: number): string => `${(100 * value).toFixed(3)} %`
  const against = Object.entries(baselines).filter(([name]) => name !== 'oracle')
  const sentences = against.map(([name, figures]) => {
    const {growth, interval} = figures.difference
    const relation = growth > 0 ? 'beats' : 'does NOT beat'
    const sure =
      interval.low > 0 || interval.high < 0
        ? 'the 90 % interval of the difference excludes zero'
        : 'the 90 % interval of the difference includes zero, so this may be chance'
    return `${relation} ${TITLES[name] ?? name}: ${percent(test.return)} against ${percent(figures.return)}; ${sure}`
  })
  const beaten = against.filter(([, {difference}]) => difference.growth > 0 && difference.interval.low > 0).length
  const oracle = baselines['oracle']
  return [
    ...sentences,
    ...(oracle === undefined
      ? []
      : [`the oracle, which knows every period beforehand and pays nothing, makes ${percent(oracle.return)}`]),
    beaten === against.length
      ? 'it beats every baseline by more than chance on this stretch; nothing here promises profit'
      : 'it does NOT beat all of its baselines by more than chance: prefer the simplest of them',
    ...(test.return < 0 ? ['it lost money on the test stretch'] : []),
  ]
}
