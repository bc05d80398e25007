import {mkdirSync, writeFileSync} from 'node:fs'
import path from 'node:path'
import {
  measure,
  networkOf,
  prepare,
  ruleOf,
  spread,
  type TrainRequest,
  trainerOptions,
} from '../../src/core/train-parts.ts'
import type {RowKind} from '../../src/core/training-data.ts'
import {openOrtSession} from '../../src/drivers/onnx/ort-session.ts'
import {majorityBaseline, persistenceBaseline} from '../../src/models/baselines.ts'
import type {ClusteredDirection, Metrics} from '../../src/models/metrics.ts'
import type {Architecture} from '../../src/models/networks.ts'
import {SignalTrainer} from '../../src/models/trainer.ts'
import {exportInference} from '../../src/nn/nn.ts'
import {writeOnnx} from '../../src/nn/onnx-writer.ts'

/**
 * Every architecture on one catalog beside the baselines that know little: `node test/bench/model-table.ts bar|multi|book
 * DIR [STEPS] [SYMBOLS] [ARCHITECTURES] [OUT.json]`. Raw labels, purged split in time, figures of the test part; direction
 * errors are clustered by day (bars) or quarter hour (books). Classes by each model's own rule of its validation part. Each model gets the same steps and no tuning.
 */
const [, , kind = 'bar', data = '', steps = '1000', symbols = '', wanted = '', out = ''] = process.argv
const rows = kind as RowKind
const book = rows === 'book'
const request: TrainRequest = {
  model: 'table',
  size: 'small',
  batch: 256,
  window: book ? 32 : 16,
  maxSteps: Number(steps),
  out: '',
  seed: 1,
  data,
  ...(symbols === '' ? {} : {symbols: symbols.split(',')}),
  horizon: book ? 50 : 6,
  barrier: book ? 0.5 : 0.8,
  costBps: 3,
  noise: 0,
  folds: 0,
  resume: false,
  validateEvery: 250,
  patience: 4,
  maxEvaluated: 20_000,
  baselineSteps: Number(steps),
}
const say = (line: string): void => void process.stdout.write(`${line}\n`)

const prepared = await prepare(request, rows)
const {dataset, split} = prepared
const test = spread(split.test, request.maxEvaluated)
const results: Record<string, Metrics & {readonly direction?: ClusteredDirection; readonly calibrationError?: number}> =
  {
    majority: majorityBaseline(dataset, split.train, test),
    persistence: persistenceBaseline(dataset, test),
  }
const line = (name: string): void => {
  const {macroF1, mcc, accuracy, recall, direction, calibrationError} = results[name] as (typeof results)[string]
  const share = (value: number): string => value.toFixed(3).padStart(6)
  const sides = direction === undefined ? '' : `  ${share(direction.accuracy)} ± ${direction.standardError.toFixed(3)}`
  const error = calibrationError === undefined ? '' : share(calibrationError)
  say(
    `${name.padEnd(14)} ${macroF1.toFixed(4)} ${mcc.toFixed(4).padStart(8)} ${share(accuracy)} ${share(recall.down)} ${share(recall.flat)} ${share(recall.up)} ${error.padStart(6)}${sides}`,
  )
}
say(
  `${rows} rows of ${dataset.symbols.join(', ')}: ${split.train.length} / ${split.valid.length} / ${split.test.length} windows`,
)
say(`${'model'.padEnd(14)} macroF1      MCC    acc   down   flat     up    ECE  up against down`)
for (const name of Object.keys(results)) line(name)

const everywhere: readonly Architecture[] = ['linear', 'mlp', 'lstm', 'cnn', 'hybrid', 'transformer']
const architectures =
  wanted === '' ? [...everywhere, ...(book ? (['ctabl', 'deeplob', 'mixer'] as const) : [])] : wanted.split(',')
for (const architecture of architectures as Architecture[]) {
  const network = networkOf(request, architecture, prepared)
  const rate = architecture === 'lstm' ? 2e-3 : architecture === 'transformer' ? 5e-4 : 1e-3
  const trainer = new SignalTrainer(dataset, split, network, trainerOptions(request, rate, prepared), openOrtSession)
  while (!trainer.isDone) trainer.step()
  const bytes = writeOnnx(exportInference(network, trainer.weights()))
  trainer.dispose()
  const rule = ruleOf(bytes, dataset, spread(split.valid, request.maxEvaluated), request.window)
  const {metrics, direction} = measure(bytes, dataset, test, request.window, rule)
  results[architecture] = {...metrics, direction}
  line(architecture)
}
if (out !== '') {
  mkdirSync(path.dirname(out), {recursive: true})
  writeFileSync(
    out,
    `${JSON.stringify({rows, symbols: dataset.symbols, dataHash: dataset.dataHash, request, results}, undefined, 2)}\n`,
  )
}
