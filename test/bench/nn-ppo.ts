import {performance} from 'node:perf_hooks'
import {createRng} from '../../src/domain/rng.ts'
import {openOrtSession} from '../../src/drivers/onnx/ort-session.ts'
import {PolicyRunner} from '../../src/models/policy-network.ts'
import type {Environment} from '../../src/models/policy-rollout.ts'
import {PPO_DEFAULTS, trainPolicy} from '../../src/models/ppo.ts'
import {acrobot, cartPole} from '../support/control.ts'

/** Mean return over a hundred fresh episodes of the trained policy, each action drawn as the most likely one. */
const meanReturn = (make: () => Environment, runner: PolicyRunner, seed: number): number => {
  const rng = createRng(seed, 'evaluate')
  let total = 0
  for (let episode = 0; episode < 100; episode++) {
    const world = make()
    let observation = world.reset(rng)
    for (;;) {
      const {observation: next, reward, terminated, truncated} = world.step(runner.act(observation))
      total += reward
      observation = next
      if (terminated || truncated) break
    }
  }
  return total / 100
}

const steps = Number(process.argv[2] ?? 500_000)
for (const [name, make, reference] of [
  ['CartPole-v1', cartPole, 'CleanRL 490 ± 6, asked ≥ 475'],
  ['Acrobot-v1', acrobot, 'CleanRL −86 ± 1, asked ≥ −100'],
] as const) {
  for (const seed of [1, 2, 3]) {
    const started = performance.now()
    const {spec, weights} = trainPolicy(make, {...PPO_DEFAULTS, totalSteps: steps}, createRng(seed), openOrtSession)
    const seconds = (performance.now() - started) / 1000
    const runner = new PolicyRunner(spec, weights, openOrtSession)
    const mean = meanReturn(make, runner, seed)
    runner.dispose()
    process.stdout.write(
      `${name} seed ${seed}: ${mean.toFixed(1)} after ${steps} steps in ${seconds.toFixed(0)} s (${reference})\n`,
    )
  }
}
