import {parentPort} from 'node:worker_threads'
import {ExitCode, UserError} from '../domain/errors.ts'
import type {SharedTape} from './shared-tape.ts'
import {type FailedTrial, runTrial, type TrialOutcome, type TrialRequest, trialId} from './trial.ts'

/** A trial to run, or what those after it replay. */
export type TrialJob = {readonly number: number; readonly request: TrialRequest} | {readonly tape: SharedTape}
export interface TrialAnswer {
  readonly number: number
  readonly outcome: TrialOutcome
}

const port = parentPort
if (port === null) throw new Error('trial-worker must run as a worker thread')
let tape: SharedTape | undefined
const work = async (job: TrialJob): Promise<void> => {
  if ('tape' in job) {
    tape = job.tape
    return
  }
  const {number, request} = job
  const outcome = await runTrial(request, tape).catch((error: unknown) => failureOf(request, error))
  port.postMessage({number, outcome} satisfies TrialAnswer)
}

/** A strategy may fail with some parameters and not with others, so an error belongs to its trial. */
const failureOf = (request: TrialRequest, error: unknown): FailedTrial => {
  const {params} = request
  const told =
    error instanceof UserError
      ? {code: error.code, message: error.message, hints: error.hints, exitCode: error.exitCode}
      : {code: (error as Error)?.name ?? 'Error', message: placed(error), hints: [], exitCode: ExitCode.failure}
  return {kind: 'failed', id: trialId(request), params, ...told}
}

/** The message, and where in whose file it was thrown. */
const placed = (error: unknown): string => {
  if (!(error instanceof Error)) return String(error)
  const frame = /^\s+at (.*)$/m.exec(error.stack ?? '')?.[1]
  return frame === undefined ? error.message : `${error.message} (at ${frame.replaceAll('file://', '')})`
}

// A trial gives others a turn while it runs; the next one is here already, and waits for it.
let last: Promise<void> = Promise.resolve()
port.on('message', (job: TrialJob) => {
  last = last.then(() => work(job))
})
