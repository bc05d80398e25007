/** Columns that the kernels sum together. */
const GROUP = 16

/**
 * Columns of a query up to the last that is not zero, in whole groups and at least one. What lies beyond adds nothing to its
 * dot products, so no row need be read there: patterns made of bars leave the last third of their 256 numbers empty.
 */
export const columnsInUse = (query: Float32Array): number => {
  let last = query.length
  while (last > 1 && query[last - 1] === 0) last--
  return Math.ceil(last / GROUP) * GROUP
}
