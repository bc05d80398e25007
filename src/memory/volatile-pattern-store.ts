import {withObservation} from './outcome.ts'
import type {PatternWrite, StoredPattern} from './pattern.ts'
import type {ChangeBatch, PatternStore} from './pattern-store.ts'

const BATCH = 1_000

/** Keeps the documents in this process only: the reference implementation, and the store of a bank nobody saves. */
export const createVolatilePatternStore = (): PatternStore => {
  const documents = new Map<string, {readonly pattern: StoredPattern; readonly revision: number}>()
  const removed = new Map<string, number>()
  const meta = new Map<string, string>()
  let revision = 0

  const put = (pattern: StoredPattern): void => {
    documents.set(pattern.id, {pattern, revision})
  }
  const applyOne = (write: PatternWrite): void => {
    const known = documents.get(write.op === 'add' ? write.pattern.id : write.id)?.pattern
    if (write.op === 'add') {
      const observations = write.pattern.observations.reduce(
        (list, added) => withObservation(list, added).observations,
        known?.observations ?? [],
      )
      removed.delete(write.pattern.id)
      put({...(known ?? write.pattern), vector: Float32Array.from((known ?? write.pattern).vector), observations})
      return
    }
    if (known === undefined) return
    switch (write.op) {
      case 'outcome':
        put({...known, observations: withObservation(known.observations, write.observation).observations})
        break
      case 'use':
        put({...known, lastUseUs: Math.max(known.lastUseUs, write.atUs), uses: known.uses + (write.count ?? 1)})
        break
      case 'tier':
        put({...known, tier: write.tier})
        break
      case 'remove':
        documents.delete(write.id)
        removed.set(write.id, revision)
        break
      default:
        write satisfies never
    }
  }

  return {
    kind: 'volatile',
    apply: async writes => {
      if (writes.length > 0) revision++
      for (const write of writes) applyOne(write)
      return revision
    },
    async *changesSince(since): AsyncGenerator<ChangeBatch> {
      const upTo = revision
      const gone = [...removed].filter(([, at]) => at > since).map(([id]) => id)
      const changed = [...documents.values()].filter(document => document.revision > since)
      for (let start = 0; start < changed.length || start === 0; start += BATCH) {
        const batch = changed.slice(start, start + BATCH).map(({pattern}) => pattern)
        yield {revision: upTo, changed: batch, removed: start === 0 ? gone : []}
      }
    },
    revision: async () => revision,
    count: async () => documents.size,
    verify: async () => ({
      patterns: documents.size,
      observations: [...documents.values()].reduce((total, {pattern}) => total + pattern.observations.length, 0),
      problems: [],
    }),
    getMeta: async name => meta.get(name),
    setMeta: async (name, value) => {
      meta.set(name, value)
    },
    increment: async (name, by) => {
      const value = Number(meta.get(`counter:${name}`) ?? 0) + by
      meta.set(`counter:${name}`, String(value))
      return value
    },
    [Symbol.asyncDispose]: async () => {},
  }
}
