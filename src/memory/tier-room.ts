import type {StoredPattern} from './pattern.ts'
import {compareWorth, isExpired, type Judged, judge, type PruneOptions} from './prune.ts'

/** Documents looked at, of which patterns judged, at one call. */
const LOOKED_AT = 2_048
const JUDGED = 256
/** The worst that one round over the tier finds at most. */
const MOST = 1_024
/** Patterns that leave at one call: some, or a share of what is too much, up to a limit. */
const LEAVING = {least: 4, share: 1 / 64, most: 64} as const

/**
 * Says which patterns leave a tier that is over its limit, by age and rank as `planPrune` says it, a little at each call: a
 * trading loop waits for it. A round judges the whole tier over many calls; the worst of it then leave over many more,
 * except those that were used or observed meanwhile.
 */
export class TierRoom {
  #round: {readonly documents: Iterator<StoredPattern>; readonly nowUs: number; readonly wanted: number} | undefined
  /** In a round, the worst so far; between rounds, those that are to leave, the worst last. */
  #worst: Judged[] = []

  /** Patterns of the tier to part with now. `excess` counts those over the limit, `slack` those that one round is worth. */
  leaving({documents, isOfTier, excess, slack, options, current}: TierAsk): readonly StoredPattern[] {
    if (excess <= 0) return []
    const out: StoredPattern[] = []
    if (this.#round === undefined && this.#worst.length === 0) {
      const wanted = Math.min(MOST, Math.max(1, slack, excess))
      this.#round = {documents: documents()[Symbol.iterator](), nowUs: options.nowUs, wanted}
    }
    if (this.#round !== undefined) this.#judge(out, isOfTier, options)
    if (this.#round !== undefined) return out
    const count = Math.min(excess, LEAVING.most, Math.max(LEAVING.least, Math.ceil(excess * LEAVING.share)))
    while (out.length < count && this.#worst.length > 0) {
      const {pattern} = this.#worst.pop() as Judged
      if (current(pattern.id) === pattern) out.push(pattern)
    }
    return out
  }

  #judge(expired: StoredPattern[], isOfTier: TierAsk['isOfTier'], options: PruneOptions): void {
    const round = this.#round
    if (round === undefined) return
    const at = {...options, nowUs: round.nowUs}
    for (let looked = 0, judged = 0; looked < LOOKED_AT && judged < JUDGED; looked++) {
      const {done, value: pattern} = round.documents.next()
      if (done === true) {
        this.#narrow(round.wanted)
        this.#round = undefined
        return
      }
      if (!isOfTier(pattern)) continue
      judged++
      const item = judge(pattern, at)
      if (isExpired(item, at)) expired.push(pattern)
      else this.#worst.push(item)
    }
    if (this.#worst.length >= 2 * round.wanted) this.#narrow(round.wanted)
  }

  #narrow(wanted: number): void {
    this.#worst.sort(compareWorth)
    this.#worst = this.#worst.slice(-wanted)
  }
}

export interface TierAsk {
  readonly documents: () => Iterable<StoredPattern>
  readonly isOfTier: (pattern: StoredPattern) => boolean
  readonly excess: number
  readonly slack: number
  readonly options: PruneOptions
  /** The document as it is now. */
  readonly current: (id: string) => StoredPattern | undefined
}
