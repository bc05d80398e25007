import type {Neighbour, PatternSource} from '../features/pattern-features.ts'
import {createExactIndex} from '../memory/exact-index.ts'
import {MemoryBank} from '../memory/memory.ts'
import {DIMENSION} from '../memory/pattern.ts'

/** Patterns of one instrument that are kept: about a quarter of a year of 5-minute bars, one in four remembered. */
const CAPACITY = 1024
/**
 * Similarity and abstention are for the model to judge; a row shows what is nearest, and how near. The bank's own pruning
 * keeps what paid, which would make every memory look profitable: here the oldest goes.
 */
const OPTIONS = {capacity: Number.MAX_SAFE_INTEGER, defaultK: 4, minSimilarity: -1, halfLifeUs: 365 * 86_400_000_000}

/**
 * A pattern memory of one instrument, for the rows of a model: the bank that trading uses, with an exact index of its own.
 * Nothing is retrieved whose outcome was not known at the moment of asking.
 */
export const patternEvidence = (symbol: string): PatternSource & Disposable => {
  const bank = new MemoryBank({index: createExactIndex(DIMENSION), options: OPTIONS})
  let learned = 0
  const kept: string[] = []
  return {
    nearest: (vector, count, asOfUs) => {
      if (!vector.some(value => value !== 0)) return []
      const {matches} = bank.search(vector, {asOfUs, k: count})
      return matches.map(({similarity, outcome, tsUs}): Neighbour => ({similarity, outcome: outcome.mean, tsUs}))
    },
    learn: (vector, tsUs) => {
      const id = `${symbol}:${learned++}`
      if (vector.some(value => value !== 0)) {
        bank.add({id, symbol, strategy: 'model', regime: 'any', tsUs, vector})
        kept.push(id)
        if (kept.length > CAPACITY) bank.remove(kept.shift() as string)
        // Nothing here is made durable: the writes are only cleared.
        bank.takeWrites()
      }
      return id
    },
    settle: (id, outcome, atUs) => {
      bank.recordOutcome(id, outcome, atUs)
      bank.takeWrites()
    },
    [Symbol.dispose]: () => bank[Symbol.dispose](),
  }
}
