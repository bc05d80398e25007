// Columns are indexed inside their bounds, hence the `!`.
import type {OptionQuote} from '../options/option-quote.ts'
import {optionRoot} from '../options/option-quote.ts'

/** Numbers of a quote that travel in shared memory, in this order; NaN where a quote has none. */
const FIELDS = ['strike', 'bid', 'ask', 'tsUs', 'underlying', 'volume', 'openInterest'] as const
export const QUOTE_NUMBERS = FIELDS.length + 1

/** What of a chain is text: few distinct words, however many contracts. */
export interface ChainWords {
  readonly symbol: string
  readonly roots: readonly string[]
  readonly expiries: readonly string[]
}

/** Writes a chain's quotes into columns, and returns the words that the last column points to. */
export const writeQuotes = (quotes: readonly OptionQuote[], into: Float64Array): ChainWords => {
  const roots = new Map<string, number>()
  const expiries = new Map<string, number>()
  const indexIn = (words: Map<string, number>, word: string): number => {
    const known = words.get(word)
    if (known !== undefined) return known
    words.set(word, words.size)
    return words.size - 1
  }
  quotes.forEach((quote, i) => {
    const at = i * QUOTE_NUMBERS
    for (let f = 0; f < FIELDS.length; f++) into[at + f] = quote[FIELDS[f]!] ?? Number.NaN
    const root = indexIn(roots, optionRoot(quote.contract, quote.symbol))
    into[at + FIELDS.length] = (root * 65_536 + indexIn(expiries, quote.expiry)) * 2 + (quote.right === 'call' ? 1 : 0)
  })
  return {symbol: quotes[0]?.symbol ?? '', roots: [...roots.keys()], expiries: [...expiries.keys()]}
}

/** The quotes again; of the contract's name only the class is kept. */
export const readQuotes = (from: Float64Array, count: number, {symbol, roots, expiries}: ChainWords): OptionQuote[] =>
  Array.from({length: count}, (_, i) => {
    const at = i * QUOTE_NUMBERS
    const code = from[at + FIELDS.length]!
    const root = roots[Math.floor(code / 131_072)]!
    const number = (field: number): number | undefined => {
      const value = from[at + field]!
      return Number.isNaN(value) ? undefined : value
    }
    const right = code % 2 === 1 ? 'call' : 'put'
    return {
      symbol,
      contract: `${root}000000${right === 'call' ? 'C' : 'P'}00000000`,
      right,
      expiry: expiries[Math.floor(code / 2) % 65_536]!,
      strike: from[at]!,
      bid: from[at + 1]!,
      ask: from[at + 2]!,
      tsUs: from[at + 3]!,
      underlying: number(4),
      volume: number(5),
      openInterest: number(6),
    }
  })
