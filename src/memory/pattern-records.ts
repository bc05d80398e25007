import type {z} from 'zod'
import type {Pattern as PatternRecord} from '../data/records.ts'
import type {NewPattern} from './memory.ts'
import type {Observation, StoredPattern} from './pattern.ts'

type Record = z.output<typeof PatternRecord>

/**
 * A pattern from the pipe. Its outcome is known at `outcome.atUs`, or `outcome.horizonUs` after the decision, or else
 * `horizonUs` after it. `outcome.observations`, as [atUs, pnlBps] pairs, says all of it at once; a `pnlBps` of null says
 * that nothing is known yet.
 */
export const patternOfRecord = (record: Record, horizonUs: number): NewPattern => {
  const {id, symbol, strategy, regime, tsUs, vector, outcome} = record
  return {
    ...{id, symbol, strategy, regime, tsUs, vector, observations: observationsOf(outcome, tsUs, horizonUs)},
    ...{tier: record['tier'] === 'cold' ? 'cold' : 'hot'},
    ...{lastUseUs: numberOr(record['lastUseUs'], 0), uses: numberOr(record['uses'], 0)},
  }
}

const observationsOf = (outcome: Record['outcome'], tsUs: number, horizonUs: number): Observation[] => {
  const listed = outcome['observations']
  if (Array.isArray(listed)) return listed.map(pair => ({atUs: Number(pair?.[0]), pnlBps: Number(pair?.[1])}))
  if (outcome.pnlBps === null) return []
  const atUs = numberOr(outcome['atUs'], tsUs + numberOr(outcome['horizonUs'], horizonUs))
  return [{atUs, pnlBps: outcome.pnlBps}]
}

const numberOr = (value: unknown, fallback: number): number => (typeof value === 'number' ? value : fallback)

/** The whole document as a record; `patternOfRecord` gives the same document back. */
export const recordOfPattern = (pattern: StoredPattern) => {
  const {id, symbol, strategy, regime, tsUs, vector, observations, tier, lastUseUs, uses} = pattern
  const pnlBps =
    observations.length === 0
      ? null
      : observations.reduce((total, observation) => total + observation.pnlBps, 0) / observations.length
  return {
    ...{kind: 'pattern' as const, id, symbol, strategy, regime, tsUs, vector: [...vector]},
    outcome: {pnlBps, observations: observations.map(({atUs, pnlBps: value}) => [atUs, value] as const)},
    ...{tier, lastUseUs, uses},
  }
}
