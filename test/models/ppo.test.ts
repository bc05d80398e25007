import {describe, expect, test} from 'vitest'
import {createRng} from '../../src/domain/rng.ts'
import {openOrtSession} from '../../src/drivers/onnx/ort-session.ts'
import {PolicyRunner, type PolicySpec, policyNetwork} from '../../src/models/policy-network.ts'
import {advantagesOf, type Environment} from '../../src/models/policy-rollout.ts'
import {PPO_DEFAULTS, ppoObjective, trainPolicy} from '../../src/models/ppo.ts'
import {
  allocate,
  allocationBaselines,
  softmaxWeights,
  strategyEnvironment,
} from '../../src/models/strategy-environment.ts'
import {interpret} from '../../src/nn/interpreter.ts'
import {buildGradients, initialWeights} from '../../src/nn/nn.ts'
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

describe('weights over strategies', () => {
  const rng = createRng(3, 'returns')
  const data = {strategies: ['a', 'b', 'c'], returns: Float64Array.from({length: 3 * 600}, () => 0.01 * rng.normal())}
  const stretch = {from: 0, to: 400, turnoverCost: 0.0002}
  const world = (leaksFuture: boolean) => () =>
    strategyEnvironment(data, {...stretch, drawdownPenalty: 0.1, episode: 50, leaksFuture})

  test('are long-only and sum to one', () => {
    const weights = softmaxWeights([100, -100, 3])
    expect(weights.reduce((sum, w) => sum + w, 0)).toBeCloseTo(1, 12)
    expect(Math.min(...weights)).toBeGreaterThanOrEqual(0)
  })

  test('an episode earns what the same weights earn outside it', () => {
    const environment = strategyEnvironment(data, {...stretch, drawdownPenalty: 0, episode: 399, leaksFuture: false})
    environment.reset(createRng(1))
    let total = 0
    for (let step = 0; step < 399; step++) total += environment.step(Float32Array.of(0, 0, 0)).reward
    const {totalReturn} = allocate(data, {...stretch, to: 399}, () => new Float64Array(3).fill(1 / 3))
    expect(Math.exp(total / 100) - 1).toBeCloseTo(totalReturn, 9)
  })

  test('an observation before a period does not depend on it', () => {
    const seen = (changed: number): Float32Array => {
      const later = {...data, returns: data.returns.map((r, i) => (i >= 3 * 200 ? r + changed : r))}
      const environment = strategyEnvironment(later, {
        ...stretch,
        from: 0,
        to: 201,
        drawdownPenalty: 0,
        episode: 199,
        leaksFuture: false,
      })
      let observation = environment.reset({...createRng(1), below: () => 1})
      for (let step = 0; step < 199; step++) observation = environment.step(Float32Array.of(0, 0, 0)).observation
      return observation
    }
    expect(seen(0)).toEqual(seen(0.05))
  })

  test('given the future it must win, without it on noise it must not', () => {
    const reward = (leaks: boolean): number => {
      const options = {...quick, totalSteps: 30_000, entropy: 0, discount: 0.5}
      const {spec, weights} = trainPolicy(world(leaks), options, createRng(4), openOrtSession)
      const runner = new PolicyRunner(spec, weights, openOrtSession)
      const held = strategyEnvironment(data, {
        ...stretch,
        from: 400,
        to: 600,
        drawdownPenalty: 0,
        episode: 199,
        leaksFuture: leaks,
      })
      let observation = held.reset(createRng(9))
      let total = 0
      for (let step = 0; step < 199; step++) {
        const moved = held.step(runner.act(observation))
        observation = moved.observation
        total += moved.reward
      }
      runner.dispose()
      return total / 100
    }
    const {equalWeight, bestFixed} = allocationBaselines(data, {...stretch, from: 400, to: 600})
    expect(reward(true)).toBeGreaterThan(Math.log(1 + bestFixed.totalReturn) + 0.5)
    expect(reward(false)).toBeLessThan(Math.log(1 + equalWeight.totalReturn) + 0.4)
  }, 60_000)
})
