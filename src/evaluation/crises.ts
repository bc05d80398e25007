// Numeric kernel: indices run below lengths read in the same function, so `!` cannot miss here.
import {maxDrawdown} from './drawdowns.ts'
import {indexReturns, type PricePath} from './market-index.ts'

export interface CrisisWindow {
  readonly name: string
  /** UTC days, both inclusive. */
  readonly from: string
  readonly to: string
}

/** Stretches in which many strategies broke at once. Dates: first bad day to the day of the low or of the rescue. */
export const CRISES: readonly CrisisWindow[] = [
  {name: 'LTCM', from: '1998-08-17', to: '1998-10-08'},
  {name: 'dot-com crash', from: '2000-03-24', to: '2000-04-14'},
  {name: 'September 2001', from: '2001-09-10', to: '2001-09-21'},
  {name: 'quant quake', from: '2007-08-06', to: '2007-08-10'},
  {name: 'Lehman', from: '2008-09-12', to: '2008-11-20'},
  {name: 'flash crash', from: '2010-05-06', to: '2010-05-07'},
  {name: 'US downgrade', from: '2011-08-01', to: '2011-08-10'},
  {name: 'August 2015', from: '2015-08-20', to: '2015-08-25'},
  {name: 'volatility shock', from: '2018-02-02', to: '2018-02-09'},
  {name: 'December 2018', from: '2018-12-03', to: '2018-12-24'},
  {name: 'pandemic', from: '2020-02-20', to: '2020-03-23'},
  {name: 'meme stocks', from: '2021-01-22', to: '2021-02-04'},
  {name: 'crypto May 2021', from: '2021-05-12', to: '2021-05-23'},
  {name: 'Terra', from: '2022-05-07', to: '2022-05-13'},
  {name: 'FTX', from: '2022-11-06', to: '2022-11-21'},
  {name: 'bank run and USDC', from: '2023-03-09', to: '2023-03-13'},
  {name: 'carry unwinding', from: '2024-07-31', to: '2024-08-09'},
  {name: 'tariffs', from: '2025-04-02', to: '2025-04-09'},
]

export interface CrisisRow {
  readonly name: string
  readonly from: string
  readonly to: string
  readonly totalReturn: number
  readonly maxDrawdown: number
  /** Of an equal-weighted index of the tape's instruments; null without prices. */
  readonly marketReturn: number | null
}

/** The largest fall of the tape's own market counts as one too, whatever its date. */
export const WORST_MARKET = 'largest fall of this market'

/** How the run fared in each known crisis its tape covers, and in the largest fall of its own market. */
export const crisisTable = (
  tsUs: ArrayLike<number>,
  equity: ArrayLike<number>,
  paths: readonly PricePath[],
): CrisisRow[] => {
  const n = tsUs.length
  if (n < 2) return []
  const market = indexReturns(paths, tsUs)
  const hasPrices = paths.some(({tsUs: times}) => times.length > 1)
  const rows: CrisisRow[] = []
  const add = (name: string, fromUs: number, toUs: number): void => {
    let first = firstAtOrAfter(tsUs, fromUs)
    const end = firstAtOrAfter(tsUs, toUs)
    if (first >= n || end - first < 2) return
    first = Math.max(0, first - 1)
    const own = Float64Array.from({length: end - first}, (_, k) => equity[first + k]!)
    rows.push({
      name,
      from: iso(tsUs[first]!),
      to: iso(tsUs[end - 1]!),
      totalReturn: own[own.length - 1]! / own[0]! - 1,
      maxDrawdown: maxDrawdown(own),
      marketReturn: hasPrices ? Math.expm1(market.subarray(first + 1, end).reduce((a, b) => a + b, 0)) : null,
    })
  }
  for (const {name, from, to} of CRISES) add(name, dayUs(from), dayUs(to) + 86_400e6)
  const fall = hasPrices ? worstFall(market) : undefined
  if (fall !== undefined) add(WORST_MARKET, tsUs[fall.peak]!, tsUs[fall.trough]! + 1)
  return rows
}

/** Where an index of log returns fell the furthest from a peak. */
const worstFall = (market: ArrayLike<number>): {readonly peak: number; readonly trough: number} | undefined => {
  let [level, peakLevel, peak, worst] = [0, 0, 0, 0]
  let found: {peak: number; trough: number} | undefined
  for (let t = 0; t < market.length; t++) {
    level += market[t]!
    if (level >= peakLevel) {
      peakLevel = level
      peak = t
    } else if (peakLevel - level > worst) {
      worst = peakLevel - level
      found = {peak, trough: t}
    }
  }
  return found
}

const firstAtOrAfter = (tsUs: ArrayLike<number>, at: number): number => {
  let [low, high] = [0, tsUs.length]
  while (low < high) {
    const middle = (low + high) >> 1
    if (tsUs[middle]! < at) low = middle + 1
    else high = middle
  }
  return low
}

const dayUs = (day: string): number => Date.parse(day) * 1000
const iso = (tsUs: number): string => new Date(Math.floor(tsUs / 1000)).toISOString()
