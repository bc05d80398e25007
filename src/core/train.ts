import {knownModel} from '../models/catalogue.ts'
import type {TrainProgress, TrainRequest} from './train-parts.ts'
import type {TrainResult} from './train-run.ts'
import {runTraining} from './training-thread.ts'

export interface TrainOptions {
  readonly onProgress?: (progress: TrainProgress) => void
  /** Aborting ends training after the current step: the checkpoint and the best model so far are written. */
  readonly signal?: AbortSignal
}

/** Trains a model in a worker thread; resolves when its files are written. */
export const train = async (request: TrainRequest, {onProgress, signal}: TrainOptions = {}): Promise<TrainResult> => {
  if (request.model !== 'embedder') knownModel(request.model)
  return runTraining<TrainResult>('./train-worker', request, {onProgress, signal})
}
