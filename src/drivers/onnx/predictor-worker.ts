import {parentPort, workerData} from 'node:worker_threads'
import {openSyncPredictor} from './sync-predictor.ts'

/** Memory shared with the caller: windows go in, predictions come out; messages only say how many. */
export interface PredictorWorkerData {
  readonly model: Uint8Array
  readonly window: number
  readonly width: number
  readonly device: string
  readonly windows: Float32Array
  readonly probabilities: Float32Array
  readonly holding: Float32Array
  readonly move: Float32Array
}

export type PredictorReply =
  | {readonly kind: 'ready'; readonly device: string}
  | {readonly kind: 'done'}
  | {readonly kind: 'failed'; readonly message: string}

const {model, window, width, device, windows, probabilities, holding, move} = workerData as PredictorWorkerData
const port = parentPort
if (port === null) throw new Error('predictor-worker must run as a worker thread')
const reply = (message: PredictorReply): void => port.postMessage(message)

try {
  const predictor = openSyncPredictor(model, {window, width}, device)
  port.on('message', (rows: number) => {
    try {
      const prediction = predictor.predict(windows, rows)
      probabilities.set(prediction.probabilities)
      holding.set(prediction.holding)
      move.set(prediction.move)
      reply({kind: 'done'})
    } catch (error) {
      reply({kind: 'failed', message: (error as Error).message})
    }
  })
  reply({kind: 'ready', device: predictor.device})
} catch (error) {
  reply({kind: 'failed', message: (error as Error).message})
}
