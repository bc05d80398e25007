import {createHash} from 'node:crypto'
import {LRUCache} from 'lru-cache'
import type {OptionQuote} from '../options/option-quote.ts'
import type {Answer, HeadsService, SentimentHeads} from '../strategies/services.ts'
import type {EmbeddingRecord} from './embed.ts'

/** The heads of a chain, null where it has no usable expiry; at once, or when another thread has them. */
export type AskEmbedder = (quotes: readonly OptionQuote[]) => Answer<SentimentHeads | null>

export const headsOf = (record: Pick<EmbeddingRecord, 'heads'> | undefined): SentimentHeads | null =>
  record === undefined ? null : {sentiment: record.heads.sentiment, arbitrageScore: record.heads.arbitrage}

/** Chains remembered by content: sweeps and look-ahead replays ask for the same ones again and again. */
const REMEMBERED = 20_000

/** The embedder's heads for a run: a chain is embedded once, whoever asks. */
export const headsService = (model: string, seenUntilUs: number, ask: AskEmbedder): HeadsService => {
  const known = new LRUCache<string, Answer<SentimentHeads | null>>({max: REMEMBERED})
  return {
    model,
    seenUntilUs,
    ask: quotes => {
      const key = chainKey(quotes)
      let answer = known.get(key)
      if (answer === undefined) {
        answer = ask(quotes)
        known.set(key, answer)
      }
      return answer
    },
  }
}

/** SHA-256 of everything the embedder reads of a chain. */
const chainKey = (quotes: readonly OptionQuote[]): string => {
  const numbers = new Float64Array(6 * quotes.length)
  const hash = createHash('sha256')
  quotes.forEach((quote, k) => {
    numbers.set(
      [quote.tsUs, quote.bid, quote.ask, quote.volume ?? -1, quote.openInterest ?? -1, quote.underlying ?? -1],
      6 * k,
    )
    hash.update(quote.contract)
  })
  return hash.update(numbers).digest('hex')
}
