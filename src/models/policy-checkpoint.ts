import type {Weights} from '../nn/nn.ts'
import {type AskedFlags, type CheckpointKind, decodeCheckpointFile, encodeCheckpointFile} from './checkpoint-file.ts'
import type {CollectorState} from './policy-rollout.ts'
import type {PpoState} from './ppo.ts'
import type {Spent} from './trainer.ts'

/** A validation of a policy in training. */
export interface PolicyValidation {
  /** Optimiser steps. */
  readonly step: number
  /** Mean reward a period on the validation stretches, in the markets' deviations. */
  readonly validReward: number
  readonly trainLoss: number
  /** Mean undiscounted return of the last hundred episodes. */
  readonly meanReturn: number | null
}

/** Everything a policy run is between two updates. */
export interface PolicyTrainingState {
  readonly ppo: PpoState
  readonly best: {readonly step: number; readonly validReward: number; readonly weights: Weights} | undefined
  readonly history: readonly PolicyValidation[]
  /** Kept by whoever has a clock; absent in checkpoints of before it was. */
  readonly spent?: Spent
}

interface Fields {
  readonly updates: number
  readonly step: number
  readonly collector: CollectorState
  readonly best: {readonly step: number; readonly validReward: number} | undefined
  readonly history: readonly PolicyValidation[]
  readonly spent?: Spent
}

const KIND: CheckpointKind = {magic: 'GPIPLCY1', name: 'one of a policy', otherRun: 'other data or options'}

/** A policy's training state as bytes. */
export const encodePolicyCheckpoint = (
  {ppo, best, history, spent}: PolicyTrainingState,
  runHash: string,
  asked?: AskedFlags,
): Uint8Array => {
  const fields: Fields = {
    updates: ppo.updates,
    step: ppo.optimiser.step,
    collector: ppo.collector,
    best: best === undefined ? undefined : {step: best.step, validReward: best.validReward},
    history,
    ...(spent === undefined ? {} : {spent}),
  }
  return encodeCheckpointFile(KIND, runHash, fields, ppo.optimiser.tensors, best?.weights, asked)
}

/** Reads a checkpoint of the run with this hash. Refuses a damaged file and one of other data or options. */
export const decodePolicyCheckpoint = (
  bytes: Uint8Array,
  runHash: string,
  file: string,
  asked?: AskedFlags,
): PolicyTrainingState => {
  const {header, current, best} = decodeCheckpointFile<Fields>(KIND, bytes, runHash, file, asked)
  return {
    ppo: {
      updates: header.updates,
      optimiser: {step: header.step, tensors: current},
      collector: header.collector,
    },
    best: header.best === undefined ? undefined : {...header.best, weights: best},
    history: header.history,
    ...(header.spent === undefined ? {} : {spent: header.spent}),
  }
}
