import {ExitCode, UserError} from '../domain/errors.ts'
import {strategySchemaKey} from '../features/strategy-features.ts'
import type {WeightLimits} from '../features/strategy-weights.ts'
import {readOnnx} from '../nn/onnx-reader.ts'
import {sha256} from './model-file.ts'

/** What a policy says of itself, inside its own file: enough to feed it, and to refuse what does not fit. */
export interface PolicyDescription extends WeightLimits {
  readonly name: string
  readonly architecture: 'ppo-actor'
  readonly size: string
  /** Of the served actor. */
  readonly parameters: number
  /** The strategies it weighs, in the order of its columns and scores; one more score is for cash. */
  readonly strategies: readonly string[]
  /** `strategySchemaKey` of what it sees. */
  readonly features: string
  readonly width: number
  readonly precision: 'float32'
}

/** Hash of what must agree between a policy and what feeds and follows it. */
export const policyHash = ({
  features,
  minWeight,
  maxTurnover,
}: Pick<PolicyDescription, 'features' | 'minWeight' | 'maxTurnover'>): string =>
  sha256(JSON.stringify({features, minWeight, maxTurnover}))

export const policyMetadata = (description: PolicyDescription): Record<string, string> => ({
  'gpi.policy': JSON.stringify(description),
  'gpi.featureHash': policyHash(description),
})

/** Reads a policy file, and refuses one that is damaged or was trained on other features. `name` is for messages. */
export const readPolicy = (bytes: Uint8Array, name: string): PolicyDescription => {
  const invalid = (reason: string, cause?: unknown): UserError =>
    new UserError('MODEL_INVALID', `${name} is not a policy gpi can use: ${reason}`, {
      hints: ['train one: gpi train policy --data DIR', 'the shipped one is named policy'],
      exitCode: ExitCode.invalidData,
      cause,
    })
  let metadata: Readonly<Record<string, string>>
  try {
    metadata = readOnnx(bytes).metadata
  } catch (error) {
    throw invalid(`its bytes are damaged or not ONNX (${(error as Error).message})`, error)
  }
  const text = metadata['gpi.policy']
  if (text === undefined) throw invalid('it carries no gpi.policy metadata')
  let description: PolicyDescription
  try {
    description = JSON.parse(text) as PolicyDescription
  } catch (error) {
    throw invalid('its gpi.policy metadata is not JSON', error)
  }
  const expected = metadata['gpi.featureHash']
  if (expected !== policyHash(description))
    throw invalid(`its feature hash ${expected?.slice(0, 12)} does not match its description`)
  if (description.features !== strategySchemaKey(description.strategies))
    throw new UserError(
      'MODEL_FEATURES_MISMATCH',
      `policy ${name} was trained on ${description.features.split(':')[0]} and would be fed ${strategySchemaKey(description.strategies).split(':')[0]}`,
      {hints: ['train it again with this version of gpi: gpi train policy'], exitCode: ExitCode.invalidData},
    )
  return description
}
