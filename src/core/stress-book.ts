import {midTicks} from '../data/market-state.ts'
import {concerns, type Scenario} from '../exchange/scenarios/scenario.ts'
import {isAccountCurrency} from '../risk/gate.ts'
import type {Strategy} from '../strategies/strategy.ts'

/** The limits that say how much an account may hold. */
export interface BookLimits {
  readonly maxPositionDollars: number
  readonly maxPositionFraction: number
  readonly maxCorrelationExposure: number
}

/** A little inside the limits, so that fees and the first moves do not refuse the rest of the book. */
const INSIDE = 0.9
/** When the book is bought, after the scenario's first event: nine minutes before anything happens. */
const BUYS_AFTER_US = 60_000_000

/**
 * What an account may hold at most, held the wrong way round for the scenario: equal parts of every instrument in the
 * account's currency, as large as position, exposure and correlation limits allow. It is bought once, through risk and the
 * book like any order, and never defended: whatever ends it is the stack's doing. Without it a stress of strategies that
 * happen to hold little says little.
 */
export const stressBook = (
  scenario: Scenario,
  limits: BookLimits,
  equityDollars: number,
  startUs: number,
): Strategy => {
  let wanted: Map<number, number> | undefined
  return {
    name: 'stress-book',
    start: ({instruments}) => {
      const held = instruments
        .all()
        .flatMap((instrument, i) => (isAccountCurrency(instrument.quote) && instrument.kind !== 'option' ? [i] : []))
      const fraction =
        INSIDE *
        Math.min(
          limits.maxPositionFraction,
          limits.maxPositionDollars / equityDollars,
          limits.maxCorrelationExposure / Math.max(1, held.length),
        )
      wanted = new Map(
        held.map(i => {
          const instrument = instruments.at(i)
          const shorts = scenario.shorted?.some(target => concerns({targets: [target]}, instrument)) ?? false
          return [i, (shorts && instrument.kind !== 'crypto' ? -1 : 1) * fraction * equityDollars]
        }),
      )
    },
    onEvent: (context, chunk, row) => {
      if (wanted === undefined || wanted.size === 0 || context.nowUs < startUs + BUYS_AFTER_US) return
      const i = chunk.instrument[row] as number
      const dollars = wanted.get(i)
      if (dollars === undefined) return
      const {priceDecimals, sizeDecimals, multiplier} = context.instruments.at(i)
      const price = midTicks(context.market, i) / 10 ** priceDecimals
      if (price <= 0) return
      wanted.delete(i)
      context.target(i, Math.trunc((dollars / price / multiplier) * 10 ** sizeDecimals))
    },
  }
}
