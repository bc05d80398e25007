import {parentPort, workerData} from 'node:worker_threads'
import type {OptionQuote} from '../options/option-quote.ts'
import type {SentimentHeads} from '../strategies/services.ts'
import {openEmbedder} from './embed.ts'
import {headsOf} from './heads-service.ts'

export interface HeadsWorkerData {
  readonly model: Uint8Array
  readonly name: string
}
export interface HeadsRequest {
  readonly id: number
  readonly quotes: readonly OptionQuote[]
}
export type HeadsReply =
  | {readonly kind: 'ready'}
  | {readonly kind: 'heads'; readonly id: number; readonly heads: SentimentHeads | null}
  | {readonly kind: 'failed'; readonly id: number; readonly message: string}

const {model, name} = workerData as HeadsWorkerData
const port = parentPort
if (port === null) throw new Error('heads-worker must run as a worker thread')
const reply = (message: HeadsReply): void => port.postMessage(message)
const embedder = openEmbedder(model, name)
port.on('message', ({id, quotes}: HeadsRequest) => {
  try {
    reply({kind: 'heads', id, heads: headsOf(embedder.embed(quotes))})
  } catch (error) {
    reply({kind: 'failed', id, message: (error as Error).message})
  }
})
reply({kind: 'ready'})
