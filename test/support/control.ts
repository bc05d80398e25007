import type {Rng} from '../../src/domain/rng.ts'
import type {Environment} from '../../src/models/policy-rollout.ts'

/** CartPole-v1 (Barto, Sutton and Anderson 1983, as in Gymnasium): balance a pole, 1 a step, 500 steps at most. */
export const cartPole = (): Environment => {
  let [x, v, angle, spin] = [0, 0, 0, 0]
  let steps = 0
  const observe = () => Float32Array.of(x, v, angle, spin)
  return {
    observationSize: 4,
    actions: 2,
    reset(rng: Rng) {
      ;[x, v, angle, spin] = [0, 0, 0, 0].map(() => 0.1 * rng.uniform() - 0.05) as [number, number, number, number]
      steps = 0
      return observe()
    },
    step(action) {
      const force = action[0] === 1 ? 10 : -10
      const [cos, sin] = [Math.cos(angle), Math.sin(angle)]
      const push = (force + 0.05 * spin * spin * sin) / 1.1
      const angular = (9.8 * sin - cos * push) / (0.5 * (4 / 3 - (0.1 * cos * cos) / 1.1))
      const linear = push - (0.05 * angular * cos) / 1.1
      x += 0.02 * v
      v += 0.02 * linear
      angle += 0.02 * spin
      spin += 0.02 * angular
      steps++
      const terminated = Math.abs(x) > 2.4 || Math.abs(angle) > (12 * Math.PI) / 180
      return {observation: observe(), reward: 1, terminated, truncated: !terminated && steps >= 500}
    },
  }
}

/** Acrobot-v1 (Sutton 1996, the book's equations, as in Gymnasium): swing two links up, −1 a step, 500 steps at most. */
export const acrobot = (): Environment => {
  let state: [number, number, number, number] = [0, 0, 0, 0]
  let steps = 0
  const observe = () =>
    Float32Array.of(Math.cos(state[0]), Math.sin(state[0]), Math.cos(state[1]), Math.sin(state[1]), state[2], state[3])
  const derivative = ([a, b, da, db]: readonly number[], torque: number): number[] => {
    const [t1, t2, w1, w2] = [a as number, b as number, da as number, db as number]
    const d1 = 0.25 + (1 + 0.25 + Math.cos(t2)) + 2
    const d2 = 0.25 + 0.5 * Math.cos(t2) + 1
    const phi2 = 0.5 * 9.8 * Math.cos(t1 + t2 - Math.PI / 2)
    const phi1 = -0.5 * w2 * w2 * Math.sin(t2) - w2 * w1 * Math.sin(t2) + 1.5 * 9.8 * Math.cos(t1 - Math.PI / 2) + phi2
    const acceleration2 =
      (torque + (d2 / d1) * phi1 - 0.5 * w1 * w1 * Math.sin(t2) - phi2) / (0.25 + 1 - (d2 * d2) / d1)
    return [w1, w2, -(d2 * acceleration2 + phi1) / d1, acceleration2]
  }
  const wrap = (angle: number) => angle - 2 * Math.PI * Math.round(angle / (2 * Math.PI))
  const bound = (value: number, limit: number) => Math.max(-limit, Math.min(limit, value))
  return {
    observationSize: 6,
    actions: 3,
    reset(rng: Rng) {
      state = [0, 0, 0, 0].map(() => 0.2 * rng.uniform() - 0.1) as typeof state
      steps = 0
      return observe()
    },
    step(action) {
      const torque = (action[0] as number) - 1
      const along = (k: readonly number[], h: number) => state.map((s, i) => s + h * (k[i] as number))
      const k1 = derivative(state, torque)
      const k2 = derivative(along(k1, 0.1), torque)
      const k3 = derivative(along(k2, 0.1), torque)
      const k4 = derivative(along(k3, 0.2), torque)
      const moved = state.map(
        (s, i) =>
          s + (0.2 / 6) * ((k1[i] as number) + 2 * (k2[i] as number) + 2 * (k3[i] as number) + (k4[i] as number)),
      )
      const [a, b, da, db] = moved as [number, number, number, number]
      state = [wrap(a), wrap(b), bound(da, 4 * Math.PI), bound(db, 9 * Math.PI)]
      steps++
      const terminated = -Math.cos(state[0]) - Math.cos(state[1] + state[0]) > 1
      return {observation: observe(), reward: terminated ? 0 : -1, terminated, truncated: !terminated && steps >= 500}
    },
  }
}
