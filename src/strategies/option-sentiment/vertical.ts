import type {MarketState} from '../../data/market-state.ts'
import type {InstrumentTable} from '../../domain/instrument.ts'

/** A debit vertical: `long` nearer the money, `short` farther out, same right and expiry. The most it can lose is its debit. */
export interface Vertical {
  readonly long: number
  readonly short: number
  readonly width: number
  /** Ask of the long less bid of the short, currency a share. */
  readonly debit: number
}

export interface VerticalRules {
  readonly minDays: number
  readonly maxDays: number
  /** Largest debit as a fraction of the width. */
  readonly maxDebitOfWidth: number
  /** Widest quote allowed, ask less bid over mid. */
  readonly maxRelativeSpread: number
}

/**
 * The call (bullish) or put (bearish) vertical nearest the money with the first expiry in range: long the first strike at
 * or out of the money, short the next one beyond it, both two-sided and not too wide. Undefined when there is none.
 */
export const chooseVertical = (
  direction: 1 | -1,
  spot: number,
  contracts: readonly number[],
  daysTo: (expiry: string) => number,
  {market, instruments}: {readonly market: MarketState; readonly instruments: InstrumentTable},
  rules: VerticalRules,
): Vertical | undefined => {
  const right = direction > 0 ? 'call' : 'put'
  const usable = contracts
    .map(index => ({index, option: instruments.at(index).option}))
    .flatMap(({index, option}) => (option === undefined ? [] : [{index, ...option}]))
    .filter(o => o.right === right && direction * (o.strike - spot) >= 0)
    .filter(o => daysTo(o.expiry) >= rules.minDays && daysTo(o.expiry) <= rules.maxDays)
    .filter(o => isTight(o.index, market, rules.maxRelativeSpread))
    .sort((a, b) => daysTo(a.expiry) - daysTo(b.expiry) || direction * (a.strike - b.strike))
  for (let k = 0; k + 1 < usable.length; k++) {
    const [long, short] = [usable[k], usable[k + 1]]
    if (long === undefined || short === undefined || long.expiry !== short.expiry) continue
    const scale = 10 ** instruments.at(long.index).priceDecimals
    const width = Math.abs(short.strike - long.strike)
    const debit = ((market.askTicks[long.index] ?? 0) - (market.bidTicks[short.index] ?? 0)) / scale
    if (debit > 0 && debit <= rules.maxDebitOfWidth * width) return {long: long.index, short: short.index, width, debit}
  }
  return undefined
}

const isTight = (i: number, market: MarketState, maxRelativeSpread: number): boolean => {
  const [bid = 0, ask = 0] = [market.bidTicks[i], market.askTicks[i]]
  return bid > 0 && ask > bid && (2 * (ask - bid)) / (ask + bid) <= maxRelativeSpread && (market.askLots[i] ?? 0) > 0
}
