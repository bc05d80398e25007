import {assemble, I32, op, V128, type WasmFunction} from './wasm-assembler.ts'
import {Wasm, type WasmMemory} from './web-assembly.ts'

/**
 * Which rows may be near the query, four a chunk: writes the number of a chunk and the bits of its rows to `out`, 32 bits
 * each, and returns where it stopped writing. `first` and `second` are where the halves of the chunks begin. Byte addresses.
 */
export type NearRows = (query: number, first: number, second: number, chunks: number, out: number) => number

/** Coordinates of each half. */
export const HALF = 8
export const LANES = 4
/** Floats of one chunk's half: what the sum starts from, then the coordinates, each for four rows. */
export const CHUNK = (1 + HALF) * LANES
/** Floats of a query: the coordinates of both halves, then what either sum must reach. */
export const QUERY_FLOATS = 2 * HALF + 2

const [QUERY, FIRST, SECOND, CHUNKS, OUT] = [0, 1, 2, 3, 4]
const ACCUMULATOR = 5
const COORDINATE = ACCUMULATOR + 1
const REACH = COORDINATE + 2 * HALF
const [NUMBER, BITS] = [REACH + 2, REACH + 3] as const

let module: object | undefined

/**
 * Compiles the kernel. A sum is `start + Σ query × coordinate`: with minus half of a row's squared length as its start it
 * is at least half of (the query's squared length − the squared distance allowed) just where the row is near enough. The
 * second half is read where the first leaves a row of the chunk in question.
 */
export const compileNearRows = (memory: WasmMemory): NearRows => {
  module ??= new Wasm.Module(assemble([nearRows()]))
  return new Wasm.Instance(module, {env: {memory}}).exports['nearRows'] as NearRows
}

const nearRows = (): WasmFunction => {
  const each = Array.from({length: HALF}, (_, j) => j)
  const sum = (rows: number, half: number): readonly number[] => [
    ...[...op.get(ACCUMULATOR), ...op.get(rows), ...op.load128(0), ...op.f32x4Add],
    ...each.flatMap(j => [
      ...[...op.get(rows), ...op.load128((1 + j) * LANES * 4), ...op.get(COORDINATE + half * HALF + j)],
      ...[...op.f32x4Mul, ...op.f32x4Add],
    ]),
    ...op.tee(ACCUMULATOR),
    ...[...op.get(REACH + half), ...op.f32x4Ge, ...op.i32x4Bitmask],
  ]
  const next = (pointer: number, by: number): readonly number[] => [
    ...[...op.get(pointer), ...op.i32(by), ...op.addI32, ...op.set(pointer)],
  ]
  const load = (into: number, float: number): readonly number[] => [
    ...[...op.get(QUERY), ...op.load32Splat(float * 4), ...op.set(into)],
  ]
  return {
    name: 'nearRows',
    parameters: 5,
    result: true,
    locals: [
      [1 + 2 * HALF + 2, V128],
      [2, I32],
    ],
    body: [
      ...Array.from({length: 2 * HALF}, (_, j) => load(COORDINATE + j, j)).flat(),
      ...[...load(REACH, 2 * HALF), ...load(REACH + 1, 2 * HALF + 1)],
      ...op.loop([
        ...[...op.get(NUMBER), ...op.get(CHUNKS), ...op.geS, ...op.breakIf],
        ...[...op.zero128, ...op.set(ACCUMULATOR), ...sum(FIRST, 0)],
        ...op.when([
          ...[...sum(SECOND, 1), ...op.set(BITS)],
          ...[...op.get(OUT), ...op.get(NUMBER), ...op.i32Store(0)],
          ...[...op.get(OUT), ...op.get(BITS), ...op.i32Store(4)],
          // Goes past what was written only where a row is left.
          ...[...op.get(OUT), ...op.get(BITS), ...op.i32(0), ...op.neI32, ...op.i32(3), ...op.shlI32],
          ...[...op.addI32, ...op.set(OUT)],
        ]),
        ...[...next(FIRST, CHUNK * 4), ...next(SECOND, CHUNK * 4), ...next(NUMBER, 1)],
      ]),
      ...op.get(OUT),
    ],
  }
}
