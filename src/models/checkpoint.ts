import {ExitCode, UserError} from '../domain/errors.ts'
import {sha256} from './model-file.ts'
import type {TrainingState, ValidationPoint} from './trainer.ts'

const MAGIC = 'GPICKPT1'

interface Header {
  readonly runHash: string
  readonly step: number
  readonly best: {readonly step: number; readonly validLoss: number} | undefined
  readonly history: readonly ValidationPoint[]
  readonly recent: TrainingState['recent']
  readonly tensors: readonly {readonly name: string; readonly length: number}[]
  readonly sha256: string
}

const BEST = 'best:'

/** A training state as bytes: a magic word, a JSON header with a checksum, then raw little-endian float32. */
export const encodeCheckpoint = (state: TrainingState, runHash: string): Uint8Array => {
  const tensors = [
    ...state.optimiser.tensors,
    ...[...(state.best?.weights ?? [])].map(([name, values]) => [`${BEST}${name}`, values] as const),
  ]
  const body = new Uint8Array(tensors.reduce((sum, [, values]) => sum + values.byteLength, 0))
  let at = 0
  for (const [, values] of tensors) {
    body.set(new Uint8Array(values.buffer, values.byteOffset, values.byteLength), at)
    at += values.byteLength
  }
  const header: Header = {
    runHash,
    step: state.optimiser.step,
    best: state.best === undefined ? undefined : {step: state.best.step, validLoss: state.best.validLoss},
    history: state.history,
    recent: state.recent,
    tensors: tensors.map(([name, values]) => ({name, length: values.length})),
    sha256: sha256(body),
  }
  const text = new TextEncoder().encode(JSON.stringify(header))
  const out = new Uint8Array(MAGIC.length + 4 + text.length + body.length)
  out.set(new TextEncoder().encode(MAGIC))
  new DataView(out.buffer).setUint32(MAGIC.length, text.length, true)
  out.set(text, MAGIC.length + 4)
  out.set(body, MAGIC.length + 4 + text.length)
  return out
}

/** Reads a checkpoint of the run with this hash. Refuses a damaged file and one of another model, data or options. */
export const decodeCheckpoint = (bytes: Uint8Array, runHash: string, file: string): TrainingState => {
  const damaged = (reason: string): UserError =>
    new UserError('CHECKPOINT_INVALID', `${file} is not a usable checkpoint: ${reason}`, {
      hints: ['start again without --resume'],
      exitCode: ExitCode.invalidData,
    })
  const start = MAGIC.length + 4
  if (bytes.length < start || new TextDecoder().decode(bytes.subarray(0, MAGIC.length)) !== MAGIC)
    throw damaged('it is not one')
  const length = new DataView(bytes.buffer, bytes.byteOffset).getUint32(MAGIC.length, true)
  if (start + length > bytes.length) throw damaged('it is truncated')
  const header = JSON.parse(new TextDecoder().decode(bytes.subarray(start, start + length))) as Header
  const body = bytes.slice(start + length)
  if (sha256(body) !== header.sha256) throw damaged('its checksum does not match')
  if (header.runHash !== runHash) {
    throw new UserError('CHECKPOINT_OTHER_RUN', `${file} belongs to a run with another model, data or options`, {
      hints: ['repeat the exact flags of that run, or start again without --resume'],
    })
  }
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
    optimiser: {step: header.step, tensors: current},
    best: header.best === undefined ? undefined : {...header.best, weights: best},
    history: header.history,
    recent: header.recent,
  }
}
