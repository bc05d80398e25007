import {ExitCode, UserError} from '../domain/errors.ts'
import {sha256} from '../models/model-file.ts'
import {decodePrior, PRIOR_RANK, type SurfacePrior} from '../models/surface-prior.ts'
import type {OnnxModel} from '../nn/onnx-model.ts'
import {readOnnx} from '../nn/onnx-reader.ts'
import {CELL_FEATURES, DEVIATIONS, EXPIRY_DAYS, ROW_FEATURES} from '../options/chain-tensor.ts'
import {readModelFile} from './model-files.ts'

/** Layout the embedder is fed in; a change makes older embedders unusable, and refused. */
export const CHAIN_LAYOUT = sha256(
  JSON.stringify({CELL_FEATURES, ROW_FEATURES, EXPIRY_DAYS, DEVIATIONS, PRIOR_RANK, exercise: 'de-americanised'}),
)

/** What an embedder says of itself in its own file. */
export interface EmbedderDescription {
  readonly name: string
  readonly architecture: string
  readonly size: string
  readonly parameters: number
  readonly dimension: number
  readonly layout: string
  readonly precision: string
}

const DESCRIPTION_KEY = 'gpi.embedder'
const PRIOR_KEY = 'gpi.embedder.prior'

export interface EmbedderFile {
  readonly onnx: OnnxModel
  readonly description: EmbedderDescription
  readonly prior: SurfacePrior
}

export const embedderMetadata = (description: EmbedderDescription, prior: string): Record<string, string> => ({
  [DESCRIPTION_KEY]: JSON.stringify(description),
  [PRIOR_KEY]: prior,
})

/** Throws UserError where the file is no embedder, or was made for another layout of chains. `name` is for messages. */
export const readEmbedder = (bytes: Uint8Array, name: string): EmbedderFile => {
  const onnx = readOnnx(bytes)
  const text = onnx.metadata[DESCRIPTION_KEY]
  const description = text === undefined ? undefined : (JSON.parse(text) as EmbedderDescription)
  const prior = onnx.metadata[PRIOR_KEY]
  if (description?.layout === CHAIN_LAYOUT && prior !== undefined) return {onnx, description, prior: decodePrior(prior)}
  const reason = text === undefined ? 'is not an embedder' : 'was trained on another layout of chains'
  throw new UserError('MODEL_FEATURES_MISMATCH', `${name} ${reason}`, {
    hints: ['train one: gpi train embedder --data DIR'],
    exitCode: ExitCode.invalidData,
  })
}

/** Whether a name or path means an embedder; what is wrong with a file is told by whoever opens it. */
export const isEmbedder = (name: string, folder?: string): boolean => {
  try {
    return readOnnx(readModelFile(name, folder).bytes).metadata[DESCRIPTION_KEY] !== undefined
  } catch {
    return name === 'embedder'
  }
}
