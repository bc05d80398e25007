import {type AskedFlags, type CheckpointKind, decodeCheckpointFile, encodeCheckpointFile} from './checkpoint-file.ts'
import type {EmbedderTrainingState} from './embedder-trainer.ts'
import type {Spent} from './trainer.ts'

const KIND: CheckpointKind = {magic: 'GPIEMBD1', name: 'one of an embedder', otherRun: 'other data or options'}

interface Fields {
  readonly step: number
  readonly loss: number
  readonly best: {readonly step: number; readonly error: number} | undefined
  readonly spent: Spent
}

/** An embedder's training state as bytes, with what its steps took. */
export const encodeEmbedderCheckpoint = (
  {optimiser, best, loss}: EmbedderTrainingState,
  spent: Spent,
  runHash: string,
  asked?: AskedFlags,
): Uint8Array => {
  const fields: Fields = {
    step: optimiser.step,
    loss,
    best: best === undefined ? undefined : {step: best.step, error: best.error},
    spent,
  }
  return encodeCheckpointFile(KIND, runHash, fields, optimiser.tensors, best?.weights, asked)
}

/** Reads a checkpoint of the run with this hash. Refuses a damaged file and one of another run. */
export const decodeEmbedderCheckpoint = (
  bytes: Uint8Array,
  runHash: string,
  file: string,
  asked?: AskedFlags,
): EmbedderTrainingState & {readonly spent: Spent} => {
  const {header, current, best} = decodeCheckpointFile<Fields>(KIND, bytes, runHash, file, asked)
  return {
    optimiser: {step: header.step, tensors: current},
    loss: header.loss,
    best: header.best === undefined ? undefined : {...header.best, weights: best},
    spent: header.spent,
  }
}
