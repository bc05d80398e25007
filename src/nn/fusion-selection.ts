// Typed arrays are indexed inside their bounds, hence the `!`.
import type {FusionGraph} from './fusion-graph.ts'
import type {OnnxNode} from './onnx-model.ts'

/** A value each of whose elements is one element of another value, times a number, plus a number; alike for each window. */
export interface Selection {
  /** The value selected from, [b, …]. */
  readonly root: string
  /** Sizes without the batch. */
  readonly shape: readonly number[]
  /** Places in a window of the root. */
  readonly from: Int32Array
  readonly scale: Float64Array
  readonly shift: Float64Array
}

/** Follows slices, reshapes, joints and scalars up to the value [b, rows, columns] that is cut up. */
export const selectionOf = (graph: FusionGraph, value: string | undefined): Selection | undefined => {
  const node = graph.producer(value)
  const parts = node === undefined ? undefined : followed(graph, node)
  if (parts !== undefined) return parts
  const shape = graph.shapeOf(value)
  if (value === undefined || shape?.length !== 3 || shape[0] !== -1) return undefined
  const size = shape[1]! * shape[2]!
  return {
    root: value,
    shape: shape.slice(1),
    from: Int32Array.from({length: size}, (_, i) => i),
    scale: new Float64Array(size).fill(1),
    shift: new Float64Array(size),
  }
}

const followed = (graph: FusionGraph, node: OnnxNode): Selection | undefined => {
  const shape = graph.shapeOf(node.outputs[0])?.slice(1)
  if (shape === undefined || shape.some(size => size < 1)) return undefined
  if (node.op === 'Concat') return joined(graph, node, shape)
  if (!['Slice', 'Reshape', 'Mul', 'Add'].includes(node.op)) return undefined
  const number = graph.scalar(node.inputs[1])
  if (number === undefined && (node.op === 'Mul' || node.op === 'Add')) return undefined
  const source = selectionOf(graph, node.inputs[0])
  if (source === undefined) return undefined
  if (node.op === 'Reshape') return sizeOf(shape) === source.from.length ? {...source, shape} : undefined
  if (node.op === 'Mul' && number !== undefined)
    return {...source, scale: source.scale.map(v => v * number), shift: source.shift.map(v => v * number)}
  if (node.op === 'Add' && number !== undefined) return {...source, shift: source.shift.map(v => v + number)}
  const [starts, , axes] = [1, 2, 3].map(i => graph.integers(node.inputs[i]) as readonly number[])
  if (axes?.includes(0)) return undefined
  const offsets = shape.map((_, axis) => starts?.[axes?.indexOf(axis + 1) ?? -1] ?? 0)
  return picked([source], shape, at => [
    0,
    offset(
      at.map((i, axis) => i + offsets[axis]!),
      source.shape,
    ),
  ])
}

const joined = (graph: FusionGraph, node: OnnxNode, shape: readonly number[]): Selection | undefined => {
  const axis = Number(node.attributes['axis']?.value ?? 0) - 1
  const sources = node.inputs.flatMap(name => selectionOf(graph, name) ?? [])
  if (axis < 0 || sources.length < node.inputs.length || sources.some(({root}) => root !== sources[0]?.root))
    return undefined
  return picked(sources, shape, at => {
    let [source, i] = [0, at[axis]!]
    while (i >= sources[source]!.shape[axis]!) i -= sources[source++]!.shape[axis]!
    return [source, offset(at.with(axis, i), sources[source]!.shape)]
  })
}

const sizeOf = (shape: readonly number[]): number => shape.reduce((product, size) => product * size, 1)

const offset = (at: readonly number[], shape: readonly number[]): number =>
  at.reduce((sum, i, axis) => sum * shape[axis]! + i, 0)

/** A selection of `shape` whose element at each place is that of one of the sources. */
const picked = (
  sources: readonly Selection[],
  shape: readonly number[],
  pick: (at: readonly number[]) => readonly [source: number, place: number],
): Selection => {
  const size = sizeOf(shape)
  const [from, scale, shift] = [new Int32Array(size), new Float64Array(size), new Float64Array(size)]
  for (let i = 0; i < size; i++) {
    const at = shape.map((n, axis) => Math.floor(i / sizeOf(shape.slice(axis + 1))) % n)
    const [source, place] = pick(at)
    from[i] = sources[source]!.from[place]!
    scale[i] = sources[source]!.scale[place]!
    shift[i] = sources[source]!.shift[place]!
  }
  return {root: sources[0]!.root, shape, from, scale, shift}
}
