// Numeric kernel: arrays are indexed with `!` below their length.
import {type ExerciseBoundary, exerciseBoundary, exercisePremium, exercisePremiumSlope} from './american.ts'

/**
 * Early-exercise boundaries of one expiry on a grid of volatilities. A boundary depends on neither spot nor strike, so a few
 * of them serve every contract of the slice: its premium at any volatility is a cubic through four grid points in ln σ.
 */
export interface PremiumTable {
  readonly logVolatility: Float64Array
  /** Boundary of the put (the call's is that of the put with rates exchanged) at a grid point; solved when first asked for. */
  readonly boundary: (call: boolean, index: number) => ExerciseBoundary | undefined
}

const GRID = 7

export const premiumTable = (
  ttmYears: number,
  rate: number,
  yieldRate: number,
  lowVolatility: number,
  highVolatility: number,
): PremiumTable => {
  const low = Math.log(lowVolatility)
  const step = (Math.log(highVolatility) - low) / (GRID - 1)
  const logVolatility = Float64Array.from({length: GRID}, (_, i) => low + i * step)
  const solved: (ExerciseBoundary | undefined)[] = []
  const known: boolean[] = []
  const boundary = (call: boolean, index: number): ExerciseBoundary | undefined => {
    const slot = call ? GRID + index : index
    if (known[slot] !== true) {
      const volatility = Math.exp(logVolatility[index]!)
      const rates = call ? {rate: yieldRate, yieldRate: rate} : {rate, yieldRate}
      const near = index > 0 ? solved[slot - 1] : undefined
      solved[slot] = exerciseBoundary({ttmYears, volatility, ...rates}, near)
      known[slot] = true
    }
    return solved[slot]
  }
  return {logVolatility, boundary}
}

/** Premium of one contract as a cubic in ln σ over the four grid points from `first`. */
export interface ContractPremium {
  readonly first: number
  readonly value: Float64Array
}

/** Grid point at which the four points around a volatility begin. */
export const firstPoint = ({logVolatility}: PremiumTable, volatility: number): number => {
  const step = logVolatility[1]! - logVolatility[0]!
  const cell = Math.floor((Math.log(volatility) - logVolatility[0]!) / step)
  return Math.min(Math.max(cell - 1, 0), GRID - 4)
}

export const contractPremium = (
  table: PremiumTable,
  first: number,
  spot: number,
  strike: number,
  call: boolean,
): ContractPremium => {
  const value = new Float64Array(4)
  for (let i = 0; i < 4; i++) {
    const boundary = table.boundary(call, first + i)
    // A call is the put with spot and strike (and rates) exchanged.
    if (boundary !== undefined)
      value[i] = call ? exercisePremium(boundary, strike, spot) : exercisePremium(boundary, spot, strike)
  }
  return {first, value}
}

/** ∂premium/∂spot at a volatility, linear in ln σ between the two grid points around it. */
export const premiumSlope = (
  table: PremiumTable,
  volatility: number,
  spot: number,
  strike: number,
  call: boolean,
): number => {
  const first = firstPoint(table, volatility) + 1
  const h = table.logVolatility[1]! - table.logVolatility[0]!
  const share = Math.min(Math.max((Math.log(volatility) - table.logVolatility[first]!) / h, 0), 1)
  const at = (index: number): number => {
    const boundary = table.boundary(call, index)
    if (boundary === undefined) return 0
    if (!call) return exercisePremiumSlope(boundary, spot, strike)
    // Homogeneity of P(K, S) in both gives the slope in its second argument.
    return (exercisePremium(boundary, strike, spot) - strike * exercisePremiumSlope(boundary, strike, spot)) / spot
  }
  return (1 - share) * at(first) + share * at(first + 1)
}

/** Lagrange interpolation through the four points. */
export const interpolatePremium = (
  {logVolatility}: PremiumTable,
  first: number,
  values: Float64Array,
  volatility: number,
): number => {
  const h = logVolatility[1]! - logVolatility[0]!
  const x = (Math.log(volatility) - logVolatility[first]!) / h
  const a = x - 1
  const b = x - 2
  const c = x - 3
  return (
    (-values[0]! * a * b * c) / 6 +
    (values[1]! * x * b * c) / 2 -
    (values[2]! * x * a * c) / 2 +
    (values[3]! * x * a * b) / 6
  )
}
