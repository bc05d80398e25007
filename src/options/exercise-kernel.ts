// Numeric kernel: arrays are indexed with `!` below their length.
import {type BoundaryScheme, boundaryScheme, type ExerciseBoundary, exerciseBoundary, logBoundary} from './american.ts'
import {tailProbability} from './greeks.ts'
import {gaussLegendre} from './quadrature.ts'

/** What the right to exercise early adds to a European option, and the sensitivities of that. */
export interface ExercisePremium {
  /** Exercise now is at least as good as waiting: the option is worth its intrinsic value, and the rest says nothing. */
  exercised: boolean
  value: number
  /** ∂/∂spot and ∂²/∂spot². */
  slope: number
  curvature: number
  /** ∂/∂volatility. */
  vega: number
  /** ∂/∂rate at fixed yield; NaN unless it was asked for. */
  rho: number
  /** ∂²/∂spot∂volatility, ∂²/∂volatility², ∂³/∂spot³; where asked for, like `rho`. */
  vanna: number
  volga: number
  speed: number
}

export const emptyPremium = (): ExercisePremium => ({
  exercised: false,
  value: 0,
  slope: 0,
  curvature: 0,
  vega: 0,
  rho: Number.NaN,
  vanna: 0,
  volga: 0,
  speed: 0,
})

/** Premiums of all contracts of one right and expiry, whatever their strikes and volatilities. */
export interface PremiumKernel {
  /** Volatilities between which it holds. */
  readonly low: number
  readonly high: number
  /** Writes the premium of a contract into `out`, in full with what is there for `isFull` only; the volatility is held between the kernel's bounds. */
  readonly into: (out: ExercisePremium, strike: number, volatility: number, isFull: boolean) => void
}

export interface KernelInput {
  readonly call: boolean
  readonly spot: number
  readonly ttmYears: number
  readonly rate: number
  readonly yieldRate: number
  readonly low: number
  readonly high: number
  /** A few times faster, premiums to 1e-4 of the strike. */
  readonly coarse?: boolean
}

/** Premiums to less than 1e-4 of the strike at two years, some 1e-6 at months. */
const FAST = boundaryScheme(7, 10, 12, 5e-6)
/** For times to expiry in which little interest accrues. */
const COARSE = boundaryScheme(5, 8, 12, 1e-5)
const SHORT_YEARS = 0.25
const RULE = gaussLegendre(8)
const POINTS = RULE.node.length
const RATE_STEP = 2e-3

/**
 * The integral of `exercisePremium` with its boundaries as polynomials in ln σ: a boundary depends on neither spot nor strike
 * and moves smoothly with volatility, so a handful serve a whole smile, and derivatives come with the value. Undefined where
 * exercise has two boundaries.
 */
export const boundaryKernel = (input: KernelInput): PremiumKernel | undefined => {
  const {call, spot, ttmYears, low, high} = input
  // A call is the put with spot and strike, rate and yield exchanged.
  const rate = call ? input.yieldRate : input.rate
  const yieldRate = call ? input.rate : input.yieldRate
  const isCoarse = input.coarse === true || ttmYears < SHORT_YEARS
  const scheme = isCoarse ? COARSE : FAST
  const spread = (high / low) * (isCoarse ? 0.6 : 1)
  const count = spread < 1.2 ? 3 : spread < 1.6 ? 4 : spread < 3 ? 5 : spread < 7 ? 6 : 7
  const rules = polynomialRule(count)
  const middle = 0.5 * (Math.log(low) + Math.log(high))
  const reach = Math.max(0.5 * Math.log(high / low), 1e-6)
  const left = Float64Array.from(RULE.node, node => 0.25 * ttmYears * (1 + node) ** 2)
  const tables = boundaryTables({ttmYears, rate, yieldRate}, scheme, rules, middle, reach, left)
  if (tables === undefined) return undefined
  if (tables === 'never') return {low, high, into: noPremium}
  const {boundary, now} = tables
  let bumped: Float64Array | undefined
  const root = left.map(Math.sqrt)
  const gainWeight = left.map((l, j) => 0.5 * ttmYears * RULE.weight[j]! * (1 + RULE.node[j]!) * Math.exp(-rate * l))
  const costWeight = left.map(
    (l, j) => 0.5 * ttmYears * RULE.weight[j]! * (1 + RULE.node[j]!) * Math.exp(-yieldRate * l),
  )
  const carry = rate - yieldRate
  const logSpot = Math.log(spot)

  const into = (out: ExercisePremium, strike: number, volatility: number, isFull: boolean): void => {
    const s = call ? strike : spot
    const k = call ? spot : strike
    const moneyness = call ? Math.log(strike) - logSpot : logSpot - Math.log(strike)
    const sigma = Math.min(Math.max(volatility, low), high)
    const t = (Math.log(sigma) - middle) / reach
    let first = now[count - 1]!
    for (let c = count - 2; c >= 0; c--) first = first * t + now[c]!
    out.exercised = moneyness <= first
    if (out.exercised) return
    if (isFull && bumped === undefined) bumped = rateTable(input, scheme, middle, reach, left, tables.solved)
    let value = 0
    let slope = 0
    let curvature = 0
    let vega = 0
    let rho = 0
    let third = 0
    let vanna = 0
    let volga = 0
    for (let j = 0; j < POINTS; j++) {
      const at = j * count
      let b = boundary[at + count - 1]!
      let bSlope = 0
      let bCurve = 0
      for (let c = count - 2; c >= 0; c--) {
        bCurve = bCurve * t + bSlope
        bSlope = bSlope * t + b
        b = b * t + boundary[at + c]!
      }
      const scale = 1 / (sigma * root[j]!)
      const height = moneyness - b + carry * left[j]!
      const half = 0.5 * sigma * root[j]!
      const d1 = height * scale + half
      const d2 = height * scale - half
      const density1 = INV_SQRT_2PI * Math.exp(-0.5 * d1 * d1)
      const density2 = INV_SQRT_2PI * Math.exp(-0.5 * d2 * d2)
      const tail1 = tailProbability(-d1, density1)
      const tail2 = tailProbability(-d2, density2)
      const gain = rate * gainWeight[j]!
      const cost = yieldRate * costWeight[j]!
      value += gain * k * tail2 - cost * s * tail1
      slope += -gain * k * density2 * scale - cost * s * (tail1 - density1 * scale)
      curvature += gain * k * density2 * scale * (1 + d2 * scale) - cost * s * density1 * scale * (d1 * scale - 1)
      // σ·∂d/∂σ, the boundary moving with it.
      const shift = -(height + bSlope / reach) * scale
      vega += cost * s * density1 * (shift + half) - gain * k * density2 * (shift - half)
      if (!isFull) continue
      const [a1, a2] = [cost * s * density1, gain * k * density2]
      const [log1, log2] = [shift + half, shift - half]
      third +=
        a2 * scale ** 3 * (1 - d2 * d2) - a1 * scale * (scale * (3 * d1 + scale * (1 - d1 * d1)) - 3) - cost * s * tail1
      vanna += a2 * scale * (d2 * log2 + 1) + a1 * (log1 - scale * (d1 * log1 + 1))
      const bend = (height + (2 * bSlope) / reach - (2 * bCurve) / (reach * reach)) * scale
      volga += a2 * (d2 * log2 * log2 - bend + half) - a1 * (d1 * log1 * log1 - bend - half)
      const from = j * RATE_RULE_POINTS
      const moved = (bumped![from + 2]! * t + bumped![from + 1]!) * t + bumped![from]!
      const l = left[j]!
      if (call) {
        const push = (-l - moved) * scale
        rho +=
          costWeight[j]! * s * (yieldRate * density1 * push - tail1 * (1 - yieldRate * l)) - gain * k * density2 * push
      } else {
        const push = (l - moved) * scale
        rho += gainWeight[j]! * k * (tail2 * (1 - rate * l) - rate * density2 * push) + cost * s * density1 * push
      }
    }
    out.value = Math.max(value, 0)
    // `slope` holds s·∂/∂s and `curvature` s²·∂²/∂s²; by homogeneity those in k follow.
    out.slope = call ? (value - slope) / k : slope / s
    out.curvature = curvature / (call ? k * k : s * s)
    out.vega = vega / sigma
    out.rho = isFull ? rho : Number.NaN
    if (!isFull) return
    // With D = s·∂/∂s: in the spot s³∂³/∂s³ = D³ − 3D² + 2D, and D − D³ where the spot is k.
    out.speed = call ? (slope - third) / k ** 3 : (third - 3 * curvature - slope) / s ** 3
    out.vanna = (call ? (vega - vanna) / k : vanna / s) / sigma
    out.volga = (volga - vega) / (sigma * sigma)
  }
  return {low, high, into}
}

const INV_SQRT_2PI = 0.3989422804014327

const noPremium = (out: ExercisePremium): void => {
  out.exercised = false
  out.value = 0
  out.slope = 0
  out.curvature = 0
  out.vega = 0
  out.rho = 0
  out.vanna = 0
  out.volga = 0
  out.speed = 0
}

interface PolynomialRule {
  readonly count: number
  /** In [−1, 1]. */
  readonly node: Float64Array
  /** Coefficient c of the polynomial through values at the nodes: Σ inverse[c·count + g]·value[g]. */
  readonly inverse: Float64Array
}

const ruleCache = new Map<number, PolynomialRule>()

/** Interpolation at Chebyshev points, in powers: well conditioned at these few. */
const polynomialRule = (count: number): PolynomialRule => {
  const known = ruleCache.get(count)
  if (known !== undefined) return known
  const node = Float64Array.from({length: count}, (_, g) => -Math.cos((Math.PI * (g + 0.5)) / count))
  const inverse = new Float64Array(count * count)
  for (let g = 0; g < count; g++) {
    // Coefficients of the cardinal polynomial of node g.
    const cardinal = new Float64Array(count)
    cardinal[0] = 1
    for (let other = 0, degree = 0; other < count; other++) {
      if (other === g) continue
      const scale = 1 / (node[g]! - node[other]!)
      for (let c = ++degree; c >= 0; c--)
        cardinal[c] = scale * ((c > 0 ? cardinal[c - 1]! : 0) - node[other]! * (c < degree ? cardinal[c]! : 0))
    }
    for (let c = 0; c < count; c++) inverse[c * count + g] = cardinal[c]!
  }
  const rule = {count, node, inverse}
  ruleCache.set(count, rule)
  return rule
}

interface PutRates {
  readonly ttmYears: number
  readonly rate: number
  readonly yieldRate: number
}

const solveBoundaries = (
  put: PutRates,
  scheme: BoundaryScheme,
  {count, node}: PolynomialRule,
  middle: number,
  reach: number,
): (ExerciseBoundary | undefined)[] => {
  const solved: (ExerciseBoundary | undefined)[] = []
  for (let g = 0; g < count; g++) {
    const [before, last] = [solved[g - 2], solved[g - 1]]
    // Each starts where the two before it point.
    const ahead = before === undefined ? 0 : (node[g]! - node[g - 1]!) / (node[g - 1]! - node[g - 2]!)
    const near =
      last === undefined || last.atExpiry === 0
        ? undefined
        : (tau: number): number =>
            logBoundary(last, tau) +
            (before === undefined ? 0 : ahead * (logBoundary(last, tau) - logBoundary(before, tau)))
    solved.push(exerciseBoundary({...put, volatility: Math.exp(middle + reach * node[g]!)}, near, scheme))
  }
  return solved
}

/** ln(boundary/strike) at each exercise time as polynomials in the scaled ln σ, and the boundary now. */
const boundaryTables = (
  put: PutRates,
  scheme: BoundaryScheme,
  rule: PolynomialRule,
  middle: number,
  reach: number,
  left: Float64Array,
) => {
  const solved = solveBoundaries(put, scheme, rule, middle, reach)
  if (solved.some(one => one === undefined)) return undefined
  const all = solved as ExerciseBoundary[]
  if (all[0]!.atExpiry === 0) return 'never' as const
  const now = new Float64Array(rule.count)
  addPolynomial(now, 0, rule, g => logBoundary(all[g]!, put.ttmYears))
  return {solved: all, boundary: polynomials(all, put.ttmYears, rule, left), now}
}

const polynomials = (
  solved: readonly ExerciseBoundary[],
  ttmYears: number,
  rule: PolynomialRule,
  left: Float64Array,
): Float64Array => {
  const out = new Float64Array(POINTS * rule.count)
  for (let j = 0; j < POINTS; j++)
    addPolynomial(out, j * rule.count, rule, g => logBoundary(solved[g]!, ttmYears - left[j]!))
  return out
}

const addPolynomial = (
  out: Float64Array,
  at: number,
  {count, inverse}: PolynomialRule,
  value: (g: number) => number,
): void => {
  for (let g = 0; g < count; g++) {
    const v = value(g)
    for (let c = 0; c < count; c++) out[at + c]! += inverse[c * count + g]! * v
  }
}

/** Boundaries that tell ∂ln(boundary)/∂rate, which volatility bends little. */
const RATE_RULE_POINTS = 3

/** ∂ln(boundary)/∂rate (of the contract, not of the put that stands for it) as polynomials. */
const rateTable = (
  input: KernelInput,
  scheme: BoundaryScheme,
  middle: number,
  reach: number,
  left: Float64Array,
  base: readonly ExerciseBoundary[],
): Float64Array => {
  const {call, ttmYears, rate, yieldRate} = input
  const put = call
    ? {ttmYears, rate: yieldRate, yieldRate: rate + RATE_STEP}
    : {ttmYears, rate: rate + RATE_STEP, yieldRate}
  const rule = polynomialRule(RATE_RULE_POINTS)
  const chosen = Array.from(rule.node, (_, g) => base[Math.round((g * (base.length - 1)) / (RATE_RULE_POINTS - 1))]!)
  const moved = chosen.map(from =>
    exerciseBoundary({...put, volatility: from.volatility}, tau => logBoundary(from, tau), scheme),
  ) as ExerciseBoundary[]
  const at = chosen.map(({volatility}) => (Math.log(volatility) - middle) / reach)
  const out = new Float64Array(POINTS * RATE_RULE_POINTS)
  for (let j = 0; j < POINTS; j++) {
    const tau = ttmYears - left[j]!
    quadraticThrough(
      out,
      j * RATE_RULE_POINTS,
      at,
      g => (logBoundary(moved[g]!, tau) - logBoundary(chosen[g]!, tau)) / RATE_STEP,
    )
  }
  return out
}

/** Newton's divided differences, written out in powers. */
const quadraticThrough = (out: Float64Array, at: number, x: readonly number[], value: (g: number) => number): void => {
  const [a, b, c] = [value(0), value(1), value(2)]
  const [x0, x1, x2] = [x[0]!, x[1]!, x[2]!]
  const first = (b - a) / (x1 - x0)
  const second = ((c - b) / (x2 - x1) - first) / (x2 - x0)
  out[at] = a - first * x0 + second * x0 * x1
  out[at + 1] = first - second * (x0 + x1)
  out[at + 2] = second
}
