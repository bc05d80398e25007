import {assemble, I32, op, V128, type WasmFunction} from './wasm-assembler.ts'
import {Wasm, type WasmMemory} from './web-assembly.ts'

/** `out[i] = query · codes[i]` in 32-bit integers, for 16-bit queries and 8-bit rows. Byte addresses. */
export type DotCodes = (query: number, codes: number, count: number, out: number) => void

export interface CodeKernel {
  /** Rows that lie one after another, from `codes` on. */
  readonly inRow: DotCodes
  /** Rows anywhere: `codes` is where the list of their addresses (32 bits each) begins. */
  readonly listed: DotCodes
}

/** Rows a round takes together, so that each part of the query is loaded once for all of them. */
const GROUP = 8
const [QUERY, CODES, COUNT, OUT, ACCUMULATOR] = [0, 1, 2, 3, 4]
const PART = ACCUMULATOR + GROUP
const ADDRESS = PART + 1

/** Compiled once: every path of a stress run opens a bank of its own. */
const modules = new Map<string, object>()

/**
 * Compiles the kernels for rows `stride` bytes apart of which the first `width` are summed: multiples of 16 up to 2,048
 * (beyond, sums could pass 32 bits).
 */
export const compileDotCodes = (memory: WasmMemory, stride: number, width: number): CodeKernel => {
  if (width % 16 !== 0 || width <= 0 || width > stride || stride > 2_048) {
    throw new RangeError(`width must be a multiple of 16 up to a stride of 2048 at most, was ${width} of ${stride}`)
  }
  const shape = `${width}/${stride}`
  const module = modules.get(shape) ?? new Wasm.Module(assemble([dotCodes(stride, width), dotListed(width)]))
  modules.set(shape, module)
  const {exports} = new Wasm.Instance(module, {env: {memory}})
  return {inRow: exports['dotCodes'] as DotCodes, listed: exports['dotListed'] as DotCodes}
}

const dotCodes = (stride: number, width: number): WasmFunction => ({
  name: 'dotCodes',
  parameters: 4,
  locals: [[GROUP + 1, V128]],
  body: [GROUP, 1].flatMap(rows =>
    round(width, rows, {
      start: [],
      row: row => ({address: op.get(CODES), offset: row * stride}),
      step: rows * stride,
    }),
  ),
})

const dotListed = (width: number): WasmFunction => ({
  name: 'dotListed',
  parameters: 4,
  locals: [
    [GROUP + 1, V128],
    [GROUP, I32],
  ],
  body: [GROUP, 1].flatMap(rows =>
    round(width, rows, {
      start: upTo(rows).flatMap(row => [...op.get(CODES), ...op.i32Load(row * 4), ...op.set(ADDRESS + row)]),
      row: row => ({address: op.get(ADDRESS + row), offset: 0}),
      step: rows * 4,
    }),
  ),
})

interface Rows {
  /** Before the first row of a round. */
  readonly start: readonly number[]
  readonly row: (row: number) => {readonly address: readonly number[]; readonly offset: number}
  /** Bytes that CODES moves on by. */
  readonly step: number
}

const upTo = (count: number): number[] => Array.from({length: count}, (_, i) => i)

/** While at least `rows` are left: sums that many, stores the results, moves on. */
const round = (width: number, rows: number, {start, row: placeOf, step}: Rows): readonly number[] => {
  const sum = upTo(width / 8).flatMap(part => [
    ...[...op.get(QUERY), ...op.load128(part * 16), ...op.set(PART)],
    ...upTo(rows).flatMap(row => {
      const {address, offset} = placeOf(row)
      return [
        ...[...address, ...op.load8x8(offset + part * 8), ...op.get(PART), ...op.dotI16x8],
        ...[...op.get(ACCUMULATOR + row), ...op.i32x4Add, ...op.set(ACCUMULATOR + row)],
      ]
    }),
  ])
  const store = upTo(rows).flatMap(row => [
    ...op.get(OUT),
    ...[0, 1, 2, 3].flatMap(lane => [
      ...[...op.get(ACCUMULATOR + row), ...op.i32x4Lane(lane)],
      ...(lane > 0 ? op.addI32 : []),
    ]),
    ...op.i32Store(row * 4),
  ])
  return op.loop([
    ...[...op.get(COUNT), ...op.i32(rows), ...op.ltS, ...op.breakIf],
    ...upTo(rows).flatMap(row => [...op.zero128, ...op.set(ACCUMULATOR + row)]),
    ...start,
    ...sum,
    ...store,
    ...[...op.get(CODES), ...op.i32(step), ...op.addI32, ...op.set(CODES)],
    ...[...op.get(OUT), ...op.i32(rows * 4), ...op.addI32, ...op.set(OUT)],
    ...[...op.get(COUNT), ...op.i32(rows), ...op.subI32, ...op.set(COUNT)],
  ])
}
