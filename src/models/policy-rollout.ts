// Rollouts are indexed inside their bounds, hence the `!`.
import type {Rng} from '../domain/rng.ts'
import {drawAction, type PolicyRunner, type PolicySpec} from './policy-network.ts'

export interface Transition {
  readonly observation: Float32Array
  readonly reward: number
  /** The episode ended by itself: nothing comes after. */
  readonly terminated: boolean
  /** It was cut off by a time limit: its value is bootstrapped. */
  readonly truncated: boolean
}

/** A world to act in. `actions` discrete choices, or as many real numbers when `isContinuous`. */
export interface Environment {
  readonly observationSize: number
  readonly actions: number
  readonly isContinuous?: boolean
  readonly reset: (rng: Rng) => Float32Array
  /** One number, the choice, or `actions` numbers. Valid until the next call. */
  readonly step: (action: Float32Array) => Transition
  /** Everything the world is between two steps, and back again: only a world that has both can be resumed. */
  readonly save?: () => readonly number[]
  readonly restore?: (saved: readonly number[]) => void
}

export interface RolloutOptions {
  /** Worlds played side by side. */
  readonly environments: number
  /** Steps of each before an update. */
  readonly rollout: number
  readonly discount: number
  readonly lambda: number
}

/** What a collector is between two rollouts. */
export interface CollectorState {
  readonly worlds: readonly (readonly number[])[]
  readonly observations: readonly number[]
  readonly returns: readonly number[]
  /** Undiscounted returns of the last hundred episodes. */
  readonly finished: readonly number[]
}

/**
 * Generalised advantage estimation (Schulman et al. 2016) of one environment. `values` has one more entry than rewards:
 * the value after the last step. `ends[t]` 1: the episode ended at t. A truncated step adds the value it was cut off
 * from: pass it in `bootstraps`.
 */
export const advantagesOf = (
  rewards: Float64Array,
  values: Float64Array,
  ends: Uint8Array,
  bootstraps: Float64Array,
  {discount, lambda}: Pick<RolloutOptions, 'discount' | 'lambda'>,
): Float64Array => {
  const out = new Float64Array(rewards.length)
  let running = 0
  for (let t = rewards.length - 1; t >= 0; t--) {
    const next = ends[t] === 1 ? bootstraps[t]! : values[t + 1]!
    const delta = rewards[t]! + discount * next - values[t]!
    running = delta + (ends[t] === 1 ? 0 : discount * lambda * running)
    out[t] = running
  }
  return out
}

export type Rollout = Readonly<Record<string, {readonly data: Float32Array; readonly width: number}>>

/** Rows of a rollout as a batch, its advantages standardised over the minibatch. */
export const takeRows = (rollout: Rollout, rows: Int32Array): Record<string, Float32Array> => {
  const batch: Record<string, Float32Array> = {}
  for (const [name, {data, width}] of Object.entries(rollout)) {
    const out = new Float32Array(rows.length * width)
    for (const [i, row] of rows.entries()) out.set(data.subarray(row * width, (row + 1) * width), i * width)
    batch[name] = out
  }
  const advantage = batch['advantage']!
  const mean = advantage.reduce((sum, value) => sum + value, 0) / advantage.length
  const deviation = Math.sqrt(advantage.reduce((sum, value) => sum + (value - mean) ** 2, 0) / (advantage.length - 1))
  for (let i = 0; i < advantage.length; i++) advantage[i] = (advantage[i]! - mean) / (deviation + 1e-8)
  return batch
}

export const permutation = (size: number, rng: Rng): Int32Array => {
  const out = Int32Array.from({length: size}, (_, i) => i)
  for (let i = size - 1; i > 0; i--) {
    const j = rng.below(i + 1)
    ;[out[i], out[j]] = [out[j]!, out[i]!]
  }
  return out
}

/** Plays all environments side by side and remembers what PPO needs. */
export class Collector {
  readonly #environments: readonly Environment[]
  readonly #spec: PolicySpec
  readonly #options: RolloutOptions
  readonly #observations: Float32Array
  readonly #returns: Float64Array
  #finished: number[] = []

  /** Starts every world with `start`, or where a saved collector was. */
  constructor(
    environments: readonly Environment[],
    spec: PolicySpec,
    options: RolloutOptions,
    start: Rng | CollectorState,
  ) {
    this.#environments = environments
    this.#spec = spec
    this.#options = options
    this.#observations = new Float32Array(environments.length * spec.observationSize)
    this.#returns = new Float64Array(environments.length)
    if ('worlds' in start) {
      for (const [i, environment] of environments.entries()) {
        const saved = start.worlds[i]
        if (environment.restore === undefined || saved === undefined)
          throw new RangeError('this environment cannot be resumed')
        environment.restore(saved)
      }
      this.#observations.set(start.observations)
      this.#returns.set(start.returns)
      this.#finished = [...start.finished]
      return
    }
    for (const [i, environment] of environments.entries())
      this.#observations.set(environment.reset(start), i * spec.observationSize)
  }

  get meanReturn(): number {
    return this.#finished.reduce((sum, value) => sum + value, 0) / this.#finished.length
  }

  state(): CollectorState {
    return {
      worlds: this.#environments.map(({save}) => {
        if (save === undefined) throw new RangeError('this environment cannot be saved')
        return save()
      }),
      observations: [...this.#observations],
      returns: [...this.#returns],
      finished: [...this.#finished],
    }
  }

  /** One rollout; every action and every new episode is drawn by `rng`. */
  collect(runner: PolicyRunner, rng: Rng): Rollout {
    const {rollout, environments: count} = this.#options
    const {observationSize, actions} = this.#spec
    const size = rollout * count
    const out = {
      observation: {data: new Float32Array(size * observationSize), width: observationSize},
      action: {data: new Float32Array(size * actions), width: actions},
      'old-log-probability': {data: new Float32Array(size), width: 1},
      advantage: {data: new Float32Array(size), width: 1},
      return: {data: new Float32Array(size), width: 1},
      'old-value': {data: new Float32Array(size), width: 1},
    }
    // Rows of one environment are contiguous, in time order.
    const rewards = new Float64Array(size)
    const ends = new Uint8Array(size)
    const bootstraps = new Float64Array(size)
    for (let t = 0; t < rollout; t++) {
      const heads = runner.evaluate(this.#observations, count)
      for (let e = 0; e < count; e++) {
        const row = e * rollout + t
        const slot = this.#observations.subarray(e * observationSize, (e + 1) * observationSize)
        out.observation.data.set(slot, row * observationSize)
        const {action, encoded, logProbability} = drawAction(this.#spec, heads, e, rng)
        out.action.data.set(encoded, row * actions)
        out['old-log-probability'].data[row] = logProbability
        out['old-value'].data[row] = heads.value[e]!
        const {observation, reward, terminated, truncated} = this.#environments[e]!.step(action)
        rewards[row] = reward
        this.#returns[e]! += reward
        if (terminated || truncated) {
          ends[row] = 1
          bootstraps[row] = terminated ? 0 : runner.evaluate(observation, 1).value[0]!
          this.#finished.push(this.#returns[e]!)
          if (this.#finished.length > 100) this.#finished.shift()
          this.#returns[e] = 0
          slot.set(this.#environments[e]!.reset(rng))
        } else slot.set(observation)
      }
    }
    const last = runner.evaluate(this.#observations, count).value
    for (let e = 0; e < count; e++) this.#finish(out, e, last[e]!, {rewards, ends, bootstraps})
    return out
  }

  #finish(
    out: Rollout,
    e: number,
    lastValue: number,
    {
      rewards,
      ends,
      bootstraps,
    }: {readonly rewards: Float64Array; readonly ends: Uint8Array; readonly bootstraps: Float64Array},
  ): void {
    const {rollout} = this.#options
    const [from, to] = [e * rollout, (e + 1) * rollout]
    const oldValue = out['old-value']!.data
    const values = Float64Array.from({length: rollout + 1}, (_, t) => (t < rollout ? oldValue[from + t]! : lastValue))
    const found = advantagesOf(
      rewards.subarray(from, to),
      values,
      ends.subarray(from, to),
      bootstraps.subarray(from, to),
      this.#options,
    )
    for (let t = 0; t < rollout; t++) {
      out['advantage']!.data[from + t] = found[t]!
      out['return']!.data[from + t] = found[t]! + values[t]!
    }
  }
}
