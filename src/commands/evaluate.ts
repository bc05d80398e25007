import path from 'node:path'
import {Args, Flags} from '@oclif/core'
import {BaseCommand} from '../cli/base-command.ts'
import type {Config} from '../config/schema.ts'
import type {EvaluateResult} from '../core/evaluate.ts'
import type {EvaluateEmbedderResult} from '../core/evaluate-embedder.ts'
import type {EvaluatePolicyResult} from '../core/evaluate-policy.ts'

export default class Evaluate extends BaseCommand {
  static override summary = 'measure a model on any data, beside its baselines'
  static override description =
    `Prints the table of the model's card for the last stretch in time of the data: macro-F1, MCC, recall, calibration,
direction, and the majority, persistence and linear baselines on the same windows. On the data it was trained on only
its own test stretch counts; data that overlaps its training otherwise is refused. A policy is measured on the returns of
the strategies it weighs, beside equal weight, inverse volatility, best fixed, cash and an oracle. An embedder is measured
on hidden cells of option chains it has not seen, beside principal components, its prior and a smile refit.`
  static override examples = [
    '<%= config.bin %> <%= command.id %> signal --data data',
    '<%= config.bin %> <%= command.id %> ./models/book.onnx --data books --json',
  ]
  static override args = {model: Args.string({description: 'name of a model, or path to its file', required: true})}
  static override flags = {
    data: Flags.string({
      description: 'catalog to measure on; for a policy also a folder of catalogs',
      helpValue: 'DIR',
      required: true,
    }),
    symbols: Flags.string({description: 'only these, separated by commas', helpValue: 'A,B'}),
    'max-evaluated': Flags.integer({description: 'windows measured at most', default: 200_000, min: 1}),
    'baseline-steps': Flags.integer({description: 'steps the linear baseline gets', default: 3000, min: 1}),
    'allow-seen': Flags.boolean({description: 'measure even on data the model was trained on'}),
  }

  async run(): Promise<EvaluateResult | EvaluatePolicyResult | EvaluateEmbedderResult> {
    const {args, flags} = await this.parse(Evaluate)
    const {config} = await this.loadConfig(flags)
    const {isPolicy} = await import('../core/policy-weights.ts')
    if (isPolicy(config, args.model)) return this.#policy(config, args.model, flags)
    const {isEmbedder} = await import('../core/embedder-file.ts')
    if (isEmbedder(args.model, path.join(config.home, 'models'))) return this.#embedder(config, args.model, flags)
    const [{evaluate}, {loadModel}] = await Promise.all([
      import('../core/evaluate.ts'),
      import('../core/model-files.ts'),
    ])
    const symbols = flags.symbols?.split(',').filter(symbol => symbol !== '')
    const result = await evaluate(loadModel(args.model, path.join(config.home, 'models')), {
      data: flags.data,
      seed: config.seed,
      maxEvaluated: flags['max-evaluated'],
      baselineSteps: flags['baseline-steps'],
      allowSeen: flags['allow-seen'],
      ...(symbols === undefined ? {} : {symbols}),
    })
    const {metricsTable} = await import('../core/metrics-table.ts')
    this.log(`${result.model} on ${result.windows} windows (${result.relation})`)
    this.log(metricsTable({[result.model]: result.test, ...result.baselines}))
    for (const sentence of result.verdict) this.log(`- ${sentence}`)
    return result
  }

  async #embedder(
    config: Config,
    model: string,
    flags: {readonly data: string; readonly symbols: string | undefined; readonly 'allow-seen': boolean},
  ): Promise<EvaluateEmbedderResult> {
    const {evaluateEmbedder} = await import('../core/evaluate-embedder.ts')
    const symbols = flags.symbols?.split(',').filter(symbol => symbol !== '')
    const result = await evaluateEmbedder({
      model,
      folder: path.join(config.home, 'models'),
      data: flags.data,
      seed: config.seed,
      allowSeen: flags['allow-seen'],
      ...(symbols === undefined ? {} : {symbols}),
    })
    const left = result.leftOut > 0 ? `, ${result.leftOut} seen in training left out` : ''
    this.log(`${result.model} on ${result.chains} chains (${result.relation}${left}), hidden cells in vol points`)
    const row = (name: string, {model: own, kriging, pca, refit, cells}: EvaluateEmbedderResult['test']): string =>
      `${name.padEnd(8)} model ${own.toFixed(3)}  prior ${kriging.toFixed(3)}  components ${pca.toFixed(3)}  smile refit ${refit.toFixed(3)}  (${cells} cells)`
    this.log(row('all', result.test))
    for (const [symbol, error] of Object.entries(result.bySymbol)) this.log(row(symbol, error))
    for (const sentence of result.verdict) this.log(`- ${sentence}`)
    return result
  }

  async #policy(
    config: Config,
    model: string,
    flags: {readonly data: string; readonly symbols: string | undefined; readonly 'allow-seen': boolean},
  ): Promise<EvaluatePolicyResult> {
    const [{evaluatePolicy}, {policyReport}, {availableParallelism}] = await Promise.all([
      import('../core/evaluate-policy.ts'),
      import('../core/train-policy-report.ts'),
      import('node:os'),
    ])
    const symbols = flags.symbols?.split(',').filter(symbol => symbol !== '')
    const result = await evaluatePolicy(
      {
        model,
        data: flags.data,
        ...(symbols === undefined ? {} : {symbols}),
        config,
        workers: availableParallelism(),
        allowSeen: flags['allow-seen'],
      },
      {
        isStopped: () => this.stopSignal.aborted,
        onProgress: (done, total) => {
          if (this.showsProgress) process.stderr.write(`\r\u001b[Kback-tests ${done}/${total}`)
        },
      },
    )
    if (this.showsProgress) process.stderr.write('\r\u001b[K')
    this.log(`${result.model} over ${result.periods} periods of ${result.markets.length} markets (${result.relation})`)
    this.log(policyReport(result))
    for (const sentence of result.verdict) this.log(`- ${sentence}`)
    return result
  }
}
