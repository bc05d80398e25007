import {assemble, I32, op, V128, type WasmFunction} from './wasm-assembler.ts'
import {Wasm, type WasmMemory} from './web-assembly.ts'

/** Similarities of one query with `count` rows that lie one after another: `out[i] = query · rows[i]`. Byte addresses. */
export type DotRows = (query: number, rows: number, count: number, out: number) => void

/** Rows a round takes together, so that each quarter of the query is loaded once for all of them. */
const GROUP = 8
/** Floats one SIMD register holds. */
const LANES = 4

/** Compiled once: every path of a stress run opens a bank of its own. */
const modules = new Map<string, object>()

/**
 * Compiles the dot-product kernel for rows `stride` floats apart of which the first `width` are summed (multiples of 16).
 * Every row is summed in the same order whatever its place, with plain multiply and add (no fused or relaxed forms), so
 * results are bit-equal on every machine.
 */
export const compileDotRows = (memory: WasmMemory, stride: number, width = stride): DotRows => {
  if (stride % 16 !== 0 || width % 16 !== 0 || width <= 0 || width > stride)
    throw new RangeError(`stride and width must be multiples of 16, were ${stride} and ${width}`)
  const shape = `${width}/${stride}`
  const module = modules.get(shape) ?? new Wasm.Module(assemble([dotRows(stride * 4, width * 4)]))
  modules.set(shape, module)
  const instance = new Wasm.Instance(module, {env: {memory}})
  return instance.exports['dotRows'] as DotRows
}

const QUERY = 0
const ROWS = 1
const COUNT = 2
const OUT = 3
const ACCUMULATOR = 4

/** Both in bytes. */
const dotRows = (stride: number, width: number): WasmFunction => ({
  name: 'dotRows',
  parameters: 4,
  locals: [
    [GROUP, V128],
    [1, V128],
    [1, I32],
  ],
  body: [...groups(stride, width, GROUP), ...groups(stride, width, 1)],
})

/** While at least `rows` are left: sums that many, stores the results, moves on. */
const groups = (stride: number, width: number, rows: number): readonly number[] => {
  const quarter = ACCUMULATOR + GROUP
  const each = Array.from({length: rows}, (_, row) => row)
  const clear = each.flatMap(row => [...op.zero128, ...op.set(ACCUMULATOR + row)])
  const steps = Array.from({length: width / 16}, (_, step) => step * 16)
  const sum = steps.flatMap(offset => [
    ...op.get(QUERY),
    ...op.load128(offset),
    ...op.set(quarter),
    ...each.flatMap(row => [
      ...op.get(ROWS),
      ...op.load128(row * stride + offset),
      ...op.get(quarter),
      ...op.f32x4Mul,
      ...op.get(ACCUMULATOR + row),
      ...op.f32x4Add,
      ...op.set(ACCUMULATOR + row),
    ]),
  ])
  const store = each.flatMap(row => [
    ...op.get(OUT),
    ...Array.from({length: LANES}, (_, lane) => [
      ...op.get(ACCUMULATOR + row),
      ...op.f32x4Lane(lane),
      ...(lane > 0 ? op.f32Add : []),
    ]).flat(),
    ...op.f32Store(row * 4),
  ])
  const advance = [
    ...[...op.get(ROWS), ...op.i32(rows * stride), ...op.addI32, ...op.set(ROWS)],
    ...[...op.get(OUT), ...op.i32(rows * 4), ...op.addI32, ...op.set(OUT)],
    ...[...op.get(COUNT), ...op.i32(rows), ...op.subI32, ...op.set(COUNT)],
  ]
  return op.loop([
    ...[...op.get(COUNT), ...op.i32(rows), ...op.ltS, ...op.breakIf],
    ...clear,
    ...sum,
    ...store,
    ...advance,
  ])
}
