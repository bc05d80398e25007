import type {InstrumentTable} from '../domain/instrument.ts'
import type {Rng} from '../domain/rng.ts'
import {US_PER_DAY, US_PER_HOUR} from '../domain/units.ts'
import {type BreakdownRow, breakdown, hourOf} from './breakdown.ts'
import {type CapacityResult, capacity, type ExecutedOrder} from './capacity.ts'
import {type CrisisRow, crisisTable} from './crises.ts'
import {indexReturns, type PricePath} from './market-index.ts'
import type {RunSeries} from './metrics.ts'
import {type RegimeRow, regimeTable} from './regimes.ts'
import {periodReturns} from './returns.ts'
import {type TradeOrderResult, tradeOrder} from './trade-order.ts'

/** Where the result of a run came from, and what it rests on. */
export interface RunAnalysis {
  readonly bySymbol: readonly BreakdownRow[]
  /** Hour of closing, UTC. */
  readonly byHour: readonly BreakdownRow[]
  /** Empty while there is too little history to name a regime. */
  readonly regimes: readonly RegimeRow[]
  readonly crises: readonly CrisisRow[]
  readonly tradeOrder: TradeOrderResult | null
  readonly capacity: CapacityResult | null
}

export interface AnalysisInput {
  readonly series: RunSeries
  readonly instruments: InstrumentTable
  /** Prices of an instrument as the tape went by; empty where it had none. */
  readonly path: (instrument: number) => PricePath
  readonly dailyLots: (instrument: number) => number
  readonly orders: readonly ExecutedOrder[]
  /** What the run paid for moving the market; 0 without a model of it. */
  readonly impactMicros?: number
  readonly rng: Rng
}

export const analyseRun = ({
  series,
  instruments,
  path,
  dailyLots,
  orders,
  impactMicros,
  rng,
}: AnalysisInput): RunAnalysis => {
  const {tsUs, equityMicros, trips, calendar} = series
  const all = instruments.all()
  // Options and cross rates are no market of their own: their underlyings are.
  const isMarket = all.map(({kind, quote}) => kind !== 'option' && /^USD[TC]?$/.test(quote))
  const paths = all.flatMap((_, i) => (isMarket[i] === true ? [path(i)] : []))
  const {returns, endUs, periodsPerYear} = periodReturns(tsUs, equityMicros, calendar)
  // A price at the very end of a period belongs to the next one.
  const market = indexReturns(
    paths,
    endUs.map(end => end - 1),
  )
  const capital = equityMicros[0] ?? 0
  const profit = (equityMicros[equityMicros.length - 1] ?? 0) - capital
  const sessionUs = calendar === 'continuous' ? US_PER_DAY : 6.5 * US_PER_HOUR
  const depth = new Map<number, {readonly dailyLots: number; readonly dailyVolatility: number}>()
  const depthOf = (i: number) => {
    const known = depth.get(i) ?? {dailyLots: dailyLots(i), dailyVolatility: dailyVolatility(path(i), sessionUs)}
    depth.set(i, known)
    return known
  }
  return {
    bySymbol: breakdown(trips, ({instrument}) => instruments.at(instrument).symbol),
    byHour: breakdown(trips, hourOf),
    regimes: regimeTable(returns, market, periodsPerYear),
    crises: crisisTable(tsUs, equityMicros, paths),
    tradeOrder:
      tradeOrder(
        trips.map(({pnlMicros}) => pnlMicros),
        capital,
        {rng},
      ) ?? null,
    capacity: capacity(orders, depthOf, profit, impactMicros) ?? null,
  }
}

/** √(sum of squared log returns per time covered × one session); a gap counts as an hour at most. */
const dailyVolatility = ({tsUs, price}: PricePath, sessionUs: number): number => {
  let [variance, covered] = [0, 0]
  for (let k = 1; k < tsUs.length; k++) {
    variance += Math.log((price[k] as number) / (price[k - 1] as number)) ** 2
    covered += Math.min(US_PER_HOUR, (tsUs[k] as number) - (tsUs[k - 1] as number))
  }
  return covered > 0 ? Math.sqrt((variance / covered) * sessionUs) : Number.NaN
}
