import {ExitCode, UserError} from '../domain/errors.ts'
import type {Weights} from '../nn/nn.ts'
import {sha256} from './model-file.ts'

/** What sets the checkpoints of one kind of training apart. */
export interface CheckpointKind {
  /** Eight letters at the head of the file. */
  readonly magic: string
  /** Completes "it is not …". */
  readonly name: string
  /** Completes "belongs to a run with …". */
  readonly otherRun: string
}

/** Flags that shaped a run, with their values, so that a refusal can name those that differ. */
export type AskedFlags = Readonly<Record<string, string>>

interface Frame {
  readonly runHash: string
  readonly asked?: AskedFlags
  readonly tensors: readonly {readonly name: string; readonly length: number}[]
  readonly sha256: string
}

const BEST = 'best:'

/** A magic word, a JSON header of `fields` with a checksum, then the tensors and the best weights as raw little-endian float32. */
export const encodeCheckpointFile = (
  {magic}: CheckpointKind,
  runHash: string,
  fields: object,
  current: Weights,
  best: Weights | undefined,
  asked: AskedFlags = {},
): Uint8Array => {
  const tensors = [...current, ...[...(best ?? [])].map(([name, values]) => [`${BEST}${name}`, values] as const)]
  const body = new Uint8Array(tensors.reduce((sum, [, values]) => sum + values.byteLength, 0))
  let at = 0
  for (const [, values] of tensors) {
    body.set(new Uint8Array(values.buffer, values.byteOffset, values.byteLength), at)
    at += values.byteLength
  }
  const frame = {tensors: tensors.map(([name, values]) => ({name, length: values.length})), sha256: sha256(body)}
  const text = new TextEncoder().encode(JSON.stringify({runHash, asked, ...fields, ...frame}))
  const start = magic.length + 4
  const out = new Uint8Array(start + text.length + body.length)
  out.set(new TextEncoder().encode(magic))
  new DataView(out.buffer).setUint32(magic.length, text.length, true)
  out.set(text, start)
  out.set(body, start + text.length)
  return out
}

const headerOf = <Header>(text: string): Header | undefined => {
  try {
    return JSON.parse(text) as Header
  } catch {
    return undefined
  }
}

/** Undefined where both asked for the same, or a checkpoint before these were kept says nothing: then its data differ. */
const differences = (then: AskedFlags | undefined, now: AskedFlags): string | undefined => {
  if (then === undefined) return undefined
  const differing = [...new Set([...Object.keys(then), ...Object.keys(now)])].filter(flag => then[flag] !== now[flag])
  const words = differing.map(flag => `${flag} ${then[flag] ?? 'left out'}, now ${now[flag] ?? 'left out'}`)
  return words.length === 0 ? undefined : words.join('; ')
}

/** Reads a checkpoint of the run with this hash. Refuses a damaged file, one of another kind and one of another run. */
export const decodeCheckpointFile = <Fields extends object>(
  {magic, name: kind, otherRun}: CheckpointKind,
  bytes: Uint8Array,
  runHash: string,
  file: string,
  asked: AskedFlags = {},
): {readonly header: Fields; readonly current: Map<string, Float32Array>; readonly best: Map<string, Float32Array>} => {
  const damaged = (reason: string): UserError =>
    new UserError('CHECKPOINT_INVALID', `${file} is not a usable checkpoint: ${reason}`, {
      hints: ['start again without --resume'],
      exitCode: ExitCode.invalidData,
    })
  const start = magic.length + 4
  if (bytes.length < start || new TextDecoder().decode(bytes.subarray(0, magic.length)) !== magic)
    throw damaged(`it is not ${kind}`)
  const length = new DataView(bytes.buffer, bytes.byteOffset).getUint32(magic.length, true)
  if (start + length > bytes.length) throw damaged('it is truncated')
  const header = headerOf<Fields & Frame>(new TextDecoder().decode(bytes.subarray(start, start + length)))
  if (header === undefined) throw damaged('its header cannot be read')
  const body = bytes.slice(start + length)
  if (sha256(body) !== header.sha256) throw damaged('its checksum does not match')
  if (header.runHash !== runHash)
    throw new UserError(
      'CHECKPOINT_OTHER_RUN',
      `${file} belongs to a run with ${differences(header.asked, asked) ?? otherRun}`,
      {
        hints: ['repeat the exact flags of that run, or start again without --resume'],
      },
    )
  const floats = new Float32Array(body.buffer)
  const [current, best] = [new Map<string, Float32Array>(), new Map<string, Float32Array>()]
  let at = 0
  for (const {name, length: size} of header.tensors) {
    const values = floats.slice(at, at + size)
    at += size
    if (name.startsWith(BEST)) best.set(name.slice(BEST.length), values)
    else current.set(name, values)
  }
  return {header, current, best}
}
