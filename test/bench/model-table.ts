import {mkdirSync, writeFileSync} from 'node:fs'
import path from 'node:path'
import {
  measure,
  networkOf,
  predict,
  prepare,
  ruleOf,
  spread,
  type TrainRequest,
  trainerOptions,
} from '../../src/core/train-parts.ts'
import type {RowKind} from '../../src/core/training-data.ts'
import {openOrtSession} from '../../src/drivers/onnx/ort-session.ts'
import {majorityBaseline, persistenceBaseline} from '../../src/models/baselines.ts'
import {ENSEMBLE_MEMBERS} from '../../src/models/catalogue.ts'
import {fitDecision} from '../../src/models/decision.ts'
import {fitMixture} from '../../src/models/ensemble.ts'
import {
  type ClusteredDirection,
  decide,
  directionByBlock,
  type Metrics,
  mcNemar,
  probabilisticMetrics,
} from '../../src/models/metrics.ts'
import type {Architecture} from '../../src/models/networks.ts'
import {labelsOf, SignalTrainer} from '../../src/models/trainer.ts'
import {exportInference} from '../../src/nn/nn.ts'
import {writeOnnx} from '../../src/nn/onnx-writer.ts'

/**
 * Every architecture on one catalog beside the baselines that know little: `node test/bench/model-table.ts bar|multi|book
 * DIR [STEPS] [SYMBOLS] [ARCHITECTURES] [OUT.json] [EMBARGO]`. Raw labels, purged split in time, figures of the test part; direction
 * errors are clustered by day (bars) or quarter hour (books). Classes by each model's own rule of its validation part. Each
 * model gets the same steps and no tuning. Where all members of the ensemble are wanted it comes last, mixed by held-out
 * log loss, with McNemar's test against the member that is best on the validation part.
 */
const [, , kind = 'bar', data = '', steps = '1000', symbols = '', wanted = '', out = '', embargo = ''] = process.argv
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
  // Seconds: a recording of minutes has no room for the usual one between its parts.
  ...(embargo === '' ? {} : {embargoUs: 1e6 * Number(embargo)}),
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
const valid = spread(split.valid, request.maxEvaluated)
/** Probabilities of each member on the validation and on the test rows. */
const members = new Map<Architecture, readonly [Float32Array, Float32Array]>()
for (const architecture of architectures as Architecture[]) {
  const network = networkOf(request, architecture, prepared)
  const rate = architecture === 'lstm' ? 2e-3 : architecture === 'transformer' ? 5e-4 : 1e-3
  const trainer = new SignalTrainer(dataset, split, network, trainerOptions(request, rate, prepared), openOrtSession)
  while (!trainer.isDone) trainer.step()
  const bytes = writeOnnx(exportInference(network, trainer.weights()))
  trainer.dispose()
  const rule = ruleOf(bytes, dataset, valid, request.window)
  const {metrics, direction} = measure(bytes, dataset, test, request.window, rule)
  results[architecture] = {...metrics, direction}
  line(architecture)
  if (ENSEMBLE_MEMBERS.includes(architecture)) {
    const on = (at: Int32Array): Float32Array => predict(bytes, dataset, at, request.window).probabilities
    members.set(architecture, [on(valid), on(test)])
  }
}

/** As `gpi train ensemble` mixes and compares. */
const ensemble = (() => {
  const own = ENSEMBLE_MEMBERS.flatMap(name => members.get(name) ?? [])
  if (members.size < ENSEMBLE_MEMBERS.length) return undefined
  const [onValid, onTest] = [0, 1].map(part => own.filter((_, i) => i % 2 === part)) as [Float32Array[], Float32Array[]]
  const [truth, answers] = [labelsOf(dataset, valid), labelsOf(dataset, test)]
  const weights = fitMixture(truth, onValid)
  const mix = (parts: readonly Float32Array[]): Float32Array =>
    (parts[0] as Float32Array).map((_, i) =>
      parts.reduce((sum, part, m) => sum + (weights[m] ?? 0) * (part[i] ?? 0), 0),
    )
  const [mixedValid, mixed] = [mix(onValid), mix(onTest)]
  const losses = onValid.map(forecast => probabilisticMetrics(truth, forecast).logLoss)
  const best = losses.indexOf(Math.min(...losses))
  const block = Float32Array.from(test, row => dataset.rows.field(row, 'block'))
  results['ensemble'] = {
    ...probabilisticMetrics(answers, mixed, fitDecision(truth, mixedValid)),
    direction: directionByBlock(answers, mixed, block),
  }
  line('ensemble')
  // Error rates, which the likeliest class keeps lowest.
  const pair = mcNemar(answers, decide(mixed), decide(onTest[best] as Float32Array))
  return {bestMember: ENSEMBLE_MEMBERS[best], weights, pairedTest: pair}
})()
if (ensemble !== undefined) {
  const {onlyFirst, onlySecond, pValue} = ensemble.pairedTest
  say(
    `ensemble against ${ensemble.bestMember}: right alone on ${onlyFirst} windows, wrong alone on ${onlySecond}, McNemar p ${pValue.toFixed(4)}`,
  )
}
if (out !== '') {
  mkdirSync(path.dirname(out), {recursive: true})
  writeFileSync(
    out,
    `${JSON.stringify({rows, symbols: dataset.symbols, dataHash: dataset.dataHash, request, results, ensemble}, undefined, 2)}\n`,
  )
}
