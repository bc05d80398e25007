import {parentPort} from 'node:worker_threads'
import {type Refusal, refusalOf} from './refusal.ts'
import type {StreamSeries} from './train-policy-series.ts'
import {runStream, type StreamJob} from './train-policy-stream.ts'

export type StreamAnswer = {readonly kind: 'done'; readonly series: StreamSeries} | Refusal

const port = parentPort
if (port === null) throw new Error('train-policy-stream-worker must run as a worker thread')
port.on('message', async (job: StreamJob) => {
  try {
    port.postMessage({kind: 'done', series: await runStream(job)} satisfies StreamAnswer)
  } catch (error) {
    port.postMessage(refusalOf(error) satisfies StreamAnswer)
  }
})
