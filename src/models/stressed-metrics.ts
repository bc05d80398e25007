import {type Attack, EPSILON} from './adversarial.ts'
import type {ClusteredDirection, Metrics, mcNemar, ProbabilisticMetrics} from './metrics.ts'

/** The metrics of the test part, on what training never saw: other paths of scenarios, and perturbed test windows. */
export interface StressedMetrics {
  readonly scenarios?: {
    readonly test: ProbabilisticMetrics
    readonly direction: ClusteredDirection
    /** Scenarios of which other paths may have been trained on, and those of which none ever is. */
    readonly known: ProbabilisticMetrics
    readonly unseen: ProbabilisticMetrics
    readonly byScenario: Readonly<Record<string, ProbabilisticMetrics>>
    readonly baselines: {readonly majority: Metrics; readonly persistence: Metrics}
    readonly seeds: readonly number[]
    readonly dataHash: string
  }
  readonly perturbed: Readonly<Partial<Record<Attack, ProbabilisticMetrics>>>
  readonly seed: number
  readonly epsilon: number
}

export interface Measured {
  readonly test: ProbabilisticMetrics
  readonly stressed: StressedMetrics
}

/** The same training with no adversarial row, and paired tests on the same windows. */
export interface AdversarialComparison {
  readonly adversarial: Measured
  readonly clean: Measured
  readonly paired: {readonly test: PairedTest; readonly scenarios?: PairedTest}
  readonly verdict: readonly string[]
}
export type PairedTest = ReturnType<typeof mcNemar>

/** With against without, in sentences that do not depend on which of them won. */
export const comparisonVerdict = (
  ratio: number,
  {test, stressed}: Measured,
  clean: Measured,
  paired: AdversarialComparison['paired'],
): string[] => {
  const figures = (a: ProbabilisticMetrics, b: ProbabilisticMetrics): string =>
    `macro-F1 ${a.macroF1.toFixed(4)} against ${b.macroF1.toFixed(4)}, log loss ${a.logLoss.toFixed(4)} against ${b.logLoss.toFixed(4)}`
  const p = ({pValue}: PairedTest): string => `McNemar p ${pValue.toFixed(4)}, windows overlap, so the true p is larger`
  const helps = (a: ProbabilisticMetrics, b: ProbabilisticMetrics): string =>
    a.macroF1 > b.macroF1 && a.logLoss < b.logLoss
      ? 'helps'
      : a.macroF1 <= b.macroF1 && a.logLoss >= b.logLoss
        ? 'does NOT help'
        : 'helps one measure and not the other'
  const share = `${(100 * ratio).toFixed(0)} % adversarial rows against none`
  const sentences = [`on the clean test part, ${share}: ${figures(test, clean.test)} (${p(paired.test)})`]
  const [own, other] = [stressed.scenarios, clean.stressed.scenarios]
  if (own !== undefined && other !== undefined && paired.scenarios !== undefined) {
    sentences.push(
      `on held-out scenario paths it ${helps(own.test, other.test)}: ${figures(own.test, other.test)} (${p(paired.scenarios)})`,
      `on scenarios never trained on it ${helps(own.unseen, other.unseen)}: ${figures(own.unseen, other.unseen)}`,
    )
  }
  for (const [attack, metrics] of Object.entries(stressed.perturbed) as [Attack, ProbabilisticMetrics][]) {
    const without = clean.stressed.perturbed[attack]
    if (without !== undefined)
      sentences.push(`on test rows with ${NAMES[attack]} it ${helps(metrics, without)}: ${figures(metrics, without)}`)
  }
  return sentences
}

const NAMES: Readonly<Record<Attack, string>> = {
  noise: 'noise',
  jump: 'price jumps',
  gap: 'missing bars',
  spread: 'wider spreads',
  missing: 'missing information',
  'gradient-sign': `gradient-sign attacks (${EPSILON} deviations)`,
}

/** How the model fares in the scenarios, beside what needs no model. */
export const stressVerdict = ({scenarios}: StressedMetrics): string[] => {
  if (scenarios === undefined) return []
  const {test, baselines, direction} = scenarios
  const relation = (name: 'majority' | 'persistence'): string =>
    `${test.macroF1 > baselines[name].macroF1 && test.mcc > baselines[name].mcc ? 'is ahead of' : 'does NOT beat'} ${name} (${baselines[name].macroF1.toFixed(4)})`
  return [
    `on held-out scenario paths, macro-F1 ${test.macroF1.toFixed(4)}, it ${relation('majority')} and ${relation('persistence')}; up against down ${(100 * direction.accuracy).toFixed(1)} % right, standard error ${(100 * direction.standardError).toFixed(1)} % over ${direction.blocks} paths: a scenario's trend is scripted, so this says nothing of a market's direction`,
  ]
}
