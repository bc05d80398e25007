import type {PatternWrite, StoredPattern} from './pattern.ts'

/** A stretch of the store's history: what changed up to `revision`. */
export interface ChangeBatch {
  readonly revision: number
  /** Documents that are new or different, as they are now. */
  readonly changed: readonly StoredPattern[]
  /** Ids that are gone. */
  readonly removed: readonly string[]
}

export interface StoreReport {
  readonly patterns: number
  readonly observations: number
  /** What is wrong, one sentence each; empty for a sound store. */
  readonly problems: readonly string[]
}

/**
 * The truth of a pattern bank. Several processes may have one store open. Implementations agree on everything
 * `test/contract/pattern-store.ts` asserts.
 */
export interface PatternStore extends AsyncDisposable {
  readonly kind: string
  /** The writes in order, durable when it resolves. Returns the store's revision after them. */
  readonly apply: (writes: readonly PatternWrite[]) => Promise<number>
  /** Everything that changed after `revision`, in batches of bounded size; 0 gives the whole store. */
  readonly changesSince: (revision: number) => AsyncIterable<ChangeBatch>
  /** Grows with every `apply`, this process's or another's. Cheap. */
  readonly revision: () => Promise<number>
  readonly count: () => Promise<number>
  /** Reads every document and checks it against its checksum. */
  readonly verify: () => Promise<StoreReport>
  /** Small named values that belong to the bank: calibration, counters. */
  readonly getMeta: (name: string) => Promise<string | undefined>
  readonly setMeta: (name: string, value: string) => Promise<void>
  /** Adds to a counter that several processes share; returns its new value. 0 before the first. */
  readonly increment: (name: string, by: number) => Promise<number>
}
