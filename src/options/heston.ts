// Numeric kernel: arrays are indexed with `!` below their length.
import {gaussLegendre} from './quadrature.ts'

/** dv = κ(θ − v)dt + ξ√v dW, d ln F = −v/2 dt + √v dZ, d⟨W, Z⟩ = ρ dt. Variances per year. */
export interface HestonParameters {
  readonly kappa: number
  readonly theta: number
  readonly xi: number
  readonly rho: number
  readonly v0: number
}

const RULE = gaussLegendre(32)
const MAX_PANELS = 400

/**
 * Undiscounted call prices at several strikes of one expiry: Lewis' formula
 * C = F − (√(FK)/π)·∫₀^∞ Re[e^(iu·ln(F/K))·φ(u − i/2)]/(u² + ¼) du (A. Lewis 2001), with the characteristic function in the
 * "little trap" form that needs no branch counting (Albrecher, Mayer, Schoutens, Tistaert 2007). Gauss–Legendre panels until
 * the integrand has died; about 1e-13 of the forward.
 */
export const hestonCalls = (
  parameters: HestonParameters,
  forward: number,
  strikes: ArrayLike<number>,
  ttmYears: number,
): Float64Array => {
  const {kappa, theta, v0} = parameters
  const x = Float64Array.from(strikes, strike => Math.log(forward / strike))
  const integral = new Float64Array(strikes.length)
  // Mean variance over the life sets how far the integrand reaches: e^(−u²·variance/2).
  const decay = (1 - Math.exp(-kappa * ttmYears)) / (kappa * ttmYears)
  const widest = 4 / Math.sqrt((theta + (v0 - theta) * decay) * ttmYears)
  let from = 0
  let width = Math.min(0.5, widest)
  for (let panel = 0; panel < MAX_PANELS; panel++) {
    let largest = 0
    for (let j = 0; j < RULE.node.length; j++) {
      const u = from + 0.5 * width * (1 + RULE.node[j]!)
      const {re, im} = characteristic(parameters, u, ttmYears)
      const weight = (0.5 * width * RULE.weight[j]!) / (u * u + 0.25)
      largest = Math.max(largest, Math.hypot(re, im) / (u * u + 0.25))
      for (let i = 0; i < x.length; i++) {
        const phase = u * x[i]!
        integral[i]! += weight * (Math.cos(phase) * re - Math.sin(phase) * im)
      }
    }
    from += width
    width = Math.min(2 * width, widest)
    if (largest * width < 1e-17) break
  }
  return integral.map((value, i) => forward - (Math.sqrt(forward * strikes[i]!) / Math.PI) * value)
}

/** φ(u − i/2) of ln(F_T/F). */
const characteristic = (
  {kappa, theta, xi, rho, v0}: HestonParameters,
  u: number,
  t: number,
): {re: number; im: number} => {
  // With z = u − i/2: iz = ½ + iu, and z² + iz = u² + ¼, real.
  const bRe = kappa - 0.5 * rho * xi
  const bIm = -rho * xi * u
  // d = √(b² + ξ²(u² + ¼)), the root with positive real part.
  const d2Re = bRe * bRe - bIm * bIm + xi * xi * (u * u + 0.25)
  const d2Im = 2 * bRe * bIm
  const modulus = Math.hypot(d2Re, d2Im)
  const dRe = Math.sqrt(0.5 * (modulus + d2Re))
  const dIm = dRe === 0 ? Math.sqrt(modulus) : d2Im / (2 * dRe)
  // g = (b − d)/(b + d)
  const [gRe, gIm] = divide(bRe - dRe, bIm - dIm, bRe + dRe, bIm + dIm)
  const fade = Math.exp(-dRe * t)
  const eRe = fade * Math.cos(dIm * t)
  const eIm = -fade * Math.sin(dIm * t)
  // 1 − g·e
  const geRe = 1 - (gRe * eRe - gIm * eIm)
  const geIm = -(gRe * eIm + gIm * eRe)
  const [ratioRe, ratioIm] = divide(geRe, geIm, 1 - gRe, -gIm)
  const logRe = Math.log(Math.hypot(ratioRe, ratioIm))
  const logIm = Math.atan2(ratioIm, ratioRe)
  const [fractionRe, fractionIm] = divide(1 - eRe, -eIm, geRe, geIm)
  const xi2 = xi * xi
  const mRe = bRe - dRe
  const mIm = bIm - dIm
  const exponentRe =
    ((kappa * theta) / xi2) * (mRe * t - 2 * logRe) + (v0 / xi2) * (mRe * fractionRe - mIm * fractionIm)
  const exponentIm =
    ((kappa * theta) / xi2) * (mIm * t - 2 * logIm) + (v0 / xi2) * (mRe * fractionIm + mIm * fractionRe)
  const size = Math.exp(exponentRe)
  return {re: size * Math.cos(exponentIm), im: size * Math.sin(exponentIm)}
}

const divide = (aRe: number, aIm: number, bRe: number, bIm: number): [number, number] => {
  const norm = bRe * bRe + bIm * bIm
  return [(aRe * bRe + aIm * bIm) / norm, (aIm * bRe - aRe * bIm) / norm]
}
