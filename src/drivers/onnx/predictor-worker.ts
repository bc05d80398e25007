import {parentPort, workerData} from 'node:worker_threads'
import {copyPrediction, type OutputName, type Prediction} from '../../models/inference.ts'
import {openSyncPredictor} from './sync-predictor.ts'

/** Memory shared with the caller: windows go in, predictions come out; messages only say how many. */
export interface PredictorWorkerData {
  readonly model: Uint8Array
  readonly window: number
  readonly width: number
  readonly device: string
  readonly windows: Float32Array
  /** Room for every output there is; a model fills those it has. */
  readonly prediction: Prediction
}

export type PredictorReply =
  | {readonly kind: 'ready'; readonly device: string; readonly outputs: readonly OutputName[]}
  | {readonly kind: 'done'}
  | {readonly kind: 'failed'; readonly message: string}

const {model, window, width, device, windows, prediction} = workerData as PredictorWorkerData
const port = parentPort
if (port === null) throw new Error('predictor-worker must run as a worker thread')
const reply = (message: PredictorReply): void => port.postMessage(message)

try {
  const predictor = openSyncPredictor(model, {window, width}, device)
  port.on('message', (rows: number) => {
    try {
      copyPrediction(predictor.predict(windows, rows), 0, rows, prediction, 0)
      reply({kind: 'done'})
    } catch (error) {
      reply({kind: 'failed', message: (error as Error).message})
    }
  })
  reply({kind: 'ready', device: predictor.device, outputs: predictor.outputs ?? []})
} catch (error) {
  reply({kind: 'failed', message: (error as Error).message})
}
