import {ExitCode, UserError} from '../domain/errors.ts'
import {openOrtSession} from '../drivers/onnx/ort-session.ts'
import {type ChainPca, fitChainPca} from '../models/chain-pca.ts'
import type {ChainSample} from '../models/chain-sample.ts'
import {type ReconstructionError, reconstructionError, runEmbedder} from '../models/embedder-trainer.ts'
import {type SurfaceArbitrage, surfaceArbitrage} from '../models/surface-arbitrage.ts'
import {CELL_FEATURES, DEVIATIONS, EXPIRY_DAYS} from '../options/chain-tensor.ts'
import {readEmbedder} from './embedder-file.ts'
import {readModelFile} from './model-files.ts'
import {chainDay, headVerdict, loadChains, measureHeads, reconstructionVerdict} from './train-embedder.ts'

export interface EvaluateEmbedderRequest {
  readonly model: string
  /** Where trained models lie. */
  readonly folder?: string
  readonly data: string
  readonly symbols?: readonly string[]
  readonly seed: number
  /** Measure even chains the model has seen. */
  readonly allowSeen: boolean
}

export interface EvaluateEmbedderResult {
  readonly model: string
  readonly modelHash: string
  /** `overlapping`: part of the data was seen in training and is left out, or counts because it was allowed. */
  readonly relation: 'unseen' | 'overlapping'
  readonly chains: number
  readonly leftOut: number
  readonly test: ReconstructionError
  readonly bySymbol: Readonly<Record<string, ReconstructionError>>
  readonly arbitrageRate: Readonly<Record<'quotes' | 'model', SurfaceArbitrage>>
  readonly heads: ReturnType<typeof measureHeads>
  readonly verdict: readonly string[]
}

const FOLDS = 5
const NONE = new Uint8Array(EXPIRY_DAYS.length * DEVIATIONS.length)

/**
 * The table of an embedder's card on any option chains, without those it was trained or selected on. The principal
 * components it is compared with are fitted on the other days of the same chains (five folds): better placed than it.
 */
export const evaluateEmbedder = async (request: EvaluateEmbedderRequest): Promise<EvaluateEmbedderResult> => {
  const file = readModelFile(request.model, request.folder)
  const {description, prior} = readEmbedder(file.bytes, file.path)
  const seen = new Set((file.card as {data?: {seen?: readonly string[]}} | undefined)?.data?.seen ?? [])
  const all = await loadChains(request, 1)
  const unseen = all.filter(sample => !seen.has(chainDay(sample)))
  const samples = request.allowSeen ? all : unseen
  if (samples.length === 0) {
    throw new UserError('DATA_SEEN', `${description.name} was trained on all ${all.length} of these chains`, {
      hints: ['give data it has not seen, or --allow-seen to measure all the same'],
      exitCode: ExitCode.invalidData,
    })
  }
  const session = openOrtSession(file.bytes, {threads: 1})
  try {
    const days = [...new Set(samples.map(chainDay))]
    const folds = Array.from({length: Math.min(FOLDS, days.length)}, (_, fold) => {
      const inside = new Set(days.filter((_, i) => i % FOLDS === fold))
      const others = samples.filter(sample => !inside.has(chainDay(sample)))
      // One other chain gives no direction, but its surface; none gives nothing to compare with.
      const components = others.length === 0 ? undefined : fitChainPca(others, description.dimension)
      return {chains: samples.filter(sample => inside.has(chainDay(sample))), components}
    })
    const errorsOf = (of: (sample: ChainSample) => boolean): ReconstructionError =>
      pooled(folds.map(({chains, components}) => measured(chains.filter(of), components, request.seed)))
    const measured = (
      chains: readonly ChainSample[],
      components: ChainPca | undefined,
      seed: number,
    ): ReconstructionError => reconstructionError(session, chains, prior, seed, components)
    const run = (sample: ChainSample) => runEmbedder(session, sample, prior, NONE)
    const test = errorsOf(() => true)
    const arbitrageRate = {
      quotes: surfaceArbitrage(samples, ({tensor}) => tensor.cells.filter((_, i) => i % CELL_FEATURES.length === 0)),
      model: surfaceArbitrage(samples, sample => run(sample)['volatility'] as Float32Array),
    }
    const heads = measureHeads(samples, samples, prior, run)
    const overlap = all.length - unseen.length
    return {
      model: description.name,
      modelHash: file.sha256,
      relation: overlap === 0 ? 'unseen' : 'overlapping',
      chains: samples.length,
      leftOut: all.length - samples.length,
      test,
      bySymbol: Object.fromEntries(
        [...new Set(samples.map(({symbol}) => symbol))]
          .sort()
          .map(symbol => [symbol, errorsOf(sample => sample.symbol === symbol)]),
      ),
      arbitrageRate,
      heads,
      verdict: [
        ...(overlap > 0 && request.allowSeen
          ? ['part of these chains was seen in training: the figures flatter it']
          : []),
        ...reconstructionVerdict(test),
        headVerdict('sentiment', heads.sentiment),
        headVerdict('arbitrage', heads.arbitrage),
      ],
    }
  } finally {
    session.dispose()
  }
}

/** Mean over cells; NaN components where none could be fitted. */
const pooled = (parts: readonly ReconstructionError[]): ReconstructionError => {
  const cells = parts.reduce((sum, part) => sum + part.cells, 0)
  const mean = (of: (part: ReconstructionError) => number): number =>
    parts.reduce((sum, part) => sum + (part.cells === 0 ? 0 : part.cells * of(part)), 0) / Math.max(1, cells)
  return {
    model: mean(part => part.model),
    refit: mean(part => part.refit),
    kriging: mean(part => part.kriging),
    pca: mean(part => part.pca),
    cells,
  }
}
