import {Redis} from 'ioredis'
import type {Cache} from '../../data/cache.ts'
import {UserError} from '../../domain/errors.ts'

export interface RedisCacheOptions {
  readonly url: string
  /** Before every key, so that several uses share a server. */
  readonly prefix?: string
  /** Unused values are dropped by the server after this. */
  readonly ttlSeconds?: number
  /** A call slower than this has failed: a cache that makes its caller wait is none. */
  readonly commandTimeoutMs?: number
  readonly connectTimeoutMs?: number
}

/**
 * Values in Redis. While the server is away every call rejects at once; the connection is tried again in the background,
 * at most a second apart. Throws UserError naming the server when it is not there to begin with.
 */
export const openRedisCache = async (options: RedisCacheOptions): Promise<Cache> => {
  const {url, prefix = 'gpi:', ttlSeconds = 30 * 86_400, commandTimeoutMs = 250, connectTimeoutMs = 2_000} = options
  const redis = new Redis(url, {
    lazyConnect: true,
    connectTimeout: connectTimeoutMs,
    commandTimeout: commandTimeoutMs,
    enableOfflineQueue: false,
    maxRetriesPerRequest: 0,
    retryStrategy: attempt => Math.min(50 * attempt, 1_000),
  })
  // Without a listener a lost connection would end the process; the calls that fail report it.
  redis.on('error', () => {})
  try {
    await redis.connect()
  } catch (error) {
    redis.disconnect()
    throw new UserError(
      'REDIS_UNREACHABLE',
      `cannot reach Redis at ${withoutSecret(url)}: ${(error as Error).message}`,
      {
        hints: ['check REDIS_URL and that the server runs', 'or set memory.cache to "lru"'],
        cause: error,
      },
    )
  }
  return {
    name: 'redis',
    get: async key => {
      const value = await redis.getBuffer(prefix + key)
      return value === null ? undefined : Uint8Array.from(value)
    },
    set: async (key, value) => {
      await redis.set(prefix + key, Buffer.from(value), 'EX', ttlSeconds)
    },
    delete: async key => {
      await redis.del(prefix + key)
    },
    [Symbol.asyncDispose]: async () => redis.disconnect(),
  }
}

const withoutSecret = (url: string): string => url.replace(/^(rediss?:\/\/)[^/]*@/, '$1')
