// Numeric kernel: vectors and the row-major normal matrix are indexed with `!` below their length.

/**
 * Minimum of Σ rᵢ(p)² near `start` by damped Gauss–Newton steps with a forward-difference Jacobian
 * (D. W. Marquardt, J. SIAM 11, 1963). `residuals` fills its second argument; a NaN in it counts as a worse point.
 */
export const levenbergMarquardt = (
  residuals: (point: Float64Array, out: Float64Array) => void,
  start: readonly number[],
  count: number,
  {maxSteps = 40, tolerance = 1e-10}: {readonly maxSteps?: number; readonly tolerance?: number} = {},
): {readonly point: Float64Array; readonly value: number} => {
  const n = start.length
  let point: Float64Array = Float64Array.from(start)
  let current: Float64Array = new Float64Array(count)
  residuals(point, current)
  let value = sumOfSquares(current)
  let trial: Float64Array = new Float64Array(count)
  const jacobian = Array.from({length: n}, () => new Float64Array(count))
  let damping = 1e-3
  for (let step = 0; step < maxSteps; step++) {
    for (let j = 0; j < n; j++) {
      const h = 1e-7 * Math.max(Math.abs(point[j]!), 1e-3)
      const shifted = point.slice()
      shifted[j]! += h
      residuals(shifted, trial)
      const column = jacobian[j]!
      for (let i = 0; i < count; i++) column[i] = (trial[i]! - current[i]!) / h
    }
    const {normal, gradient} = normalEquations(jacobian, current, n)
    let improved = false
    for (let attempt = 0; attempt < 8 && !improved; attempt++) {
      const move = solveDamped(normal, gradient, n, damping)
      const next = point.map((x, j) => x - move[j]!)
      residuals(next, trial)
      const nextValue = sumOfSquares(trial)
      if (nextValue < value) {
        improved = true
        const gain = value - nextValue
        point = next
        ;[current, trial] = [trial, current]
        damping = Math.max(damping * 0.2, 1e-12)
        value = nextValue
        if (gain <= tolerance * value) return {point, value}
      } else damping *= 6
    }
    if (!improved) break
  }
  return {point, value}
}

const sumOfSquares = (r: Float64Array): number => {
  let sum = 0
  for (let i = 0; i < r.length; i++) sum += r[i]! * r[i]!
  return sum
}

const normalEquations = (
  jacobian: readonly Float64Array[],
  r: Float64Array,
  n: number,
): {normal: Float64Array; gradient: Float64Array} => {
  const normal = new Float64Array(n * n)
  const gradient = new Float64Array(n)
  for (let a = 0; a < n; a++) {
    const left = jacobian[a]!
    for (let b = a; b < n; b++) {
      const right = jacobian[b]!
      let sum = 0
      for (let i = 0; i < r.length; i++) sum += left[i]! * right[i]!
      normal[a * n + b] = sum
      normal[b * n + a] = sum
    }
    let sum = 0
    for (let i = 0; i < r.length; i++) sum += left[i]! * r[i]!
    gradient[a] = sum
  }
  return {normal, gradient}
}

/** (A + damping·diag A)·x = g by Cholesky; a vanishing pivot leaves its coordinate where it is. */
const solveDamped = (normal: Float64Array, gradient: Float64Array, n: number, damping: number): Float64Array => {
  const lower = new Float64Array(n * n)
  const x = gradient.slice()
  for (let i = 0; i < n; i++) {
    for (let j = 0; j <= i; j++) {
      let sum = normal[i * n + j]! * (i === j ? 1 + damping : 1)
      if (i === j) sum += 1e-14
      for (let k = 0; k < j; k++) sum -= lower[i * n + k]! * lower[j * n + k]!
      lower[i * n + j] = i === j ? Math.sqrt(Math.max(sum, 1e-14)) : sum / lower[j * n + j]!
    }
  }
  for (let i = 0; i < n; i++) {
    for (let k = 0; k < i; k++) x[i]! -= lower[i * n + k]! * x[k]!
    x[i]! /= lower[i * n + i]!
  }
  for (let i = n - 1; i >= 0; i--) {
    for (let k = i + 1; k < n; k++) x[i]! -= lower[k * n + i]! * x[k]!
    x[i]! /= lower[i * n + i]!
  }
  return x
}
