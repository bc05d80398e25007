import path from 'node:path'
import type {Config} from '../config/schema.ts'
import {type Cache, lruCache, type TieredCache, type TieredOptions, tieredCache} from '../data/cache.ts'
import {UserError} from '../domain/errors.ts'
import {readSecrets} from './secrets.ts'

const LRU_BYTES = 64 * 1024 * 1024
/** About 1 GB of 256-number embeddings. */
const STORED_ENTRIES = 1_000_000

/**
 * Where embeddings are kept by the hash of what they were made from: this process, then Redis where configured, then a
 * file under the home.
 */
export const openEmbeddingCache = async (
  config: Config,
  environment: Readonly<Record<string, string | undefined>>,
  options: TieredOptions = {},
): Promise<TieredCache> => {
  const {openSqliteCache} = await import('../drivers/sqlite/sqlite-cache.ts')
  const remote = config.memory.cache === 'redis' ? [await openRedis(environment)] : []
  const stored = openSqliteCache({file: path.join(config.home, 'cache', 'embeddings.db'), maxEntries: STORED_ENTRIES})
  return tieredCache([lruCache({maxBytes: LRU_BYTES}), ...remote, stored], options)
}

const openRedis = async (environment: Readonly<Record<string, string | undefined>>): Promise<Cache> => {
  const url = readSecrets(environment).REDIS_URL
  if (url === undefined) {
    throw new UserError('REDIS_URL_MISSING', 'memory.cache is "redis" but REDIS_URL is not set', {
      hints: ['export REDIS_URL=redis://…', 'or set memory.cache to "lru"'],
    })
  }
  const {openRedisCache} = await import('../drivers/redis/redis-cache.ts')
  return openRedisCache({url, prefix: 'gpi:embedding:'})
}
