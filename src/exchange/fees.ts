import type {InstrumentTable} from '../domain/instrument.ts'
import {US_PER_DAY} from '../domain/units.ts'
import type {FeeModel} from './venue.ts'

type FillForFee = Parameters<FeeModel['feeOf']>[0]
/** A value that changed on dates: rows of [first day it holds, value], oldest first. */
type Dated = readonly (readonly [day: string, value: number])[]

export type FeeScheduleName = 'us' | 'alpaca-paper' | 'zero'

/** SEC section 31 fee on sales, dollars a million of notional. Source: SEC fee rate advisories. */
const SEC_DOLLARS_PER_MILLION: Dated = [
  ['1998-01-01', 33.3],
  ['2001-12-28', 15],
  ['2003-02-21', 25.2],
  ['2003-04-01', 46.8],
  ['2004-01-26', 39],
  ['2004-03-01', 23.4],
  ['2005-01-07', 32.9],
  ['2005-02-01', 41.8],
  ['2006-01-01', 30.7],
  ['2007-03-17', 15.3],
  ['2008-01-26', 11],
  ['2008-04-01', 5.6],
  ['2009-04-10', 25.7],
  ['2010-01-15', 12.7],
  ['2010-04-01', 16.9],
  ['2011-01-21', 19.2],
  ['2012-02-21', 18],
  ['2012-04-01', 22.4],
  ['2013-05-25', 17.4],
  ['2014-03-18', 22.1],
  ['2015-02-14', 18.4],
  ['2016-02-16', 21.8],
  ['2017-07-04', 23.1],
  ['2018-05-22', 13],
  ['2019-04-16', 20.7],
  ['2020-02-18', 22.1],
  ['2021-02-25', 5.1],
  ['2022-05-14', 22.9],
  ['2023-02-27', 8],
  ['2024-05-22', 27.8],
  ['2025-05-14', 0],
  ['2026-04-04', 20.6],
]
/** FINRA trading activity fee on sales of shares: dollars a share, and the cap in dollars a trade. */
const TAF_PER_SHARE: Dated = [
  ['2002-10-01', 0.0001],
  ['2011-07-01', 0.00009],
  ['2012-03-01', 0.000095],
  ['2012-07-01', 0.000119],
  ['2022-01-01', 0.00013],
  ['2023-01-01', 0.000145],
  ['2024-01-01', 0.000166],
  ['2026-01-01', 0.000195],
  ['2026-10-01', 0],
  ['2027-01-01', 0.000195],
]
const TAF_CAP: Dated = [
  ['2002-10-01', 10],
  ['2011-07-01', 4.5],
  ['2012-03-01', 4.75],
  ['2012-07-01', 5.95],
  ['2022-01-01', 6.49],
  ['2023-01-01', 7.27],
  ['2024-01-01', 8.3],
  ['2026-01-01', 9.79],
]
/** The same fee on sales of options, dollars a contract. */
const TAF_PER_CONTRACT: Dated = [
  ['2002-10-01', 0.002],
  ['2022-01-01', 0.00218],
  ['2023-01-01', 0.00244],
  ['2024-01-01', 0.00279],
  ['2026-01-01', 0.00329],
  ['2026-10-01', 0],
  ['2027-01-01', 0.00329],
]
/** Options regulatory fee, both sides, summed over the exchanges as brokers pass it on; brokers differ by tenths of a cent. */
const ORF_PER_CONTRACT: Dated = [
  ['2009-01-01', 0.014],
  ['2014-01-01', 0.0415],
  ['2019-01-01', 0.0388],
  ['2022-01-01', 0.02955],
  ['2024-01-01', 0.02685],
  ['2025-01-01', 0.02295],
]
/** Options Clearing Corporation, both sides, dollars a contract. */
const OCC_PER_CONTRACT: Dated = [
  ['2009-01-01', 0.02],
  ['2020-09-01', 0.045],
  ['2021-04-01', 0.02],
  ['2025-01-01', 0.025],
]

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
        case 'option':
          return {feeMicros: name === 'us' ? optionFee(fill) : 0}
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

const optionFee = (fill: FillForFee): number => {
  const perContract =
    valueAt(ORF_PER_CONTRACT, fill.tsUs) +
    valueAt(OCC_PER_CONTRACT, fill.tsUs) +
    (fill.side === 'sell' ? valueAt(TAF_PER_CONTRACT, fill.tsUs) : 0)
  const sale = fill.side === 'sell' ? section31(fill) : 0
  return Math.ceil(Number((fill.lots * perContract * 1_000_000).toPrecision(12))) + sale
}

/** Taken from what is received: coin on a buy, the quote currency on a sell. */
const cryptoFee = (fill: FillForFee): {feeMicros: number; feeLots?: number} => {
  const bps = fill.liquidity === 'maker' ? CRYPTO_MAKER_BPS : CRYPTO_TAKER_BPS
  if (fill.side === 'sell') return {feeMicros: Math.ceil((fill.notionalMicros * bps) / 10_000)}
  return {feeMicros: 0, feeLots: Math.ceil((fill.lots * bps) / 10_000)}
}

const days = new Map<Dated, Float64Array>()
const valueAt = (table: Dated, tsUs: number): number => {
  let starts = days.get(table)
  if (starts === undefined) {
    starts = Float64Array.from(table, ([day]) => Date.parse(day) * 1000)
    days.set(table, starts)
  }
  let at = starts.length - 1
  // A day begins in New York: five hours after UTC is the later of its two offsets.
  while (at > 0 && tsUs < (starts[at] as number) + (5 * US_PER_DAY) / 24) at--
  return (table[at] as readonly [string, number])[1]
}
