// Numeric kernel: columns are indexed with `!` below their length.
import {nelderMead} from './nelder-mead.ts'
import type {Svi} from './svi.ts'
import type {SmilePoints} from './svi-fit.ts'

/**
 * Surface SVI (Gatheral and Jacquier 2014, section 4): w(k, θ) = (θ/2)(1 + ρφk + √((φk + ρ)² + 1 − ρ²)), with the power law
 * φ(θ) = η·θ^−γ·(1 + θ)^(γ−1). With θ non-decreasing in time, 0 < γ ≤ ½ and η(1 + |ρ|) ≤ 2 it holds no static arbitrage.
 */
export interface Ssvi {
  readonly rho: number
  readonly eta: number
  readonly gamma: number
  /** At-the-money total variance of each slice, non-decreasing. */
  readonly theta: Float64Array
}

/** The slice of a surface at one at-the-money total variance, as raw SVI. */
export const ssviSlice = ({rho, eta, gamma}: Pick<Ssvi, 'rho' | 'eta' | 'gamma'>, theta: number): Svi => {
  const phi = eta * theta ** -gamma * (1 + theta) ** (gamma - 1)
  return {
    a: 0.5 * theta * (1 - rho * rho),
    b: 0.5 * theta * phi,
    rho,
    m: -rho / phi,
    sigma: Math.sqrt(1 - rho * rho) / phi,
  }
}

/** At most this many points of a slice enter, so that one crowded expiry does not own the surface. */
const MAX_POINTS = 60

/**
 * Fits ρ, η, γ to all slices at once in units of half-spread; θ is each slice's own at-the-money variance made monotone by
 * pooling. Slices in order of expiry.
 */
export const fitSsvi = (slices: readonly SmilePoints[], atTheMoney: Float64Array): Ssvi | undefined => {
  if (slices.length === 0) return undefined
  const weights = Float64Array.from(slices, s => Math.max(s.k.length, 1))
  const theta = poolAdjacent(atTheMoney, weights)
  const decode = (p: Float64Array): Pick<Ssvi, 'rho' | 'eta' | 'gamma'> => {
    const rho = Math.tanh(p[0]!)
    return {rho, eta: (2 * sigmoid(p[1]!)) / (1 + Math.abs(rho)), gamma: 0.5 * sigmoid(p[2]!)}
  }
  const objective = (p: Float64Array): number => {
    const shape = decode(p)
    let error = 0
    slices.forEach((slice, s) => {
      const {a, b, rho, m, sigma} = ssviSlice(shape, theta[s]!)
      const stride = Math.max(1, Math.ceil(slice.k.length / MAX_POINTS))
      for (let i = 0; i < slice.k.length; i += stride) {
        const d = slice.k[i]! - m
        const r = (a + b * (rho * d + Math.sqrt(d * d + sigma * sigma)) - slice.variance[i]!) / slice.halfSpread[i]!
        // Absolute beyond ten half-spreads: a misfitting wing bends the surface, it does not own it.
        error += Math.abs(r) < 10 ? r * r : 20 * Math.abs(r) - 100
      }
    })
    return error
  }
  const {point} = nelderMead(objective, [-0.8, 0, 1], {steps: [0.4, 0.7, 0.7], maxEvaluations: 220, tolerance: 1e-7})
  return {...decode(point), theta}
}

const sigmoid = (x: number): number => 1 / (1 + Math.exp(-x))

/** Weighted least-squares non-decreasing sequence: pool adjacent violators. */
export const poolAdjacent = (values: Float64Array, weights: Float64Array): Float64Array => {
  const blocks: {mean: number; weight: number; size: number}[] = []
  values.forEach((value, i) => {
    let block = {mean: value, weight: weights[i]!, size: 1}
    for (let last = blocks.at(-1); last !== undefined && last.mean > block.mean; last = blocks.at(-1)) {
      blocks.pop()
      const weight = last.weight + block.weight
      block = {
        mean: (last.mean * last.weight + block.mean * block.weight) / weight,
        weight,
        size: last.size + block.size,
      }
    }
    blocks.push(block)
  })
  return Float64Array.from(blocks.flatMap(({mean, size}) => new Array<number>(size).fill(mean)))
}
