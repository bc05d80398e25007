/**
 * Error function to about 1e-16: Maclaurin series below 2.5, Lentz's continued fraction of the complement above
 * (Abramowitz and Stegun 7.1.5 and 7.1.14). Only the oracle calls it, so it is written for accuracy, not speed.
 */
export const erf = (x: number): number => {
  const a = Math.abs(x)
  if (Number.isNaN(a)) return Number.NaN
  if (a > 6) return Math.sign(x)
  return Math.sign(x) * (a < 2.5 ? series(a) : 1 - complement(a))
}

const series = (x: number): number => {
  let term = x
  let sum = x
  for (let n = 1; Math.abs(term) > 1e-17 * Math.abs(sum); n++) {
    term *= (-x * x) / n
    sum += term / (2 * n + 1)
  }
  return (2 / Math.sqrt(Math.PI)) * sum
}

const complement = (x: number): number => {
  let fraction = x
  for (let k = 60; k >= 1; k--) fraction = x + k / 2 / fraction
  return Math.exp(-x * x) / Math.sqrt(Math.PI) / fraction
}
