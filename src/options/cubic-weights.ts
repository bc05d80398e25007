// Numeric kernel: arrays have four elements.

/** Lagrange weights of the points 0, 1, 2, 3 at x. */
export const cubicWeights = (x: number, out: Float64Array): void => {
  const [a, b, c] = [x - 1, x - 2, x - 3]
  out[0] = (-a * b * c) / 6
  out[1] = (x * b * c) / 2
  out[2] = (-x * a * c) / 2
  out[3] = (x * a * b) / 6
}

/** Their derivatives. */
export const cubicSlopes = (x: number, out: Float64Array): void => {
  const [a, b, c] = [x - 1, x - 2, x - 3]
  out[0] = -(a * b + a * c + b * c) / 6
  out[1] = (x * b + x * c + b * c) / 2
  out[2] = -(x * a + x * c + a * c) / 2
  out[3] = (x * a + x * b + a * b) / 6
}

/** Their second derivatives. */
export const cubicBends = (x: number, out: Float64Array): void => {
  out[0] = 2 - x
  out[1] = 3 * x - 5
  out[2] = 4 - 3 * x
  out[3] = x - 1
}
