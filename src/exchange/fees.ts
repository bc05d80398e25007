import type {InstrumentTable} from '../domain/instrument.ts'
import {optionTermsOf} from '../domain/option-terms.ts'
import {
  OCC_CAP,
  OCC_PER_CONTRACT,
  ORF_PER_CONTRACT,
  SEC_DOLLARS_PER_MILLION,
  TAF_CAP,
  TAF_PER_CONTRACT,
  TAF_PER_SHARE,
  valueAt,
} from './fee-tables.ts'
import type {FeeModel} from './venue.ts'

type FillForFee = Parameters<FeeModel['feeOf']>[0]
export type FeeScheduleName = 'us' | 'alpaca-paper' | 'zero'

/** Alpaca's first crypto tier: 15 bp for the maker, 25 bp for the taker. */
const CRYPTO_MAKER_BPS = 15
const CRYPTO_TAKER_BPS = 25

/** Takes nothing. */
export const zeroFees: FeeModel = {feeOf: () => ({feeMicros: 0})}

/**
 * The schedule of a name. `us`: regulatory fees on stocks and options (no commission, as at Alpaca), tiered crypto fees.
 * `alpaca-paper`: crypto fees only, which is all that Alpaca's paper engine charges. Fees are rounded up to the micro.
 */
export const feeSchedule = (name: FeeScheduleName, instruments: InstrumentTable): FeeModel => {
  if (name === 'zero') return zeroFees
  return {
    feeOf(fill) {
      switch (instruments.at(fill.instrument).kind) {
        case 'crypto':
          return cryptoFee(fill)
        case 'option': {
          if (name !== 'us') return {feeMicros: 0}
          // Options on broad indices are no covered sales under section 31.
          const isCovered = optionTermsOf(instruments.at(fill.instrument))?.settlement === 'physical'
          return {feeMicros: optionFee(fill, isCovered)}
        }
        default:
          return {feeMicros: name === 'us' ? equityFee(fill) : 0}
      }
    },
    ofDelivery: sale => (name === 'us' ? section31(sale) : 0),
  }
}

/** A flat schedule for any venue: basis points of the notional, negative for a rebate. */
export const flatFees = (makerBps: number, takerBps: number): FeeModel => ({
  feeOf: fill => ({
    feeMicros: Math.ceil((fill.notionalMicros * (fill.liquidity === 'maker' ? makerBps : takerBps)) / 10_000),
  }),
})

const equityFee = (fill: FillForFee): number => {
  if (fill.side === 'buy') return 0
  const taf = Math.min(
    Math.ceil(fill.lots * valueAt(TAF_PER_SHARE, fill.tsUs) * 1_000_000),
    valueAt(TAF_CAP, fill.tsUs) * 1_000_000,
  )
  return section31(fill) + taf
}

/** Of a sale; one that an exercise settled by delivery brings is one too (17 CFR 240.31, "covered sale"). */
const section31 = ({notionalMicros, tsUs}: {readonly notionalMicros: number; readonly tsUs: number}): number =>
  Math.ceil((notionalMicros * valueAt(SEC_DOLLARS_PER_MILLION, tsUs)) / 1_000_000)

const optionFee = (fill: FillForFee, isCovered: boolean): number => {
  const isSale = fill.side === 'sell'
  const perContract = valueAt(ORF_PER_CONTRACT, fill.tsUs) + (isSale ? valueAt(TAF_PER_CONTRACT, fill.tsUs) : 0)
  const clearing = Math.min(fill.lots * valueAt(OCC_PER_CONTRACT, fill.tsUs), valueAt(OCC_CAP, fill.tsUs))
  const dollars = fill.lots * perContract + clearing
  return Math.ceil(Number((dollars * 1_000_000).toPrecision(12))) + (isSale && isCovered ? section31(fill) : 0)
}

/** Taken from what is received: coin on a buy, the quote currency on a sell. */
const cryptoFee = (fill: FillForFee): {feeMicros: number; feeLots?: number} => {
  const bps = fill.liquidity === 'maker' ? CRYPTO_MAKER_BPS : CRYPTO_TAKER_BPS
  if (fill.side === 'sell') return {feeMicros: Math.ceil((fill.notionalMicros * bps) / 10_000)}
  return {feeMicros: 0, feeLots: Math.ceil((fill.lots * bps) / 10_000)}
}
