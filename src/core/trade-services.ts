import type {Config} from '../config/schema.ts'
import type {Prediction} from '../models/inference.ts'
import type {Answer, HeadsService, SentimentHeads, StrategyServices} from '../strategies/services.ts'
import {openEmbedThread} from './embed-thread.ts'
import {headsOf, headsService} from './heads-service.ts'
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
  // One chain a run of the model: a batch of several may differ in the last bit from the back-test's one at a time.
  const thread = stack.use(await openEmbedThread(bytes, path, {slots: 1}))
  return headsService('embedder', isSimulated ? 0 : embedderSeenUntil(card), quotes => {
    let heads: SentimentHeads | null | undefined
    thread.embed(quotes).then(
      record => {
        heads = headsOf(record)
      },
      (error: Error) => {
        heads = null
        onFailure(`the embedder gave no answer: ${error.message}`)
      },
    )
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
