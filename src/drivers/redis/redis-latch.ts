import type {Redis} from 'ioredis'

/** The latch as other machines see it. A string: why and since when. */
const KEY = 'gpi:kill-latch'
const TIMEOUT_MS = 1_500

const withRedis = async <T>(url: string, work: (redis: Redis) => Promise<T>): Promise<T> => {
  const {Redis} = await import('ioredis')
  const redis = new Redis(url, {
    lazyConnect: true,
    connectTimeout: TIMEOUT_MS,
    commandTimeout: TIMEOUT_MS,
    maxRetriesPerRequest: 0,
    retryStrategy: () => null,
  })
  // The rejected command tells what is wrong; without a listener the same error would also end the process.
  redis.on('error', () => {})
  try {
    await redis.connect()
    return await work(redis)
  } finally {
    redis.disconnect()
  }
}

/** Set before it returns; the first reason stays. Rejects when Redis cannot be reached. */
export const engageRedisLatch = (url: string, reason: string): Promise<void> =>
  withRedis(url, async redis => {
    await redis.set(KEY, reason, 'NX')
  })

/** False when there was none. */
export const releaseRedisLatch = (url: string): Promise<boolean> =>
  withRedis(url, async redis => (await redis.del(KEY)) > 0)

export interface RedisLatchWatch extends AsyncDisposable {
  /** Asks once; the reason when latched. */
  readonly ask: () => Promise<string | undefined>
}

/** One connection that a trading node keeps, to ask now and then. It reconnects by itself. */
export const watchRedisLatch = async (url: string): Promise<RedisLatchWatch> => {
  const {Redis} = await import('ioredis')
  const redis = new Redis(url, {
    lazyConnect: true,
    connectTimeout: TIMEOUT_MS,
    commandTimeout: TIMEOUT_MS,
    maxRetriesPerRequest: 0,
    enableOfflineQueue: false,
    retryStrategy: attempt => Math.min(200 * attempt, 5_000),
  })
  redis.on('error', () => {})
  await redis.connect()
  return {
    ask: async () => (await redis.get(KEY)) ?? undefined,
    [Symbol.asyncDispose]: async () => redis.disconnect(),
  }
}
