import {parentPort} from 'node:worker_threads'
import {type Refusal, refusalOf} from './refusal.ts'
import {loadStrategyModules} from './strategy-module.ts'
import type {PathRequest, PathResult} from './stress-path.ts'
import {runStressPath, type StressRunOptions} from './stress-run.ts'

/** A thread that runs paths one after the other. */
export interface StressJob {
  readonly number: number
  readonly request: PathRequest
  readonly options: StressRunOptions
}
export type StressAnswer = {readonly kind: 'done'; readonly number: number; readonly result: PathResult} | Refusal

const port = parentPort
if (port === null) throw new Error('stress-worker must run as a worker thread')
port.on('message', async ({number, request, options}: StressJob) => {
  try {
    const modules = await loadStrategyModules(options.strategies)
    port.postMessage({kind: 'done', number, result: runStressPath(request, options, modules)} satisfies StressAnswer)
  } catch (error) {
    port.postMessage(refusalOf(error) satisfies StressAnswer)
  }
})
