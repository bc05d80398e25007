/**
 * Columns up to the last that is not zero, in whole groups of sixteen and at least one. What lies beyond adds nothing to a
 * dot product: patterns made of bars leave the last third of their 256 numbers empty.
 */
export const columnsInUse = (vector: Float32Array): number => {
  let last = vector.length
  while (last > 1 && vector[last - 1] === 0) last--
  return Math.ceil(last / 16) * 16
}
