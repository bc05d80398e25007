import {Worker} from 'node:worker_threads'
import {knownModel} from '../models/catalogue.ts'
import {errorOfRefusal, type Refusal} from './refusal.ts'
import type {TrainProgress, TrainRequest} from './train-parts.ts'
import type {TrainResult} from './train-run.ts'

type Message =
  | {readonly kind: 'progress'; readonly progress: TrainProgress}
  | {readonly kind: 'done'; readonly result: TrainResult}
  | Refusal

export interface TrainOptions {
  readonly onProgress?: (progress: TrainProgress) => void
  /** Aborting ends training after the current step: the checkpoint and the best model so far are written. */
  readonly signal?: AbortSignal
}

/** Trains a model in a worker thread; resolves when its files are written. */
export const train = async (request: TrainRequest, {onProgress, signal}: TrainOptions = {}): Promise<TrainResult> => {
  if (request.model !== 'embedder') knownModel(request.model)
  const stop = new Int32Array(new SharedArrayBuffer(4))
  const file = import.meta.url.endsWith('.ts') ? './train-worker.ts' : './train-worker.js'
  const worker = new Worker(new URL(file, import.meta.url), {workerData: {request, stop}})
  const ask = (): void => void Atomics.store(stop, 0, 1)
  signal?.addEventListener('abort', ask, {once: true})
  if (signal?.aborted) ask()
  return new Promise<TrainResult>((resolve, reject) => {
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
  }).finally(() => signal?.removeEventListener('abort', ask))
}
