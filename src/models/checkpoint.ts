import {type AskedFlags, type CheckpointKind, decodeCheckpointFile, encodeCheckpointFile} from './checkpoint-file.ts'
import type {TrainingState, ValidationPoint} from './trainer.ts'

const KIND: CheckpointKind = {magic: 'GPICKPT1', name: 'one', otherRun: 'another model, data or options'}

interface Fields {
  readonly step: number
  readonly best: {readonly step: number; readonly validLoss: number} | undefined
  readonly history: readonly ValidationPoint[]
  readonly recent: TrainingState['recent']
  readonly spent?: TrainingState['spent']
}

/** A training state as bytes. */
export const encodeCheckpoint = (
  {optimiser, best, history, recent, spent}: TrainingState,
  runHash: string,
  asked?: AskedFlags,
): Uint8Array => {
  const fields: Fields = {
    step: optimiser.step,
    best: best === undefined ? undefined : {step: best.step, validLoss: best.validLoss},
    history,
    recent,
    ...(spent === undefined ? {} : {spent}),
  }
  return encodeCheckpointFile(KIND, runHash, fields, optimiser.tensors, best?.weights, asked)
}

/** Reads a checkpoint of the run with this hash. Refuses a damaged file and one of another model, data or options. */
export const decodeCheckpoint = (
  bytes: Uint8Array,
  runHash: string,
  file: string,
  asked?: AskedFlags,
): TrainingState => {
  const {header, current, best} = decodeCheckpointFile<Fields>(KIND, bytes, runHash, file, asked)
  return {
    optimiser: {step: header.step, tensors: current},
    best: header.best === undefined ? undefined : {...header.best, weights: best},
    history: header.history,
    recent: header.recent,
    ...(header.spent === undefined ? {} : {spent: header.spent}),
  }
}
