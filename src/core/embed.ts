import {closeSync, openSync, writeSync} from 'node:fs'
import {performance} from 'node:perf_hooks'
import type {Cache} from '../data/cache.ts'
import {Rejects, readNdjson} from '../data/ndjson.ts'
import {openOrtSession} from '../drivers/onnx/ort-session.ts'
import {EMBEDDING_WIDTH} from '../models/embedder.ts'
import {runEmbedders} from '../models/embedder-trainer.ts'
import {sha256} from '../models/model-file.ts'
import type {SurfacePrior} from '../models/surface-prior.ts'
import type {GraphSession} from '../nn/execution.ts'
import {americanChainGreeks} from '../options/american-chain.ts'
import {buildChain} from '../options/chain.ts'
import {chainTensor} from '../options/chain-tensor.ts'
import type {OptionQuote} from '../options/option-quote.ts'
import {catalogQuotes, chainsOf} from './chain-stream.ts'
import {readEmbedder} from './embedder-file.ts'
import {noChain} from './no-chain.ts'
import {inputName, openInput} from './open-input.ts'

export interface EmbeddingRecord {
  readonly kind: 'embedding'
  readonly symbol: string
  readonly tsUs: number
  readonly vector: readonly number[]
  readonly heads: {readonly sentiment: number; readonly volatilityRegime: number; readonly arbitrage: number}
  readonly modelHash: string
  readonly cached: boolean
}

export interface EmbedRequest {
  /** NDJSON of option-quote records (gzip by its name), `-` for standard input; or a catalog. */
  readonly from?: string
  readonly data?: string
  readonly symbols?: readonly string[]
  readonly windowUs: number
  readonly rejectsFile?: string
  readonly skipInvalid: boolean
  readonly signal?: AbortSignal
}

export interface EmbedSummary {
  chains: number
  cached: number
  contracts: number
  /** Chains without one usable expiry: they have no embedding. */
  unusable: number
  /** The first of them, for a person; null when all could be embedded. */
  firstUnusable: string | null
  otherRecords: number
  rejected: number
  modelHash: string
  /** From the quotes of a chain to its vector, without the cache; null before the first. */
  p50Ms: number | null
  p99Ms: number | null
}

/** A loaded embedder. Analyses and embeds in place: some milliseconds of the calling thread a chain. */
export interface Embedder extends Disposable {
  readonly modelHash: string
  /** Undefined when the chain has no usable expiry. Throws RangeError when the quotes are none or of several underlyings. */
  readonly embed: (quotes: readonly OptionQuote[]) => Omit<EmbeddingRecord, 'cached'> | undefined
}

/** Opens an embedder file, and refuses one that was made for another chain layout. */
export const openEmbedder = (bytes: Uint8Array, name: string): Embedder => {
  const session = openOrtSession(bytes, {threads: 1})
  const {prior} = readEmbedder(bytes, name)
  const modelHash = sha256(bytes)
  return {
    modelHash,
    embed: quotes => embedChains(session, modelHash, prior, [quotes])[0],
    [Symbol.dispose]: () => session.dispose(),
  }
}

/** Chains in, one record each; undefined where a chain has no usable expiry. All in one run of the model. */
export const embedChains = (
  session: GraphSession,
  modelHash: string,
  prior: SurfacePrior,
  chains: readonly (readonly OptionQuote[])[],
): (Omit<EmbeddingRecord, 'cached'> | undefined)[] => {
  const read = chains.map(quotes => {
    const chain = buildChain(quotes)
    const {symbol, tsUs} = chain
    return {symbol, tsUs, tensor: chainTensor(americanChainGreeks(chain))}
  })
  const usable = read.filter(({tensor}) => tensor.rowMask.some(row => row === 1))
  const outputs = usable.length === 0 ? [] : runEmbedders(session, usable, prior)
  return read.map(chain => {
    const at = usable.indexOf(chain)
    return at < 0 ? undefined : recordOf(chain, outputs[at] as Readonly<Record<string, Float32Array>>, modelHash)
  })
}

const recordOf = (
  {symbol, tsUs}: {readonly symbol: string; readonly tsUs: number},
  outputs: Readonly<Record<string, Float32Array>>,
  modelHash: string,
): Omit<EmbeddingRecord, 'cached'> => {
  const regime = outputs['regime'] as Float32Array
  return {
    kind: 'embedding',
    symbol,
    tsUs,
    vector: Array.from(outputs['embedding'] as Float32Array),
    heads: {
      sentiment: outputs['sentiment']?.[0] as number,
      volatilityRegime: regime.indexOf(Math.max(...regime)),
      arbitrage: outputs['arbitrage']?.[0] as number,
    },
    modelHash,
  }
}

/**
 * Chains in, embedding records out, as the stream goes. A chain embedded before, by the same model, comes from the cache
 * bit for bit. Throws UserError at the end when records were refused, unless `skipInvalid`.
 */
export const embedStream = (
  embedder: Embedder,
  cache: Cache | undefined,
  request: EmbedRequest,
): {readonly records: AsyncGenerator<EmbeddingRecord>; readonly summary: EmbedSummary} => {
  const summary: EmbedSummary = {
    chains: 0,
    cached: 0,
    contracts: 0,
    unusable: 0,
    firstUnusable: null,
    otherRecords: 0,
    rejected: 0,
    modelHash: embedder.modelHash,
    p50Ms: null,
    p99Ms: null,
  }
  return {records: recordsOf(embedder, cache, request, summary), summary}
}

async function* recordsOf(
  embedder: Embedder,
  cache: Cache | undefined,
  request: EmbedRequest,
  summary: EmbedSummary,
): AsyncGenerator<EmbeddingRecord> {
  const rejectsFile = request.rejectsFile === undefined ? undefined : openSync(request.rejectsFile, 'w')
  const rejects = new Rejects(({text}) => rejectsFile !== undefined && writeSync(rejectsFile, `${text}\n`))
  const times: number[] = []
  try {
    const quotes =
      request.data === undefined
        ? readQuotes(request.from ?? '-', rejects, summary)
        : catalogQuotes(request.data, request.symbols)
    for await (const chain of chainsOf(quotes, request.windowUs)) {
      if (request.signal?.aborted) break
      summary.chains++
      summary.contracts += chain.length
      const record = await embedOne(embedder, cache, chain, times)
      if (record === undefined) {
        summary.unusable++
        summary.firstUnusable ??= describeChain(chain)
        continue
      }
      if (record.cached) summary.cached++
      yield record
    }
  } finally {
    if (rejectsFile !== undefined) closeSync(rejectsFile)
    times.sort((a, b) => a - b)
    summary.p50Ms = times[Math.floor(0.5 * times.length)] ?? null
    summary.p99Ms = times[Math.floor(0.99 * times.length)] ?? null
    summary.rejected = rejects.count
  }
  if (!request.skipInvalid) rejects.throwIfAny(inputName(request.from ?? '-'))
  if (summary.chains === 0 && request.signal?.aborted !== true) {
    throw noChain(summary.otherRecords, 'embed')
  }
}

const embedOne = async (
  embedder: Embedder,
  cache: Cache | undefined,
  chain: readonly OptionQuote[],
  times: number[],
): Promise<EmbeddingRecord | undefined> => {
  const key = cache === undefined ? '' : keyOf(embedder.modelHash, chain)
  const known = await cache?.get(key)
  if (known !== undefined) return {...(JSON.parse(new TextDecoder().decode(known)) as EmbeddingRecord), cached: true}
  const started = performance.now()
  const record = embedder.embed(chain)
  times.push(performance.now() - started)
  if (record === undefined) return undefined
  await cache?.set(key, new TextEncoder().encode(JSON.stringify(record)))
  return {...record, cached: false}
}

/** Everything of a quote that the embedding depends on, and the model. */
const keyOf = (modelHash: string, chain: readonly OptionQuote[]): string =>
  sha256(
    `${EMBEDDING_WIDTH}/${modelHash}/${chain
      .map(q =>
        [
          q.symbol,
          q.contract,
          q.tsUs,
          q.bid,
          q.ask,
          q.underlying,
          q.volume,
          q.openInterest,
          q.right,
          q.strike,
          q.expiry,
        ].join(),
      )
      .join(';')}`,
  )

const describeChain = (chain: readonly OptionQuote[]): string => {
  const quoted = chain.filter(({bid, ask}) => bid > 0 && ask >= bid).length
  const [first] = chain
  return `${first?.symbol} at ${new Date((first?.tsUs ?? 0) / 1000).toISOString()}: of ${chain.length} contracts ${quoted} have both quotes, and no expiry has enough that can be priced`
}

async function* readQuotes(from: string, rejects: Rejects, summary: EmbedSummary): AsyncGenerator<OptionQuote> {
  for await (const {record} of readNdjson(openInput(from), rejects)) {
    if (record.kind === 'option-quote') yield record as OptionQuote
    else summary.otherRecords++
  }
}
