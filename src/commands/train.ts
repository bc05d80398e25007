import path from 'node:path'
import {Args, Flags} from '@oclif/core'
import {BaseCommand} from '../cli/base-command.ts'
import type {Config} from '../config/schema.ts'
import type {TrainProgress} from '../core/train-parts.ts'
import type {PolicyTraining} from '../core/train-policy.ts'
import type {TrainResult} from '../core/train-run.ts'
import {UserError} from '../domain/errors.ts'

export default class Train extends BaseCommand {
  static override summary = 'train a model on a catalog and write it with its card'
  static override description =
    `The model, its card and a checkpoint are written to --out. The card holds the metrics of a purged, embargoed
test stretch beside the majority, persistence and linear baselines, and says so where the model does not beat them.
Ctrl-C ends after the current step with everything written; --resume goes on from there, bit for bit.
Models on bars: signal, lstm, cnn, hybrid, ensemble, linear; transformer adds quotes, books, option chains and retrieved
patterns where the data has them (--rows multi; --period N builds bars where it has only ticks). On order books: book,
ctabl, deeplob, mixer, logistic-ofi (give --window 32 --horizon 50 --barrier 0.5). On option chains: embedder (--folds 1 adds an ablation).
--adversarial RATIO replaces that share of every batch by perturbed rows (noise, price jumps, missing bars, wider spreads,
missing information, gradient-sign attacks) and, for bars, by episodes of the scenarios of gpi stress; neither ever
enters the validation or the test part. Card and --json then hold the metrics under stress, with and without.
policy learns weights over the five strategies by PPO: --data is a catalog or a folder of catalogs, one market each, on
which every strategy is first back-tested alone (kept in --out, by content hash). --batch, --size, --max-steps,
--validate-every, --patience and --folds apply. --earlier-trials N counts settings that were compared before this one:
the test Sharpe ratio is deflated by all.`
  static override examples = [
    '<%= config.bin %> <%= command.id %> signal --data data --out models',
    '<%= config.bin %> <%= command.id %> lstm --data data --size medium --max-steps 4000 --json',
  ]
  static override args = {model: Args.string({description: 'what to train', required: true})}
  static override flags = {
    data: Flags.string({description: 'catalog to learn from', helpValue: 'DIR', required: true}),
    out: Flags.string({description: 'folder for the model; HOME/models by default', helpValue: 'DIR'}),
    symbols: Flags.string({description: 'only these, separated by commas', helpValue: 'A,B'}),
    size: Flags.option({
      description: 'size of the network',
      options: ['small', 'medium', 'full'] as const,
      default: 'small' as const,
    })(),
    batch: Flags.integer({description: 'windows a step', default: 256, min: 1}),
    window: Flags.integer({description: 'rows a window', default: 16, min: 1}),
    'max-steps': Flags.integer({description: 'steps at most', default: 3000, min: 1}),
    'validate-every': Flags.integer({description: 'steps between validations', default: 250, min: 1}),
    patience: Flags.integer({description: 'validations without gain before stopping', default: 6, min: 1}),
    horizon: Flags.integer({description: 'rows ahead that labels look', default: 6, min: 1}),
    barrier: Flags.string({description: 'barrier in deviations (bars), threshold in spreads (books)', default: '0.8'}),
    'cost-bps': Flags.string({description: 'round-trip cost that a labelled move must exceed', default: '3'}),
    noise: Flags.string({description: 'noise mixed into the inputs, in deviations', default: '0'}),
    'max-evaluated': Flags.integer({description: 'windows measured at most in each part', default: 200_000, min: 1}),
    'baseline-steps': Flags.integer({description: 'steps the linear baseline gets at least', default: 3000, min: 1}),
    rows: Flags.option({
      description: "what a row is: a bar, a bar with all else that is known, a book; the model's own kind by default",
      options: ['bar', 'multi', 'book'] as const,
    })(),
    period: Flags.string({description: 'build bars this long from ticks where there are none', helpValue: 'SECONDS'}),
    'modality-dropout': Flags.string({description: 'share of windows that lose each kind of information in training'}),
    memory: Flags.integer({description: 'MiB of rows held in memory; more lie in a file', default: 256, min: 1}),
    seeds: Flags.integer({description: 'further seeds to repeat the training with', default: 0, min: 0}),
    adversarial: Flags.string({
      description:
        'share of each batch that is perturbed or made by the stress simulator; 0 only measures under stress',
      helpValue: 'RATIO',
    }),
    'compare-clean': Flags.boolean({
      description: 'with --adversarial, train besides without it, to compare',
      default: true,
      allowNo: true,
    }),
    folds: Flags.integer({description: 'walk-forward folds to measure besides', default: 0, min: 0}),
    'earlier-trials': Flags.integer({
      description: 'policy: settings compared before this one that this home has not counted',
      default: 0,
      min: 0,
    }),
    resume: Flags.boolean({description: 'go on from the checkpoint in --out'}),
  }

  async run(): Promise<TrainResult | PolicyTraining> {
    const {args, flags} = await this.parse(Train)
    const {config} = await this.loadConfig(flags)
    if (flags.adversarial !== undefined && ['policy', 'embedder'].includes(args.model)) {
      throw new UserError('NOT_ADVERSARIAL', `${args.model} is not trained on adversarial rows`, {
        hints: ['leave --adversarial out; it is for the models of bars and books'],
      })
    }
    if (args.model === 'policy') return this.#trainPolicy(config, flags)
    if (args.model === 'ensemble' && flags.folds + flags.seeds > 0)
      this.note('--folds and --seeds measure single networks and are left out: train a member with them')
    const {train} = await import('../core/train.ts')
    const {parseNumber} = await import('../core/parse-number.ts')
    const symbols = flags.symbols?.split(',').filter(symbol => symbol !== '')
    const result = await train(
      {
        model: args.model,
        size: flags.size,
        batch: flags.batch,
        window: flags.window,
        maxSteps: flags['max-steps'],
        validateEvery: flags['validate-every'],
        patience: flags.patience,
        maxEvaluated: flags['max-evaluated'],
        baselineSteps: flags['baseline-steps'],
        out: flags.out ?? path.join(config.home, 'models'),
        seed: config.seed,
        data: flags.data,
        ...(symbols === undefined ? {} : {symbols}),
        horizon: flags.horizon,
        barrier: parseNumber('--barrier', flags.barrier, {min: 0}),
        costBps: parseNumber('--cost-bps', flags['cost-bps'], {min: 0}),
        noise: parseNumber('--noise', flags.noise, {min: 0}),
        folds: flags.folds,
        ...(flags.rows === undefined ? {} : {rows: flags.rows}),
        ...(flags.period === undefined
          ? {}
          : {periodUs: Math.round(1e6 * parseNumber('--period', flags.period, {min: 1}))}),
        ...(flags['modality-dropout'] === undefined
          ? {}
          : {modalityDropout: parseNumber('--modality-dropout', flags['modality-dropout'], {min: 0, max: 0.9})}),
        memoryMiB: flags.memory,
        ...(flags.seeds === 0 ? {} : {seeds: flags.seeds}),
        ...(flags.adversarial === undefined
          ? {}
          : {
              adversarial: parseNumber('--adversarial', flags.adversarial, {min: 0, max: 0.9}),
              ...(flags['compare-clean'] ? {} : {compareClean: false}),
            }),
        resume: flags.resume,
      },
      {signal: this.stopSignal, onProgress: progress => this.#draw(progress)},
    )
    if (this.showsProgress) process.stderr.write('\r\u001b[K')
    this.log(table(result))
    if (result.stoppedBy === 'signal') this.note('stopped early; the same command with --resume goes on')
    return result
  }

  async #trainPolicy(
    config: Config,
    flags: {
      readonly data: string
      readonly out: string | undefined
      readonly symbols: string | undefined
      readonly size: 'small' | 'medium' | 'full'
      readonly batch: number
      readonly 'max-steps': number
      readonly 'validate-every': number
      readonly patience: number
      readonly folds: number
      readonly 'earlier-trials': number
      readonly resume: boolean
    },
  ): Promise<PolicyTraining> {
    const [{trainPolicyModel}, {policyReport}, {fileTrialLog}, {availableParallelism}] = await Promise.all([
      import('../core/train-policy.ts'),
      import('../core/train-policy-report.ts'),
      import('../drivers/files/trial-log.ts'),
      import('node:os'),
    ])
    const symbols = flags.symbols?.split(',').filter(symbol => symbol !== '')
    const result = await trainPolicyModel(
      {
        size: flags.size,
        batch: flags.batch,
        maxSteps: flags['max-steps'],
        validateEvery: flags['validate-every'],
        patience: flags.patience,
        seed: config.seed,
        out: flags.out ?? path.join(config.home, 'models'),
        data: flags.data,
        ...(symbols === undefined ? {} : {symbols}),
        folds: flags.folds,
        ...(flags['earlier-trials'] === 0 ? {} : {earlierTrials: flags['earlier-trials']}),
        resume: flags.resume,
        config,
        workers: availableParallelism(),
      },
      {signal: this.stopSignal, onProgress: progress => this.#draw(progress), trials: fileTrialLog(config.home)},
    )
    if (this.showsProgress) process.stderr.write('\r\u001b[K')
    this.log(`policy: ${result.parameters} parameters, ${result.steps} steps, ${result.stepMs} ms a step`)
    this.log(policyReport(result))
    this.log(result.modelPath)
    for (const sentence of result.verdict) this.note(`- ${sentence}`)
    if (result.stoppedBy === 'signal') this.note('stopped early; the same command with --resume goes on')
    return result
  }

  #draw({phase, step, total, loss, validLoss, etaSeconds}: TrainProgress): void {
    if (!this.showsProgress) return
    const parts = [
      `${phase} ${step}/${total}`,
      ...(loss === undefined ? [] : [`loss ${loss.toFixed(4)}`]),
      ...(validLoss === undefined ? [] : [`valid ${validLoss.toFixed(4)}`]),
      ...(etaSeconds === undefined ? [] : [`${etaSeconds} s left`]),
    ]
    process.stderr.write(`\r\u001b[K${parts.join('  ')}`)
  }
}

const table = ({model, parameters, steps, stepMs, test, baselines, verdict, modelPath}: TrainResult): string => {
  const row = (name: string, {macroF1, mcc, accuracy}: TrainResult['baselines']['majority']): string =>
    `${name.padEnd(14)} ${macroF1.toFixed(4).padStart(9)} ${mcc.toFixed(4).padStart(9)} ${accuracy.toFixed(4).padStart(9)}`
  return [
    `${model}: ${parameters} parameters, ${steps} steps, ${stepMs} ms a step`,
    `${'test'.padEnd(14)} ${'macro-F1'.padStart(9)} ${'MCC'.padStart(9)} ${'accuracy'.padStart(9)}`,
    row(model, test),
    ...Object.entries(baselines).map(([name, metrics]) => row(name, metrics)),
    ...verdict.map(sentence => `- ${sentence}`),
    modelPath,
  ].join('\n')
}
