import {type Instrument, InstrumentTable} from '../domain/instrument.ts'
import type {ReplaySource} from '../exchange/replay-market.ts'

/**
 * A tape as an account in dollars can trade it: pairs against a dollar-pegged coin are listed against the dollar, because
 * the account holds no such coin to pay with. A pair that is already there against the dollar keeps its own name and the
 * pegged one stays what it is.
 */
export const inDollars = (source: ReplaySource): ReplaySource => {
  const symbols = new Set(source.instruments.all().map(({symbol}) => symbol))
  const instruments = InstrumentTable.of(
    source.instruments.all().map(instrument => {
      const listed = againstDollar(instrument)
      return symbols.has(listed.symbol) ? instrument : listed
    }),
  )
  // Two pegged pairs of one coin would become one instrument and shift every number after them.
  return instruments.size === source.instruments.size ? {instruments, chunks: () => source.chunks()} : source
}

const againstDollar = (instrument: Instrument): Instrument =>
  instrument.kind === 'crypto' && /^USD[TC]$/.test(instrument.quote)
    ? {...instrument, symbol: `${instrument.base}/USD`, quote: 'USD'}
    : instrument
