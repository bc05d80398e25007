// Numeric kernel: arrays are indexed with `!` below their length.
import {cubicBends, cubicSlopes, cubicWeights} from './cubic-weights.ts'
import {certainValue, type ExerciseGrid, exerciseGrid, type GridOption, LANES, solvePremiums} from './exercise-grid.ts'
import type {ExercisePremium, KernelInput, PremiumKernel} from './exercise-kernel.ts'
import {type Dividend, escrowed} from './lattice.ts'

export interface DividendKernelInput extends KernelInput {
  /** Cash dividends, escrowed: `spot` is with them, `yieldRate` what the forward implies beside them. */
  readonly dividends: readonly Dividend[]
  /** Strikes that will be asked for. */
  readonly lowStrike: number
  readonly highStrike: number
}

/** Spacing of the tables in ln σ, and where only the effect of a rate is read off. */
const SPACING = 0.25
const WIDE = 0.5
/** Dividend in deviations of 20 % volatility from which exercise moves fast with volatility, and spacings are halved. */
const LARGE = 0.15
const FINE = {nodes: 101, steps: 32, leastSteps: 4}
const COARSE = {nodes: 51, steps: 16, leastSteps: 2}
const RATE_STEP = 5e-3
/** Value, its derivative in the deviation, the second and the third. */
const QUANTITIES = 4
const ROW = LANES * QUANTITIES

/**
 * Premiums under cash dividends. One backward solution on a grid serves every spot, hence (all prices being homogeneous in
 * spot, strike and dividends) every strike whose dividends are the same share of it. Four such shares and a ladder of
 * volatilities, solved when first needed, span an expiry; between them premiums over volatility are cubic at equal deviation
 * ln(spot/strike)/(σ√T), in which the exercise boundary hardly moves.
 */
export const dividendKernel = (input: DividendKernelInput): PremiumKernel => {
  const {call, spot, ttmYears, rate, yieldRate, dividends, coarse = false} = input
  const ranges = strikeRanges(input)
  const largest = Math.max(...dividends.map(d => d.amount)) / (spot * 0.2 * Math.sqrt(ttmYears))
  const refined = largest > LARGE ? 0.5 : 1
  const grid = exerciseGrid(ttmYears, dividends, coarse ? COARSE : FINE)
  const tables = premiumTables(input, grid, ranges, rate, refined * (coarse ? WIDE : SPACING))
  let moved:
    | {readonly grid: ExerciseGrid; readonly up: Tables; readonly down: Tables; readonly step: number}
    | undefined
  const bump = (): NonNullable<typeof moved> => {
    const rough = exerciseGrid(ttmYears, dividends, COARSE)
    const [up, down] = [rate + RATE_STEP, rate >= RATE_STEP ? rate - RATE_STEP : rate]
    moved = {
      grid: rough,
      up: premiumTables(input, rough, ranges, up, refined * WIDE),
      down: premiumTables(input, rough, ranges, down, refined * WIDE),
      step: up - down,
    }
    return moved
  }
  const rootT = Math.sqrt(ttmYears)
  const flip = call ? 1 : -1
  const read = emptyReading()
  const bareSpot = spot - escrowed(dividends, rate, ttmYears)

  const into = (out: ExercisePremium, strike: number, volatility: number, isFull: boolean): void => {
    const sigma = Math.min(Math.max(volatility, input.low), input.high)
    const x = Math.log(bareSpot / strike)
    const deviation = (-flip * x) / (sigma * rootT)
    out.rho = Number.NaN
    if (deviation >= grid.reach - 0.5) {
      out.exercised = false
      out.value = out.slope = out.curvature = out.vega = out.vanna = out.volga = out.speed = 0
      if (isFull) out.rho = 0
      return
    }
    if (deviation <= 0.5 - grid.reach) {
      certain(out, {call, volatility: sigma, rate, yieldRate, dividends: inStrikes(dividends, strike)}, strike, isFull)
      return
    }
    readTables(read, tables, grid, strike, sigma, deviation, isFull)
    out.exercised = read.exercised > 0.5
    // P = K·σ·Q(z, ln σ) with z = ∓ln(X/K)/(σ√T), so that ∂z/∂ln σ = −z.
    const scale = strike * sigma
    const {q, qz, qzz, qzzz, ql, qll, qzl} = read
    out.value = Math.max(scale * q, 0)
    const first = (-flip * strike * qz) / rootT
    const z = deviation
    const inLog = q + ql - z * qz
    out.vega = strike * inLog
    if (!isFull) return
    const second = (strike * qzz) / (sigma * ttmYears)
    out.slope = first / bareSpot
    out.curvature = (second - first) / (bareSpot * bareSpot)
    out.vanna = (-flip * strike * (qzl - z * qzz)) / (rootT * bareSpot * sigma)
    out.volga = (strike * (ql + qll - z * qzl - z * (qzl - z * qzz))) / sigma
    const third = (-flip * strike * qzzz) / (sigma * sigma * ttmYears * rootT)
    out.speed = (third - 3 * second + 2 * first) / bareSpot ** 3
    const {up, down, step, grid: rough} = moved ?? bump()
    out.rho =
      (valueAt(up, rough, strike, sigma, rate + RATE_STEP) -
        valueAt(down, rough, strike, sigma, rate + RATE_STEP - step)) /
      step
  }

  const valueAt = (from: Tables, on: ExerciseGrid, strike: number, sigma: number, at: number): number => {
    const bare = spot - escrowed(dividends, at, ttmYears)
    const deviation = (-flip * Math.log(bare / strike)) / (sigma * rootT)
    const inside = Math.min(Math.max(deviation, 0.5 - on.reach), on.reach - 0.5)
    readTables(read, from, on, strike, sigma, inside, false)
    return strike * sigma * read.q
  }

  const certain = (out: ExercisePremium, option: GridOption, strike: number, isFull: boolean): void => {
    const bare = bareSpot / strike
    const now = flip * (spot / strike - 1)
    const held = (at: number): number => flip * (at * Math.exp(-yieldRate * ttmYears) - Math.exp(-rate * ttmYears))
    const value = certainValue(option, bare, 0, ttmYears)
    out.exercised = value <= now
    out.value = strike * Math.max(value - held(bare), 0)
    const h = 1e-3 * bare
    out.slope =
      (certainValue(option, bare + h, 0, ttmYears) -
        held(bare + h) -
        certainValue(option, bare - h, 0, ttmYears) +
        held(bare - h)) /
      (2 * h)
    out.curvature = out.vega = out.vanna = out.volga = out.speed = 0
    if (!isFull) return
    const bumped = {...option, rate: rate + RATE_STEP}
    const there = (spot - escrowed(dividends, bumped.rate, ttmYears)) / strike
    const after =
      certainValue(bumped, there, 0, ttmYears) -
      flip * (there * Math.exp(-yieldRate * ttmYears) - Math.exp(-bumped.rate * ttmYears))
    out.rho = (strike * Math.max(after, 0) - out.value) / RATE_STEP
  }
  return {low: input.low, high: input.high, into}
}

const inStrikes = (dividends: readonly Dividend[], strike: number): Dividend[] =>
  dividends.map(({timeYears, amount}) => ({timeYears, amount: amount / strike}))

/** Strikes over which a premium in strikes is smooth in the dividends' share. */
interface StrikeRange {
  readonly from: number
  readonly to: number
}

/**
 * A put deep in the money waits for the next dividend while that is more than the interest until then; a call is exercised
 * before its last dividend while that is more than the interest after it: two ranges, above and below such a strike.
 */
const strikeRanges = (input: DividendKernelInput): readonly StrikeRange[] => {
  const {call, ttmYears, rate, dividends, lowStrike: low, highStrike: high} = input
  const sorted = [...dividends].sort((a, b) => a.timeYears - b.timeYears)
  const [next, last] = [sorted[0]!, sorted[sorted.length - 1]!]
  const waited = call ? ttmYears - last.timeYears : next.timeYears
  const kink = (call ? last : next).amount / (1 - Math.exp(-rate * waited))
  const ends = [low, high]
  if (kink > low * 1.02 && kink < high / 1.02) ends.push(kink)
  for (let end = input.spot * Math.exp(0.5 * BREADTH); end < high; end *= Math.exp(BREADTH)) ends.push(end)
  for (let end = input.spot * Math.exp(-0.5 * BREADTH); end > low; end *= Math.exp(-BREADTH)) ends.push(end)
  ends.sort((a, b) => a - b)
  return ends.slice(1).map((to, i) => ({from: ends[i]!, to}))
}

/** Widest range, in ln(strike). */
const BREADTH = 0.8

/** Beyond so many deviations a premium is nearly linear in the dividends' share, and the polynomial goes on so. */
const STRIKE_REACH = 3.5

/** Chebyshev points of 1/strike over the part of a range that lies near enough to the spot. */
const reciprocalStrikes = ({from, to}: StrikeRange, spot: number, deviation: number): Float64Array => {
  const reach = Math.exp(STRIKE_REACH * deviation)
  const low = Math.min(Math.max(from, spot / reach), to)
  const high = Math.max(Math.min(to, spot * reach), from)
  const [least, most] = [1 / Math.max(low, high), 1 / Math.min(low, high)]
  const half = Math.max(0.5 * (most - least), 1e-3 * least)
  return Float64Array.from(
    {length: LANES},
    (_, lane) => 0.5 * (least + most) - half * Math.cos((Math.PI * (lane + 0.5)) / LANES),
  )
}

/** Whether a call of such a strike is never worth its exercise before expiry. */
const isNeverExercised = (
  {call, ttmYears, rate, yieldRate, dividends}: DividendKernelInput,
  strike: number,
): boolean => {
  if (!call || yieldRate > 0) return false
  const sorted = [...dividends].sort((a, b) => a.timeYears - b.timeYears)
  return sorted.every(
    ({timeYears, amount}, i) =>
      amount <= 0.999 * strike * (1 - Math.exp(-rate * ((sorted[i + 1]?.timeYears ?? ttmYears) - timeYears))),
  )
}

/** Scaled premiums of a volatility's lanes, row by row of the grid. */
interface Table {
  /** 1/strike of each lane. */
  readonly at: Float64Array
  readonly rows: Float64Array
  readonly boundary: Float64Array
  readonly shift: number
}

interface Tables {
  readonly spacing: number
  readonly ranges: readonly RangeTables[]
}

interface RangeTables {
  readonly range: StrikeRange
  /** Of the `step`-th volatility; undefined where no premium is. */
  readonly of: ((step: number) => Table) | undefined
}

const premiumTables = (
  input: DividendKernelInput,
  grid: ExerciseGrid,
  ranges: readonly StrikeRange[],
  rate: number,
  spacing: number,
): Tables => {
  const {call, spot, ttmYears, yieldRate, dividends} = input
  return {
    spacing,
    ranges: ranges.map(range => {
      if (isNeverExercised({...input, rate}, range.from)) return {range, of: undefined}
      const known = new Map<number, Table>()
      const of = (step: number): Table => {
        let table = known.get(step)
        if (table !== undefined) return table
        const volatility = Math.exp(step * spacing)
        const at = reciprocalStrikes(range, spot, volatility * Math.sqrt(ttmYears))
        const solved = solvePremiums(
          grid,
          Array.from(at, each => ({call, volatility, rate, yieldRate, dividends: inStrikes(dividends, 1 / each)})),
        )
        table = {
          at,
          rows: differentiated(
            solved.map(one => one.value),
            grid,
            volatility,
          ),
          boundary: Float64Array.from(solved, one => one.boundary),
          shift: solved[0]!.shift,
        }
        known.set(step, table)
        return table
      }
      return {range, of}
    }),
  }
}

/** Premiums over volatility and their derivatives in the deviation, by central differences. */
const differentiated = (
  lanes: readonly Float64Array[],
  {nodes, gap}: ExerciseGrid,
  volatility: number,
): Float64Array => {
  const out = new Float64Array(nodes * ROW)
  lanes.forEach((value, lane) => {
    for (let k = 2; k < nodes - 2; k++) {
      const at = k * ROW + lane * QUANTITIES
      const [a, b, c, d, e] = [value[k - 2]!, value[k - 1]!, value[k]!, value[k + 1]!, value[k + 2]!]
      out[at] = c / volatility
      out[at + 1] = (8 * (d - b) - (e - a)) / (12 * gap * volatility)
      out[at + 2] = (16 * (b + d) - 30 * c - a - e) / (12 * gap * gap * volatility)
      out[at + 3] = (e - a - 2 * (d - b)) / (2 * gap ** 3 * volatility)
    }
  })
  return out
}

interface Reading {
  /** Premium over strike and volatility, and its derivatives in the deviation z and in l = ln σ. */
  q: number
  qz: number
  qzz: number
  qzzz: number
  ql: number
  qll: number
  qzl: number
  exercised: number
}

const emptyReading = (): Reading => ({q: 0, qz: 0, qzz: 0, qzzz: 0, ql: 0, qll: 0, qzl: 0, exercised: 0})

const inDeviation = new Float64Array(4)
const inVolatility = new Float64Array(4)
const slopes = new Float64Array(4)
const bends = new Float64Array(4)
const inStrike = new Float64Array(LANES)

const readTables = (
  out: Reading,
  tables: Tables,
  {gap, reach, nodes}: ExerciseGrid,
  strike: number,
  sigma: number,
  deviation: number,
  isFull: boolean,
): void => {
  out.q = out.qz = out.qzz = out.qzzz = out.ql = out.qll = out.qzl = out.exercised = 0
  const {ranges} = tables
  const {range, of} = ranges.find(one => strike <= one.range.to) ?? ranges[ranges.length - 1]!
  if (of === undefined) return
  const reciprocal = 1 / Math.min(Math.max(strike, range.from), range.to)
  const {spacing} = tables
  const level = Math.log(sigma) / spacing
  const first = Math.floor(level) - 1
  const t = level - first
  cubicWeights(t, inVolatility)
  cubicSlopes(t, slopes)
  cubicBends(t, bends)
  for (let v = 0; v < 4; v++) {
    const {at: lanes, rows, boundary, shift} = of(first + v)
    lagrange(lanes, reciprocal, inStrike)
    const along = (deviation + reach - shift) / gap
    const row = Math.min(Math.max(Math.floor(along) - 1, 2), nodes - 6)
    cubicWeights(along - row, inDeviation)
    let [q, qz, qzz, qzzz] = [0, 0, 0, 0]
    for (let k = 0; k < 4; k++) {
      const start = (row + k) * ROW
      for (let lane = 0; lane < LANES; lane++) {
        const weight = inDeviation[k]! * inStrike[lane]!
        const at = start + lane * QUANTITIES
        q += weight * rows[at]!
        qz += weight * rows[at + 1]!
        if (!isFull) continue
        qzz += weight * rows[at + 2]!
        qzzz += weight * rows[at + 3]!
      }
    }
    const weight = inVolatility[v]!
    out.q += weight * q
    out.qz += weight * qz
    out.qzz += weight * qzz
    out.qzzz += weight * qzzz
    out.ql += slopes[v]! * q
    out.qzl += slopes[v]! * qz
    out.qll += bends[v]! * q
    for (let lane = 0; lane < LANES; lane++) if (deviation <= boundary[lane]!) out.exercised += weight * inStrike[lane]!
  }
  out.ql /= spacing
  out.qzl /= spacing
  out.qll /= spacing * spacing
}

const lagrange = (at: Float64Array, x: number, out: Float64Array): void => {
  for (let i = 0; i < at.length; i++) {
    let weight = 1
    for (let j = 0; j < at.length; j++) if (j !== i) weight *= (x - at[j]!) / (at[i]! - at[j]!)
    out[i] = weight
  }
}
