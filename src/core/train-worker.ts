import {parentPort, workerData} from 'node:worker_threads'
import {refusalOf} from './refusal.ts'
import {runEmbedderTraining} from './train-embedder.ts'
import type {TrainHooks, TrainRequest} from './train-parts.ts'
import {runTraining} from './train-run.ts'

/** Trains in its own thread, so that the terminal stays alive and a stop can be asked for at any step. */
const {request, stop} = workerData as {readonly request: TrainRequest; readonly stop: Int32Array}
const port = parentPort
if (port === null) throw new Error('train-worker must run as a worker thread')

try {
  const hooks: TrainHooks = {
    onProgress: progress => port.postMessage({kind: 'progress', progress}),
    isStopped: () => Atomics.load(stop, 0) === 1,
  }
  const result =
    request.model === 'embedder' ? await runEmbedderTraining(request, hooks) : await runTraining(request, hooks)
  port.postMessage({kind: 'done', result})
} catch (error) {
  port.postMessage(refusalOf(error))
}
