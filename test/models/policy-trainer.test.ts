import {describe, expect, test} from 'vitest'
import {UserError} from '../../src/domain/errors.ts'
import {createRng} from '../../src/domain/rng.ts'
import {openOrtSession} from '../../src/drivers/onnx/ort-session.ts'
import {strategySchemaKey} from '../../src/features/strategy-features.ts'
import {baselineRuns, policyRun} from '../../src/models/policy-baselines.ts'
import {
  decodePolicyCheckpoint,
  encodePolicyCheckpoint,
  type PolicyTrainingState,
} from '../../src/models/policy-checkpoint.ts'
import {type PolicyDescription, policyMetadata, readPolicy} from '../../src/models/policy-file.ts'
import {actorNetwork, PolicyRunner} from '../../src/models/policy-network.ts'
import {checkStreams} from '../../src/models/policy-streams.ts'
import {trainWeightPolicy} from '../../src/models/policy-trainer.ts'
import {exportInference} from '../../src/nn/nn.ts'
import {writeOnnx} from '../../src/nn/onnx-writer.ts'
import {quickOptions, toyGround, toyStreams} from './policy-support.ts'

const logOf = (returns: Float64Array) => returns.reduce((sum, value) => sum + Math.log1p(value), 0)

describe('training a weight policy', () => {
  test('learns trends that go on, and then beats every baseline out of sample', () => {
    const ground = toyGround({lean: 0.8, periods: 1_200, costRate: 0})
    const options = {...quickOptions, maxSteps: 1_600}
    const {spec, weights, history, steps} = trainWeightPolicy([ground], options, createRng(1), openOrtSession)
    expect(steps).toBe(1_600)
    expect(history.length).toBe(20)
    const runner = new PolicyRunner(spec, weights, openOrtSession)
    const run = policyRun(ground.market, ground.split.test, runner, options)
    runner.dispose()
    const {equalWeight, inverseVolatility, bestFixed} = baselineRuns(
      ground.market,
      ground.split.train,
      ground.split.test,
    )
    const best = Math.max(...[equalWeight, inverseVolatility, bestFixed].map(({returns}) => logOf(returns)))
    expect(logOf(run.returns)).toBeGreaterThan(Math.max(0, best) + 0.3)
  }, 30_000)

  test('resumed from a checkpoint it ends in the same bytes', () => {
    const grounds = [toyGround({seed: 1}), toyGround({seed: 2})]
    const states: PolicyTrainingState[] = []
    const whole = trainWeightPolicy(grounds, quickOptions, createRng(5), openOrtSession, ({step, state}) => {
      if (step === 160) states.push(state())
      return true
    })
    const [state] = states as [PolicyTrainingState]
    const read = decodePolicyCheckpoint(encodePolicyCheckpoint(state, 'run'), 'run', 'file')
    const rest = trainWeightPolicy(grounds, quickOptions, createRng(5), openOrtSession, () => true, read)
    expect(rest.weights).toEqual(whole.weights)
    expect(rest.history).toEqual(whole.history)
    expect(rest.trainLoss).toBe(whole.trainLoss)
  })

  test('a stop ends it after the update under way with something to serve; patience ends it too', () => {
    const grounds = [toyGround()]
    const stopped = trainWeightPolicy(grounds, quickOptions, createRng(5), openOrtSession, ({step}) => step < 32)
    expect(stopped.stoppedBy).toBe('signal')
    expect(stopped.steps).toBe(32)
    expect(stopped.weights.size).toBeGreaterThan(0)
    const impatient = {...quickOptions, validateEvery: 16, patience: 1}
    const ended = trainWeightPolicy(grounds, impatient, createRng(5), openOrtSession)
    expect(ended.stoppedBy).toBe('patience')
    expect(ended.steps).toBeLessThan(320)
  })
})

describe('refuses', () => {
  const codeOf = (run: () => unknown): string => {
    try {
      run()
    } catch (error) {
      if (error instanceof UserError) return error.code
      throw error
    }
    return 'none'
  }

  test('streams that hold a NaN, naming strategy and time, and streams that are too short', () => {
    const streams = toyStreams()
    streams.returns[7] = Number.NaN
    expect(codeOf(() => checkStreams(streams))).toBe('STREAMS_INVALID')
    expect(() => checkStreams(streams)).toThrow(/toy-3: returns of s1 at 2023-11-15T00:13:20\.000Z was NaN/)
    expect(codeOf(() => checkStreams(toyStreams({periods: 100})))).toBe('TOO_LITTLE_DATA')
  })

  test('checkpoints that are damaged, cut short or of another run', () => {
    const states: PolicyTrainingState[] = []
    trainWeightPolicy([toyGround()], quickOptions, createRng(5), openOrtSession, ({state}) => {
      states.push(state())
      return false
    })
    const bytes = encodePolicyCheckpoint(states[0] as PolicyTrainingState, 'run')
    const flipped = bytes.slice()
    flipped[flipped.length - 5] = (flipped[flipped.length - 5] as number) ^ 1
    expect(codeOf(() => decodePolicyCheckpoint(flipped, 'run', 'f'))).toBe('CHECKPOINT_INVALID')
    expect(codeOf(() => decodePolicyCheckpoint(bytes.subarray(0, 60), 'run', 'f'))).toBe('CHECKPOINT_INVALID')
    expect(codeOf(() => decodePolicyCheckpoint(bytes, 'other', 'f'))).toBe('CHECKPOINT_OTHER_RUN')
  })

  test('policy files that are damaged, of other features, or whose hash does not fit', () => {
    const strategies = ['a', 'b']
    const spec = {observationSize: 25, actions: 3, isContinuous: true, hidden: 8}
    const {weights} = trainWeightPolicy(
      [toyGround({strategies: 2})],
      {...quickOptions, hidden: 8},
      createRng(1),
      openOrtSession,
      () => false,
    )
    const description: PolicyDescription = {
      name: 'policy',
      architecture: 'ppo-actor',
      size: 'small',
      parameters: 1,
      strategies,
      features: strategySchemaKey(strategies),
      width: 25,
      minWeight: 0.02,
      maxTurnover: 0.4,
      precision: 'float32',
    }
    const write = (metadata: Record<string, string>) =>
      writeOnnx(exportInference(actorNetwork(spec), weights, metadata))
    expect(readPolicy(write(policyMetadata(description)), 'p')).toEqual(description)
    const other = {...description, features: description.features.replace('@1', '@0')}
    expect(codeOf(() => readPolicy(write(policyMetadata(other)), 'p'))).toBe('MODEL_FEATURES_MISMATCH')
    const forged = {...policyMetadata(description), 'gpi.featureHash': 'x'}
    expect(codeOf(() => readPolicy(write(forged), 'p'))).toBe('MODEL_INVALID')
    expect(codeOf(() => readPolicy(write({}), 'p'))).toBe('MODEL_INVALID')
    expect(codeOf(() => readPolicy(new Uint8Array(40), 'p'))).toBe('MODEL_INVALID')
  })
})
