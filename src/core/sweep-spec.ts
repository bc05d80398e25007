import {readFile} from 'node:fs/promises'
import {z} from 'zod'
import {UserError} from '../domain/errors.ts'
import {createRng} from '../domain/rng.ts'

const value = z.union([z.number(), z.string(), z.boolean()])
const Range = z
  .strictObject({
    min: z.number(),
    max: z.number(),
    /** Spread evenly in the logarithm. */
    log: z.boolean().default(false),
    integer: z.boolean().default(false),
    /** Values a grid takes of it. */
    steps: z.int().min(2).default(5),
  })
  .refine(({min, max}) => min < max, {error: ({input}) => `min must be below max, was ${rangeOf(input)}`})
  .refine(({min, log}) => !log || min > 0, {
    error: ({input}) => `a range in the logarithm must begin above 0, was ${rangeOf(input)}`,
  })
const rangeOf = (input: unknown): string => {
  const {min, max} = input as {readonly min: number; readonly max: number}
  return `${min} to ${max}`
}
const Axis = z.union([z.array(value).min(1), Range])

/**
 * What a sweep tries: `{"fast": [5, 10], "slow": {"min": 20, "max": 200}}`, or with a method,
 * `{"method": "random", "trials": 50, "params": {…}}`.
 */
export const SweepSpec = z.strictObject({
  method: z.enum(['grid', 'random', 'halving']).default('grid'),
  /** How many of a random or halving search; a grid has its own number. */
  trials: z.int().positive().max(100_000).default(32),
  params: z.record(z.string(), Axis),
})
export type SweepSpec = z.output<typeof SweepSpec>

const EXAMPLE = 'a sweep is JSON such as {"fast": [5, 10], "slow": {"min": 20, "max": 200}}'
const oneLine = (text: string): string => text.replaceAll(/\s*\n\s*/g, ' ')

/** Reads and checks a sweep file. Throws UserError naming what is wrong in it. */
export const readSweepSpec = async (file: string): Promise<SweepSpec> => {
  let parsed: unknown
  try {
    parsed = JSON.parse(await readFile(file, 'utf8'))
  } catch (error) {
    throw new UserError('SWEEP_UNREADABLE', `cannot read the sweep ${file}: ${oneLine((error as Error).message)}`, {
      hints: [EXAMPLE],
      cause: error,
    })
  }
  const whole = typeof parsed === 'object' && parsed !== null && 'params' in parsed ? parsed : {params: parsed}
  const result = SweepSpec.safeParse(whole)
  if (!result.success)
    throw new UserError('SWEEP_INVALID', `${file} is not a sweep`, {
      hints: [
        ...result.error.issues.slice(0, 4).map(issue => `${issue.path.join('.') || '(top level)'}: ${issue.message}`),
        EXAMPLE,
      ],
    })
  const {params} = result.data
  if (Object.keys(params).length === 0)
    throw new UserError('SWEEP_INVALID', `${file} names no parameter`, {hints: [EXAMPLE]})
  return result.data
}

/** Lists in which every value of every parameter is met once, up to `most`: what to check before the first trial runs. */
export const samplesOf = (candidates: readonly (readonly string[])[], most = 256): readonly (readonly string[])[] => {
  const met = new Set<string>()
  return candidates
    .filter(list => {
      const isNew = list.some(text => !met.has(text))
      if (isNew) for (const text of list) met.add(text)
      return isNew
    })
    .slice(0, most)
}

/** The `key=value` lists to try, in a fixed order; random draws are a function of the seed. */
export const expandSweep = ({method, trials, params}: SweepSpec, seed: number): readonly (readonly string[])[] => {
  const axes = Object.entries(params)
  if (method === 'grid') {
    const size = axes.reduce((product, [, axis]) => product * gridOf(axis).length, 1)
    if (size > 100_000)
      throw new UserError('SWEEP_TOO_LARGE', `the grid has ${size} trials, and may have 100000`, {
        hints: ['leave out values, or use {"method": "random", "trials": 200, "params": {…}}'],
      })
    return axes.reduce<string[][]>(
      (lists, [key, axis]) => lists.flatMap(list => gridOf(axis).map(v => [...list, `${key}=${JSON.stringify(v)}`])),
      [[]],
    )
  }
  const rng = createRng(seed, 'sweep')
  const seen = new Set<string>()
  for (let draw = 0; draw < trials * 20 && seen.size < trials; draw++)
    seen.add(JSON.stringify(axes.map(([key, axis]) => `${key}=${JSON.stringify(drawOf(axis, rng.uniform()))}`)))
  return [...seen].map(text => JSON.parse(text) as string[])
}

type Axis = SweepSpec['params'][string]

const gridOf = (axis: Axis): readonly (number | string | boolean)[] => {
  if (Array.isArray(axis)) return axis
  const values = Array.from({length: axis.steps}, (_, k) => within(axis, k / (axis.steps - 1)))
  return [...new Set(values)]
}

const drawOf = (axis: Axis, share: number): number | string | boolean =>
  Array.isArray(axis) ? (axis[Math.floor(share * axis.length)] as number | string | boolean) : within(axis, share)

const within = ({min, max, log, integer}: z.output<typeof Range>, share: number): number => {
  const raw = log ? Math.exp(Math.log(min) + share * (Math.log(max) - Math.log(min))) : min + share * (max - min)
  return integer ? Math.round(raw) : Number(raw.toPrecision(10))
}

/** Slices that a tape's time is cut into for windows of a search. */
export const SLICE_COUNT = 100

/**
 * Edges of slices that hold equally many samples of a run, so that nights and weekends take no room: one more than there
 * are slices, the last just after the end.
 */
export const timeEdges = (tsUs: ArrayLike<number>): number[] => {
  const n = tsUs.length
  if (n < 2 * SLICE_COUNT)
    throw new UserError(
      'TOO_LITTLE_DATA',
      `${n} samples of the account are too few to cut into ${SLICE_COUNT} slices`,
      {
        hints: ['replay a longer stretch'],
      },
    )
  const edges = Array.from({length: SLICE_COUNT}, (_, k) => tsUs[Math.floor((k * n) / SLICE_COUNT)] as number)
  return [...edges, (tsUs[n - 1] as number) + 1]
}
