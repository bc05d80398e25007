import {ExitCode, UserError} from '../domain/errors.ts'

/** Length of every stored embedding. */
export const DIMENSION = 256

/** An embedding and when, where and for whom it was seen. What happened next is kept beside it, as outcomes. */
export interface Pattern {
  readonly id: string
  readonly symbol: string
  readonly strategy: string
  readonly regime: string
  /** When the decision was taken; nothing that was known only later is in the vector. */
  readonly tsUs: number
  /** (256,) float32, unit length. */
  readonly vector: Float32Array
}

/** P&L of one use of a pattern after all costs, and when it became known: the end of the holding period, in event time. */
export interface Observation {
  readonly atUs: number
  readonly pnlBps: number
}

/**
 * `hot` patterns are searched first. `cold` ones are searched, more slowly, when the hot ones leave the question open, and
 * become hot when they are used or when a prune finds them better than a hot one.
 */
export type Tier = 'hot' | 'cold'

/** The whole document. */
export interface StoredPattern extends Pattern {
  /** By ascending `atUs`, at most one a time stamp. */
  readonly observations: readonly Observation[]
  readonly tier: Tier
  /** Event time of the last search that used it as evidence; 0 for never. */
  readonly lastUseUs: number
  readonly uses: number
}

/**
 * One change of the bank. Changes say what happened rather than what the document is now, so two processes that write to
 * one bank do not undo each other. All but `use` (which counts, 1 without a number) may be applied twice.
 */
export type PatternWrite =
  | {readonly op: 'add'; readonly pattern: StoredPattern}
  | {readonly op: 'outcome'; readonly id: string; readonly observation: Observation}
  | {readonly op: 'use'; readonly id: string; readonly atUs: number; readonly count?: number}
  | {readonly op: 'tier'; readonly id: string; readonly tier: Tier}
  | {readonly op: 'remove'; readonly id: string}

/** The vector scaled to length 1. Throws UserError for a vector that has no direction. */
export const unitVector = (vector: ArrayLike<number>, of: string): Float32Array => {
  if (vector.length !== DIMENSION) throw invalid(of, `must have ${DIMENSION} numbers, had ${vector.length}`)
  // Loops over two kinds of array stay fast; over every kind there is they take four times as long.
  const values = vector instanceof Float32Array ? vector : Float64Array.from(vector)
  let sum = 0
  for (let i = 0; i < DIMENSION; i++) sum += (values[i] as number) * (values[i] as number)
  if (!Number.isFinite(sum) || sum === 0) throw invalid(of, 'must be finite and not all zero')
  const norm = Math.sqrt(sum)
  const unit = new Float32Array(values)
  // A float32 unit vector is one already: leaving it alone keeps its bits through export and import.
  if (Math.abs(norm - 1) < 1e-6) return unit
  for (let i = 0; i < DIMENSION; i++) unit[i] = (values[i] as number) / norm
  return unit
}

const invalid = (of: string, problem: string): UserError =>
  new UserError('VECTOR_INVALID', `the vector of ${of} ${problem}`, {exitCode: ExitCode.invalidData})
