// Numeric kernel: indices run below lengths read in the same function, so `!` cannot miss here.
import chiSquareCdf from '@stdlib/stats-base-dists-chisquare-cdf'

/** A likelihood-ratio test: small p-values speak against the estimator. */
export interface LikelihoodRatio {
  readonly statistic: number
  readonly pValue: number
}

/** x·log y with 0·log 0 = 0. */
const xlogy = (x: number, y: number): number => (x === 0 ? 0 : x * Math.log(y))

const against = (statistic: number, degrees: number): LikelihoodRatio => ({
  statistic,
  pValue: 1 - chiSquareCdf(Math.max(0, statistic), degrees),
})

/** Kupiec (1995): is the number of exceptions what the confidence says? Low power below a thousand observations. */
export const kupiec = (observations: number, exceptions: number, confidence: number): LikelihoodRatio => {
  const alpha = 1 - confidence
  const share = exceptions / observations
  const expected = xlogy(observations - exceptions, 1 - alpha) + xlogy(exceptions, alpha)
  const seen = xlogy(observations - exceptions, 1 - share) + xlogy(exceptions, share)
  return against(-2 * (expected - seen), 1)
}

export interface ChristoffersenResult {
  readonly unconditional: LikelihoodRatio
  /** Do exceptions follow one another? */
  readonly independence: LikelihoodRatio
  readonly conditional: LikelihoodRatio
}

/** Christoffersen (1998): coverage and independence of the exception series, true where the loss exceeded the estimate. */
export const christoffersen = (exceptions: readonly boolean[], confidence: number): ChristoffersenResult => {
  const transitions = [0, 0, 0, 0]
  for (let i = 1; i < exceptions.length; i++) transitions[2 * Number(exceptions[i - 1]) + Number(exceptions[i])]! += 1
  const [n00 = 0, n01 = 0, n10 = 0, n11 = 0] = transitions
  const after0 = n00 + n01 > 0 ? n01 / (n00 + n01) : 0
  const after1 = n10 + n11 > 0 ? n11 / (n10 + n11) : 0
  const pooled = (n01 + n11) / (n00 + n01 + n10 + n11)
  const separate = xlogy(n00, 1 - after0) + xlogy(n01, after0) + xlogy(n10, 1 - after1) + xlogy(n11, after1)
  const together = xlogy(n00 + n10, 1 - pooled) + xlogy(n01 + n11, pooled)
  const unconditional = kupiec(exceptions.length, exceptions.filter(Boolean).length, confidence)
  const independence = against(-2 * (together - separate), 1)
  return {unconditional, independence, conditional: against(unconditional.statistic + independence.statistic, 2)}
}

/** Basel's traffic light for 250 days at 99 %. */
export const baselZone = (exceptionsOf250: number): 'green' | 'yellow' | 'red' =>
  exceptionsOf250 <= 4 ? 'green' : exceptionsOf250 <= 9 ? 'yellow' : 'red'

/**
 * Acerbi and Székely's second test of expected shortfall (2014): Z = 1 − Σ L_t·1{L_t > VaR_t} / (T (1−p) ES_t). Expected
 * value 0; negative means shortfall was underestimated. Below −0.70 it is rejected at 5 % (97.5 %, most tail shapes).
 */
export const acerbiSzekely = (
  losses: ArrayLike<number>,
  estimates: readonly {readonly valueAtRisk: number; readonly expectedShortfall: number}[],
  confidence: number,
): {readonly z: number; readonly isRejected: boolean} => {
  const n = losses.length
  let sum = 0
  for (let t = 0; t < n; t++)
    if (losses[t]! > estimates[t]!.valueAtRisk) sum += losses[t]! / estimates[t]!.expectedShortfall
  const z = 1 - sum / (n * (1 - confidence))
  return {z, isRejected: z < -0.7}
}
