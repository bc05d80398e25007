import {LRUCache} from 'lru-cache'

/**
 * Bytes by key, content-addressed: one key always has the same value, so a copy may be lost or repeated at will.
 * Implementations agree on everything `test/contract/cache.ts` asserts. A cache that cannot be reached rejects.
 */
export interface Cache extends AsyncDisposable {
  /** Such as `lru`, `redis`, `sqlite`; what hit rates are reported under. */
  readonly name: string
  /** The caller's own copy. */
  readonly get: (key: string) => Promise<Uint8Array | undefined>
  readonly set: (key: string, value: Uint8Array) => Promise<void>
  readonly delete: (key: string) => Promise<void>
}

/** In this process; the least recently used go when the values pass `maxBytes`. */
export const lruCache = ({maxBytes}: {readonly maxBytes: number}): Cache => {
  const entries = new LRUCache<string, Uint8Array>({
    maxSize: maxBytes,
    sizeCalculation: (value, key) => value.byteLength + key.length * 2 + 64,
  })
  return {
    name: 'lru',
    get: async key => entries.get(key)?.slice(),
    set: async (key, value) => {
      entries.set(key, value.slice())
    },
    delete: async key => {
      entries.delete(key)
    },
    [Symbol.asyncDispose]: async () => entries.clear(),
  }
}

export interface TierStats {
  readonly name: string
  readonly hits: number
  readonly misses: number
  /** Calls the tier failed; they count as misses too. */
  readonly errors: number
  /** Of the calls that reached this tier; 0 before the first. */
  readonly hitRate: number
}

export interface TieredCache extends Cache {
  readonly stats: () => readonly TierStats[]
}

export interface TieredOptions {
  /** Told once when a tier begins to fail and once when it works again. */
  readonly onTrouble?: (tier: string, error: Error | undefined) => void
}

/**
 * Fastest first. A value found in a lower tier is copied into those above. A tier that fails is passed over, so the
 * answer only becomes slower; it is asked again at every call, and used as soon as it works again.
 */
export const tieredCache = (tiers: readonly Cache[], {onTrouble}: TieredOptions = {}): TieredCache => {
  const counts = tiers.map(() => ({hits: 0, misses: 0, errors: 0, isFailing: false}))

  /** The call's result, or undefined where the tier failed. */
  const attempt = async <T>(index: number, call: (tier: Cache) => Promise<T>): Promise<T | undefined> => {
    const [tier, count] = [tiers[index] as Cache, counts[index] as (typeof counts)[number]]
    try {
      const result = await call(tier)
      if (count.isFailing) onTrouble?.(tier.name, undefined)
      count.isFailing = false
      return result
    } catch (error) {
      count.errors++
      if (!count.isFailing) onTrouble?.(tier.name, error as Error)
      count.isFailing = true
      return undefined
    }
  }
  const onEach = async (call: (tier: Cache) => Promise<void>, upTo = tiers.length): Promise<void> => {
    await Promise.all(tiers.slice(0, upTo).map((_, index) => attempt(index, call)))
  }

  return {
    name: tiers.map(({name}) => name).join(' > '),
    get: async key => {
      for (const [index, count] of counts.entries()) {
        const value = await attempt(index, tier => tier.get(key))
        if (value === undefined) {
          count.misses++
          continue
        }
        count.hits++
        await onEach(tier => tier.set(key, value), index)
        return value
      }
      return undefined
    },
    set: (key, value) => onEach(tier => tier.set(key, value)),
    delete: key => onEach(tier => tier.delete(key)),
    stats: () =>
      tiers.map(({name}, index) => {
        const {hits, misses, errors} = counts[index] as (typeof counts)[number]
        return {name, hits, misses, errors, hitRate: hits + misses === 0 ? 0 : hits / (hits + misses)}
      }),
    [Symbol.asyncDispose]: async () => {
      for (const tier of tiers) await tier[Symbol.asyncDispose]()
    },
  }
}
