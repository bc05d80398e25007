import type {RiskConfig} from '../config/schema.ts'
import type {PathResult} from './stress-path.ts'
import {quantile, tailMean} from './stress-statistics.ts'

export interface Breach {
  readonly rule: 'stressed-var' | 'drawdown' | 'orders-after-latch' | 'ledger' | 'daily-loss'
  readonly value: number
  readonly limit: number
}

/** What one scenario did to the stack. Losses are fractions of the starting equity; quantiles as `stress-statistics` defines them. */
export interface ScenarioReport {
  readonly scenario: string
  readonly seed: number
  readonly paths: number
  /** 99 % quantile and tail mean of the loss over the calm twins: the same seeds without the scenario. */
  readonly var99: number
  readonly cvar99: number
  /** The same over the scenario's paths. */
  readonly stressedVar99: number
  readonly stressedCvar99: number
  /** 99 % quantile and tail mean of what the positions of the onset would have lost at worst, held and revalued. */
  readonly revaluedVar99: number
  readonly revaluedCvar99: number
  /** Mean over the paths of what was held at the onset, signs left away, as a fraction of equity. */
  readonly grossAtOnset: number
  readonly meanLoss: number
  readonly worstLoss: number
  /** Largest of all paths. */
  readonly maxDrawdown: number
  /** Earliest of all paths, market microseconds after the scenario's start; null when none latched. */
  readonly latchedAtUs: number | null
  readonly latchedPaths: number
  /** Onset to latch over the paths that latched after it; null when none did. */
  readonly reactionUs: {readonly p50: number; readonly p99: number} | null
  /** Onset to the first position closed by force, over the paths on which one was; null when none. */
  readonly exitUs: {readonly p50: number; readonly p99: number} | null
  readonly exitedPaths: number
  readonly latchReasons: Readonly<Record<string, number>>
  readonly ordersAfterLatch: number
  readonly events: number
  readonly orders: number
  readonly fills: number
  readonly rejected: number
  readonly ledgerErrorMicros: number
  /** Hash over the journal hashes of all paths in order of seed: equal for equal inputs. */
  readonly journalHash: string
  readonly passed: boolean
  readonly breaches: readonly Breach[]
}

export interface ReportInput {
  readonly scenario: string
  readonly seed: number
  readonly stressed: readonly PathResult[]
  readonly calm: readonly PathResult[]
  readonly limits: Pick<RiskConfig, 'stressVarLimit' | 'maxDrawdown' | 'maxDailyLossDollars'>
  readonly equityDollars: number
  readonly hash: (parts: readonly string[]) => string
}

/** Folds the paths of one scenario into its report. */
export const reportScenario = ({
  scenario,
  seed,
  stressed,
  calm,
  limits,
  equityDollars,
  hash,
}: ReportInput): ScenarioReport => {
  const losses = stressed.map(({loss}) => loss)
  const calmLosses = calm.map(({loss}) => loss)
  const latched = stressed.flatMap(({latchedAtUs}) => latchedAtUs ?? [])
  const reactions = stressed.flatMap(({reactionUs}) => reactionUs ?? [])
  const exits = stressed.flatMap(({exitUs}) => exitUs ?? [])
  const revalued = stressed.map(({revaluedLoss}) => revaluedLoss)
  const all = [...stressed, ...calm]
  const report = {
    scenario,
    seed,
    paths: stressed.length,
    var99: quantile(calmLosses, 0.99),
    cvar99: tailMean(calmLosses, 0.99),
    stressedVar99: quantile(losses, 0.99),
    stressedCvar99: tailMean(losses, 0.99),
    revaluedVar99: quantile(revalued, 0.99),
    revaluedCvar99: tailMean(revalued, 0.99),
    grossAtOnset: stressed.reduce((sum, {grossAtOnset}) => sum + grossAtOnset, 0) / stressed.length,
    meanLoss: losses.reduce((sum, loss) => sum + loss, 0) / losses.length,
    worstLoss: Math.max(...losses),
    maxDrawdown: Math.max(...stressed.map(({maxDrawdown}) => maxDrawdown)),
    latchedAtUs: latched.length === 0 ? null : Math.min(...latched),
    latchedPaths: latched.length,
    reactionUs: reactions.length === 0 ? null : {p50: quantile(reactions, 0.5), p99: quantile(reactions, 0.99)},
    exitUs: exits.length === 0 ? null : {p50: quantile(exits, 0.5), p99: quantile(exits, 0.99)},
    exitedPaths: exits.length,
    latchReasons: countBy(stressed.flatMap(({latchReason}) => latchReason ?? [])),
    ordersAfterLatch: sumOf(all, ({ordersAfterLatch}) => ordersAfterLatch),
    events: sumOf(all, ({events}) => events),
    orders: sumOf(stressed, ({orders}) => orders),
    fills: sumOf(stressed, ({fills}) => fills),
    rejected: sumOf(stressed, ({rejected}) => rejected),
    ledgerErrorMicros: sumOf(all, ({ledgerErrorMicros}) => Math.abs(ledgerErrorMicros)),
    journalHash: hash(all.map(({journalHash}) => journalHash)),
  }
  const breaches: Breach[] = []
  const must = (rule: Breach['rule'], value: number, limit: number): void => {
    if (value > limit) breaches.push({rule, value, limit})
  }
  must('stressed-var', report.stressedVar99, limits.stressVarLimit)
  must('drawdown', report.maxDrawdown, limits.maxDrawdown)
  must('daily-loss', report.worstLoss * equityDollars, limits.maxDailyLossDollars)
  must('orders-after-latch', report.ordersAfterLatch, 0)
  must('ledger', report.ledgerErrorMicros, 0)
  return {...report, passed: breaches.length === 0, breaches}
}

const sumOf = <T>(items: readonly T[], of: (item: T) => number): number =>
  items.reduce((sum, item) => sum + of(item), 0)

const countBy = (names: readonly string[]): Record<string, number> => {
  const counts: Record<string, number> = {}
  for (const name of [...names].sort()) counts[name] = (counts[name] ?? 0) + 1
  return counts
}
