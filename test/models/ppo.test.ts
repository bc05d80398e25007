import {describe, expect, test} from 'vitest'
import {createRng} from '../../src/domain/rng.ts'
import {openOrtSession} from '../../src/drivers/onnx/ort-session.ts'
import {PolicyRunner, type PolicySpec, policyNetwork} from '../../src/models/policy-network.ts'
import {advantagesOf, type Environment} from '../../src/models/policy-rollout.ts'
import {PPO_DEFAULTS, ppoObjective, trainPolicy} from '../../src/models/ppo.ts'
import type {Tensor} from '../../src/nn/graph.ts'
import {constantInit} from '../../src/nn/initialisers.ts'
import {interpret} from '../../src/nn/interpreter.ts'
import {buildGradients, initialWeights, type Network} from '../../src/nn/nn.ts'
import * as ops from '../../src/nn/ops.ts'
import {randomFeeds} from '../nn/support.ts'
import {cartPole} from '../support/control.ts'

test('advantages of a worked example: the recursion stops at an end, and a cut-off adds what it was cut off from', () => {
  const rewards = Float64Array.of(1, 1, 1)
  const values = Float64Array.of(0.5, 0.5, 0.5, 2)
  const half = {discount: 0.5, lambda: 0.5}
  expect([...advantagesOf(rewards, values, Uint8Array.of(0, 0, 0), new Float64Array(3), half)]).toEqual(
    [0.984375, 0.9375, 1.5].map((_, t) => {
      const d = [1 + 0.25 - 0.5, 1 + 0.25 - 0.5, 1 + 1 - 0.5]
      return [d[0]! + 0.25 * (d[1]! + 0.25 * d[2]!), d[1]! + 0.25 * d[2]!, d[2]!][t]!
    }),
  )
  expect(advantagesOf(rewards, values, Uint8Array.of(0, 1, 0), Float64Array.of(0, 0, 0), half)[1]).toBe(0.5)
  expect(advantagesOf(rewards, values, Uint8Array.of(0, 1, 0), Float64Array.of(0, 4, 0), half)[1]).toBe(2.5)
})

describe('the clipped loss differentiates', () => {
  test.each([false, true])('continuous: %s', isContinuous => {
    const spec: PolicySpec = {observationSize: 3, actions: 2, isContinuous, hidden: 4}
    const {graph, scope} = buildGradients(policyNetwork(spec), ppoObjective(spec, PPO_DEFAULTS), 6)
    const feeds: Record<string, Float64Array> = {}
    const weights = initialWeights(scope.parameters, createRng(1))
    for (const [name, values] of Object.entries(randomFeeds(graph, 2)))
      feeds[name] = Float64Array.from(weights.get(name) ?? values)
    feeds['old-log-probability'] = Float64Array.of(-0.6, -0.7, -1.2, -0.3, -0.69, -2)
    if (!isContinuous) feeds['action'] = Float64Array.of(1, 0, 0, 1, 1, 0, 0, 1, 1, 0, 0, 1)
    const base = interpret(graph, feeds)
    for (const {name} of scope.parameters) {
      const values = feeds[name] as Float64Array
      const at = values.length >> 1
      const lossAt = (value: number) =>
        interpret(graph, {...feeds, [name]: values.with(at, value)}).get('loss')?.data[0] as number
      const numeric = (lossAt(values[at]! + 1e-5) - lossAt(values[at]! - 1e-5)) / 2e-5
      expect(Math.abs((base.get(`d:${name}`)?.data[at] as number) - numeric), name).toBeLessThan(1e-6)
    }
  })
})

/** Two states; the action that names the state pays 1: the best return of an episode of ten is ten. */
const bandit = (): Environment => {
  let [state, steps, draw] = [0, 0, createRng(0)]
  return {
    observationSize: 2,
    actions: 2,
    reset(rng) {
      draw = rng
      ;[state, steps] = [rng.below(2), 0]
      return Float32Array.of(1 - state, state)
    },
    step(action) {
      const reward = action[0] === state ? 1 : 0
      state = draw.below(2)
      steps++
      return {observation: Float32Array.of(1 - state, state), reward, terminated: steps >= 10, truncated: false}
    },
  }
}
const quick = {...PPO_DEFAULTS, hidden: 16, rollout: 64, learningRate: 3e-3}

test('finds the optimum of a contextual bandit', () => {
  const {spec, weights} = trainPolicy(bandit, {...quick, totalSteps: 8_000}, createRng(1), openOrtSession)
  const runner = new PolicyRunner(spec, weights, openOrtSession)
  expect(runner.act(Float32Array.of(1, 0))[0]).toBe(0)
  expect(runner.act(Float32Array.of(0, 1))[0]).toBe(1)
  runner.dispose()
})

test('learns to balance the pole for long', () => {
  let mean = 0
  trainPolicy(
    cartPole,
    {...PPO_DEFAULTS, learningRate: 1e-3, totalSteps: 40_000},
    createRng(2),
    openOrtSession,
    ({meanReturn}) => {
      mean = meanReturn
      return !(mean > 150)
    },
  )
  expect(mean).toBeGreaterThan(150)
}, 60_000)

test('the same seed gives the same policy', () => {
  const run = () => trainPolicy(cartPole, {...quick, totalSteps: 1_000}, createRng(5), openOrtSession).weights
  expect(run()).toEqual(run())
})

describe('the clipped loss against hand computation', () => {
  /** Loss parts of one batch for given network outputs: the network is replaced by its outputs. */
  const lossOf = (rows: {
    readonly logits: readonly number[]
    readonly value: readonly number[]
    readonly action: readonly number[]
    readonly oldLog: readonly number[]
    readonly advantage: readonly number[]
    readonly return: readonly number[]
    readonly oldValue: readonly number[]
  }) => {
    const batch = rows.value.length
    const spec: PolicySpec = {observationSize: 3, actions: 2, isContinuous: false, hidden: 1}
    // Observation [logit, logit, value]; the "network" passes it on.
    const passing: Network = {
      inputs: [{name: 'observation', shape: [3]}],
      forward: (scope, {observation}) => {
        const one = scope.parameter('one', [1], constantInit(1), false)
        const x = ops.mul(observation as Tensor, one)
        return {policy: ops.slice(x, 1, 0, 2), value: ops.reshape(ops.slice(x, 1, 2, 3), [-1])}
      },
    }
    const {graph} = buildGradients(passing, ppoObjective(spec, PPO_DEFAULTS), batch)
    const observation = rows.value.flatMap((value, i) => [rows.logits[2 * i] ?? 0, rows.logits[2 * i + 1] ?? 0, value])
    const results = interpret(graph, {
      observation: Float64Array.from(observation),
      one: Float64Array.of(1),
      action: Float64Array.from(rows.action),
      'old-log-probability': Float64Array.from(rows.oldLog),
      advantage: Float64Array.from(rows.advantage),
      return: Float64Array.from(rows.return),
      'old-value': Float64Array.from(rows.oldValue),
    })
    const read = (name: string) => results.get(name)?.data[0] as number
    return {loss: read('loss'), kl: read('approximate-kl'), clipped: read('clip-fraction')}
  }
  const half = Math.log(0.5)

  test('an unchanged policy: no clipping, minus the mean advantage, the value error, the entropy bonus', () => {
    // Ratio 1; advantages 1 and -3: gain -1. Values 0.1 from returns 0.4 and 0: errors 0.09 and 0.01, mean 0.05.
    const {loss, kl, clipped} = lossOf({
      logits: [0, 0, 0, 0],
      value: [0.1, 0.1],
      action: [1, 0, 0, 1],
      oldLog: [half, half],
      advantage: [1, -3],
      return: [0.4, 0],
      oldValue: [0.1, 0.1],
    })
    expect(loss).toBeCloseTo(1 + 0.5 * 0.5 * 0.05 - 0.01 * Math.log(2), 12)
    expect(kl).toBeCloseTo(0, 12)
    expect(clipped).toBe(0)
  })

  test('gains beyond the clip count no further, losses count in full', () => {
    // Probability 0.5 now, 0.25 then: ratio 2, clipped to 1.2. Good advantage 1: gain 1.2. Bad advantage -1: gain -2.
    const quarter = Math.log(0.25)
    const common = {logits: [0, 0], value: [0], action: [1, 0], oldLog: [quarter], return: [0], oldValue: [0]}
    const bonus = 0.01 * Math.log(2)
    expect(lossOf({...common, advantage: [1]}).loss).toBeCloseTo(-1.2 - bonus, 12)
    const bad = lossOf({...common, advantage: [-1]})
    expect(bad.loss).toBeCloseTo(2 - bonus, 12)
    expect(bad.clipped).toBe(1)
    // k3: ratio - 1 - log ratio.
    expect(bad.kl).toBeCloseTo(2 - 1 - Math.log(2), 12)
  })

  test('a value that moved further than the clip is judged by the worse of both', () => {
    // From 0 to 1, clipped to 0.2; the return is 1: errors 0 and 0.64, the worse counts.
    const {loss} = lossOf({
      logits: [0, 0],
      value: [1],
      action: [1, 0],
      oldLog: [half],
      advantage: [0],
      return: [1],
      oldValue: [0],
    })
    expect(loss).toBeCloseTo(0.25 * 0.64 - 0.01 * Math.log(2), 12)
  })
})
