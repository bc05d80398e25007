// Numeric kernel: arrays are indexed with `!` below their length.
import type {AmericanInput} from './american.ts'

/** A cash dividend a share, paid `timeYears` from now. */
export interface Dividend {
  readonly timeYears: number
  readonly amount: number
}

export interface LatticeOptions {
  /** Odd; raised to the next odd number. */
  readonly steps?: number
  readonly dividends?: readonly Dividend[]
  readonly style?: 'american' | 'european'
}

/**
 * Leisen–Reimer binomial price (D. Leisen, M. Reimer, Applied Mathematical Finance 3, 1996; Peizer–Pratt inversion 2):
 * second-order convergent for European payoffs, smooth for American ones. Cash dividends are escrowed: the lattice carries the
 * spot less the present value of the dividends to come, and exercise pays on the spot with them.
 */
export const latticePrice = (
  input: AmericanInput,
  {steps = 501, dividends = [], style = 'american'}: LatticeOptions = {},
): number => {
  const {strike, ttmYears, volatility, rate, yieldRate, right} = input
  const n = steps | 1
  const dt = ttmYears / n
  const flip = right === 'call' ? 1 : -1
  const escrow = escrowed(dividends, rate, ttmYears)
  const spot = input.spot - escrow
  if (!(spot > 0)) throw new RangeError(`dividends of ${escrow} are worth more than the spot ${input.spot}`)
  const owed = owedAtSteps(input, dividends, n)
  const s = volatility * Math.sqrt(ttmYears)
  const d1 = (Math.log(spot / strike) + (rate - yieldRate) * ttmYears) / s + 0.5 * s
  const p = peizerPratt(d1 - s, n)
  const pStock = peizerPratt(d1, n)
  if (!isProbability(p)) {
    const {european, intrinsic} = certain(input, spot)
    return style === 'american' ? Math.max(european, intrinsic) : european
  }
  const growth = Math.exp((rate - yieldRate) * dt)
  const up = (growth * pStock) / p
  const down = (growth - p * up) / (1 - p)
  const discount = Math.exp(-rate * dt)
  const values = new Float64Array(n + 1)
  const prices = new Float64Array(n + 1)
  for (let i = 0; i <= n; i++) {
    prices[i] = spot * up ** i * down ** (n - i)
    values[i] = Math.max(flip * (prices[i]! + (style === 'american' ? owed[n]! : 0) - strike), 0)
  }
  for (let step = n - 1; step >= 0; step--) {
    const dividend = owed[step]!
    for (let i = 0; i <= step; i++) {
      // From (i downs fixed) level step + 1 to step: divide out one down move.
      prices[i] = prices[i]! / down
      const hold = discount * (p * values[i + 1]! + (1 - p) * values[i]!)
      values[i] = style === 'american' ? Math.max(hold, flip * (prices[i]! + dividend - strike)) : hold
    }
  }
  return values[0]!
}

/** Further out no lattice has a branch: the option is in the money for sure, or not at all. */
const isProbability = (p: number): boolean => p > 1e-12 && p < 1 - 1e-12

/** European value and exercise now where the underlying only grows; `bareSpot` is without the dividends to come. */
const certain = ({spot, strike, ttmYears, rate, yieldRate, right}: AmericanInput, bareSpot: number) => {
  const flip = right === 'call' ? 1 : -1
  const european = flip * (bareSpot * Math.exp(-yieldRate * ttmYears) - strike * Math.exp(-rate * ttmYears))
  return {european: Math.max(european, 0), intrinsic: flip * (spot - strike)}
}

/** American less European value on one lattice, whose own error cancels, with its slope and curvature in the spot. */
export interface LatticePremium {
  readonly value: number
  readonly slope: number
  readonly curvature: number
  /** Immediate exercise is worth at least as much as waiting. */
  readonly exercised: boolean
}

/** As `latticePrice`, American and European at once. Slope and curvature are those of the first two steps. */
export const latticePremium = (input: AmericanInput, steps: number, dividends: readonly Dividend[]): LatticePremium => {
  const {strike, ttmYears, volatility, rate, yieldRate, right} = input
  const n = steps | 1
  const dt = ttmYears / n
  const flip = right === 'call' ? 1 : -1
  const spot = input.spot - escrowed(dividends, rate, ttmYears)
  if (!(spot > 0)) throw new RangeError(`dividends are worth more than the spot ${input.spot}`)
  const s = volatility * Math.sqrt(ttmYears)
  const d1 = (Math.log(spot / strike) + (rate - yieldRate) * ttmYears) / s + 0.5 * s
  const p = peizerPratt(d1 - s, n)
  if (!isProbability(p)) {
    const {european, intrinsic} = certain(input, spot)
    const exercised = intrinsic > 0 && intrinsic >= european
    return {value: Math.max(intrinsic - european, 0), slope: 0, curvature: 0, exercised}
  }
  const growth = Math.exp((rate - yieldRate) * dt)
  const up = (growth * peizerPratt(d1, n)) / p
  const down = (growth - p * up) / (1 - p)
  const discount = Math.exp(-rate * dt)
  const [pUp, pDown] = [discount * p, discount * (1 - p)]
  const prices = new Float64Array(n + 1)
  const held = new Float64Array(n + 1)
  const european = new Float64Array(n + 1)
  const ratio = up / down
  prices[0] = spot * down ** n
  for (let i = 1; i <= n; i++) prices[i] = prices[i - 1]! * ratio
  const owed = owedAtSteps(input, dividends, n)
  for (let i = 0; i <= n; i++) {
    european[i] = Math.max(flip * (prices[i]! - strike), 0)
    held[i] = Math.max(flip * (prices[i]! + owed[n]! - strike), 0)
  }
  const back = 1 / down
  let slope = 0
  let curvature = 0
  let exercised = false
  for (let step = n - 1; step >= 0; step--) {
    const toPay = flip * (owed[step]! - strike)
    for (let i = 0; i <= step; i++) {
      const price = prices[i]! * back
      prices[i] = price
      const wait = pUp * held[i + 1]! + pDown * held[i]!
      const exercise = flip * price + toPay
      held[i] = wait > exercise ? wait : exercise
      european[i] = pUp * european[i + 1]! + pDown * european[i]!
      if (step === 0) exercised = wait <= exercise
    }
    if (step === 2) {
      const [a, b, c] = [held[0]! - european[0]!, held[1]! - european[1]!, held[2]! - european[2]!]
      const upper = (c - b) / (prices[2]! - prices[1]!)
      const lower = (b - a) / (prices[1]! - prices[0]!)
      curvature = (2 * (upper - lower)) / (prices[2]! - prices[0]!)
    } else if (step === 1) slope = (held[1]! - european[1]! - held[0]! + european[0]!) / (prices[1]! - prices[0]!)
  }
  return {value: held[0]! - european[0]!, slope, curvature, exercised}
}

/**
 * Dividends that who exercises at each of n + 1 steps still has to come. Ex-dates move to the nearest step after now; on it a
 * call is exercised before its underlying goes ex, a put after.
 */
const owedAtSteps = (
  {ttmYears, rate, right}: AmericanInput,
  dividends: readonly Dividend[],
  n: number,
): Float64Array => {
  const dt = ttmYears / n
  const owed = new Float64Array(n + 1)
  for (const {timeYears, amount} of dividends) {
    if (!(timeYears > 0 && timeYears <= ttmYears)) continue
    const last = Math.max(Math.round(timeYears / dt), 1) - (right === 'call' ? 0 : 1)
    for (let step = 0; step <= last; step++) owed[step]! += amount * Math.exp(-rate * (timeYears - step * dt))
  }
  return owed
}

/** Present value at `timeYears` of the dividends to come by `untilYears`. */
export const escrowed = (dividends: readonly Dividend[], rate: number, untilYears: number, timeYears = 0): number => {
  let value = 0
  for (const dividend of dividends)
    if (dividend.timeYears > timeYears && dividend.timeYears <= untilYears)
      value += dividend.amount * Math.exp(-rate * (dividend.timeYears - timeYears))
  return value
}

/** Probability whose binomial distribution over n (odd) steps matches Φ(z). */
const peizerPratt = (z: number, n: number): number => {
  const ratio = z / (n + 1 / 3 + 0.1 / (n + 1))
  const root = Math.sqrt(0.25 - 0.25 * Math.exp(-ratio * ratio * (n + 1 / 6)))
  return 0.5 + Math.sign(z) * root
}
