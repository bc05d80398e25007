import {createHash} from 'node:crypto'
import {ExitCode, UserError} from '../domain/errors.ts'
import type {Scaler} from '../features/features.ts'
import type {OnnxModel} from '../nn/onnx-model.ts'
import {readOnnx} from '../nn/onnx-reader.ts'
import type {DecisionRule} from './decision.ts'

/** What a signal model says of itself, inside its own file: enough to feed it, and to refuse what does not fit. */
export interface ModelDescription {
  /** `signal`, `lstm`, `transformer`, … as it was asked for. */
  readonly name: string
  readonly architecture: string
  readonly size: string
  readonly parameters: number
  /** `schemaKey` of the features it was trained on. */
  readonly features: string
  readonly width: number
  readonly window: number
  /** Rows ahead that its labels look. */
  readonly horizon: number
  readonly session: 'us-equity' | 'utc'
  /** Length of a bar; 0 where rows are books. */
  readonly periodUs: number
  readonly labels: Readonly<Record<string, number | string>>
  readonly scaler: Scaler
  /** How its figures turn probabilities into a class; `likeliest` where absent, as in models of before it. */
  readonly decision?: DecisionRule
  readonly precision: 'float32' | 'int8' | 'float16'
}

const PREFIX = 'gpi.'

export const sha256 = (bytes: Uint8Array | string): string => createHash('sha256').update(bytes).digest('hex')

/** Hash of what must agree between a model and what feeds it: features, their order, window and scaler. */
export const featureHash = ({
  features,
  window,
  scaler,
}: Pick<ModelDescription, 'features' | 'window' | 'scaler'>): string =>
  sha256(JSON.stringify({features, window, mean: scaler.mean, deviation: scaler.deviation, limit: scaler.limit}))

export const metadataOf = (description: ModelDescription): Record<string, string> => ({
  [`${PREFIX}description`]: JSON.stringify(description),
  [`${PREFIX}featureHash`]: featureHash(description),
})

const invalid = (name: string, reason: string, cause?: unknown): UserError =>
  new UserError('MODEL_INVALID', `${name} is not a model gpi can use: ${reason}`, {
    hints: ['gpi train writes models; the shipped ones are named signal, book, transformer, embedder, policy'],
    exitCode: ExitCode.invalidData,
    cause,
  })

/** Reads a model file. `name` is only for messages. */
export const readModel = (
  bytes: Uint8Array,
  name: string,
): {readonly onnx: OnnxModel; readonly description: ModelDescription} => {
  let onnx: OnnxModel
  try {
    onnx = readOnnx(bytes)
  } catch (error) {
    throw invalid(name, `its bytes are damaged or not ONNX (${(error as Error).message})`, error)
  }
  return {onnx, description: describe(onnx, name)}
}

const describe = (onnx: OnnxModel, name: string): ModelDescription => {
  const text = onnx.metadata[`${PREFIX}description`]
  if (text === undefined) throw invalid(name, 'it carries no gpi.description metadata')
  let description: ModelDescription
  try {
    description = JSON.parse(text) as ModelDescription
  } catch (error) {
    throw invalid(name, 'its gpi.description metadata is not JSON', error)
  }
  const expected = onnx.metadata[`${PREFIX}featureHash`]
  if (expected !== featureHash(description)) {
    throw invalid(name, `its feature hash ${expected?.slice(0, 12)} does not match its description`)
  }
  return description
}

/** Refuses features other than those the model was trained on. */
export const requireFeatures = (description: ModelDescription, key: string): void => {
  if (description.features === key) return
  throw new UserError(
    'MODEL_FEATURES_MISMATCH',
    `model ${description.name} was trained on ${description.features.split(':')[0]} and would be fed ${key.split(':')[0]}`,
    {hints: ['train it again with this version of gpi: gpi train'], exitCode: ExitCode.invalidData},
  )
}
