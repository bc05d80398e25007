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
  const coming = dividends.filter(d => d.timeYears > 0 && d.timeYears <= ttmYears)
  const escrow = (time: number): number => {
    let value = 0
    for (const {timeYears, amount} of coming)
      if (timeYears > time) value += amount * Math.exp(-rate * (timeYears - time))
    return value
  }
  const spot = input.spot - escrow(0)
  if (!(spot > 0)) throw new RangeError(`dividends of ${escrow(0)} are worth more than the spot ${input.spot}`)
  const s = volatility * Math.sqrt(ttmYears)
  const d1 = (Math.log(spot / strike) + (rate - yieldRate) * ttmYears) / s + 0.5 * s
  const p = peizerPratt(d1 - s, n)
  const pStock = peizerPratt(d1, n)
  const growth = Math.exp((rate - yieldRate) * dt)
  const up = (growth * pStock) / p
  const down = (growth - p * up) / (1 - p)
  const discount = Math.exp(-rate * dt)
  const values = new Float64Array(n + 1)
  const prices = new Float64Array(n + 1)
  for (let i = 0; i <= n; i++) {
    prices[i] = spot * up ** i * down ** (n - i)
    values[i] = Math.max(flip * (prices[i]! - strike), 0)
  }
  for (let step = n - 1; step >= 0; step--) {
    const dividend = escrow(step * dt)
    for (let i = 0; i <= step; i++) {
      // From (i downs fixed) level step + 1 to step: divide out one down move.
      prices[i] = prices[i]! / down
      const hold = discount * (p * values[i + 1]! + (1 - p) * values[i]!)
      values[i] = style === 'american' ? Math.max(hold, flip * (prices[i]! + dividend - strike)) : hold
    }
  }
  return values[0]!
}

/** Probability whose binomial distribution over n (odd) steps matches Φ(z). */
const peizerPratt = (z: number, n: number): number => {
  const ratio = z / (n + 1 / 3 + 0.1 / (n + 1))
  const root = Math.sqrt(0.25 - 0.25 * Math.exp(-ratio * ratio * (n + 1 / 6)))
  return 0.5 + Math.sign(z) * root
}
