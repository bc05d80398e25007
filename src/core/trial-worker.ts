import {parentPort} from 'node:worker_threads'
import {UserError} from '../domain/errors.ts'
import {runTrial, type TrialRequest, type TrialResult} from './trial.ts'

export interface TrialJob {
  readonly number: number
  readonly request: TrialRequest
}
export type TrialAnswer =
  | {readonly kind: 'done'; readonly number: number; readonly result: TrialResult}
  | {
      readonly kind: 'refused'
      readonly code: string
      readonly message: string
      readonly hints: readonly string[]
      readonly exitCode: number
    }

const port = parentPort
if (port === null) throw new Error('trial-worker must run as a worker thread')
port.on('message', async ({number, request}: TrialJob) => {
  try {
    port.postMessage({kind: 'done', number, result: await runTrial(request)} satisfies TrialAnswer)
  } catch (error) {
    // What is not the user's to fix becomes the worker's error event.
    if (!(error instanceof UserError)) throw error
    const {code, message, hints, exitCode} = error
    port.postMessage({kind: 'refused', code, message, hints, exitCode} satisfies TrialAnswer)
  }
})
