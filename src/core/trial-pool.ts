import {availableParallelism} from 'node:os'
import {Worker} from 'node:worker_threads'
import {errorOfRefusal} from './refusal.ts'
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

/** Threads that run trials one after the other; one a core unless said otherwise. They start with the first trial. */
export const openTrialPool = (threads = availableParallelism()): TrialPool => {
  const workers: Worker[] = []
  const file = import.meta.url.endsWith('.ts') ? './trial-worker.ts' : './trial-worker.js'
  return {
    run: (requests, {signal, onDone} = {}) => {
      while (workers.length < Math.min(threads, requests.length))
        workers.push(new Worker(new URL(file, import.meta.url)))
      const results = new Array<TrialResult | undefined>(requests.length).fill(undefined)
      return new Promise((resolve, fail) => {
        // What the others are at would answer into the next run: after a failure all threads are new.
        const reject = (error: Error): void => {
          for (const worker of workers.splice(0)) {
            worker.removeAllListeners()
            void worker.terminate()
          }
          fail(error)
        }
        let next = 0
        let busy = 0
        const give = (worker: Worker): void => {
          const request = signal?.aborted === true ? undefined : requests[next]
          if (request === undefined) {
            worker.removeAllListeners('message')
            worker.removeAllListeners('error')
            if (busy === 0) resolve(results)
            return
          }
          busy++
          worker.postMessage({number: next++, request} satisfies TrialJob)
        }
        if (requests.length === 0) resolve(results)
        for (const worker of workers.slice(0, requests.length)) {
          worker.on('error', reject)
          worker.on('message', (answer: TrialAnswer) => {
            busy--
            if (answer.kind === 'refused') {
              reject(errorOfRefusal(answer))
              return
            }
            results[answer.number] = answer.result
            onDone?.(answer.result, answer.number)
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
