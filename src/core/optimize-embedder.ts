import {createRng} from '../domain/rng.ts'
import {type ChainSample, retargeted} from '../models/chain-sample.ts'
import {runEmbedder} from '../models/embedder-trainer.ts'
import {drawnSurface, encodePrior, type SurfacePrior} from '../models/surface-prior.ts'
import {CELL_FEATURES, DEVIATIONS, EXPIRY_DAYS, emptyChainTensor, ROW_FEATURES} from '../options/chain-tensor.ts'
import {type EmbedderDescription, embedderMetadata, readEmbedder} from './embedder-file.ts'
import {readModelFile} from './model-files.ts'
import {type OptimizeRequest, type OptimizeResult, optimise} from './optimize-trt.ts'
import {loadChains} from './train-embedder.ts'

const COLUMNS = DEVIATIONS.length
/** An embedding is looked up by its direction: neighbours at cosine 0.99 must stay neighbours. */
const LEAST_COSINE = 0.999
const OUTPUTS = ['embedding', 'sentiment', 'arbitrage', 'regime'] as const
const NONE = new Uint8Array(EXPIRY_DAYS.length * COLUMNS)

/** As `optimizeModel`, for an embedder: cases are chains of the data, or draws from its own prior. */
export const optimizeEmbedder = async (
  name: string,
  folder: string | undefined,
  request: OptimizeRequest,
): Promise<OptimizeResult> => {
  const file = readModelFile(name, folder)
  const {onnx, description, prior} = readEmbedder(file.bytes, file.path)
  const isReal = request.data !== undefined
  const samples = isReal
    ? (await loadChains({data: request.data as string}, 1)).slice(-request.windows)
    : drawnChains(prior, request.windows, request.seed)
  return optimise(
    {
      ...file,
      onnx,
      description,
      metadataOf: changed => embedderMetadata(changed as EmbedderDescription, encodePrior(prior)),
    },
    {
      count: samples.length,
      inputs: isReal ? 'real' : 'synthetic',
      leastCosine: LEAST_COSINE,
      run: (session, at) => {
        const outputs = runEmbedder(session, samples[at] as ChainSample, prior, NONE)
        return OUTPUTS.flatMap(output => Array.from(outputs[output] as Float32Array))
      },
      decide: answers => {
        const regime = answers.slice(-3)
        return regime.indexOf(Math.max(...regime))
      },
    },
    request,
  )
}

/** Chains with a random surface of the prior at random expiries and levels. */
const drawnChains = (prior: SurfacePrior, count: number, seed: number): ChainSample[] => {
  const rng = createRng(seed, 'optimize-embedder')
  return Array.from({length: count}, () => {
    const tensor = emptyChainTensor()
    const surface = drawnSurface(prior, rng)
    const level = Math.log(0.2) + 0.4 * rng.normal()
    EXPIRY_DAYS.forEach((days, row) => {
      if (rng.uniform() < 0.2) return
      tensor.rowMask[row] = 1
      const at = row * ROW_FEATURES.length
      tensor.rows.set([level + 0.05 * rng.normal(), Math.log(days), Math.log((days * 252) / 365), 0.02, 0.03], at)
      for (let column = 0; column < COLUMNS; column++) {
        if (rng.uniform() < 0.1) continue
        const cell = row * COLUMNS + column
        tensor.mask[cell] = 1
        const features = [surface[cell] as number, 0.01, 0, 6 + rng.normal(), 3 + rng.normal(), 0.5, 0, 1]
        tensor.cells.set(features, cell * CELL_FEATURES.length)
      }
    })
    return retargeted({
      symbol: '',
      tsUs: 0,
      quotes: 0,
      tensor,
      sentiment: 0,
      regime: -1,
      volatility30: Number.NaN,
    })
  })
}
