import {parentPort, receiveMessageOnPort, workerData} from 'node:worker_threads'
import {openOrtSession} from '../drivers/onnx/ort-session.ts'
import {sha256} from '../models/model-file.ts'
import {type EmbeddingRecord, embedChains} from './embed.ts'
import {type ChainWords, QUOTE_NUMBERS, readQuotes} from './embed-columns.ts'
import {readEmbedder} from './embedder-file.ts'

export interface EmbedWorkerData {
  readonly model: Uint8Array
  readonly name: string
  /** Quotes of all slots. */
  readonly quotes: SharedArrayBuffer
  /** Vectors of all slots. */
  readonly vectors: SharedArrayBuffer
  readonly slotQuotes: number
  readonly width: number
}

/** A chain whose quotes lie in a slot. */
export interface EmbedTask extends ChainWords {
  readonly slot: number
  readonly count: number
}
type Rest = Omit<EmbeddingRecord, 'cached' | 'vector' | 'kind' | 'modelHash'>
export type EmbedReply =
  | {readonly kind: 'ready'; readonly modelHash: string}
  /** The vector lies in the slot; null where the chain has no usable expiry. */
  | {readonly kind: 'embedded'; readonly slot: number; readonly rest: Rest | null}
  | {readonly kind: 'failed'; readonly slot: number; readonly message: string}

const {model, name, quotes, vectors, slotQuotes, width} = workerData as EmbedWorkerData
const port = parentPort
if (port === null) throw new Error('embed-worker must run as a worker thread')
const reply = (message: EmbedReply): void => port.postMessage(message)
const session = openOrtSession(model, {threads: 1})
const {prior} = readEmbedder(model, name)
const modelHash = sha256(model)

/** Everything that waits, in one run of the model. */
port.on('message', (first: EmbedTask) => {
  const tasks = [first]
  for (let next = receiveMessageOnPort(port); next !== undefined; next = receiveMessageOnPort(port))
    tasks.push(next.message as EmbedTask)
  const chains = tasks.map(task =>
    readQuotes(new Float64Array(quotes, task.slot * slotQuotes * QUOTE_NUMBERS * 8), task.count, task),
  )
  try {
    answer(tasks, embedChains(session, modelHash, prior, chains))
  } catch {
    // One bad chain must not take the others with it.
    for (const [i, task] of tasks.entries()) {
      try {
        answer([task], embedChains(session, modelHash, prior, [chains[i] ?? []]))
      } catch (error) {
        reply({kind: 'failed', slot: task.slot, message: (error as Error).message})
      }
    }
  }
})

const answer = (tasks: readonly EmbedTask[], records: ReturnType<typeof embedChains>): void => {
  for (const [i, {slot}] of tasks.entries()) {
    const record = records[i]
    if (record === undefined) {
      reply({kind: 'embedded', slot, rest: null})
      continue
    }
    new Float32Array(vectors, slot * width * 4, width).set(record.vector)
    const {symbol, tsUs, heads} = record
    reply({kind: 'embedded', slot, rest: {symbol, tsUs, heads}})
  }
}

reply({kind: 'ready', modelHash})
