import {availableParallelism} from 'node:os'
import {performance} from 'node:perf_hooks'
import {Worker} from 'node:worker_threads'
import type {SharedTape} from './shared-tape.ts'
import type {TrialOutcome, TrialRequest} from './trial.ts'
import type {TrialAnswer, TrialJob} from './trial-worker.ts'

export interface TrialPool extends AsyncDisposable {
  /**
   * Outcomes in the order of the requests; those that a stop cut off are undefined. Each is told at once, in the order of
   * ending.
   */
  readonly run: (
    requests: readonly TrialRequest[],
    options?: {readonly signal?: AbortSignal; readonly onDone?: (outcome: TrialOutcome, number: number) => void},
  ) => Promise<readonly (TrialOutcome | undefined)[]>
}

/** Longer ones are handed out one at a time: what waits behind a long trial could have run in another thread. */
const SHORT_TRIAL_MS = 50

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
      const outcomes = new Array<TrialOutcome | undefined>(requests.length).fill(undefined)
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
          resolve(outcomes)
        }
        signal?.addEventListener('abort', stop, {once: true})
        const finish = (): void => {
          signal?.removeEventListener('abort', stop)
          resolve(outcomes)
        }
        const startMs = performance.now()
        // A copy: a stop while these start empties the list.
        const team = workers.slice(0, requests.length)
        const given = new Map<Worker, number>(team.map(worker => [worker, 0]))
        let next = 0
        let done = 0
        // So long as trials are short, each thread has its next one before it has answered the last.
        const giveAhead = (): boolean =>
          done > 0 &&
          requests.length - next >= team.length &&
          (performance.now() - startMs) * team.length < SHORT_TRIAL_MS * done
        const give = (worker: Worker): void => {
          let mine = given.get(worker) ?? 0
          while (signal?.aborted !== true && next < requests.length && (mine === 0 || (mine === 1 && giveAhead()))) {
            mine++
            worker.postMessage({number: next, request: requests[next] as TrialRequest} satisfies TrialJob)
            next++
          }
          given.set(worker, mine)
          if (mine > 0) return
          worker.removeAllListeners('message')
          worker.removeAllListeners('error')
          if ([...given.values()].every(count => count === 0)) finish()
        }
        if (requests.length === 0 || signal?.aborted === true) finish()
        for (const worker of team) {
          worker.on('error', reject)
          worker.on('message', ({number, outcome}: TrialAnswer) => {
            given.set(worker, (given.get(worker) ?? 0) - 1)
            done++
            outcomes[number] = outcome
            try {
              onDone?.(outcome, number)
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
