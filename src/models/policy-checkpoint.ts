import {ExitCode, UserError} from '../domain/errors.ts'
import type {Weights} from '../nn/nn.ts'
import {sha256} from './model-file.ts'
import type {CollectorState} from './policy-rollout.ts'
import type {PpoState} from './ppo.ts'

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
}

interface Header {
  readonly runHash: string
  readonly updates: number
  readonly step: number
  readonly collector: CollectorState
  readonly best: {readonly step: number; readonly validReward: number} | undefined
  readonly history: readonly PolicyValidation[]
  readonly tensors: readonly {readonly name: string; readonly length: number}[]
  readonly sha256: string
}

const MAGIC = 'GPIPLCY1'
const BEST = 'best:'
const START = MAGIC.length + 4

/** A magic word, a JSON header with a checksum, then raw little-endian float32. */
export const encodePolicyCheckpoint = ({ppo, best, history}: PolicyTrainingState, runHash: string): Uint8Array => {
  const tensors = [
    ...ppo.optimiser.tensors,
    ...[...(best?.weights ?? [])].map(([name, values]) => [`${BEST}${name}`, values] as const),
  ]
  const body = new Uint8Array(tensors.reduce((sum, [, values]) => sum + values.byteLength, 0))
  let at = 0
  for (const [, values] of tensors) {
    body.set(new Uint8Array(values.buffer, values.byteOffset, values.byteLength), at)
    at += values.byteLength
  }
  const header: Header = {
    runHash,
    updates: ppo.updates,
    step: ppo.optimiser.step,
    collector: ppo.collector,
    best: best === undefined ? undefined : {step: best.step, validReward: best.validReward},
    history,
    tensors: tensors.map(([name, values]) => ({name, length: values.length})),
    sha256: sha256(body),
  }
  const text = new TextEncoder().encode(JSON.stringify(header))
  const out = new Uint8Array(START + text.length + body.length)
  out.set(new TextEncoder().encode(MAGIC))
  new DataView(out.buffer).setUint32(MAGIC.length, text.length, true)
  out.set(text, START)
  out.set(body, START + text.length)
  return out
}

/** Reads a checkpoint of the run with this hash. Refuses a damaged file and one of other data or options. */
export const decodePolicyCheckpoint = (bytes: Uint8Array, runHash: string, file: string): PolicyTrainingState => {
  const damaged = (reason: string): UserError =>
    new UserError('CHECKPOINT_INVALID', `${file} is not a usable checkpoint: ${reason}`, {
      hints: ['start again without --resume'],
      exitCode: ExitCode.invalidData,
    })
  if (bytes.length < START || new TextDecoder().decode(bytes.subarray(0, MAGIC.length)) !== MAGIC)
    throw damaged('it is not one of a policy')
  const length = new DataView(bytes.buffer, bytes.byteOffset).getUint32(MAGIC.length, true)
  if (START + length > bytes.length) throw damaged('it is truncated')
  const header = JSON.parse(new TextDecoder().decode(bytes.subarray(START, START + length))) as Header
  const body = bytes.slice(START + length)
  if (sha256(body) !== header.sha256) throw damaged('its checksum does not match')
  if (header.runHash !== runHash)
    throw new UserError('CHECKPOINT_OTHER_RUN', `${file} belongs to a run with other data or options`, {
      hints: ['repeat the exact flags of that run, or start again without --resume'],
    })
  const floats = new Float32Array(body.buffer)
  const [current, best] = [new Map<string, Float32Array>(), new Map<string, Float32Array>()]
  let at = 0
  for (const {name, length: size} of header.tensors) {
    const values = floats.slice(at, at + size)
    at += size
    if (name.startsWith(BEST)) best.set(name.slice(BEST.length), values)
    else current.set(name, values)
  }
  return {
    ppo: {
      updates: header.updates,
      optimiser: {step: header.step, tensors: current},
      collector: header.collector,
    },
    best: header.best === undefined ? undefined : {...header.best, weights: best},
    history: header.history,
  }
}
