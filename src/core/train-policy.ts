import {Worker} from 'node:worker_threads'
import type {TrialLog} from '../evaluation/trial-log.ts'
import {errorOfRefusal, type Refusal} from './refusal.ts'
import type {TrainProgress} from './train-parts.ts'
import type {PolicyTrainRequest, PolicyTrainResult} from './train-policy-run.ts'

type Message =
  | {readonly kind: 'progress'; readonly progress: TrainProgress}
  | {readonly kind: 'done'; readonly result: PolicyTrainResult}
  | Refusal

export interface PolicyTrainOptions {
  readonly onProgress?: (progress: TrainProgress) => void
  /** Aborting ends after the current update: the checkpoint and the best policy so far are written. */
  readonly signal?: AbortSignal
  /** Where every policy of the project is counted. */
  readonly trials: TrialLog
}

export type PolicyTraining = Omit<PolicyTrainResult, 'trial'>

/** Trains a weight policy in a worker thread; resolves when its files are written. */
export const trainPolicyModel = async (
  given: Omit<PolicyTrainRequest, 'trials'>,
  {onProgress, signal, trials}: PolicyTrainOptions,
): Promise<PolicyTraining> => {
  const request: PolicyTrainRequest = {...given, trials: trials.trials('policy')}
  const stop = new Int32Array(new SharedArrayBuffer(4))
  const file = import.meta.url.endsWith('.ts') ? './train-policy-worker.ts' : './train-policy-worker.js'
  const worker = new Worker(new URL(file, import.meta.url), {workerData: {request, stop}})
  const ask = (): void => void Atomics.store(stop, 0, 1)
  signal?.addEventListener('abort', ask, {once: true})
  if (signal?.aborted) ask()
  try {
    const {trial, ...result} = await new Promise<PolicyTrainResult>((resolve, reject) => {
      worker.on('message', (message: Message) => {
        switch (message.kind) {
          case 'progress':
            onProgress?.(message.progress)
            break
          case 'done':
            resolve(message.result)
            break
          case 'refused':
            reject(errorOfRefusal(message))
            break
          default:
            message satisfies never
        }
      })
      worker.on('error', reject)
      worker.on('exit', code => reject(new Error(`the training thread ended with code ${code} and no result`)))
    })
    trials.record(trial)
    return result
  } finally {
    signal?.removeEventListener('abort', ask)
  }
}
