import {addRow, EventKind, emptyChunk, type TapeChunk} from '../../data/tape.ts'
import {type Instrument, InstrumentTable} from '../../domain/instrument.ts'
import type {Rng} from '../../domain/rng.ts'
import {US_PER_SECOND} from '../../domain/units.ts'
import type {MarketSource} from '../market-source.ts'
import {currentOrNextSession} from '../sessions.ts'
import {listChain} from './listed-chain.ts'
import {type OptionQuoteRow, OptionQuotes} from './option-quotes.ts'

// Columns are indexed by numbers below their length, so they are read under `!`.

/** An underlying whose options are listed: its price at the start and its usual volatility a year. */
export interface ListedUnderlying {
  readonly symbol: string
  readonly price: number
  readonly volatility: number
}

/** How often the chain of an underlying is looked at anew; only quotes that changed become rows. */
const REFRESH_US = 5 * US_PER_SECOND
/** Each contract is quoted anew at least this often, so that who comes late soon knows the whole chain. */
const RENEW_US = 60 * US_PER_SECOND

/**
 * A market with option chains on some of its shares: the source's own rows, and between them, on a grid of market time
 * while the session is open, a row for each contract whose quote has changed. The source's instruments keep their numbers.
 */
export const withOptions = (
  source: MarketSource,
  options: {readonly underlyings: readonly ListedUnderlying[]; readonly rng: Rng; readonly startUs: number},
): MarketSource => new OptionMarket(source, options)

interface Chain {
  readonly underlying: number
  readonly first: number
  readonly contracts: readonly Instrument[]
  readonly quotes: OptionQuotes
  readonly shown: (OptionQuoteRow | undefined)[]
  readonly shownUs: Float64Array
}

class OptionMarket implements MarketSource {
  readonly instruments: InstrumentTable
  readonly #source: MarketSource
  readonly #chains: readonly Chain[]
  /** Price of each of the source's instruments, 0 before the first quote. */
  readonly #prices: Float64Array
  readonly #pending: TapeChunk & {count: number}
  #given = 0
  #nextUs: number
  readonly #slice: TapeChunk & {count: number}

  constructor(
    source: MarketSource,
    {underlyings, rng, startUs}: {underlyings: readonly ListedUnderlying[]; rng: Rng; startUs: number},
  ) {
    this.#source = source
    const all: Instrument[] = [...source.instruments.all()]
    this.#chains = underlyings.flatMap(({symbol, price, volatility}) => {
      const underlying = source.instruments.indexOf(symbol)
      if (underlying === undefined) return []
      const contracts = listChain(symbol, price, startUs)
      const first = all.length
      all.push(...contracts)
      const quotes = new OptionQuotes(contracts, volatility, rng.fork(`options ${symbol}`))
      return [
        {
          underlying,
          first,
          contracts,
          quotes,
          shown: contracts.map(() => undefined),
          shownUs: new Float64Array(contracts.length),
        },
      ]
    })
    this.instruments = InstrumentTable.of(all)
    this.#prices = new Float64Array(source.instruments.size)
    this.#pending = emptyChunk(
      Math.max(
        1,
        this.#chains.reduce((sum, {contracts}) => sum + contracts.length, 0),
      ),
    )
    this.#slice = emptyChunk(512)
    this.#nextUs = gridFrom(startUs)
  }

  readonly advanceTo = (nowUs: number, maxRows: number): TapeChunk => {
    for (;;) {
      if (this.#given < this.#pending.count) return this.#give(maxRows)
      const rows = this.#source.advanceTo(Math.min(nowUs, this.#nextUs), maxRows)
      if (rows.count > 0) {
        this.#observe(rows)
        return rows
      }
      if (this.#nextUs > nowUs || this.#nextUs > this.#source.horizonUs()) return rows
      this.#refresh(this.#nextUs)
      this.#nextUs = gridFrom(this.#nextUs)
    }
  }
  readonly nextUs = (): number =>
    this.#given < this.#pending.count ? this.#pending.tsUs[this.#given]! : Math.min(this.#source.nextUs(), this.#nextUs)
  readonly horizonUs = (): number => this.#source.horizonUs()
  readonly ended = (): boolean => this.#source.ended() && this.#given >= this.#pending.count
  readonly openInterest = (instrument: number): number => {
    const chain = this.#chains.find(
      ({first, contracts}) => instrument >= first && instrument < first + contracts.length,
    )
    return chain === undefined ? 0 : chain.quotes.openInterest(instrument - chain.first)
  }

  #observe(rows: TapeChunk): void {
    for (let row = 0; row < rows.count; row++) {
      if (rows.kind[row] !== EventKind.quote || rows.v2[row] === 0 || rows.v3[row] === 0) continue
      const i = rows.instrument[row]!
      const {priceDecimals} = this.instruments.at(i)
      this.#prices[i] = (rows.v0[row]! + rows.v1[row]!) / 2 / 10 ** priceDecimals
    }
  }

  #refresh(atUs: number): void {
    const chunk = this.#pending
    chunk.count = 0
    this.#given = 0
    for (const {underlying, first, contracts, quotes, shown, shownUs} of this.#chains) {
      const price = this.#prices[underlying]!
      if (price === 0) continue
      quotes.advance(price, atUs)
      for (let k = 0; k < contracts.length; k++) {
        const quote = quotes.quote(k)
        const before = shown[k]
        const same = before !== undefined && before.bidTicks === quote.bidTicks && before.askTicks === quote.askTicks
        if (same && atUs - shownUs[k]! < RENEW_US) continue
        shown[k] = quote
        shownUs[k] = atUs
        const {bidTicks, askTicks, bidLots, askLots, volume, openInterest} = quote
        addRow(chunk, atUs, EventKind.option, first + k, 0, bidTicks, askTicks, bidLots, askLots, volume, openInterest)
      }
    }
  }

  #give(maxRows: number): TapeChunk {
    const [from, slice] = [this.#pending, this.#slice]
    slice.count = Math.min(maxRows, slice.tsUs.length, from.count - this.#given)
    for (const column of ['tsUs', 'kind', 'instrument', 'flags', 'v0', 'v1', 'v2', 'v3', 'v4', 'v5'] as const)
      slice[column].set(from[column].subarray(this.#given, this.#given + slice.count))
    this.#given += slice.count
    return slice
  }
}

/** The next time of the grid inside a core session. */
const gridFrom = (afterUs: number): number => {
  const next = (Math.floor(afterUs / REFRESH_US) + 1) * REFRESH_US
  const session = currentOrNextSession(next)
  return next < session.openUs ? session.openUs + REFRESH_US : next
}
