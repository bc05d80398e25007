import path from 'node:path'
import type {WeightPolicy} from '../allocation/policy-allocation.ts'
import type {Config} from '../config/schema.ts'
import {ExitCode, UserError} from '../domain/errors.ts'
import {openOrtSession} from '../drivers/onnx/ort-session.ts'
import {type PolicyDescription, readPolicy} from '../models/policy-file.ts'
import type {SessionTensor} from '../nn/execution.ts'
import {readOnnx} from '../nn/onnx-reader.ts'
import {type ModelFile, readModelFile} from './model-files.ts'

export interface LoadedPolicy {
  readonly file: ModelFile
  readonly description: PolicyDescription
}

/** The policy of this home, else the shipped one. Throws UserError where there is none, or none that fits. */
export const loadPolicy = ({home}: Pick<Config, 'home'>, name = 'policy'): LoadedPolicy => {
  let file: ModelFile
  try {
    file = readModelFile(name, path.join(home, 'models'))
  } catch (error) {
    if (!(error instanceof UserError) || error.code !== 'MODEL_NOT_FOUND') throw error
    throw new UserError('NO_POLICY', `there is no trained policy "${name}"`, {
      hints: ['train one: gpi train policy --data DIR', 'or share without one: --allocation static'],
      cause: error,
    })
  }
  return {file, description: readPolicy(file.bytes, file.path)}
}

/** Whether a name or path stands for a policy rather than a model of signals. */
export const isPolicy = ({home}: Pick<Config, 'home'>, name: string): boolean => {
  try {
    const {bytes} = readModelFile(name, path.join(home, 'models'))
    return readOnnx(bytes).metadata['gpi.policy'] !== undefined
  } catch {
    // What is wrong with the file is told by whoever opens it.
    return name === 'policy'
  }
}

/** Places of the strategies that run among those the policy weighs. Throws UserError where it does not know one. */
export const slotsOf = ({strategies}: PolicyDescription, running: readonly string[]): number[] =>
  running.map(name => {
    const slot = strategies.indexOf(name)
    if (slot >= 0) return slot
    throw new UserError('POLICY_STRATEGIES', `the policy cannot weigh ${name}`, {
      hints: [`it knows ${strategies.join(', ')}`, 'choose another allocation for other strategies'],
      exitCode: ExitCode.usage,
    })
  })

/**
 * The policy as the allocator asks it: on the calling thread, because one answer of so small a network costs some tens of
 * microseconds, and a deterministic loop has to wait for it anyway.
 */
export const openPolicy = ({file, description}: LoadedPolicy): WeightPolicy => {
  const session = openOrtSession(file.bytes, {threads: 1})
  const {width, strategies, minWeight, maxTurnover} = description
  const observation = new Float32Array(width)
  const scores = new Float32Array(strategies.length + 1)
  const feeds = {observation: {type: 'float32' as const, dims: [1, width], data: observation}}
  const into: Record<string, SessionTensor> = {
    policy: {type: 'float32', dims: [1, strategies.length + 1], data: scores},
  }
  // The first run of a session is slow: it happens here, not in the loop.
  session.run(feeds, into)
  return {
    strategies: strategies.length,
    limits: {minWeight, maxTurnover},
    act(seen) {
      observation.set(seen)
      session.run(feeds, into)
      return scores
    },
  }
}
