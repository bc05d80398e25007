import {assemble, F32, I32, op, V128, type WasmFunction} from './wasm-assembler.ts'
import {Wasm, type WasmMemory} from './web-assembly.ts'

/** `out[i] = query · codes[i]` in 32-bit integers, for 16-bit queries and 8-bit rows. Byte addresses. */
export type DotCodes = (query: number, rows: number, count: number, out: number) => void

/**
 * Which of `count` rows can be at least as similar as the floor: writes their numbers to `out` and the upper bounds of
 * their similarities BLOCK · 4 bytes behind, and returns where it stopped writing. `TERMS` float32 lie behind the query.
 */
export type ReachCodes = (query: number, rows: number, count: number, out: number) => number

export interface CodeKernel {
  readonly dot: DotCodes
  /** Rows that lie one after another, from `rows` on. */
  readonly reach: ReachCodes
  /** Rows anywhere: `rows` is where the list of their addresses (32 bits each) begins. */
  readonly reachListed: ReachCodes
}

/** Rows looked at in one call at most. */
export const BLOCK = 2_048
/** What a bound is made of besides the row: the query's scale and norm, what both roundings may hide, and the floor. */
export const TERMS = 4
/** Behind the codes of a row: its scale and how far its codes are from it, float32 each; eight bytes more align the next. */
export const ROW_TAIL = 16

/** Rows a round takes together, so that each part of the query is loaded once for all of them. */
const GROUP = 8
const [QUERY, ROWS, COUNT, OUT, ACCUMULATOR] = [0, 1, 2, 3, 4]
const PART = ACCUMULATOR + GROUP
const ADDRESS = PART + 1
const NUMBER = ADDRESS + GROUP
const [SCALE, NORM, SLACK, FLOOR, BOUND] = [1, 2, 3, 4, 5].map(k => NUMBER + k) as [
  number,
  number,
  number,
  number,
  number,
]

/** Compiled once: every path of a stress run opens a bank of its own. */
const modules = new Map<string, object>()

/**
 * Compiles the kernels for rows of `stride` codes of which the first `width` are summed: multiples of 16 up to 2,048 (beyond,
 * sums could pass 32 bits). A row is its codes and their tail.
 */
export const compileCodeKernel = (memory: WasmMemory, stride: number, width: number): CodeKernel => {
  if (width % 16 !== 0 || width <= 0 || width > stride || stride > 2_048) {
    throw new RangeError(`width must be a multiple of 16 up to a stride of 2048 at most, was ${width} of ${stride}`)
  }
  const shape = `${width}/${stride}`
  const module = modules.get(shape) ?? new Wasm.Module(assemble(functions(stride, width)))
  modules.set(shape, module)
  const {exports} = new Wasm.Instance(module, {env: {memory}})
  return exports as unknown as CodeKernel
}

const functions = (stride: number, width: number): readonly WasmFunction[] => {
  const bytes = stride + ROW_TAIL
  const inRow: Rows = {place: row => ({address: op.get(ROWS), offset: row * bytes}), bytes, start: () => []}
  const listed: Rows = {
    place: row => ({address: op.get(ADDRESS + row), offset: 0}),
    bytes: 4,
    start: rows => upTo(rows).flatMap(row => [...op.get(ROWS), ...op.i32Load(row * 4), ...op.set(ADDRESS + row)]),
  }
  const locals: WasmFunction['locals'] = [
    [GROUP + 1, V128],
    [GROUP + 1, I32],
    [5, F32],
  ]
  const reach = (name: string, rows: Rows): WasmFunction => ({
    name,
    parameters: 4,
    result: true,
    locals,
    body: [
      ...[SCALE, NORM, SLACK, FLOOR].flatMap((term, k) => [
        ...[...op.get(QUERY), ...op.f32Load(stride * 2 + k * 4), ...op.set(term)],
      ]),
      ...rounds(width, rows, reached(stride, rows)),
      ...op.get(OUT),
    ],
  })
  return [
    {name: 'dot', parameters: 4, locals, body: rounds(width, inRow, stored)},
    reach('reach', inRow),
    reach('reachListed', listed),
  ]
}

interface Rows {
  readonly place: (row: number) => {readonly address: readonly number[]; readonly offset: number}
  /** That ROWS moves on by for each row. */
  readonly bytes: number
  /** Before the first row of a round of so many. */
  readonly start: (rows: number) => readonly number[]
}

const upTo = (count: number): number[] => Array.from({length: count}, (_, i) => i)

/** Puts the sum of a row on the stack. */
const sumOf = (row: number): readonly number[] =>
  [0, 1, 2, 3].flatMap(lane => [
    ...[...op.get(ACCUMULATOR + row), ...op.i32x4Lane(lane)],
    ...(lane > 0 ? op.addI32 : []),
  ])

const moveOut = (bytes: readonly number[]): readonly number[] => [
  ...[...op.get(OUT), ...bytes, ...op.addI32, ...op.set(OUT)],
]

const stored = (row: number): readonly number[] => [
  ...[...op.get(OUT), ...sumOf(row), ...op.i32Store(0)],
  ...moveOut(op.i32(4)),
]

/** Writes the row in any case, and goes past it only when it reaches the floor. */
const reached =
  (stride: number, {place}: Rows) =>
  (row: number): readonly number[] => {
    const {address, offset} = place(row)
    return [
      ...[...op.get(OUT), ...sumOf(row), ...op.f32FromI32],
      ...[...address, ...op.f32Load(offset + stride), ...op.get(SCALE), ...op.f32Mul, ...op.f32Mul],
      ...[...address, ...op.f32Load(offset + stride + 4), ...op.get(NORM), ...op.f32Mul, ...op.f32Add],
      ...[...op.get(SLACK), ...op.f32Add, ...op.tee(BOUND), ...op.f32Store(BLOCK * 4)],
      ...[...op.get(OUT), ...op.get(NUMBER), ...op.i32(row), ...op.addI32, ...op.i32Store(0)],
      ...moveOut([...op.get(BOUND), ...op.get(FLOOR), ...op.f32Ge, ...op.i32(2), ...op.shlI32]),
    ]
  }

/** Sums the rows, eight at a time and then one by one, and does with each what `finish` says. */
const rounds = (width: number, rows: Rows, finish: (row: number) => readonly number[]): readonly number[] =>
  [GROUP, 1].flatMap(together => {
    const sum = upTo(width / 8).flatMap(part => [
      ...[...op.get(QUERY), ...op.load128(part * 16), ...op.set(PART)],
      ...upTo(together).flatMap(row => {
        const {address, offset} = rows.place(row)
        return [
          ...[...address, ...op.load8x8(offset + part * 8), ...op.get(PART), ...op.dotI16x8],
          ...[...op.get(ACCUMULATOR + row), ...op.i32x4Add, ...op.set(ACCUMULATOR + row)],
        ]
      }),
    ])
    return op.loop([
      ...[...op.get(COUNT), ...op.i32(together), ...op.ltS, ...op.breakIf],
      ...upTo(together).flatMap(row => [...op.zero128, ...op.set(ACCUMULATOR + row)]),
      ...rows.start(together),
      ...sum,
      ...upTo(together).flatMap(finish),
      ...[...op.get(ROWS), ...op.i32(together * rows.bytes), ...op.addI32, ...op.set(ROWS)],
      ...[...op.get(NUMBER), ...op.i32(together), ...op.addI32, ...op.set(NUMBER)],
      ...[...op.get(COUNT), ...op.i32(together), ...op.subI32, ...op.set(COUNT)],
    ])
  })
