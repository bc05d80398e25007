import {parentPort, workerData} from 'node:worker_threads'
import {ExitCode, UserError} from '../domain/errors.ts'
import type {SharedTape} from './shared-tape.ts'
import {type FailedTrial, runTrial, type TrialOutcome, type TrialRequest, trialId} from './trial.ts'

export interface TrialJob {
  readonly number: number
  readonly request: TrialRequest
}
export interface TrialAnswer {
  readonly number: number
  readonly outcome: TrialOutcome
}

const {tape} = (workerData ?? {}) as {readonly tape?: SharedTape}
const port = parentPort
if (port === null) throw new Error('trial-worker must run as a worker thread')
const work = async ({number, request}: TrialJob): Promise<void> => {
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
