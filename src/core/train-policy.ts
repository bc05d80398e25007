import type {TrialLog} from '../evaluation/trial-log.ts'
import type {TrainProgress} from './train-parts.ts'
import type {PolicyTrainRequest, PolicyTrainResult} from './train-policy-run.ts'
import {runTraining} from './training-thread.ts'

export interface PolicyTrainOptions {
  readonly onProgress?: (progress: TrainProgress) => void
  /** Aborting ends after the current update: the checkpoint and the best policy so far are written. */
  readonly signal?: AbortSignal
  /** Where every policy of the project is counted. */
  readonly trials: TrialLog
}

export type PolicyTraining = Omit<PolicyTrainResult, 'trial'>

/** Trains a weight policy in a worker thread; resolves when its files are written. */
export const trainPolicyModel = async (
  given: Omit<PolicyTrainRequest, 'trials'>,
  {onProgress, signal, trials}: PolicyTrainOptions,
): Promise<PolicyTraining> => {
  const request: PolicyTrainRequest = {...given, trials: trials.trials('policy')}
  const {trial, ...result} = await runTraining<PolicyTrainResult>('./train-policy-worker', request, {
    onProgress,
    signal,
  })
  trials.record(trial)
  return result
}
