import {assemble, I32, op, V128, type WasmFunction} from './wasm-assembler.ts'
import {Wasm, type WasmMemory} from './web-assembly.ts'

/** Rows that are summed together. */
export const BLOCK_ROWS = 32

/**
 * Sums of table entries for blocks of 32 rows: `out[32 i + r]` (16 bits) is the sum over the parts of entry `code` of the
 * part's table, and `list` (32 bits each) gets the rows whose sum is greater than `above`, ascending; returns how many. A
 * block is 16 bytes a part; where in them the code of a row lies, `nibbleOf` says. Byte addresses. (The "fast scan" of
 * André, Kermarrec and Le Scouarnec 2015: a table of 16 bytes is looked up by one shuffle.)
 */
export type ScanNibbles = (
  table: number,
  blocks: number,
  count: number,
  out: number,
  above: number,
  list: number,
) => number

/** Byte (0 to 15) and shift (0 or 4) of a row's code in each part: laid out so that sums come out in the order of rows. */
export const nibbleOf = (row: number): {readonly byte: number; readonly shift: number} => ({
  byte: 2 * (row % 8) + (Math.floor(row / 8) % 2),
  shift: row < 16 ? 0 : 4,
})

const [TABLE, BLOCKS, COUNT, OUT, ABOVE, LIST] = [0, 1, 2, 3, 4, 5]
const [CODES, LOW, HIGH, LOW_EVEN, LOW_ODD, HIGH_EVEN, HIGH_ODD, NIBBLES, EVEN_BYTES, LIMIT] = [
  6, 7, 8, 9, 10, 11, 12, 13, 14, 15,
]
const [START, ROW, PASSING] = [16, 17, 18]
/** Entries are at most 63: this many sum up within a byte. */
const TOGETHER = 4

const modules = new Map<number, object>()

/** For a number of parts that is a multiple of 4. */
export const compileScanNibbles = (memory: WasmMemory, parts: number): ScanNibbles => {
  if (parts % TOGETHER !== 0 || parts <= 0) throw new RangeError(`parts must be a multiple of 4, was ${parts}`)
  const module = modules.get(parts) ?? new Wasm.Module(fastest(parts))
  modules.set(parts, module)
  return new Wasm.Instance(module, {env: {memory}}).exports['scanNibbles'] as ScanNibbles
}

/** Two instructions fewer a look-up where the engine has relaxed SIMD; the sums are the same. */
const fastest = (parts: number): Uint8Array<ArrayBuffer> => {
  const relaxed = assemble([scanNibbles(parts, op.relaxedSwizzle)])
  return Wasm.validate(relaxed) ? relaxed : assemble([scanNibbles(parts, op.swizzle)])
}

/** Constants live in locals: the compiler would fetch them anew at every use. */
const nibbles = op.const128(new Array<number>(16).fill(0x0f))
const evenBytes = op.const128(Array.from({length: 16}, (_, i) => (i % 2 === 0 ? 0xff : 0)))

const SUMS = [LOW_EVEN, LOW_ODD, HIGH_EVEN, HIGH_ODD]

const scanNibbles = (parts: number, lookUp: readonly number[]): WasmFunction => ({
  name: 'scanNibbles',
  parameters: 6,
  result: true,
  locals: [
    [10, V128],
    [3, I32],
  ],
  body: [
    ...[...nibbles, ...op.set(NIBBLES), ...evenBytes, ...op.set(EVEN_BYTES)],
    ...[...op.get(ABOVE), ...op.i16x8Splat, ...op.set(LIMIT), ...op.get(LIST), ...op.set(START)],
    ...op.loop([
      ...[...op.get(COUNT), ...op.i32(1), ...op.ltS, ...op.breakIf],
      ...SUMS.flatMap(sum => [...op.zero128, ...op.set(sum)]),
      ...Array.from({length: parts / TOGETHER}, (_, group) => someParts(group * TOGETHER, lookUp)).flat(),
      ...SUMS.flatMap((sum, i) => [...op.get(OUT), ...op.get(sum), ...op.store128(i * 16)]),
      ...listPassing,
      ...[...op.get(BLOCKS), ...op.i32(parts * 16), ...op.addI32, ...op.set(BLOCKS)],
      ...[...op.get(OUT), ...op.i32(BLOCK_ROWS * 2), ...op.addI32, ...op.set(OUT)],
      ...[...op.get(ROW), ...op.i32(BLOCK_ROWS), ...op.addI32, ...op.set(ROW)],
      ...[...op.get(COUNT), ...op.i32(1), ...op.subI32, ...op.set(COUNT)],
    ]),
    ...[...op.get(LIST), ...op.get(START), ...op.subI32, ...op.i32(2), ...op.shrUI32],
  ],
})

const greater = (sum: number): readonly number[] => [...op.get(sum), ...op.get(LIMIT), ...op.i16x8GtS]
const sixteenBits = (first: number, second: number): readonly number[] => [
  ...[...greater(first), ...greater(second), ...op.i8x16Narrow, ...op.i8x16Bitmask],
]

/** A bit for each of the 32 rows, taken from the lowest on. */
const listPassing = [
  ...sixteenBits(LOW_EVEN, LOW_ODD),
  ...[...sixteenBits(HIGH_EVEN, HIGH_ODD), ...op.i32(16), ...op.shlI32, ...op.orI32, ...op.set(PASSING)],
  ...op.loop([
    ...[...op.get(PASSING), ...op.eqzI32, ...op.breakIf],
    ...[...op.get(LIST), ...op.get(ROW), ...op.get(PASSING), ...op.ctzI32, ...op.addI32, ...op.i32Store(0)],
    ...[...op.get(LIST), ...op.i32(4), ...op.addI32, ...op.set(LIST)],
    ...[...op.get(PASSING), ...op.get(PASSING), ...op.i32(1), ...op.subI32, ...op.andI32, ...op.set(PASSING)],
  ]),
]

/** Four parts: their entries are added as bytes, then the even and the odd bytes to their sums of 16 bits. */
const someParts = (first: number, lookUp: readonly number[]): readonly number[] => {
  const lookUps = Array.from({length: TOGETHER}, (_, i) => {
    const at = (first + i) * 16
    const entry = (codes: readonly number[], sum: number): readonly number[] => [
      ...[...op.get(TABLE), ...op.load128(at), ...codes, ...lookUp],
      ...(i === 0 ? [] : [...op.get(sum), ...op.i8x16Add]),
      ...op.set(sum),
    ]
    return [
      ...[...op.get(BLOCKS), ...op.load128(at), ...op.set(CODES)],
      ...entry([...op.get(CODES), ...op.get(NIBBLES), ...op.and128], LOW),
      ...entry([...op.get(CODES), ...op.i32(4), ...op.i16x8ShrU, ...op.get(NIBBLES), ...op.and128], HIGH),
    ]
  }).flat()
  const widen = (bytes: number, even: number, odd: number): readonly number[] => [
    ...[...op.get(bytes), ...op.get(EVEN_BYTES), ...op.and128, ...op.get(even), ...op.i16x8Add, ...op.set(even)],
    ...[...op.get(bytes), ...op.i32(8), ...op.i16x8ShrU, ...op.get(odd), ...op.i16x8Add, ...op.set(odd)],
  ]
  return [...lookUps, ...widen(LOW, LOW_EVEN, LOW_ODD), ...widen(HIGH, HIGH_EVEN, HIGH_ODD)]
}
