import {Worker} from 'node:worker_threads'
import {errorOfRefusal, type Refusal} from './refusal.ts'
import type {TrainProgress} from './train-parts.ts'

type Message<Result> =
  | {readonly kind: 'progress'; readonly progress: TrainProgress}
  | {readonly kind: 'done'; readonly result: Result}
  | Refusal

export interface TrainingThreadOptions {
  readonly onProgress?: ((progress: TrainProgress) => void) | undefined
  readonly signal?: AbortSignal | undefined
}

/** Runs a training in the worker of this name, without suffix; a stop is asked for through shared memory. Rejects with its refusal. */
export const runTraining = <Result>(
  worker: './train-worker' | './train-policy-worker',
  request: object,
  {onProgress, signal}: TrainingThreadOptions,
): Promise<Result> => {
  const stop = new Int32Array(new SharedArrayBuffer(4))
  const suffix = import.meta.url.endsWith('.ts') ? '.ts' : '.js'
  const thread = new Worker(new URL(`${worker}${suffix}`, import.meta.url), {workerData: {request, stop}})
  const ask = (): void => void Atomics.store(stop, 0, 1)
  signal?.addEventListener('abort', ask, {once: true})
  if (signal?.aborted) ask()
  return new Promise<Result>((resolve, reject) => {
    thread.on('message', (message: Message<Result>) => {
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
    thread.on('error', reject)
    thread.on('exit', code => reject(new Error(`the training thread ended with code ${code} and no result`)))
  }).finally(() => signal?.removeEventListener('abort', ask))
}
