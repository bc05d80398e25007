import type {Journal, JournalEntry} from './journal.ts'
import {JournalHash} from './journal-hash.ts'

export interface MemoryJournalOptions {
  /** False keeps only the hash and the count, for runs too long to hold; true by default. */
  readonly keep?: boolean
  /** Sees each entry as it is appended: how a back-test writes its journal to a file. */
  readonly onEntry?: (entry: JournalEntry, seq: number) => void
}

/** A journal that dies with the process: for back-tests, and the reference for the others. */
export const memoryJournal = ({keep = true, onEntry}: MemoryJournalOptions = {}): Journal => {
  const hash = new JournalHash()
  const kept: JournalEntry[] = []
  let count = 0
  return {
    append: entry => {
      hash.add(entry)
      if (keep) kept.push(entry)
      onEntry?.(entry, count + 1)
      return ++count
    },
    entries: function* () {
      if (!keep && count > 0) throw new Error(`this journal kept only the hash of its ${count} entries`)
      for (const [index, entry] of kept.entries()) yield {seq: index + 1, entry}
    },
    hash: () => hash.digest(),
    [Symbol.dispose]: () => undefined,
  }
}
