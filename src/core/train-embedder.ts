import os from 'node:os'
import path from 'node:path'
import {ExitCode, UserError} from '../domain/errors.ts'
import {US_PER_DAY} from '../domain/units.ts'
import {openOrtSession} from '../drivers/onnx/ort-session.ts'
import {fitChainLinear} from '../models/chain-linear.ts'
import {fitChainPca, pcaReconstruct} from '../models/chain-pca.ts'
import {type ChainSample, chainSample, REGIME_BOUNDS} from '../models/chain-sample.ts'
import {EMBEDDING_WIDTH, type EmbedderSpec, embedderNetwork} from '../models/embedder.ts'
import {decodeEmbedderCheckpoint, encodeEmbedderCheckpoint} from '../models/embedder-checkpoint.ts'
import {fitEmbedderScales} from '../models/embedder-data.ts'
import {
  type EmbedderProgress,
  type ReconstructionError,
  reconstructionError,
  runEmbedder,
  trainEmbedder,
  withSession,
} from '../models/embedder-trainer.ts'
import {classMetrics, type Metrics, rankCorrelation, rSquared} from '../models/metrics.ts'
import {sha256} from '../models/model-file.ts'
import {type SurfaceArbitrage, surfaceArbitrage} from '../models/surface-arbitrage.ts'
import {encodePrior, fitSurfacePrior, mispricing, type SurfacePrior} from '../models/surface-prior.ts'
import {exportInference} from '../nn/nn.ts'
import {writeOnnx} from '../nn/onnx-writer.ts'
import {CELL_FEATURES, type ChainTensor, DEVIATIONS, EXPIRY_DAYS, ROW_FEATURES} from '../options/chain-tensor.ts'
import {catalogQuotes, chainsOf} from './chain-stream.ts'
import {CHAIN_LAYOUT, type EmbedderDescription, embedderMetadata} from './embedder-file.ts'
import {writeWhole} from './model-files.ts'
import {askedFlags} from './train-asked.ts'
import {readCheckpointFile, stepMsOf, stopwatch, type TrainHooks, type TrainRequest} from './train-parts.ts'
import {refuseWhenStopped} from './training-market.ts'

const ABLATION = [8, 16, 32, 64]
const MIN_QUOTES = 30
const NONE = new Uint8Array(EXPIRY_DAYS.length * DEVIATIONS.length)

const bySize = {
  small: {width: 64, layers: 2, heads: 4},
  medium: {width: 96, layers: 3, heads: 4},
  full: {width: 128, layers: 4, heads: 8},
}

/** Trains the chain embedder: masked-quote reconstruction with three heads, split by time. */
export const runEmbedderTraining = async (request: TrainRequest, hooks: TrainHooks) => {
  hooks.onProgress({phase: 'data', step: 0, total: request.maxSteps})
  const samples = await loadChains(request)
  const {train, valid, test} = splitChains(samples)
  const spec: EmbedderSpec = {
    ...bySize[request.size],
    dimension: EMBEDDING_WIDTH,
    ...fitEmbedderScales(train),
    prior: fitSurfacePrior(train, request.seed),
  }
  const options = {
    seed: request.seed,
    batch: Math.min(request.batch, 32),
    maxSteps: request.maxSteps,
    learningRate: 1e-3,
    validateEvery: Math.min(request.validateEvery, 50),
    patience: request.patience,
  }
  const dataHash = sha256(samples.map(({symbol, tsUs, quotes}) => `${symbol}/${tsUs}/${quotes}`).join())
  const checkpointPath = path.join(request.out, 'embedder.checkpoint')
  const runHash = sha256(JSON.stringify({options, size: request.size, dataHash}))
  const asked = askedFlags(request)
  const resumed = request.resume
    ? decodeEmbedderCheckpoint(readCheckpointFile(checkpointPath), runHash, checkpointPath, asked)
    : undefined
  const spent = stopwatch(resumed?.spent, resumed?.optimiser.step)
  const say = ({step, loss, validVolPoints}: EmbedderProgress): void =>
    hooks.onProgress({
      ...{phase: 'train', step, total: request.maxSteps, loss},
      ...(validVolPoints === undefined ? {} : {validLoss: validVolPoints}),
    })
  refuseWhenStopped(hooks.isStopped)
  let took = spent(resumed?.optimiser.step ?? 0)
  const onStep = (progress: EmbedderProgress): boolean => {
    say(progress)
    const stops = hooks.isStopped()
    if (progress.validVolPoints !== undefined || stops) {
      took = spent(progress.step)
      writeWhole(checkpointPath, encodeEmbedderCheckpoint(progress.state(), took, runHash, asked))
    }
    return !stops
  }
  const network = embedderNetwork(spec)
  const pca = fitChainPca(train, EMBEDDING_WIDTH)
  const {weights, steps, loss, parameters} = trainEmbedder(spec, train, valid, options, openOrtSession, onStep, resumed)
  const stepMs = stepMsOf(took)
  const measured = withSession(network, weights, openOrtSession, session => ({
    valid: reconstructionError(session, valid, spec.prior, request.seed, pca),
    test: reconstructionError(session, test, spec.prior, request.seed, pca),
    arbitrageRate: {
      quotes: surfaceArbitrage(test, ({tensor}) => tensor.cells.filter((_, i) => i % CELL_FEATURES.length === 0)),
      model: surfaceArbitrage(
        test,
        sample => runEmbedder(session, sample, spec.prior, NONE)['volatility'] as Float32Array,
      ),
      pca: surfaceArbitrage(test, sample => pcaReconstruct(pca, sample, NONE)),
    },
    heads: measureHeads(train, test, spec.prior, sample => runEmbedder(session, sample, spec.prior, NONE)),
  }))
  const ablation =
    request.folds === 0 || hooks.isStopped()
      ? undefined
      : ABLATION.map(dimension => {
          const smaller = {...spec, dimension}
          const trained = trainEmbedder(smaller, train, valid, options, openOrtSession, progress => {
            say(progress)
            return !hooks.isStopped()
          })
          const error = withSession(embedderNetwork(smaller), trained.weights, openOrtSession, session =>
            reconstructionError(session, test, spec.prior, request.seed, fitChainPca(train, dimension)),
          )
          return {dimension, volPoints: error.model, pcaVolPoints: error.pca}
        })

  const stoppedBy = hooks.isStopped() ? 'signal' : steps < request.maxSteps ? 'patience' : 'steps'
  const description: EmbedderDescription = {
    name: 'embedder',
    architecture: 'chain-encoder',
    size: request.size,
    parameters,
    dimension: EMBEDDING_WIDTH,
    layout: CHAIN_LAYOUT,
    precision: 'float32',
  }
  const bytes = writeOnnx(exportInference(network, weights, embedderMetadata(description, encodePrior(spec.prior))))
  const modelPath = path.join(request.out, 'embedder.onnx')
  const cardPath = path.join(request.out, 'embedder.card.json')
  const verdict = verdictOf(measured)
  const card = {
    kind: 'model-card',
    model: description,
    command: `gpi train embedder --size ${request.size} --batch ${options.batch} --max-steps ${request.maxSteps} --seed ${request.seed}${request.folds === 0 ? '' : ' --folds 1'} --data DIR`,
    data: {
      dataHash,
      chains: {train: span(train), valid: span(valid), test: span(test)},
      // Trained or selected on: `gpi evaluate` leaves it out.
      seen: [...new Set([...train, ...valid].map(chainDay))].sort(),
    },
    heads: {
      sentiment:
        'tanh of minus the mean put skew over the expiries (log volatility 1.15 and 0.85 deviations down less 0.85 up, around 0.3 in units of 0.3), computed from the whole chain; the head reads the embedding alone',
      volatilityRegime: `calm, normal, stressed: 30-day at-the-money volatility below ${REGIME_BOUNDS[0]}, below ${REGIME_BOUNDS[1]}, above`,
      arbitrage:
        'how far the quotes are off the surface they suggest: 1 − exp(−100·rms of log volatility), of the cells shown; relative value before costs (what can be traded: gpi chain --violations)',
      note: 'arbitrage and sentiment are formulas of the chain, and the embedding carries the number each is worked out from: a fit near 1 says that it is kept, and forecasts nothing',
    },
    training: {
      steps,
      stepMs,
      trainLoss: loss,
      runtime: `node ${process.version}, onnxruntime-node 1.30.0, 1 thread, ${os.cpus()[0]?.model.trim() ?? ''}`,
    },
    measured,
    // A stop leaves its later rows half trained.
    ...(ablation === undefined || stoppedBy === 'signal' ? {} : {ablation}),
    verdict,
    file: {name: 'embedder.onnx', bytes: bytes.length, sha256: sha256(bytes)},
  }
  writeWhole(modelPath, bytes)
  writeWhole(cardPath, `${JSON.stringify(card, undefined, 2)}\n`)
  return {
    model: 'embedder',
    size: request.size,
    parameters,
    steps,
    epochs: Number(((steps * options.batch) / train.length).toFixed(1)),
    seed: request.seed,
    dataHash,
    trainLoss: loss,
    valid: measured.valid,
    test: {...measured.heads.regime.model, maskedVolPoints: measured.test},
    heads: measured.heads,
    baselines: measured.heads.regime.baselines,
    ...(ablation === undefined || stoppedBy === 'signal' ? {} : {ablation}),
    verdict,
    modelPath,
    cardPath,
    checkpointPath,
    stepMs,
    stoppedBy,
  }
}

export type EmbedderTrainResult = Awaited<ReturnType<typeof runEmbedderTraining>>

export const loadChains = async (
  {data, symbols}: Pick<TrainRequest, 'data' | 'symbols'>,
  atLeast = 10,
): Promise<ChainSample[]> => {
  const samples: ChainSample[] = []
  for await (const quotes of chainsOf(catalogQuotes(data, symbols))) {
    if (quotes.length >= MIN_QUOTES) samples.push(chainSample(quotes))
  }
  const usable = samples.filter(({tensor}) => tensor.rowMask.some(row => row === 1))
  if (usable.length >= atLeast) return usable.sort((a, b) => a.tsUs - b.tsUs)
  throw new UserError(
    'TOO_FEW_CHAINS',
    `${data} holds ${usable.length} usable option chains; ${atLeast} or more are needed`,
    {
      hints: ['ingest more: gpi ingest spx FILE --out DIR'],
      exitCode: ExitCode.invalidData,
    },
  )
}

/** 60 % of the days that have chains, then 15 %, then the rest: chains of one day are too alike to be on both sides. */
const splitChains = (samples: readonly ChainSample[]) => {
  const dayOf = ({tsUs}: ChainSample): number => Math.floor(tsUs / US_PER_DAY)
  const days = [...new Set(samples.map(dayOf))]
  const at = (share: number): number => days[Math.floor(share * days.length)] as number
  const [validFrom, testFrom] = [at(0.6), at(0.75)]
  if (testFrom === validFrom || testFrom === days.at(-1)) {
    throw new UserError('TOO_FEW_CHAINS', `the chains are of ${days.length} days; an embedder needs seven or more`, {
      hints: ['ingest more days: gpi ingest spx FILE --out DIR'],
      exitCode: ExitCode.invalidData,
    })
  }
  return {
    train: samples.filter(sample => dayOf(sample) <= validFrom),
    valid: samples.filter(sample => dayOf(sample) > validFrom && dayOf(sample) <= testFrom),
    test: samples.filter(sample => dayOf(sample) > testFrom),
  }
}

/** `SPX 2019-06-03` */
export const chainDay = ({symbol, tsUs}: Pick<ChainSample, 'symbol' | 'tsUs'>): string =>
  `${symbol} ${new Date(tsUs / 1000).toISOString().slice(0, 10)}`

const span = (samples: readonly ChainSample[]) => ({
  count: samples.length,
  from: new Date((samples[0]?.tsUs ?? 0) / 1000).toISOString(),
  to: new Date((samples.at(-1)?.tsUs ?? 0) / 1000).toISOString(),
  symbols: [...new Set(samples.map(({symbol}) => symbol))],
})

export const measureHeads = (
  train: readonly ChainSample[],
  test: readonly ChainSample[],
  prior: SurfacePrior,
  run: (sample: ChainSample) => Readonly<Record<string, Float32Array>>,
) => {
  const outputs = test.map(run)
  const known = test.flatMap(({regime}, i) => (regime < 0 ? [] : [i]))
  const truth = known.map(i => (test[i] as ChainSample).regime)
  const decided = known.map(i => {
    const regime = outputs[i]?.['regime'] as Float32Array
    return regime.indexOf(Math.max(...regime))
  })
  const counts = [0, 1, 2].map(c => train.filter(({regime}) => regime === c).length)
  const common = counts.indexOf(Math.max(...counts))
  const persistence = known.map(i => lastRegime(test, i) ?? common)
  const model = classMetrics(truth, decided)
  const scalar = (name: string): number[] => outputs.map(output => output[name]?.[0] as number)
  const sentiment = scalarHead(train, test, sample => sample.sentiment, scalar('sentiment'))
  const arbitrage = scalarHead(train, test, ({tensor}) => mispricing(prior, tensor), scalar('arbitrage'))
  return {
    regime: {
      model,
      baselines: {
        majority: classMetrics(
          truth,
          truth.map(() => common),
        ),
        persistence: classMetrics(truth, persistence),
        linear: classMetrics(
          truth,
          known.map(i => nearestRegime(test[i] as ChainSample)),
        ),
      } satisfies Record<string, Metrics>,
      note: 'linear reads the regime off the at-the-money volatility of the row nearest to 30 days, which is nearly its definition',
    },
    sentimentR2: sentiment.r2,
    sentimentError: sentiment.error,
    arbitrageError: arbitrage.error,
    arbitrageR2: arbitrage.r2,
    sentiment,
    arbitrage,
  }
}

/** How near predictions of a number are to it: share of variance, rank correlation, mean absolute error. */
const closeness = (truth: readonly number[], predicted: readonly number[]) => ({
  r2: rSquared(truth, predicted),
  rank: rankCorrelation(truth, predicted),
  error: meanError(truth, predicted),
})

/**
 * A head that says a number, beside two that know less: the mean of the training chains, and a ridge regression on what a
 * chain looks like as a whole. Measured on the chains it would be fitted on, they are fitted on the other days.
 */
const scalarHead = (
  train: readonly ChainSample[],
  test: readonly ChainSample[],
  of: (sample: ChainSample) => number,
  predicted: readonly number[],
) => {
  const truth = test.map(of)
  const fittedFor = (sample: ChainSample): readonly ChainSample[] =>
    train === test ? train.filter(other => chainDay(other) !== chainDay(sample)) : train
  const fits = new Map<string, {readonly mean: number; readonly linear: (tensor: ChainTensor) => number}>()
  const baseline = (sample: ChainSample) => {
    const key = train === test ? chainDay(sample) : ''
    const known = fits.get(key)
    if (known !== undefined) return known
    const chains = fittedFor(sample)
    const values = chains.map(of)
    const fit = {
      mean: values.reduce((sum, value) => sum + value, 0) / Math.max(1, values.length),
      linear: fitChainLinear(
        chains.map(({tensor}) => tensor),
        values,
      ),
    }
    fits.set(key, fit)
    return fit
  }
  const mean = test.map(sample => baseline(sample).mean)
  const linear = test.map(sample => baseline(sample).linear(sample.tensor))
  return {...closeness(truth, predicted), baselines: {mean: closeness(truth, mean), linear: closeness(truth, linear)}}
}

const meanError = (truth: readonly number[], predicted: readonly number[]): number =>
  truth.reduce((sum, value, i) => sum + Math.abs(value - (predicted[i] as number)), 0) / Math.max(1, truth.length)

const lastRegime = (test: readonly ChainSample[], i: number): number | undefined => {
  const {symbol} = test[i] as ChainSample
  return test.slice(0, i).findLast(sample => sample.symbol === symbol && sample.regime >= 0)?.regime
}

const nearestRegime = ({tensor}: ChainSample): number => {
  const width = ROW_FEATURES.length
  const rows = EXPIRY_DAYS.flatMap((days, row) =>
    tensor.rowMask[row] === 1 ? [{row, distance: Math.abs(Math.log(days / 30))}] : [],
  )
  const best = rows.sort((a, b) => a.distance - b.distance)[0]
  const volatility = best === undefined ? 0 : Math.exp(tensor.rows[best.row * width] as number)
  return volatility < REGIME_BOUNDS[0] ? 0 : volatility < REGIME_BOUNDS[1] ? 1 : 2
}

const verdictOf = ({
  test,
  heads,
  arbitrageRate,
}: {
  readonly arbitrageRate: Readonly<Record<'quotes' | 'model' | 'pca', SurfaceArbitrage>>
  readonly test: ReconstructionError
  readonly heads: ReturnType<typeof measureHeads>
}): string[] => {
  const {model, baselines} = heads.regime
  return [
    ...reconstructionVerdict(test),
    `regime head: macro-F1 ${model.macroF1.toFixed(3)}, majority ${baselines.majority.macroF1.toFixed(3)}, persistence ${baselines.persistence.macroF1.toFixed(3)}, read off the row nearest to 30 days ${baselines.linear.macroF1.toFixed(3)}`,
    ...(['sentiment', 'arbitrage'] as const).map(name => headVerdict(name, heads[name])),
    `rebuilt surfaces break convexity at ${percent(arbitrageRate.model.butterfly)} of strikes (quotes ${percent(arbitrageRate.quotes.butterfly)}, components ${percent(arbitrageRate.pca.butterfly)}) and fall in time at ${percent(arbitrageRate.model.calendar)} (${percent(arbitrageRate.quotes.calendar)}, ${percent(arbitrageRate.pca.calendar)})`,
  ]
}

/** A head that says a number, beside what knows less. */
export const headVerdict = (
  name: string,
  {r2, rank, error, baselines: {mean, linear}}: ReturnType<typeof scalarHead>,
): string =>
  `${name} head R² ${r2.toFixed(3)}, rank correlation ${rank.toFixed(3)}, mean error ${error.toFixed(4)}; a linear model of the chain ${linear.r2.toFixed(3)}, ${linear.rank.toFixed(3)}, ${linear.error.toFixed(4)}; the training mean ${mean.r2.toFixed(3)}, ${mean.error.toFixed(4)}${r2 <= Math.max(mean.r2, 0) ? ': it is USELESS here' : ''}`

/** Whether hidden cells are rebuilt better than by each of the three other ways. */
export const reconstructionVerdict = ({model, refit, pca, kriging}: ReconstructionError): string[] => {
  const against = (name: string, error: number): string =>
    `${Number(model.toFixed(3)) < Number(error.toFixed(3)) ? 'beats' : 'does NOT beat'} ${name}: hidden cells ${model.toFixed(3)} vol points against ${error.toFixed(3)}`
  return [
    against('the smile refit', refit),
    ...(Number.isNaN(pca) ? [] : [against('principal components', pca)]),
    against('its own prior without the network', kriging),
  ]
}

const percent = (share: number): string => `${(100 * share).toFixed(1)} %`
