import {assemble, I32, op, V128, type WasmFunction} from './wasm-assembler.ts'
import {Wasm, type WasmMemory} from './web-assembly.ts'

/** `out[i] = query · codes[i]` in 32-bit integers, for 16-bit queries and 8-bit rows. Byte addresses. */
export type DotCodes = (query: number, codes: number, count: number, out: number) => void

/** Rows a round takes together, so that each part of the query is loaded once for all of them. */
const GROUP = 8
const [QUERY, CODES, COUNT, OUT, ACCUMULATOR] = [0, 1, 2, 3, 4]

/** Compiled once: every path of a stress run opens a bank of its own. */
const modules = new Map<number, object>()

/** Compiles the kernel for one dimension, a multiple of 16 up to 2,048 (beyond, sums could pass 32 bits). */
export const compileDotCodes = (memory: WasmMemory, dimension: number): DotCodes => {
  if (dimension % 16 !== 0 || dimension <= 0 || dimension > 2_048) {
    throw new RangeError(`dimension must be a multiple of 16 up to 2048, was ${dimension}`)
  }
  const module = modules.get(dimension) ?? new Wasm.Module(assemble([dotCodes(dimension)]))
  modules.set(dimension, module)
  return new Wasm.Instance(module, {env: {memory}}).exports['dotCodes'] as DotCodes
}

const dotCodes = (dimension: number): WasmFunction => ({
  name: 'dotCodes',
  parameters: 4,
  locals: [
    [GROUP, V128],
    [1, V128],
    [1, I32],
  ],
  body: [...groups(dimension, GROUP), ...groups(dimension, 1)],
})

const groups = (dimension: number, rows: number): readonly number[] => {
  const part = ACCUMULATOR + GROUP
  const each = Array.from({length: rows}, (_, row) => row)
  const sum = Array.from({length: dimension / 8}, (_, step) => step * 8).flatMap(offset => [
    ...[...op.get(QUERY), ...op.load128(offset * 2), ...op.set(part)],
    ...each.flatMap(row => [
      ...[...op.get(CODES), ...op.load8x8(row * dimension + offset), ...op.get(part), ...op.dotI16x8],
      ...[...op.get(ACCUMULATOR + row), ...op.i32x4Add, ...op.set(ACCUMULATOR + row)],
    ]),
  ])
  const store = each.flatMap(row => [
    ...op.get(OUT),
    ...[0, 1, 2, 3].flatMap(lane => [
      ...[...op.get(ACCUMULATOR + row), ...op.i32x4Lane(lane)],
      ...(lane > 0 ? op.addI32 : []),
    ]),
    ...op.i32Store(row * 4),
  ])
  return op.loop([
    ...[...op.get(COUNT), ...op.i32(rows), ...op.ltS, ...op.breakIf],
    ...each.flatMap(row => [...op.zero128, ...op.set(ACCUMULATOR + row)]),
    ...sum,
    ...store,
    ...[...op.get(CODES), ...op.i32(rows * dimension), ...op.addI32, ...op.set(CODES)],
    ...[...op.get(OUT), ...op.i32(rows * 4), ...op.addI32, ...op.set(OUT)],
    ...[...op.get(COUNT), ...op.i32(rows), ...op.subI32, ...op.set(COUNT)],
  ])
}
