// Numeric kernel: arrays are indexed with `!` below their length.
import {type Dividend, escrowed} from './lattice.ts'

/** An American option of strike 1 on a spot less its escrowed dividends; amounts in strikes. */
export interface GridOption {
  readonly call: boolean
  readonly volatility: number
  readonly rate: number
  readonly yieldRate: number
  readonly dividends: readonly Dividend[]
}

/** What all options of one expiry and dividend dates share: one heat equation on one grid, its matrices factored once. */
export interface ExerciseGrid {
  readonly ttmYears: number
  /** Deviations ln(spot/strike)/(σ√T) reach from −reach (deep in the money) to reach. */
  readonly reach: number
  readonly nodes: number
  readonly gap: number
  /** Backwards in time. */
  readonly steps: readonly GridStep[]
}

interface GridStep {
  /** Time reached, years from now. */
  readonly timeYears: number
  /** Weights of the neighbours in the implicit and the explicit part: equal by Crank and Nicolson, 0 in the latter where a kink is damped (Rannacher). */
  readonly implicit: number
  readonly explicit: number
  /** Reciprocal pivots. */
  readonly inverse: Float64Array
}

/** American lanes of one solution, beside their European twin. */
export const LANES = 3
const ALL = LANES + 1

export interface GridSize {
  /** In the spot. */
  readonly nodes: number
  /** In time: about so many, and at least so many between two dividends. */
  readonly steps: number
  readonly leastSteps: number
}

/** The last grids: calls and puts, and one pass after another, ask for the same. */
const grids = new Map<string, ExerciseGrid>()
const MOST_GRIDS = 128

export const exerciseGrid = (ttmYears: number, dividends: readonly Dividend[], size: GridSize): ExerciseGrid => {
  const key = `${ttmYears} ${size.nodes} ${size.steps} ${size.leastSteps} ${dividends.map(d => d.timeYears).join(' ')}`
  let grid = grids.get(key)
  if (grid === undefined) {
    if (grids.size >= MOST_GRIDS) grids.clear()
    grid = makeGrid(ttmYears, dividends, size)
    grids.set(key, grid)
  }
  return grid
}

const makeGrid = (
  ttmYears: number,
  dividends: readonly Dividend[],
  {nodes, steps, leastSteps}: GridSize,
): ExerciseGrid => {
  const gap = (2 * REACH) / (nodes - 1)
  const dates = [...new Set(dividends.map(d => d.timeYears))].filter(t => t > 0 && t < ttmYears).sort((a, b) => b - a)
  const out: GridStep[] = []
  let until = ttmYears
  for (const from of [...dates, 0]) {
    const count = Math.max(Math.round((steps * (until - from)) / ttmYears), leastSteps)
    for (let j = 1; j <= count; j++) {
      // Closer where the payoff, or a dividend behind, has left a kink.
      const at = (i: number): number => until - (until - from) * (i / count) ** GRADE
      const weight = (0.25 * (at(j - 1) - at(j))) / (ttmYears * gap * gap)
      const inverse = new Float64Array(nodes)
      for (let k = nodes - 2; k > 0; k--) inverse[k] = 1 / (1 + 2 * weight - weight * weight * inverse[k + 1]!)
      if (j === 1) out.push({timeYears: 0.5 * (until + at(1)), implicit: weight, explicit: 0, inverse})
      const timeYears = j === count ? from : at(j)
      out.push({timeYears, implicit: weight, explicit: j === 1 ? 0 : weight, inverse})
    }
    until = from
  }
  return {ttmYears, reach: REACH, nodes, gap, steps: out}
}

/** Deviations the grid reaches to either side. */
const REACH = 5
const GRADE = 1.5

/** Premiums at time 0 over the grid, in strikes, and how far exercise reaches. */
export interface GridPremium {
  readonly value: Float64Array
  /** Row 0 lies at this less `reach`. */
  readonly shift: number
  /** Deviation up to which exercise now is best; −∞ for nowhere. */
  readonly boundary: number
}

/**
 * Backward solution of up to `LANES` American options that share right, volatility, rate and yield, and differ in their
 * dividends. In the frame that drifts with the logarithm of the spot the undiscounted value solves the heat equation with
 * matrices that depend on the time steps only; exercise is imposed inside the elimination (M. Brennan, E. Schwartz, 1977),
 * which is exact since it is on one side. The European twin has the same discretisation error, which the difference sheds.
 */
export const solvePremiums = (grid: ExerciseGrid, options: readonly GridOption[]): GridPremium[] => {
  const {ttmYears, nodes, gap, reach, steps} = grid
  const [first] = options
  if (first === undefined || options.length > LANES)
    throw new RangeError(`one to ${LANES} options, was ${options.length}`)
  const {call, volatility, rate, yieldRate} = first
  const flip = call ? 1 : -1
  const drift = rate - yieldRate - 0.5 * volatility * volatility
  const deviation = volatility * Math.sqrt(ttmYears)
  const level = scratch(2, nodes)
  for (let k = 0; k < nodes; k++) level[k] = Math.exp(-flip * deviation * (k * gap - reach))
  const value = scratch(0, nodes * ALL)
  const swept = scratch(1, nodes * ALL)
  const atExpiry = Math.exp(drift * ttmYears)
  const convexity = 2 * Math.cosh(deviation * gap) - 2
  let diffused = atExpiry
  let last = ttmYears
  for (let k = 0; k < nodes; k++) value.fill(Math.max(flip * (level[k]! * atExpiry - 1), 0), k * ALL, k * ALL + ALL)
  const offset = new Float64Array(LANES).fill(Number.NEGATIVE_INFINITY)
  const edge = new Float64Array(ALL)
  const dates = options.map(option => exerciseDates(option, ttmYears))
  const toDiscount = Math.exp(rate * ttmYears)
  for (const step of steps) {
    const {timeYears} = step
    const left = ttmYears - timeYears
    const growth = Math.exp(rate * left)
    const {implicit, explicit} = step
    // The grid's own growth of the spot and not e^(σ²t/2), so that a share is worth what it is on the grid too.
    diffused *=
      implicit * convexity < 0.2
        ? (1 + explicit * convexity) / (1 - implicit * convexity)
        : Math.exp(0.5 * volatility * volatility * (last - timeYears))
    last = timeYears
    const slope = flip * diffused * Math.exp(yieldRate * left)
    const share = level[0]! * diffused * Math.exp(yieldRate * ttmYears)
    for (let lane = 0; lane < options.length; lane++) {
      const {cash, carry, owed, time, length} = dates[lane]!
      let best = Number.NEGATIVE_INFINITY
      let next = length - 1
      for (let i = length - 1; i >= 0 && time[i]! >= timeYears; i--) {
        next = i
        best = Math.max(best, flip * (share * carry[i]! + cash[i]! * toDiscount))
      }
      // Discounted to now, what is owed after a date is the same until the one before.
      const now = owed[time[next]! > timeYears ? next : next + 1]! * toDiscount - growth
      offset[lane] = flip * now
      edge[lane] = Math.max(best, slope * level[0]! + flip * now)
    }
    edge[LANES] = flip * (level[0]! * diffused - 1)
    sweep({value, swept, level, edge, offset}, step, slope)
    if (call) exerciseCum(dates, value, level, timeYears, growth, slope, toDiscount)
  }
  const discount = Math.exp(-rate * ttmYears)
  const spotOfLevel = diffused * Math.exp((yieldRate - rate) * ttmYears)
  const shift = Math.log(spotOfLevel) / deviation
  return dates.map(({owed}, lane) => {
    const premium = new Float64Array(nodes)
    let boundary = Number.NEGATIVE_INFINITY
    for (let k = 0; k < nodes; k++) {
      const american = discount * value[k * ALL + lane]!
      premium[k] = american - discount * value[k * ALL + LANES]!
      if (american <= flip * (spotOfLevel * level[k]! + owed[0]! - 1) + 1e-12) boundary = k * gap - reach - flip * shift
    }
    return {value: premium, boundary, shift: -flip * shift}
  })
}

const buffers: Float64Array[] = []
const scratch = (which: number, length: number): Float64Array => {
  let buffer = buffers[which]
  if (buffer === undefined || buffer.length < length) buffers[which] = buffer = new Float64Array(length)
  return buffer.subarray(0, length)
}

/** Columns of a solution, `ALL` lanes a row. */
interface Columns {
  readonly value: Float64Array
  readonly swept: Float64Array
  readonly level: Float64Array
  /** Row 0, deep in the money, after the step. */
  readonly edge: Float64Array
  readonly offset: Float64Array
}

/** One step back. */
const sweep = (
  {value, swept, level, edge, offset}: Columns,
  {implicit, explicit, inverse}: GridStep,
  slope: number,
): void => {
  const nodes = level.length
  const middle = 1 - 2 * explicit
  let [a, b, c, e] = [0, 0, 0, 0]
  // The edge far out of the money stays at 0.
  for (let k = nodes - 2; k > 0; k--) {
    const at = k * ALL
    const pivot = inverse[k]!
    a = (middle * value[at]! + explicit * (value[at - 4]! + value[at + 4]!) + implicit * a) * pivot
    b = (middle * value[at + 1]! + explicit * (value[at - 3]! + value[at + 5]!) + implicit * b) * pivot
    c = (middle * value[at + 2]! + explicit * (value[at - 2]! + value[at + 6]!) + implicit * c) * pivot
    e = (middle * value[at + 3]! + explicit * (value[at - 1]! + value[at + 7]!) + implicit * e) * pivot
    swept[at] = a
    swept[at + 1] = b
    swept[at + 2] = c
    swept[at + 3] = e
  }
  for (let lane = 0; lane < ALL; lane++) value[lane] = edge[lane]!
  a = edge[0]!
  b = edge[1]!
  c = edge[2]!
  e = edge[3]!
  const oa = offset[0]!
  const ob = offset[1]!
  const oc = offset[2]!
  for (let k = 1; k < nodes - 1; k++) {
    const at = k * ALL
    const factor = implicit * inverse[k]!
    const exercise = slope * level[k]!
    a = swept[at]! + factor * a
    b = swept[at + 1]! + factor * b
    c = swept[at + 2]! + factor * c
    e = swept[at + 3]! + factor * e
    a = a > exercise + oa ? a : exercise + oa
    b = b > exercise + ob ? b : exercise + ob
    c = c > exercise + oc ? c : exercise + oc
    value[at] = a
    value[at + 1] = b
    value[at + 2] = c
    value[at + 3] = e
  }
}

/** Dates at which a sure exerciser would exercise, discounted to now: dividends in order of time, then expiry. */
interface ExerciseDates {
  readonly length: number
  readonly time: Float64Array
  /** e^(−q·time), and the cash that goes with a share then. */
  readonly carry: Float64Array
  readonly cash: Float64Array
  /** Dividends from this date on. */
  readonly owed: Float64Array
}

const exerciseDates = ({call, rate, yieldRate, dividends}: GridOption, ttmYears: number): ExerciseDates => {
  const sorted = dividends
    .filter(d => d.timeYears > 0 && d.timeYears <= ttmYears)
    .sort((a, b) => a.timeYears - b.timeYears)
  const length = sorted.length + 1
  const time = Float64Array.from({length}, (_, i) => sorted[i]?.timeYears ?? ttmYears)
  const owed = new Float64Array(length + 1)
  for (let i = length - 2; i >= 0; i--) owed[i] = owed[i + 1]! + sorted[i]!.amount * Math.exp(-rate * time[i]!)
  return {
    length,
    time,
    owed,
    carry: time.map(t => Math.exp(-yieldRate * t)),
    cash: time.map((t, i) => owed[call ? i : i + 1]! - Math.exp(-rate * t)),
  }
}

/** A call is exercised at the last moment before its underlying goes ex. */
const exerciseCum = (
  dates: readonly ExerciseDates[],
  value: Float64Array,
  level: Float64Array,
  timeYears: number,
  growth: number,
  slope: number,
  toDiscount: number,
): void => {
  dates.forEach(({time, owed, length}, lane) => {
    const at = time.indexOf(timeYears)
    if (at < 0 || at === length - 1) return
    const offset = owed[at]! * toDiscount - growth
    for (let k = 1; k < level.length - 1; k++) {
      const i = k * ALL + lane
      value[i] = Math.max(value[i]!, slope * level[k]! + offset)
    }
  })
}

/** Value at a time of an option so deep in the money that nothing but the date of its exercise is open. */
export const certainValue = (option: GridOption, spot: number, timeYears: number, ttmYears: number): number => {
  const {call, rate, yieldRate, dividends} = option
  const at = (time: number, owed: number): number => {
    const value = spot * Math.exp(-yieldRate * (time - timeYears)) + (owed - 1) * Math.exp(-rate * (time - timeYears))
    return call ? value : -value
  }
  let best = Math.max(at(timeYears, escrowed(dividends, rate, ttmYears, timeYears)), at(ttmYears, 0))
  for (const {timeYears: time, amount} of dividends) {
    if (time < timeYears || time > ttmYears) continue
    const owed = escrowed(dividends, rate, ttmYears, time)
    best = Math.max(best, at(time, call ? owed + amount : owed))
  }
  return best
}
