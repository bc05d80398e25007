import type {InstrumentTable} from '../domain/instrument.ts'
import type {Fill} from '../domain/order.ts'
import type {Booking} from './booking.ts'
import type {Settlement} from './ledger.ts'

export interface FillAudit {
  readonly add: (fill: Fill) => void
  readonly book: (booking: Booking['booking'], instrument: number, values: readonly number[]) => void
  readonly totals: () => {
    /** Net cash of all fills, fees included, and of all bookings, unpaid dividends included. */
    readonly cashMicros: number
    readonly positionLots: Float64Array
    readonly unpriced: ReadonlyMap<string, number>
  }
}

/**
 * Adds raw fills up a second way, in big integers and without positions, costs or marks, so that a mistake in the
 * ledger's arithmetic cannot hide in the same mistake here.
 */
export const createFillAudit = (instruments: InstrumentTable, settlement: Settlement): FillAudit => {
  let cash = 0n
  const lots = new BigInt64Array(instruments.size)
  const unpriced = new Map<string, bigint>()
  return {
    add: fill => {
      const instrument = instruments.at(fill.instrument)
      const sign = fill.side === 'buy' ? 1n : -1n
      const home = settlement.home[fill.instrument] as number
      lots[home] = (lots[home] as bigint) + sign * BigInt(fill.lots) - BigInt(fill.feeLots ?? 0)
      const product = BigInt(fill.priceTicks) * BigInt(fill.lots) * BigInt(instrument.multiplier)
      const decimals = instrument.priceDecimals + instrument.sizeDecimals
      const quoteHome = settlement.quoteHome[fill.instrument] as number
      if (quoteHome === -1) {
        cash -= sign * scaled(product, decimals - 6) + BigInt(fill.feeMicros)
        return
      }
      const units = -sign * scaled(product, decimals - 8) - BigInt(fill.feeMicros) * 100n
      if (quoteHome >= 0) lots[quoteHome] = (lots[quoteHome] as bigint) + units
      else unpriced.set(instrument.quote, (unpriced.get(instrument.quote) ?? 0n) + units)
    },
    book: (booking, i, values) => {
      const [first = 0n, second = 0n, third = 0n] = values.map(BigInt)
      const held = lots[i] as bigint
      switch (booking) {
        case 'split': {
          const exact = held * first
          lots[i] = exact / second
          cash += signedScaled((exact - (exact / second) * second) * third, second)
          return
        }
        case 'dividend': {
          const {multiplier, priceDecimals, sizeDecimals} = instruments.at(i)
          const value = scaled(
            (held < 0n ? -held : held) * first * BigInt(multiplier),
            priceDecimals + sizeDecimals - 6,
          )
          cash += held < 0n ? -value : value
          return
        }
        case 'borrow':
          cash -= first
          return
        case 'payment':
          return
        default:
          booking satisfies never
      }
    },
    totals: () => ({
      cashMicros: Number(cash),
      positionLots: Float64Array.from(lots, Number),
      unpriced: new Map([...unpriced].map(([coin, units]) => [coin, Number(units)])),
    }),
  }
}

/** `numerator / divisor`, halves away from zero. */
const signedScaled = (numerator: bigint, divisor: bigint): bigint => {
  const size = numerator < 0n ? -numerator : numerator
  const quotient = (2n * size + divisor) / (2n * divisor)
  return numerator < 0n ? -quotient : quotient
}

/** `product / 10^decimals`, halves away from zero; the product is not negative. */
const scaled = (product: bigint, decimals: number): bigint => {
  if (decimals <= 0) return product * 10n ** BigInt(-decimals)
  const divisor = 10n ** BigInt(decimals)
  return (2n * product + divisor) / (2n * divisor)
}
