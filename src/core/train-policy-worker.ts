import {parentPort, workerData} from 'node:worker_threads'
import {refusalOf} from './refusal.ts'
import type {TrainHooks} from './train-parts.ts'
import {type PolicyTrainRequest, runPolicyTraining} from './train-policy-run.ts'

/** Trains a policy in its own thread, so that the terminal stays alive and a stop can be asked for at any update. */
const {request, stop} = workerData as {readonly request: PolicyTrainRequest; readonly stop: Int32Array}
const port = parentPort
if (port === null) throw new Error('train-policy-worker must run as a worker thread')

try {
  const hooks: TrainHooks = {
    onProgress: progress => port.postMessage({kind: 'progress', progress}),
    isStopped: () => Atomics.load(stop, 0) === 1,
  }
  port.postMessage({kind: 'done', result: await runPolicyTraining(request, hooks)})
} catch (error) {
  port.postMessage(refusalOf(error))
}
