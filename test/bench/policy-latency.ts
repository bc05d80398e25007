/** One answer of the weight policy, features included, on the calling thread, beside the same network in plain loops. */
import {performance} from 'node:perf_hooks'
import {policyAllocation} from '../../src/allocation/policy-allocation.ts'
import {resolveConfig} from '../../src/config/resolve.ts'
import {loadPolicy, openPolicy} from '../../src/core/policy-weights.ts'
import {createRng} from '../../src/domain/rng.ts'

const {config} = resolveConfig([])
const loaded = loadPolicy(config, process.argv[2] ?? 'policy')
const policy = openPolicy(loaded)
const {width, strategies} = loaded.description
const rng = createRng(1)
const observation = Float32Array.from({length: width}, () => rng.normal())

const quantiles = (run: (k: number) => void, count = 20_000): {readonly p50: number; readonly p99: number} => {
  const took = Float64Array.from({length: count}, (_, k) => {
    const started = performance.now()
    run(k)
    return 1000 * (performance.now() - started)
  }).sort()
  return {p50: took[count >> 1] as number, p99: took[Math.floor(0.99 * count)] as number}
}

/** Two tanh layers and a head, as a loop anybody would write. */
const hidden = 32
const layers = [
  [width, hidden],
  [hidden, hidden],
  [hidden, strategies.length + 1],
].map(([inputs, outputs]) => ({
  outputs: outputs as number,
  weights: Float32Array.from({length: (inputs as number) * (outputs as number)}, () => 0.1 * rng.normal()),
}))
const plain = (): Float32Array =>
  layers.reduce((x, {outputs, weights}, at) => {
    const y = new Float32Array(outputs)
    for (let j = 0; j < outputs; j++) {
      let sum = 0
      for (let i = 0; i < x.length; i++) sum += (x[i] as number) * (weights[i * outputs + j] as number)
      y[j] = at < 2 ? Math.tanh(sum) : sum
    }
    return y
  }, observation)

const profit = new Float64Array(strategies.length)
const allocator = policyAllocation(
  {base: strategies.map(() => 0.2), slots: strategies.map((_, s) => s), capitalMicros: 1e11, leastSamples: 0},
  policy,
)
const naive = quantiles(() => void plain())
const answer = quantiles(() => void policy.act(observation))
const whole = quantiles(k => {
  for (let s = 0; s < profit.length; s++) profit[s] = (profit[s] as number) + 1e6 * rng.normal()
  allocator.observe(k * 60_000_000, profit)
})
for (const [name, {p50, p99}] of Object.entries({
  'plain loops': naive,
  'policy answer': answer,
  'whole decision': whole,
}))
  process.stdout.write(
    `${name.padEnd(16)} p50 ${p50.toFixed(1)} µs  p99 ${p99.toFixed(1)} µs  ${(p50 / naive.p50).toFixed(1)} × plain loops (in-loop limit 200 µs)\n`,
  )
