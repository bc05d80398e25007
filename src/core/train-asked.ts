import type {TrainRequest} from './train-parts.ts'

/** What shapes a training, by its flag. */
const FLAGS = {
  data: '--data',
  symbols: '--symbols',
  size: '--size',
  seed: '--seed',
  batch: '--batch',
  window: '--window',
  maxSteps: '--max-steps',
  validateEvery: '--validate-every',
  patience: '--patience',
  horizon: '--horizon',
  barrier: '--barrier',
  costBps: '--cost-bps',
  noise: '--noise',
  rows: '--rows',
  periodUs: '--period',
  modalityDropout: '--modality-dropout',
  adversarial: '--adversarial',
} as const satisfies Partial<Record<keyof TrainRequest, string>>

/** What a training was asked for, flag by flag: a checkpoint of another run says which differ. */
export const askedFlags = (request: Partial<TrainRequest>): Readonly<Record<string, string>> =>
  Object.fromEntries(
    (Object.keys(FLAGS) as (keyof typeof FLAGS)[]).flatMap(key => {
      const value = key === 'periodUs' && request.periodUs !== undefined ? request.periodUs / 1e6 : request[key]
      return value === undefined ? [] : [[FLAGS[key], String(value)]]
    }),
  )
