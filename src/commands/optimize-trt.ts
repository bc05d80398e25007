import path from 'node:path'
import {Args, Flags} from '@oclif/core'
import {BaseCommand} from '../cli/base-command.ts'
import type {OptimizeResult} from '../core/optimize-trt.ts'

export default class OptimizeTrt extends BaseCommand {
  static override summary = 'make a model smaller and faster for the best device present'
  static override description =
    `Tries TensorRT, CUDA, then the CPU, and names what each one lacks (--device webgpu where there is Vulkan). On the CPU it converts products to int8 (or
weights to float16), measures both versions turn by turn, counts changed decisions, and refuses a result that is slower
or drifts: nothing is written then and the exit code is 1.`
  static override examples = [
    '<%= config.bin %> <%= command.id %> transformer --data data',
    '<%= config.bin %> <%= command.id %> ./models/lstm.onnx --max-drift 0.005 --json',
  ]
  static override args = {model: Args.string({description: 'name of a model, or path to its file', required: true})}
  static override flags = {
    out: Flags.string({description: 'folder or .onnx file to write; HOME/models by default', helpValue: 'PATH'}),
    data: Flags.string({description: 'catalog whose windows measure drift', helpValue: 'DIR'}),
    precision: Flags.option({
      description: 'number format of the weights',
      options: ['int8', 'float16'] as const,
      default: 'int8' as const,
    })(),
    'max-drift': Flags.string({description: 'largest share of decisions that may change', default: '0.01'}),
    device: Flags.option({
      description: 'only this device',
      options: ['cpu', 'cuda', 'tensorrt', 'webgpu'] as const,
    })(),
    windows: Flags.integer({description: 'windows that measure drift', default: 2000, min: 1}),
    runs: Flags.integer({description: 'timed runs of each version', default: 300, min: 1}),
  }

  async run(): Promise<OptimizeResult> {
    const {args, flags} = await this.parse(OptimizeTrt)
    const {config} = await this.loadConfig(flags)
    const [{optimizeModel}, {loadModel}, {parseNumber}] = await Promise.all([
      import('../core/optimize-trt.ts'),
      import('../core/model-files.ts'),
      import('../core/parse-number.ts'),
    ])
    const folder = path.join(config.home, 'models')
    const request = {
      out: flags.out ?? folder,
      precision: flags.precision,
      maxDrift: parseNumber('--max-drift', flags['max-drift'], {min: 0, max: 1}),
      devices: flags.device === undefined ? (['tensorrt', 'cuda', 'cpu'] as const) : [flags.device],
      ...(flags.data === undefined ? {} : {data: flags.data}),
      windows: flags.windows,
      runs: flags.runs,
      seed: config.seed,
    }
    const {isPolicy} = await import('../core/policy-weights.ts')
    if (isPolicy(config, args.model)) {
      const {UserError} = await import('../domain/errors.ts')
      throw new UserError(
        'NOT_OPTIMIZABLE',
        `${args.model} is a policy, whose few small products fewer bits make no faster`,
        {
          hints: ['use it as it is; signal models and embedders are what gains'],
        },
      )
    }
    const {isEmbedder} = await import('../core/embedder-file.ts')
    const result = isEmbedder(args.model, folder)
      ? await (await import('../core/optimize-embedder.ts')).optimizeEmbedder(args.model, folder, request)
      : await optimizeModel(loadModel(args.model, folder), request)
    for (const {device, reason} of result.skipped) this.note(`${device} is not available: ${reason}`)
    this.log(table(result))
    if (!result.accepted) process.exitCode = 1
    return result
  }
}

const table = ({
  model,
  provider,
  precision,
  before,
  after,
  reduction,
  byKinds = [],
  drift,
  accepted,
  reasons,
  output,
}: OptimizeResult): string => {
  const row = (name: string, {p50Ms, p99Ms, bytes}: OptimizeResult['before']): string =>
    `${name.padEnd(8)} p50 ${p50Ms.toFixed(3)} ms  p99 ${p99Ms.toFixed(3)} ms  ${bytes} bytes`
  return [
    `${model} on ${provider}, ${precision}`,
    row('before', before),
    row('after', after),
    `${(100 * reduction).toFixed(1)} % less latency; ${(100 * drift.decisionFlips).toFixed(2)} % of ${drift.windows} decisions change (${drift.inputs} inputs), cosine ≥ ${drift.cosineMin.toFixed(5)}`,
    ...byKinds.map(
      ({kinds, windows, ...timed}) =>
        `${(100 * timed.reduction).toFixed(1)} % less where there are ${kinds} (${windows} windows): p50 ${timed.before.p50Ms.toFixed(3)} → ${timed.after.p50Ms.toFixed(3)} ms`,
    ),
    accepted ? `accepted: ${output}` : `refused: ${reasons.join('; ')}`,
  ].join('\n')
}
