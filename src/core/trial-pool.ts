import {availableParallelism} from 'node:os'
import {Worker} from 'node:worker_threads'
import {errorOfRefusal} from './refusal.ts'
import type {SharedTape} from './shared-tape.ts'
import type {TrialRequest, TrialResult} from './trial.ts'
import type {TrialAnswer, TrialJob} from './trial-worker.ts'

export interface TrialPool extends AsyncDisposable {
  /**
   * Results in the order of the requests; those that a stop cut off are undefined. Each finished trial is told at once,
   * in the order of finishing.
   */
  readonly run: (
    requests: readonly TrialRequest[],
    options?: {readonly signal?: AbortSignal; readonly onDone?: (result: TrialResult, number: number) => void},
  ) => Promise<readonly (TrialResult | undefined)[]>
}

/**
 * Threads that run trials one after the other; one a core unless said otherwise. They start with the first trial, and
 * replay `tape` where there is one. A stop ends the trials under way: they were not finished, and nobody waits for them.
 */
export const openTrialPool = (threads = availableParallelism(), tape?: SharedTape): TrialPool => {
  const workers: Worker[] = []
  const file = import.meta.url.endsWith('.ts') ? './trial-worker.ts' : './trial-worker.js'
  return {
    run: (requests, {signal, onDone} = {}) => {
      while (workers.length < Math.min(threads, requests.length))
        workers.push(new Worker(new URL(file, import.meta.url), {workerData: {tape}}))
      const results = new Array<TrialResult | undefined>(requests.length).fill(undefined)
      return new Promise((resolve, fail) => {
        // What the others are at would answer into the next run: after a failure or a stop all threads are new.
        const end = (): void => {
          signal?.removeEventListener('abort', stop)
          for (const worker of workers.splice(0)) {
            worker.removeAllListeners()
            void worker.terminate()
          }
        }
        const reject = (error: Error): void => {
          end()
          fail(error)
        }
        const stop = (): void => {
          end()
          resolve(results)
        }
        signal?.addEventListener('abort', stop, {once: true})
        const finish = (): void => {
          signal?.removeEventListener('abort', stop)
          resolve(results)
        }
        let next = 0
        let busy = 0
        const give = (worker: Worker): void => {
          const request = signal?.aborted === true ? undefined : requests[next]
          if (request === undefined) {
            worker.removeAllListeners('message')
            worker.removeAllListeners('error')
            if (busy === 0) finish()
            return
          }
          busy++
          worker.postMessage({number: next++, request} satisfies TrialJob)
        }
        if (requests.length === 0 || signal?.aborted === true) finish()
        // A copy: a stop while these start empties the list.
        for (const worker of workers.slice(0, requests.length)) {
          worker.on('error', reject)
          worker.on('message', (answer: TrialAnswer) => {
            busy--
            if (answer.kind === 'refused') {
              reject(errorOfRefusal(answer))
              return
            }
            results[answer.number] = answer.result
            try {
              onDone?.(answer.result, answer.number)
            } catch (error) {
              // A full disk, for one: thrown from here it would end the process.
              reject(error as Error)
              return
            }
            give(worker)
          })
          give(worker)
        }
      })
    },
    [Symbol.asyncDispose]: async () => {
      await Promise.all(workers.map(worker => worker.terminate()))
    },
  }
}
