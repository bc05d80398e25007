import {parentPort, workerData} from 'node:worker_threads'
import {UserError} from '../domain/errors.ts'
import {type Refusal, refusalOf} from './refusal.ts'
import type {SharedTape} from './shared-tape.ts'
import {runTrial, type TrialRequest, type TrialResult} from './trial.ts'

export interface TrialJob {
  readonly number: number
  readonly request: TrialRequest
}
export type TrialAnswer = {readonly kind: 'done'; readonly number: number; readonly result: TrialResult} | Refusal

const {tape} = (workerData ?? {}) as {readonly tape?: SharedTape}
const port = parentPort
if (port === null) throw new Error('trial-worker must run as a worker thread')
const work = async ({number, request}: TrialJob): Promise<void> => {
  try {
    port.postMessage({kind: 'done', number, result: await runTrial(request, tape)} satisfies TrialAnswer)
  } catch (error) {
    // What is not the user's to fix becomes the worker's error event.
    if (error instanceof Error && !(error instanceof UserError) && request.params.length > 0)
      error.message += ` (with ${request.params.join(' ')})`
    port.postMessage(refusalOf(error) satisfies TrialAnswer)
  }
}
// A trial gives others a turn while it runs; the next one is here already, and waits for it.
let last: Promise<void> = Promise.resolve()
port.on('message', (job: TrialJob) => {
  last = last.then(() => work(job))
})
