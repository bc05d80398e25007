import type {OptionQuote} from '../options/option-quote.ts'

/**
 * Groups option quotes into chains: quotes of one symbol within `windowUs` of the first belong together, and a later quote
 * of the symbol closes what was open. The stream must be in time order for each symbol.
 */
export async function* chainsOf(
  quotes: AsyncIterable<OptionQuote> | Iterable<OptionQuote>,
  windowUs = 0,
): AsyncGenerator<OptionQuote[]> {
  const open = new Map<string, OptionQuote[]>()
  for await (const quote of quotes) {
    const chain = open.get(quote.symbol)
    if (chain === undefined) open.set(quote.symbol, [quote])
    else if (quote.tsUs - (chain[0] as OptionQuote).tsUs <= windowUs) chain.push(quote)
    else {
      yield chain
      open.set(quote.symbol, [quote])
    }
  }
  for (const chain of [...open.values()].sort((a, b) => (a[0] as OptionQuote).tsUs - (b[0] as OptionQuote).tsUs))
    yield chain
}

/** Option quotes of a catalog in time order. */
export async function* catalogQuotes(dir: string, symbols?: readonly string[]): AsyncGenerator<OptionQuote> {
  const {catalogNdjson} = await import('../drivers/duckdb/catalog-records.ts')
  for await (const text of catalogNdjson(dir, {kinds: ['option'], ...(symbols === undefined ? {} : {symbols})})) {
    for (const line of text.split('\n')) if (line !== '') yield JSON.parse(line) as OptionQuote
  }
}
