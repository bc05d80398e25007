import {MemoryBank, type MemoryBankDeps} from './memory.ts'
import type {PatternStore} from './pattern-store.ts'

export interface SharedBank extends AsyncDisposable {
  readonly bank: MemoryBank
  readonly store: PatternStore
  /** Makes every change so far durable: what was added before is acknowledged when this resolves. */
  readonly flush: () => Promise<void>
  /** Flushes, then takes over what other processes wrote. Returns how many documents changed. */
  readonly refresh: () => Promise<number>
  /** The store's revision that the bank has seen. */
  readonly revision: () => number
}

export interface SharedBankDeps extends MemoryBankDeps {
  /** Ends the loading: its reason is thrown. */
  readonly signal?: AbortSignal | undefined
}

/** Loads the store's documents into a bank and keeps the two together. Disposing flushes and closes both. */
export const openSharedBank = async (store: PatternStore, {signal, ...deps}: SharedBankDeps): Promise<SharedBank> => {
  const bank = new MemoryBank(deps)
  let known = -1
  let isLoading = true
  // Flushes queue behind each other, so writes reach the store in the order they were made.
  let tail: Promise<void> = Promise.resolve()

  const flushNow = async (): Promise<void> => {
    const writes = bank.takeWrites()
    if (writes.length === 0) return
    try {
      const revision = await store.apply(writes)
      if (revision === known + 1) known = revision
    } catch (error) {
      bank.returnWrites(writes)
      throw error
    }
  }
  const flush = (): Promise<void> => {
    const run = tail.then(flushNow)
    tail = run.catch(() => undefined)
    return run
  }
  const refresh = async (): Promise<number> => {
    await flush()
    if ((await store.revision()) === known) return 0
    let changes = 0
    let reached = known
    for await (const {revision, changed, removed} of store.changesSince(Math.max(known, 0))) {
      if (isLoading) signal?.throwIfAborted()
      for (const id of removed) bank.apply({op: 'remove', id})
      for (const pattern of changed) bank.apply({op: 'add', pattern})
      changes += removed.length + changed.length
      reached = revision
    }
    known = reached
    return changes
  }
  await refresh()
  isLoading = false
  bank.dropUnclaimed()
  return {
    ...{bank, store, flush, refresh, revision: () => known},
    [Symbol.asyncDispose]: async () => {
      try {
        await flush()
      } finally {
        bank[Symbol.dispose]()
        await store[Symbol.asyncDispose]()
      }
    },
  }
}
