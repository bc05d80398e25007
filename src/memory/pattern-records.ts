import type {z} from 'zod'
import type {Pattern as PatternRecord} from '../data/records.ts'
import type {NewPattern} from './memory.ts'
import type {Observation, StoredPattern, Tier} from './pattern.ts'

type Record = z.output<typeof PatternRecord>

/**
 * A pattern from the pipe. Its outcome is known at `outcome.atUs`, or `outcome.horizonUs` after the decision, or else
 * `horizonUs` after it. `outcome.observations`, as [atUs, pnlBps] pairs, says all of it at once; a `pnlBps` of null says
 * that nothing is known yet. Throws RangeError for a field that is there and not what it should be.
 */
export const patternOfRecord = (record: Record, horizonUs: number): NewPattern => {
  const {id, symbol, strategy, regime, tsUs, vector, outcome} = record
  return {
    ...{id, symbol, strategy, regime, tsUs, vector, observations: observationsOf(outcome, tsUs, horizonUs)},
    tier: tierOf(record['tier']),
    lastUseUs: countOf('lastUseUs', record['lastUseUs']),
    uses: countOf('uses', record['uses']),
  }
}

const observationsOf = (outcome: Record['outcome'], tsUs: number, horizonUs: number): Observation[] => {
  const listed = outcome['observations']
  if (Array.isArray(listed)) {
    return listed.map((pair: unknown) => {
      const [atUs, pnlBps] = Array.isArray(pair) ? (pair as unknown[]) : []
      if (typeof atUs === 'number' && typeof pnlBps === 'number') return {atUs, pnlBps}
      throw new RangeError(`outcome.observations must be [atUs, pnlBps] pairs of numbers, had ${JSON.stringify(pair)}`)
    })
  }
  if (outcome.pnlBps === null) return []
  const atUs = numberOr(outcome, 'atUs', tsUs + numberOr(outcome, 'horizonUs', horizonUs))
  return [{atUs, pnlBps: outcome.pnlBps}]
}

const numberOr = (outcome: Record['outcome'], name: string, fallback: number): number => {
  const value = outcome[name] ?? fallback
  if (typeof value === 'number') return value
  throw new RangeError(`outcome.${name} must be a number, was ${JSON.stringify(value)}`)
}

/** Of a document that comes from another bank; 0 where the record says nothing. */
const countOf = (name: string, value: unknown): number => {
  if (value === undefined || value === null) return 0
  if (Number.isSafeInteger(value) && (value as number) >= 0) return value as number
  throw new RangeError(`${name} must be a whole number, was ${JSON.stringify(value)}`)
}

const tierOf = (value: unknown): Tier => {
  if (value === undefined || value === null) return 'hot'
  if (value === 'hot' || value === 'cold') return value
  throw new RangeError(`tier must be hot or cold, was ${JSON.stringify(value)}`)
}

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
