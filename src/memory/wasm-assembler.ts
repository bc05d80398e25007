/**
 * The few encodings of the WebAssembly binary format (core specification 2.0, chapter 5) that the kernels need: one
 * imported memory, exported functions, integer control flow and 128-bit SIMD.
 */
type Code = readonly number[]

export const unsigned = (value: number): Code => {
  const out: number[] = []
  let rest = value >>> 0
  do {
    const low = rest & 0x7f
    rest >>>= 7
    out.push(rest === 0 ? low : low | 0x80)
  } while (rest !== 0)
  return out
}

const signed = (value: number): Code => {
  const out: number[] = []
  let rest = value | 0
  for (;;) {
    const low = rest & 0x7f
    rest >>= 7
    if ((rest === 0 && (low & 0x40) === 0) || (rest === -1 && (low & 0x40) !== 0)) return [...out, low]
    out.push(low | 0x80)
  }
}

const simd = (opcode: number, ...rest: Code): Code => [0xfd, ...unsigned(opcode), ...rest]
/** log2 of the alignment, then the constant offset. */
const memarg = (align: number, offset: number): Code => [align, ...unsigned(offset)]

export const I32 = 0x7f
export const F32 = 0x7d
export const V128 = 0x7b

export const op = {
  get: (local: number): Code => [0x20, ...unsigned(local)],
  set: (local: number): Code => [0x21, ...unsigned(local)],
  i32: (value: number): Code => [0x41, ...signed(value)],
  tee: (local: number): Code => [0x22, ...unsigned(local)],
  addI32: [0x6a],
  subI32: [0x6b],
  ltS: [0x48],
  geS: [0x4e],
  neI32: [0x47],
  eqzI32: [0x45],
  ctzI32: [0x68],
  andI32: [0x71],
  orI32: [0x72],
  shlI32: [0x74],
  shrUI32: [0x76],
  f32Add: [0x92],
  f32Mul: [0x94],
  f32Ge: [0x60],
  f32FromI32: [0xb2],
  f32Load: (offset: number): Code => [0x2a, ...memarg(2, offset)],
  i32Load: (offset: number): Code => [0x28, ...memarg(2, offset)],
  f32Store: (offset: number): Code => [0x38, ...memarg(2, offset)],
  i32Store: (offset: number): Code => [0x36, ...memarg(2, offset)],
  load128: (offset: number): Code => simd(0x00, ...memarg(4, offset)),
  /** Four bytes as they are loaded into all four lanes. */
  load32Splat: (offset: number): Code => simd(0x09, ...memarg(2, offset)),
  zero128: simd(0x0c, ...new Array<number>(16).fill(0)),
  const128: (bytes: Code): Code => simd(0x0c, ...bytes),
  store128: (offset: number): Code => simd(0x0b, ...memarg(4, offset)),
  /** Sixteen look-ups in a table of sixteen bytes. */
  swizzle: simd(0x0e),
  /** The same for indices below 16, for which it need not be checked (relaxed SIMD, not in every engine). */
  relaxedSwizzle: simd(0x100),
  i16x8Splat: simd(0x10),
  i16x8GtS: simd(0x31),
  /** The sign of each of the sixteen bytes as a bit. */
  i8x16Bitmask: simd(0x64),
  /** Two of eight 16-bit lanes into one of sixteen bytes, saturated. */
  i8x16Narrow: simd(0x65),
  and128: simd(0x4e),
  i8x16Add: simd(0x6e),
  i16x8ShrU: simd(0x8d),
  i16x8Add: simd(0x8e),
  f32x4Add: simd(0xe4),
  f32x4Mul: simd(0xe6),
  f32x4Ge: simd(0x46),
  f32x4Lane: (lane: number): Code => simd(0x1f, lane),
  i32x4Lane: (lane: number): Code => simd(0x1b, lane),
  i32x4Add: simd(0xae),
  /** The sign of each of the four lanes as a bit. */
  i32x4Bitmask: simd(0xa4),
  /** Eight signed bytes widened to 16 bits as they are loaded. */
  load8x8: (offset: number): Code => simd(0x01, ...memarg(3, offset)),
  /** Products of eight pairs of 16-bit integers, neighbours added into four 32-bit lanes. */
  dotI16x8: simd(0xba),
  /** `block { loop { body; br loop } }`; leave with `breakIf`. */
  loop: (body: Code): Code => [0x02, 0x40, 0x03, 0x40, ...body, 0x0c, 0, 0x0b, 0x0b],
  /** The body only where the i32 on the stack is not zero. */
  when: (body: Code): Code => [0x04, 0x40, ...body, 0x0b],
  breakIf: [0x0d, 1],
} as const satisfies Record<string, Code | ((...args: never[]) => Code)>

export interface WasmFunction {
  readonly name: string
  /** Number of i32 parameters. */
  readonly parameters: number
  /** Whether the body leaves an i32 behind. */
  readonly result?: boolean
  /** Extra locals after the parameters, as runs of [count, type]. */
  readonly locals: readonly (readonly [number, number])[]
  readonly body: Code
}

const vector = (items: readonly Code[]): Code => [...unsigned(items.length), ...items.flat()]
const section = (id: number, content: Code): Code => [id, ...unsigned(content.length), ...content]
const name = (text: string): Code => [...unsigned(text.length), ...[...text].map(c => c.charCodeAt(0))]

/** A module that imports `env.memory` and exports the functions. */
export const assemble = (functions: readonly WasmFunction[]): Uint8Array<ArrayBuffer> => {
  const types = functions.map(f => [
    0x60,
    ...vector(new Array<Code>(f.parameters).fill([I32])),
    ...(f.result ? [1, I32] : [0]),
  ])
  const bodies = functions.map(f => {
    const code = [...vector(f.locals.map(([count, type]) => [...unsigned(count), type])), ...f.body, 0x0b]
    return [...unsigned(code.length), ...code]
  })
  return Uint8Array.from([
    ...[0x00, 0x61, 0x73, 0x6d, 0x01, 0x00, 0x00, 0x00],
    ...section(1, vector(types)),
    ...section(2, vector([[...name('env'), ...name('memory'), 0x02, 0x00, 0x01]])),
    ...section(3, vector(functions.map((_, i) => unsigned(i)))),
    ...section(7, vector(functions.map((f, i) => [...name(f.name), 0x00, ...unsigned(i)]))),
    ...section(10, vector(bodies)),
  ])
}
