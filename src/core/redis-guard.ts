import type {FileLatch} from '../drivers/files/file-latch.ts'

export interface RedisGuardOptions {
  readonly url: string
  readonly latch: FileLatch
  readonly onLost: (reason: string) => void
}

const POLL_MS = 500

/**
 * Carries a latch that another machine set in Redis to this machine's disk, where it is checked before every order.
 * While Redis cannot be asked, trading goes on under the latch on disk and `onLost` is told once.
 */
export const guardByRedis = async ({url, latch, onLost}: RedisGuardOptions): Promise<AsyncDisposable> => {
  const {watchRedisLatch} = await import('../drivers/redis/redis-latch.ts')
  const watch = await watchRedisLatch(url)
  let lost = false
  let busy = false
  const look = async (): Promise<void> => {
    if (busy) return
    busy = true
    try {
      const reason = await watch.ask()
      lost = false
      if (reason !== undefined) latch.engage(`${reason} (from Redis)`)
    } catch (error) {
      if (!lost) onLost((error as Error).message)
      lost = true
    } finally {
      busy = false
    }
  }
  await look()
  const timer = setInterval(() => void look(), POLL_MS)
  timer.unref()
  return {
    [Symbol.asyncDispose]: async () => {
      clearInterval(timer)
      await watch[Symbol.asyncDispose]()
    },
  }
}
