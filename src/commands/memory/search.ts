import {Flags} from '@oclif/core'
import {MemoryCommand} from '../../cli/memory-command.ts'
import type {SearchResult} from '../../memory/memory.ts'

export default class MemorySearch extends MemoryCommand {
  static override summary = 'find what happened after similar moments'
  static override description =
    'The answer is evidence, not a forecast: neighbours, what followed each, the spread of it, and whether to abstain. Asks once for a single query; several queries stream one result a line.'
  static override examples = [
    '<%= config.bin %> <%= command.id %> --vector query.json --k 5 --json',
    '<%= config.bin %> embed --from chain.ndjson --out - | <%= config.bin %> <%= command.id %> --vector - --symbol SPY --max-age 90d',
  ]
  static override flags = {
    vector: Flags.string({
      description:
        'a JSON array of 256 numbers or records with a "vector": a file, - for standard input, or the JSON itself',
      default: '-',
      aliases: ['from'],
      helpValue: 'FILE|-|JSON',
    }),
    k: Flags.integer({description: 'neighbours to return (default: memory.neighbours)', min: 1, max: 1_000}),
    symbol: Flags.string({description: 'only this symbol', multiple: true}),
    regime: Flags.string({description: 'only this regime', multiple: true}),
    strategy: Flags.string({description: 'only this strategy', multiple: true}),
    'max-age': Flags.string({description: 'only patterns younger than this at the time of asking'}),
    'as-of': Flags.string({
      description: 'what was known at this time: epoch microseconds or ISO time (default: everything stored)',
    }),
    tiers: Flags.string({
      description: 'auto asks the cold patterns too when the hot ones leave the question open',
      options: ['auto', 'hot', 'all'],
      default: 'auto',
    }),
    peek: Flags.boolean({description: 'leave no trace: do not count the search, nor the patterns it rests on as used'}),
  }

  async run(): Promise<SearchResult | {searches: SearchResult[]}> {
    const {flags} = await this.parse(MemorySearch)
    const [{isInline, readQueries, searchEach}, {requireInput}] = await Promise.all([
      import('../../core/memory-search.ts'),
      import('../../core/open-input.ts'),
    ])
    if (!isInline(flags.vector)) requireInput(flags.vector)
    const maxAgeUs = flags['max-age'] === undefined ? undefined : await this.durationUs('max-age', flags['max-age'])
    const asOfUs = flags['as-of'] === undefined ? undefined : this.timeUs('as-of', flags['as-of'])
    await using memory = await this.openBank(flags)
    const request = {
      // An age needs a present to count from; without one, nothing that is stored is in the future.
      asOfUs: asOfUs ?? (maxAgeUs === undefined ? Number.MAX_SAFE_INTEGER : await this.nowUs()),
      ...(flags.k === undefined ? {} : {k: flags.k}),
      tiers: flags.tiers as 'auto' | 'hot' | 'all',
      filters: {
        ...(flags.symbol === undefined ? {} : {symbol: flags.symbol}),
        ...(flags.regime === undefined ? {} : {regime: flags.regime}),
        ...(flags.strategy === undefined ? {} : {strategy: flags.strategy}),
        ...(maxAgeUs === undefined ? {} : {maxAgeUs}),
      },
    }
    const results: SearchResult[] = []
    const answers = searchEach(memory, readQueries(flags.vector, this.stopSignal), {request, isCounted: !flags.peek})
    if (this.jsonEnabled()) for await (const result of answers) results.push(result)
    else await this.stream(kept(answers, results))
    const [only] = results
    return results.length === 1 && only !== undefined ? only : {searches: results}
  }
}

/** Passes the answers on, and keeps the first two: enough to tell one query from several. */
async function* kept(answers: AsyncIterable<SearchResult>, into: SearchResult[]): AsyncGenerator<SearchResult> {
  for await (const answer of answers) {
    if (into.length < 2) into.push(answer)
    yield answer
  }
}
