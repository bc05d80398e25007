import fc from 'fast-check'
import {describe, expect, test} from 'vitest'
import {createRng} from '../../src/domain/rng.ts'
import {openOrtSession} from '../../src/drivers/onnx/ort-session.ts'
import {StrategyFeatures, strategySchemaKey, writeHoldings} from '../../src/features/strategy-features.ts'
import {policyWeights, stepTowards, weightsOfScores} from '../../src/features/strategy-weights.ts'
import {baselineRuns, bestStrategy} from '../../src/models/policy-baselines.ts'
import {PolicyRunner} from '../../src/models/policy-network.ts'
import {policyMarket, splitStreams, walkForwardStreams} from '../../src/models/policy-streams.ts'
import {PPO_DEFAULTS, trainPolicy} from '../../src/models/ppo.ts'
import {allocate, equalWeights, periodReturn, strategyEnvironment} from '../../src/models/strategy-environment.ts'
import {toyGround, toyStreams} from './policy-support.ts'

const options = {minWeight: 0, maxTurnover: 2, drawdownPenalty: 0, episode: 50}

describe('weights from scores', () => {
  test('are long-only, leave the rest in cash, and give nothing to what does not run', () => {
    fc.assert(
      fc.property(
        fc.array(fc.float({noNaN: true, min: -50, max: 50}), {minLength: 6, maxLength: 6}),
        fc.array(fc.boolean(), {minLength: 5, maxLength: 5}),
        fc.constantFrom(0, 0.02, 0.1),
        (scores, available, minWeight) => {
          const weights = policyWeights(scores, available, {minWeight})
          const total = weights.reduce((sum, weight) => sum + weight, 0)
          expect(total).toBeLessThanOrEqual(1 + 1e-12)
          for (const [s, weight] of weights.entries()) {
            if (available[s] === true) expect(weight).toBeGreaterThanOrEqual(minWeight)
            else expect(weight).toBe(0)
          }
        },
      ),
    )
  })

  test('by hand: scores 0, ln 2 and cash ln 1 share 1 : 2 : 1 of what the least shares leave', () => {
    const weights = policyWeights([0, Math.log(2), 0], [true, true], {minWeight: 0.1})
    expect(weights[0]).toBeCloseTo(0.1 + 0.8 / 4, 12)
    expect(weights[1]).toBeCloseTo(0.1 + (0.8 * 2) / 4, 12)
  })

  test('leave a strategy that has not traded its own share, and the scores decide over the rest', () => {
    const shares = [0.25, 0.25, 0.5]
    const limits = {minWeight: 0.1}
    const active = weightsOfScores([0, 9, Math.log(2), 0], [true, true, true], shares, s => s !== 1, limits)
    // The first and the third share three quarters with cash, 1 : 2 : 1 beyond their least shares.
    expect(active[0]).toBeCloseTo(0.75 * (0.1 + 0.8 / 4), 12)
    expect(active[1]).toBe(0.25)
    expect(active[2]).toBeCloseTo(0.75 * (0.1 + (0.8 * 2) / 4), 12)
    const none = weightsOfScores([9, 9, 9, 0], [true, true, false], [0.5, 0.5, 0], () => false, limits)
    expect([...none]).toEqual([0.5, 0.5, 0])
  })

  test('move by no more than is allowed, and all the way when that is less', () => {
    const held = Float64Array.of(0.5, 0.5)
    expect(stepTowards(held, [1, 0], 0.4)).toBeCloseTo(0.4, 12)
    expect(held[0]).toBeCloseTo(0.7, 12)
    expect(stepTowards(held, [0.75, 0.25], 0.4)).toBeCloseTo(0.1, 12)
    expect([...held]).toEqual([0.75, 0.25])
  })
})

describe('features', () => {
  const record = (returns: Float64Array, count: number, available: readonly boolean[]): Float32Array[] => {
    const features = new StrategyFeatures(available)
    return Array.from({length: returns.length / count}, (_, at) => {
      const out = new Float32Array(features.width)
      features.write(out)
      writeHoldings(out, new Float64Array(count), 0)
      features.push(returns, at * count)
      return out
    })
  }

  test('of any period do not change when the future does: cut off anywhere, the past is bit for bit the same', () => {
    const {returns} = toyStreams({periods: 200})
    const whole = record(returns, 3, [true, true, true])
    fc.assert(
      fc.property(fc.integer({min: 1, max: 199}), fc.double({min: -0.5, max: 0.5, noNaN: true}), (cut, jump) => {
        expect(record(returns.slice(0, cut * 3), 3, [true, true, true])).toEqual(whole.slice(0, cut))
        const changed = returns.map((value, i) => (i >= cut * 3 ? value + jump : value))
        expect(record(changed, 3, [true, true, true]).slice(0, cut + 1)).toEqual(whole.slice(0, cut + 1))
      }),
      {numRuns: 40},
    )
  })

  test('do not depend on the unit of returns but for the column of volatility', () => {
    const {returns} = toyStreams({periods: 100})
    const [small, large] = [0.01, 1].map(scale =>
      record(
        returns.map(value => value * scale),
        3,
        [true, true, true],
      ),
    ) as [Float32Array[], Float32Array[]]
    const [a, b] = [small.at(-1) as Float32Array, large.at(-1) as Float32Array]
    for (const at of [1, 2, 3, 4, 6, 8]) expect(a[at]).toBeCloseTo(b[at] as number, 4)
    expect((b[5] as number) - (a[5] as number)).toBeCloseTo(2, 5)
  })

  test('of a strategy that does not run are zero, and a return that is no number is refused', () => {
    const {returns} = toyStreams({periods: 50})
    const last = record(returns, 3, [true, false, true]).at(-1) as Float32Array
    expect([...last.slice(10, 20)]).toEqual(new Array(10).fill(0))
    expect(() => new StrategyFeatures([true]).push([Number.NaN])).toThrow(RangeError)
  })

  test('are as wide as their names say', () => {
    const names = strategySchemaKey(['a', 'b']).split(':')[1]?.split(',') ?? []
    expect(names.length).toBe(new StrategyFeatures([true, true]).width)
    expect(strategySchemaKey(['a', 'b'])).not.toBe(strategySchemaKey(['b', 'a']))
  })
})

describe('the environment', () => {
  test('a period by hand: returns by weight, less what had been in the market at the cost rate', () => {
    const streams = {...toyStreams({strategies: 2, periods: 240, costRate: 0.01, exposure: 0.5})}
    streams.returns.set([0.02, -0.01, 0.03, 0.01])
    // From halves to (0.8, 0.2): 0.3 each way, half of it in the market, at 1 %.
    expect(periodReturn(streams, 1, [0.5, 0.5], [0.8, 0.2])).toBeCloseTo(0.8 * 0.03 + 0.2 * 0.01 - 0.6 * 0.5 * 0.01, 15)
    // In the first period nothing had been in the market.
    expect(periodReturn(streams, 0, [0.5, 0.5], [0.8, 0.2])).toBeCloseTo(0.8 * 0.02 - 0.2 * 0.01, 15)
  })

  test('an episode earns what the same weights earn outside it', () => {
    const {market} = toyGround()
    const stretch = {from: 0, to: 100}
    const world = strategyEnvironment([{market, stretch}], {...options, episode: 100})
    world.reset(createRng(1))
    let total = 0
    for (let step = 0; step < 100; step++) total += world.step(Float32Array.of(0, 0, 0, 0)).reward
    // Before the first period nobody has traded: the shares are kept.
    const {returns} = allocate(market.streams, stretch, at => new Float64Array(3).fill(at === 0 ? 1 / 3 : 1 / 4))
    expect(total * market.scale).toBeCloseTo(
      returns.reduce((sum, value) => sum + Math.log1p(value), 0),
      9,
    )
  })

  test('an observation before a period does not depend on it', () => {
    const seen = (jump: number): Float32Array => {
      const streams = toyStreams({periods: 240})
      for (let i = 3 * 200; i < streams.returns.length; i++) streams.returns[i] = (streams.returns[i] as number) + jump
      const market = policyMarket(streams, {from: 0, to: 100})
      const world = strategyEnvironment([{market, stretch: {from: 0, to: 240}}], {...options, episode: 200})
      let observation = world.reset({...createRng(1), below: () => 0})
      for (let step = 0; step < 200; step++) observation = world.step(Float32Array.of(1, 0, 0, 0)).observation
      return observation
    }
    expect(seen(0)).toEqual(seen(0.05))
  })

  test('saved and restored it goes on bit for bit', () => {
    const {market, split} = toyGround()
    const make = () => strategyEnvironment([{market, stretch: split.train}], {...options, maxTurnover: 0.3})
    const [one, other] = [make(), make()]
    one.reset(createRng(7))
    for (let step = 0; step < 20; step++) one.step(Float32Array.of(step % 3, 1, 0, 0.5))
    other.restore?.(one.save?.() ?? [])
    for (let step = 0; step < 20; step++) {
      const action = Float32Array.of(0, step % 2, 1, 0)
      expect(other.step(action)).toEqual(one.step(action))
    }
  })

  test('given the future it must win; without it, on noise, it must not', () => {
    const {market, split} = toyGround({periods: 900})
    const cost = {...options, episode: 50}
    const growth = (leaksFuture: boolean): number => {
      const world = () => strategyEnvironment([{market, stretch: split.train}], {...cost, leaksFuture})
      const ppo = {...PPO_DEFAULTS, hidden: 16, rollout: 64, learningRate: 3e-3, entropy: 0, discount: 0.5}
      const {spec, weights} = trainPolicy(world, {...ppo, totalSteps: 30_000}, createRng(4), openOrtSession)
      const runner = new PolicyRunner(spec, weights, openOrtSession)
      const periods = split.test.to - split.test.from
      const held = strategyEnvironment([{market, stretch: split.test}], {...cost, leaksFuture, episode: periods})
      let observation = held.reset(createRng(9))
      let total = 0
      for (let step = 0; step < periods; step++) {
        const moved = held.step(runner.act(observation))
        observation = moved.observation
        total += moved.reward
      }
      runner.dispose()
      return total * market.scale
    }
    const logOf = (returns: Float64Array) => returns.reduce((sum, value) => sum + Math.log1p(value), 0)
    const {equalWeight, bestFixed, oracle} = baselineRuns(market, split.train, split.test)
    const knowing = growth(true)
    expect(knowing).toBeGreaterThan(Math.max(logOf(equalWeight.returns), logOf(bestFixed.returns)) + 0.5)
    expect(knowing).toBeLessThan(logOf(oracle.returns))
    expect(growth(false)).toBeLessThan(logOf(equalWeight.returns) + 0.4)
  }, 60_000)
})

describe('baselines and splits', () => {
  test('best fixed is the strategy that grew most in training, whatever it does later', () => {
    const streams = toyStreams({periods: 300})
    for (let at = 0; at < 300; at++) streams.returns.set([0, at < 180 ? 0.01 : -0.01, 0.001], at * 3)
    expect(bestStrategy(streams, {from: 0, to: 150})).toBe(1)
    const market = policyMarket(streams, {from: 0, to: 150})
    const {bestFixed, cash, oracle} = baselineRuns(market, {from: 0, to: 150}, {from: 200, to: 300})
    expect(bestFixed.returns.at(-1)).toBeCloseTo(-0.01, 12)
    expect(cash.returns.every(value => value === 0)).toBe(true)
    expect(oracle.returns.every(value => value === 0.001)).toBe(true)
  })

  test('no rule ever grows more than the oracle', () => {
    fc.assert(
      fc.property(
        fc.integer({min: 1, max: 1e6}),
        fc.array(fc.double({min: 0, max: 1, noNaN: true}), {minLength: 3, maxLength: 3}),
        (seed, raw) => {
          const {market, split} = toyGround({seed, periods: 240})
          const total = Math.max(
            1,
            raw.reduce((sum, value) => sum + value, 0),
          )
          const weights = raw.map(value => value / total)
          const {oracle} = baselineRuns(market, split.train, split.test)
          const {returns} = allocate(market.streams, split.test, () => weights)
          for (const [at, value] of returns.entries())
            expect(value).toBeLessThanOrEqual((oracle.returns[at] as number) + 1e-12)
        },
      ),
      {numRuns: 30},
    )
  })

  test('parts never overlap and keep their embargo', () => {
    for (const periods of [240, 999, 4_000]) {
      const all = [splitStreams({endUs: new Float64Array(periods)})]
      if (periods >= 480) all.push(...walkForwardStreams({endUs: new Float64Array(periods)}, 3))
      for (const {train, valid, test: judged} of all) {
        expect(train.to - train.from).toBeGreaterThanOrEqual(64)
        expect(valid.from - train.to).toBe(30)
        expect(judged.from - valid.to).toBe(30)
        expect(valid.to).toBeGreaterThan(valid.from)
        expect(judged.to).toBeLessThanOrEqual(periods)
      }
    }
  })

  test('equal weights leave out what does not run', () => {
    expect([...equalWeights([true, false, true])]).toEqual([0.5, 0, 0.5])
  })
})
