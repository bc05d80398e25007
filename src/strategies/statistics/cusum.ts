/**
 * Page's two-sided cumulative sum ("Continuous inspection schemes", Biometrika 1954): it is told standardised innovations,
 * which are N(0, 1) while all is well, and answers true when their mean has shifted. `allowance` is half of the shift to be
 * found, in deviations; `threshold` sets how seldom it is wrong.
 */
export class Cusum {
  up = 0
  down = 0
  readonly #allowance: number
  readonly #threshold: number

  constructor(allowance: number, threshold: number) {
    this.#allowance = allowance
    this.#threshold = threshold
  }

  next(innovation: number): boolean {
    this.up = Math.max(0, this.up + innovation - this.#allowance)
    this.down = Math.max(0, this.down - innovation - this.#allowance)
    return this.up > this.#threshold || this.down > this.#threshold
  }

  reset(): void {
    this.up = 0
    this.down = 0
  }
}

/** Siegmund's correction for the overshoot of a discrete sum over its threshold, in deviations. */
const OVERSHOOT = 1.166

/**
 * Mean observations to an alarm of the two-sided sum when nothing has shifted (Siegmund, "Sequential Analysis", 1985): half of
 * the one-sided (exp(2k·b) − 2k·b − 1)/(2k²) with b = threshold + 1.166.
 */
export const cusumRunLength = (allowance: number, threshold: number): number => {
  const x = 2 * allowance * (threshold + OVERSHOOT)
  return (Math.expm1(x) - x) / (4 * allowance * allowance)
}

/** Threshold at which that run length is as long as asked; by bisection, as it only grows. */
export const cusumThreshold = (allowance: number, runLength: number): number => {
  let [low, high] = [0, 1]
  while (cusumRunLength(allowance, high) < runLength) high *= 2
  for (let step = 0; step < 60; step++) {
    const middle = (low + high) / 2
    if (cusumRunLength(allowance, middle) < runLength) low = middle
    else high = middle
  }
  return high
}
