/** Typed columns indexed by small integer keys, grown as keys come. */
type Column = Int32Array<ArrayBuffer> | Float64Array<ArrayBuffer> | Uint8Array<ArrayBuffer>

/** The column itself, or a longer copy that has room for `length`; new places hold `fill`. */
export const withRoom = <T extends Column>(column: T, length: number, fill = 0): T => {
  if (length <= column.length) return column
  const grown = new (column.constructor as new (length: number) => T)(Math.max(length, column.length * 2))
  if (fill !== 0) grown.fill(fill, column.length)
  grown.set(column)
  return grown
}
