/** One order as it was filled: what impact is reckoned for. */
export interface ExecutedOrder {
  readonly instrument: number
  readonly lots: number
  readonly valueMicros: number
}
/** What an instrument's market takes: lots a day, and the standard deviation of its daily log return. */
export interface InstrumentDepth {
  readonly dailyLots: number
  readonly dailyVolatility: number
}

export interface CapacityResult {
  /** Size multiples tried, and profit at each after the impact of that size. */
  readonly sizes: readonly {readonly multiple: number; readonly profitMicros: number}[]
  /** What impact took at the size as run, or, where the replay moved no prices, would have taken. */
  readonly impactMicros: number
  /** The replay charged it: `impactMicros` is in the profit already. */
  readonly isCharged: boolean
  /** Size at which profit is largest, and at which impact has eaten it; null when there is no profit to scale. */
  readonly bestMultiple: number | null
  readonly breakEvenMultiple: number | null
  /** Mean share of a day's volume that an order was, weighted by value. */
  readonly participation: number
  /** Share of the traded value in instruments whose tape has no volume: their impact is left out. */
  readonly uncovered: number
}

/** Prefactor of the square-root law; estimates lie between 0.5 and 1 (Tóth et al. 2011, Almgren et al. 2005). */
const PREFACTOR = 1
const MULTIPLES = [1, 3, 10, 30, 100, 300, 1000]

/**
 * Profit against size under the square-root law: an order of q lots in a market of V lots a day and daily volatility σ
 * pays σ·√(q/V) of its value. At m times the size profit is m·P − m^1.5·C, largest at (2P/3C)², with P before impact. What
 * the replay itself charged for impact takes the law's place as C. Undefined when nothing was traded in a market with volume.
 */
export const capacity = (
  orders: readonly ExecutedOrder[],
  depth: (instrument: number) => InstrumentDepth,
  profitMicros: number,
  chargedMicros = 0,
): CapacityResult | undefined => {
  let [lawful, value, covered, participation] = [0, 0, 0, 0]
  for (const {instrument, lots, valueMicros} of orders) {
    const {dailyLots, dailyVolatility} = depth(instrument)
    value += valueMicros
    if (!(dailyLots > 0) || !(dailyVolatility >= 0)) continue
    covered += valueMicros
    participation += valueMicros * (lots / dailyLots)
    lawful += PREFACTOR * valueMicros * dailyVolatility * Math.sqrt(lots / dailyLots)
  }
  if (!(covered > 0)) return undefined
  const isCharged = chargedMicros > 0
  const impact = isCharged ? chargedMicros : lawful
  const before = isCharged ? profitMicros + chargedMicros : profitMicros
  const at = (m: number): number => m * before - m ** 1.5 * impact
  const canScale = before > 0 && impact > 0
  return {
    sizes: MULTIPLES.map(multiple => ({multiple, profitMicros: Math.round(at(multiple))})),
    impactMicros: Math.round(impact),
    isCharged,
    bestMultiple: canScale ? ((2 * before) / (3 * impact)) ** 2 : null,
    breakEvenMultiple: canScale ? (before / impact) ** 2 : null,
    participation: participation / covered,
    uncovered: 1 - covered / value,
  }
}
