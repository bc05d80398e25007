// Shapes are short arrays read by loops that stay inside their bounds, hence the `!`.

export type Shape = readonly number[]

/** Two shapes that do not fit, found while a graph is built. A bug of whoever wrote the model, never of its data. */
export class ShapeError extends Error {
  override readonly name = 'ShapeError'
}

export const sizeOf = (shape: Shape): number => shape.reduce((product, dimension) => product * dimension, 1)

export const sameShape = (a: Shape, b: Shape): boolean => a.length === b.length && a.every((d, i) => d === b[i])

/** NumPy broadcasting: shapes are aligned at their last axis, and an axis of 1 stretches. */
export const broadcastShapes = (op: string, a: Shape, b: Shape): Shape => {
  const rank = Math.max(a.length, b.length)
  const out: number[] = []
  for (let axis = 0; axis < rank; axis++) {
    const left = a[axis - rank + a.length] ?? 1
    const right = b[axis - rank + b.length] ?? 1
    if (left !== right && left !== 1 && right !== 1) {
      throw new ShapeError(
        `${op}: [${a}] and [${b}] do not broadcast: axis ${axis} is ${left} on the left, ${right} on the right`,
      )
    }
    out.push(left === 1 ? right : left)
  }
  return out
}

/** Axis in 0..rank-1 from one that may count from the end. */
export const normalAxis = (op: string, axis: number, rank: number): number => {
  const normal = axis < 0 ? axis + rank : axis
  if (!Number.isInteger(normal) || normal < 0 || normal >= rank) {
    throw new ShapeError(`${op}: axis ${axis} is outside a tensor of rank ${rank}`)
  }
  return normal
}

/** Row-major strides, in elements. */
export const stridesOf = (shape: Shape): number[] => {
  const strides = new Array<number>(shape.length).fill(1)
  for (let axis = shape.length - 2; axis >= 0; axis--) strides[axis] = strides[axis + 1]! * shape[axis + 1]!
  return strides
}

/** Resolves one -1 of a reshape target and checks that the element count stays. */
export const resolveReshape = (from: Shape, to: Shape): Shape => {
  const size = sizeOf(from)
  const unknown = to.indexOf(-1)
  const known = to.reduce((product, d) => (d === -1 ? product : product * d), 1)
  const shape = unknown < 0 ? to : to.map(d => (d === -1 ? size / known : d))
  if (sizeOf(shape) !== size || !shape.every(Number.isInteger)) {
    throw new ShapeError(`Reshape: [${from}] has ${size} elements, which do not fit [${to}]`)
  }
  return shape
}
