// Numeric kernel: arrays are indexed with `!` below their length.

export interface Quadrature {
  /** In (−1, 1), ascending. */
  readonly node: Float64Array
  readonly weight: Float64Array
}

/** Gauss–Legendre rule on [−1, 1], roots by Newton from Tricomi's start values; exact for polynomials of degree 2n − 1. */
export const gaussLegendre = (n: number): Quadrature => {
  const node = new Float64Array(n)
  const weight = new Float64Array(n)
  for (let i = 0; i < (n + 1) >> 1; i++) {
    let x = Math.cos((Math.PI * (i + 0.75)) / (n + 0.5))
    let slope = 0
    for (let round = 0; round < 100; round++) {
      let before = 1
      let value = x
      for (let k = 2; k <= n; k++) {
        const next = ((2 * k - 1) * x * value - (k - 1) * before) / k
        before = value
        value = next
      }
      slope = (n * (x * value - before)) / (x * x - 1)
      const step = value / slope
      x -= step
      if (Math.abs(step) < 1e-16) break
    }
    node[i] = -x
    node[n - 1 - i] = x
    weight[i] = weight[n - 1 - i] = 2 / ((1 - x * x) * slope * slope)
  }
  return {node, weight}
}
