import type {ExpiryFeatures} from '../../options/chain-features.ts'

const DAY_YEARS = 1 / 252
/** Expiries within a day say more about their last hours than about an event. */
const LEAST_YEARS = 1 / 365

/**
 * The jump that the first two expiries price in before the nearer one, in daily deviations of the farther: with a diffusion
 * σ and one jump of deviation j before both expiries, σᵢ² = σ² + j²/Tᵢ, so j² = (σ₁² − σ₂²)/(1/T₁ − 1/T₂) (term-structure
 * estimator of Dubinsky, Johannes, Kaeck and Seeger, "Option pricing of earnings announcement risks", 2019). 0 where the
 * nearer volatility is the lower one, or the chain has fewer than two usable expiries.
 */
export const impliedEventMoves = (expiries: readonly Pick<ExpiryFeatures, 'ttmYears' | 'atTheMoney'>[]): number => {
  const [near, far] = expiries
    .filter(({ttmYears, atTheMoney}) => ttmYears >= LEAST_YEARS && atTheMoney > 0)
    .toSorted((a, b) => a.ttmYears - b.ttmYears)
    .filter(({ttmYears}, k, all) => k === 0 || ttmYears > (all[k - 1]?.ttmYears ?? 0))
  if (near === undefined || far === undefined) return 0
  const jump = (near.atTheMoney ** 2 - far.atTheMoney ** 2) / (1 / near.ttmYears - 1 / far.ttmYears)
  const diffusion = far.atTheMoney ** 2 - Math.max(0, jump) / far.ttmYears
  if (!(jump > 0)) return 0
  return Math.sqrt(jump / (Math.max(diffusion, 0.01 * far.atTheMoney ** 2) * DAY_YEARS))
}
