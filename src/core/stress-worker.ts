import {parentPort} from 'node:worker_threads'
import {UserError} from '../domain/errors.ts'
import type {PathRequest, PathResult} from './stress-path.ts'
import {runStressPath, type StressRunOptions} from './stress-run.ts'

/** A thread that runs paths one after the other. */
export interface StressJob {
  readonly number: number
  readonly request: PathRequest
  readonly options: StressRunOptions
}
export type StressAnswer =
  | {readonly kind: 'done'; readonly number: number; readonly result: PathResult}
  | {
      readonly kind: 'refused'
      readonly code: string
      readonly message: string
      readonly hints: readonly string[]
      readonly exitCode: number
    }

const port = parentPort
if (port === null) throw new Error('stress-worker must run as a worker thread')
port.on('message', ({number, request, options}: StressJob) => {
  try {
    port.postMessage({kind: 'done', number, result: runStressPath(request, options)} satisfies StressAnswer)
  } catch (error) {
    if (!(error instanceof UserError)) throw error
    const {code, message, hints, exitCode} = error
    port.postMessage({kind: 'refused', code, message, hints, exitCode} satisfies StressAnswer)
  }
})
