import {parentPort, workerData} from 'node:worker_threads'
import type {PatternWrite} from '../memory/pattern.ts'
import {openPatternStore} from './memory-store.ts'
import type {WriterData} from './pattern-writer.ts'
import {stepAside} from './step-aside.ts'

/** The thread that waits for the pattern bank's disk or server. */
export interface WriterRequest {
  readonly batch: number
  readonly writes: readonly PatternWrite[]
}
export type WriterAnswer =
  | {readonly kind: 'ready'}
  | {readonly kind: 'written'; readonly batch: number}
  | {readonly kind: 'failed'; readonly batch: number; readonly message: string}

const port = parentPort
if (port === null) throw new Error('pattern-writer-worker must run as a worker thread')
const tell = (answer: WriterAnswer): void => port.postMessage(answer)

stepAside()
const {config, directory, environment} = workerData as WriterData
const store = await openPatternStore({config, directory, environment, notices: []})
port.on('message', ({batch, writes}: WriterRequest) => {
  store.apply(writes).then(
    () => tell({kind: 'written', batch}),
    (error: Error) => tell({kind: 'failed', batch, message: error.message}),
  )
})
tell({kind: 'ready'})
