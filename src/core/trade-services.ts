import {once} from 'node:events'
import {Worker} from 'node:worker_threads'
import type {Config} from '../config/schema.ts'
import type {Prediction} from '../models/inference.ts'
import type {OptionQuote} from '../options/option-quote.ts'
import type {Answer, HeadsService, SentimentHeads, StrategyServices} from '../strategies/services.ts'
import {headsService} from './heads-service.ts'
import type {HeadsReply, HeadsRequest, HeadsWorkerData} from './heads-worker.ts'
import {loadModel, readModelFile} from './model-files.ts'
import {type ServedModel, signalModelOf} from './signal-service.ts'
import {embedderSeenUntil} from './strategy-services.ts'

/**
 * The models that a trading node's strategies ask, each in a thread of its own: the loop copies the question over and looks
 * for the answer later. The same bytes as in a back-test, so the same question has the same answer.
 */
export interface TradeServicesOptions {
  readonly config: Config
  readonly onFailure: (message: string) => void
  /** Of a simulated market nothing can have been seen in training. */
  readonly isSimulated?: boolean
}

export const openTradeHeads = async (
  {config, onFailure, isSimulated = false}: TradeServicesOptions,
  stack: AsyncDisposableStack,
): Promise<HeadsService> => {
  const {bytes, path, card} = readModelFile('embedder', config.model.directory)
  const file = import.meta.url.endsWith('.ts') ? './heads-worker.ts' : './heads-worker.js'
  const worker = new Worker(new URL(file, import.meta.url), {
    workerData: {model: bytes, name: path} satisfies HeadsWorkerData,
  })
  await once(worker, 'message')
  stack.defer(async () => void (await worker.terminate()))
  worker.unref()
  const waiting = new Map<number, (heads: SentimentHeads | null) => void>()
  worker.on('message', (reply: HeadsReply) => {
    if (reply.kind === 'ready') return
    if (reply.kind === 'failed') onFailure(`the embedder gave no answer: ${reply.message}`)
    waiting.get(reply.id)?.(reply.kind === 'heads' ? reply.heads : null)
    waiting.delete(reply.id)
  })
  worker.on('error', (error: Error) => onFailure(`the embedder's thread ended: ${error.message}`))
  let next = 0
  return headsService('embedder', isSimulated ? 0 : embedderSeenUntil(card), (quotes: readonly OptionQuote[]) => {
    let heads: SentimentHeads | null | undefined
    const id = ++next
    waiting.set(id, found => {
      heads = found
    })
    worker.postMessage({id, quotes} satisfies HeadsRequest)
    return () => heads
  })
}

export const openTradeModels = async (
  {config, onFailure, isSimulated = false}: TradeServicesOptions,
  names: readonly string[],
  stack: AsyncDisposableStack,
): Promise<NonNullable<StrategyServices['model']>> => {
  const {openWorkerPredictor} = await import('../drivers/onnx/worker-predictor.ts')
  const served = new Map<string, ServedModel>()
  for (const name of new Set(names)) {
    const {bytes, description, card} = loadModel(name, config.model.directory)
    // On the CPU whatever the configuration prefers: another device gives other bits than the back-test's.
    const predictor = stack.use(await openWorkerPredictor(bytes, description, {device: 'cpu'}))
    const ask = (window: Float32Array): Answer<Prediction> => {
      let prediction: Prediction | undefined
      predictor.predict(window, 1).then(
        found => {
          prediction = found
        },
        (error: Error) => onFailure(`model ${name} gave no answer: ${error.message}`),
      )
      return () => prediction
    }
    served.set(name, {description, card: isSimulated ? undefined : card, ask})
  }
  return request => {
    const found = served.get(request.name)
    return found === undefined ? undefined : signalModelOf(found, request)
  }
}
