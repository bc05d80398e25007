// Columns are indexed by instruments of the run's table, so `!` cannot miss here.
import {z} from 'zod'
import type {Instrument} from '../domain/instrument.ts'
import {US_PER_SECOND} from '../domain/units.ts'
import {lotsOfCapital} from './sizing.ts'
import type {Strategy} from './strategy.ts'

/** What any strategy must beat before its numbers mean anything. */

const isBuyable = (instrument: Instrument): boolean =>
  instrument.kind !== 'option' && /^(USD|USDT|USDC)$/.test(instrument.quote)

export const DoNothingParams = z.strictObject({})
export const doNothing = (): Strategy => ({name: 'do-nothing', onEvent() {}})

export const BuyAndHoldParams = z.strictObject({
  symbols: z.array(z.string()).default([]).describe('instruments to hold; every dollar-quoted one when empty'),
  fraction: z.number().positive().max(1).default(0.95).describe('share of capital to invest, spread evenly'),
})
/** Buys each instrument once, at its first price, and never sells. */
export const buyAndHold = (params: z.output<typeof BuyAndHoldParams>): Strategy => {
  let isWanted: boolean[] = []
  let share = 0
  return {
    name: 'buy-and-hold',
    start({instruments}) {
      isWanted = instruments
        .all()
        .map(i => (params.symbols.length > 0 ? params.symbols.includes(i.symbol) : isBuyable(i)))
      share = params.fraction / Math.max(1, isWanted.filter(Boolean).length)
    },
    onEvent(context, chunk, row) {
      const i = chunk.instrument[row]!
      if (isWanted[i] !== true) return
      const lots = lotsOfCapital(context, i, share)
      if (lots === 0) return
      isWanted[i] = false
      context.target(i, lots)
    },
  }
}

export const RandomEntryParams = z.strictObject({
  symbols: z.array(z.string()).default([]).describe('instruments to trade; every dollar-quoted one when empty'),
  meanWaitSeconds: z.number().positive().default(300).describe('mean time between entries of an instrument'),
  holdSeconds: z.number().positive().default(300).describe('time a position is held'),
  fraction: z.number().positive().max(1).default(0.05).describe('value of a position as a fraction of capital'),
  longOnly: z.boolean().default(false).describe('never sell short'),
})
/**
 * Goes long or short at random times for a fixed time: the null hypothesis of any entry rule. Spot coins are only bought.
 * Draws from the run's seeded stream.
 */
export const randomEntry = (params: z.output<typeof RandomEntryParams>): Strategy => {
  let nextUs: Float64Array<ArrayBuffer> = new Float64Array(0)
  let isHolding: boolean[] = []
  let isWanted: boolean[] = []
  let entries = 0
  return {
    name: 'random-entry',
    start({instruments}) {
      nextUs = new Float64Array(instruments.size).fill(-1)
      isHolding = instruments.all().map(() => false)
      isWanted = instruments
        .all()
        .map(i => (params.symbols.length > 0 ? params.symbols.includes(i.symbol) : isBuyable(i)))
    },
    onEvent(context, chunk, row) {
      const i = chunk.instrument[row]!
      if (isWanted[i] !== true || context.nowUs < nextUs[i]!) return
      const wait = () => params.meanWaitSeconds * US_PER_SECOND * context.rng.exponential()
      if (nextUs[i] === -1) {
        nextUs[i] = context.nowUs + wait()
        return
      }
      if (isHolding[i] === true) {
        context.target(i, 0)
        nextUs[i] = context.nowUs + wait()
      } else {
        const lots = lotsOfCapital(context, i, params.fraction)
        const isLong = context.rng.uniform() < 0.5 || params.longOnly || context.instruments.at(i).kind === 'crypto'
        if (lots === 0) return
        context.target(i, isLong ? lots : -lots)
        nextUs[i] = context.nowUs + params.holdSeconds * US_PER_SECOND
        entries++
      }
      isHolding[i] = isHolding[i] !== true
    },
    report: () => ({entries}),
  }
}
