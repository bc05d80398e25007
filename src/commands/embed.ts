import path from 'node:path'
import process from 'node:process'
import {Flags} from '@oclif/core'
import {BaseCommand} from '../cli/base-command.ts'
import type {EmbedSummary} from '../core/embed.ts'
import type {TierStats} from '../data/cache.ts'

export default class Embed extends BaseCommand {
  static override summary = 'turn option chains into 256-number embeddings'
  static override description =
    `Reads option-quote records (or a catalog) and writes one embedding record a chain: the vector, and what the heads
read from it (sentiment −1 to 1, volatility regime 0 calm, 1 normal, 2 stressed, arbitrage 0 to 1). A chain that the same
model has embedded before comes from the cache.`
  static override examples = [
    '<%= config.bin %> ingest spx spx.csv.gz --out - | <%= config.bin %> <%= command.id %> --from - --out -',
    '<%= config.bin %> <%= command.id %> --data options --out embeddings.ndjson --json',
  ]
  static override flags = {
    from: Flags.string({description: 'NDJSON file, - for standard input', helpValue: 'FILE|-', exclusive: ['data']}),
    data: Flags.string({description: 'catalog to read chains from', helpValue: 'DIR'}),
    symbols: Flags.string({
      description: 'only these of the catalog, separated by commas',
      helpValue: 'A,B',
      dependsOn: ['data'],
    }),
    out: Flags.string({
      description: 'NDJSON or .parquet file, - for standard output',
      default: '-',
      helpValue: 'FILE|-',
    }),
    model: Flags.string({description: 'name of an embedder, or path to its file', default: 'embedder'}),
    window: Flags.string({description: 'quotes of a symbol within this time are one chain', default: '1m'}),
    cache: Flags.boolean({description: 'keep and reuse embeddings', default: true, allowNo: true}),
    rejects: Flags.string({description: 'write invalid records here', helpValue: 'FILE'}),
    'skip-invalid': Flags.boolean({description: 'leave invalid records out instead of failing'}),
  }

  async run(): Promise<EmbedSummary & {readonly cacheTiers: readonly TierStats[]}> {
    const {flags} = await this.parse(Embed)
    const {config} = await this.loadConfig(flags)
    const [{embedStream, openEmbedder}, {readModelFile}, {parseDurationMs}, {UserError}] = await Promise.all([
      import('../core/embed.ts'),
      import('../core/model-files.ts'),
      import('../core/system-clock.ts'),
      import('../domain/errors.ts'),
    ])
    const windowMs = parseDurationMs(flags.window)
    if (windowMs === undefined) {
      throw new UserError('DURATION_INVALID', `--window must be a duration such as 1m or 500ms, was "${flags.window}"`)
    }
    if (flags.from !== undefined) (await import('../core/open-input.ts')).requireQuoteRecords(flags.from, 'embed')
    const file = readModelFile(flags.model, path.join(config.home, 'models'))
    using embedder = openEmbedder(file.bytes, file.path)
    const {openEmbeddingCache} = await import('../core/embedding-cache.ts')
    await using cache = flags.cache
      ? await openEmbeddingCache(config, process.env, {
          onTrouble: (tier, error) =>
            this.note(
              error === undefined
                ? `the ${tier} cache is back`
                : `going on without the ${tier} cache: ${error.message}`,
            ),
        })
      : undefined
    const {records, summary} = embedStream(embedder, cache, {
      ...(flags.from === undefined ? {} : {from: flags.from}),
      ...(flags.data === undefined ? {} : {data: flags.data}),
      ...(flags.symbols === undefined ? {} : {symbols: flags.symbols.split(',').filter(symbol => symbol !== '')}),
      ...(flags.rejects === undefined ? {} : {rejectsFile: flags.rejects}),
      windowUs: windowMs * 1000,
      skipInvalid: flags['skip-invalid'],
      signal: this.stopSignal,
    })
    if (flags.out !== '-') await (await import('../cli/record-file.ts')).writeRecordFile(flags.out, records)
    else if (this.jsonEnabled()) for await (const _record of records);
    else await this.stream(records)
    const cacheTiers = cache?.stats() ?? []
    const tiers = cacheTiers.map(({name, hitRate}) => `${name} ${(100 * hitRate).toFixed(0)} %`).join(' → ')
    const {chains, cached, unusable, p50Ms} = summary
    this.note(
      `${chains} chains, ${cached} from the cache${tiers === '' ? '' : ` (hit rates ${tiers})`}, ${unusable} unusable${p50Ms === null ? '' : `, ${p50Ms.toFixed(2)} ms each`}`,
    )
    if (summary.firstUnusable !== null) this.note(`unusable: ${summary.firstUnusable}`)
    return {...summary, cacheTiers}
  }
}
