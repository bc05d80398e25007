// Numeric kernel: indices are in bounds by construction, hence the `!`.

/** Dot product of two vectors of one length, summed in float64 and rounded as the indexes round theirs. */
export const similarityOf = (a: Float32Array, b: Float32Array): number => {
  let sum = 0
  for (let i = 0; i < a.length; i++) sum += a[i]! * b[i]!
  return Math.fround(sum)
}
