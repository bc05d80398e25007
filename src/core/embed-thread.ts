import {Worker} from 'node:worker_threads'
import {EMBEDDING_WIDTH} from '../models/embedder.ts'
import type {OptionQuote} from '../options/option-quote.ts'
import type {EmbeddingRecord} from './embed.ts'
import {QUOTE_NUMBERS, writeQuotes} from './embed-columns.ts'
import type {EmbedReply, EmbedTask, EmbedWorkerData} from './embed-worker.ts'

/** An embedder in a thread of its own. */
export interface EmbedThread extends AsyncDisposable {
  readonly modelHash: string
  /**
   * Resolves with the chain's embedding, undefined where it has no usable expiry. The caller's thread only copies the quotes:
   * about a tenth of a microsecond each. Rejects when the chain cannot be read or the thread ends.
   */
  readonly embed: (quotes: readonly OptionQuote[]) => Promise<Omit<EmbeddingRecord, 'cached'> | undefined>
}

export interface EmbedThreadOptions {
  /** Chains under way at once; more wait. They share one run of the model where they can. */
  readonly slots?: number
  /** Most contracts of a chain. */
  readonly maxContracts?: number
}

interface Pending {
  readonly quotes: readonly OptionQuote[]
  readonly resolve: (record: Omit<EmbeddingRecord, 'cached'> | undefined) => void
  readonly reject: (error: Error) => void
}

/** Starts the thread and resolves when its model is loaded. Rejects with what kept it from loading. */
export const openEmbedThread = async (
  model: Uint8Array,
  name: string,
  {slots = 4, maxContracts = 32_768}: EmbedThreadOptions = {},
): Promise<EmbedThread> => {
  const quotes = new SharedArrayBuffer(slots * maxContracts * QUOTE_NUMBERS * 8)
  const vectors = new SharedArrayBuffer(slots * EMBEDDING_WIDTH * 4)
  const workerData: EmbedWorkerData = {model, name, quotes, vectors, slotQuotes: maxContracts, width: EMBEDDING_WIDTH}
  const file = import.meta.url.endsWith('.ts') ? './embed-worker.ts' : './embed-worker.js'
  const worker = new Worker(new URL(file, import.meta.url), {workerData})
  const free = Array.from({length: slots}, (_, slot) => slot)
  const under = new Map<number, Pending>()
  const waiting: Pending[] = []
  let modelHash = ''
  let failure: Error | undefined

  const start = (slot: number, pending: Pending): void => {
    const into = new Float64Array(quotes, slot * maxContracts * QUOTE_NUMBERS * 8, maxContracts * QUOTE_NUMBERS)
    const task: EmbedTask = {slot, count: pending.quotes.length, ...writeQuotes(pending.quotes, into)}
    under.set(slot, pending)
    worker.postMessage(task)
  }
  /** Hands the slot on; called once its answer has been read. */
  const release = (slot: number): void => {
    under.delete(slot)
    const next = waiting.shift()
    if (next !== undefined) start(slot, next)
    else {
      free.push(slot)
      if (under.size === 0) worker.unref()
    }
  }
  const fail = (error: Error): void => {
    failure = error
    for (const pending of [...under.values(), ...waiting]) pending.reject(error)
    under.clear()
    waiting.length = 0
  }
  const receive = (message: Exclude<EmbedReply, {kind: 'ready'}>): void => {
    const {slot} = message
    const pending = under.get(slot)
    if (message.kind === 'failed') pending?.reject(new RangeError(message.message))
    else if (message.rest === null) pending?.resolve(undefined)
    else {
      const vector = Array.from(new Float32Array(vectors, slot * EMBEDDING_WIDTH * 4, EMBEDDING_WIDTH))
      pending?.resolve({kind: 'embedding', ...message.rest, vector, modelHash})
    }
    release(slot)
  }
  await new Promise<void>((resolve, reject) => {
    worker.on('message', (message: EmbedReply) => {
      if (message.kind !== 'ready') return receive(message)
      modelHash = message.modelHash
      resolve()
    })
    worker.on('error', error => {
      fail(error as Error)
      reject(error as Error)
    })
    worker.on('exit', () => fail(failure ?? new Error('the embedding thread has ended')))
  })
  // It must not keep the process alive by itself.
  worker.unref()
  return {
    modelHash,
    embed: chain => {
      if (failure !== undefined) return Promise.reject(failure)
      if (chain.length > maxContracts)
        return Promise.reject(new RangeError(`a chain has at most ${maxContracts} contracts here, was ${chain.length}`))
      return new Promise((resolve, reject) => {
        const pending = {quotes: chain, resolve, reject}
        const slot = free.pop()
        worker.ref()
        if (slot === undefined) waiting.push(pending)
        else start(slot, pending)
      })
    },
    [Symbol.asyncDispose]: async () => {
      await worker.terminate()
    },
  }
}
