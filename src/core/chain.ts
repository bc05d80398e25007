import {closeSync, openSync, writeSync} from 'node:fs'
import {type NumberedRecord, Rejects, readNdjson} from '../data/ndjson.ts'
import {americanChainGreeks} from '../options/american-chain.ts'
import {buildChain} from '../options/chain.ts'
import {chainFeatures} from '../options/chain-features.ts'
import {type ChainGreeks, type GreeksRecord, greeksRecords} from '../options/chain-greeks.ts'
import type {ExerciseStyle} from '../options/expiry-time.ts'
import type {OptionQuote, QuoteStatus} from '../options/option-quote.ts'
import {fitSurface, type SmileFit, type Surface} from '../options/smile.ts'
import {smileSvg} from '../options/smile-svg.ts'
import {findViolations, type Violation} from '../options/violations.ts'
import {DailyLevels} from './daily-levels.ts'
import {noDividends, readDividends} from './dividends.ts'
import {noChain} from './no-chain.ts'
import {inputName, openInput} from './open-input.ts'
import {writeBeside} from './write-beside.ts'

export interface ChainRequest {
  /** NDJSON file (gzip by its name), `-` for standard input. */
  readonly from: string
  readonly style: ExerciseStyle | 'auto'
  /** Quotes of one symbol within this time of the first belong to one chain. */
  readonly windowUs: number
  /** Continuously compounded financing rate; implied from the quotes when absent. */
  readonly rate?: number
  /** File of cash dividends, for contracts that may be exercised early. */
  readonly dividends?: string
  /** Of the underlying, per √year; by default from the levels that earlier chains of the stream carry. */
  readonly realised?: number
  readonly surface: boolean
  readonly violations: boolean
  /** Dollars a contract and side. */
  readonly feePerContract?: number
  /** SVG of the last chain's smiles. */
  readonly plot?: string
  readonly rejectsFile?: string
  readonly skipInvalid: boolean
  readonly signal?: AbortSignal
}

/** What a run did; complete once `records` has been read to its end. */
export interface ChainSummary {
  chains: number
  contracts: number
  /** Records that are not option quotes, passed over. */
  otherRecords: number
  rejected: number
  byStatus: Record<QuoteStatus, number>
  violations: number
  /** Sum over violations of one set of legs each, dollars. */
  edgeAfterCosts: number
  smiles: number
  /** Point-weighted over all fitted smiles. */
  rmseVolPoints: number | null
  coverage: number | null
  arbitrageFree: number
}

/** `smile` and `surface` records of gpi's pipes. */
export type SmileRecord = {readonly kind: 'smile'; readonly symbol: string; readonly tsUs: number} & Omit<
  SmileFit,
  'slice'
>
export interface SurfaceRecord {
  readonly kind: 'surface'
  readonly symbol: string
  readonly tsUs: number
  readonly ssvi: {readonly rho: number; readonly eta: number; readonly gamma: number} | null
  readonly ssviRmseVolPoints: number | null
  readonly ssviCoverage: number | null
  readonly features: Readonly<Record<string, number | null>>
}
export type ChainRecord = GreeksRecord | Violation | SmileRecord | SurfaceRecord

/**
 * Option quotes in; greeks, and on request violations, smiles and surfaces out, chain by chain as the stream goes. Throws
 * UserError at the end of the stream when records were refused, unless `skipInvalid`.
 */
export const analyseChains = (
  request: ChainRequest,
): {readonly records: AsyncGenerator<ChainRecord>; readonly summary: ChainSummary} => {
  const summary: ChainSummary = {
    chains: 0,
    contracts: 0,
    otherRecords: 0,
    rejected: 0,
    byStatus: {ok: 0, 'below-intrinsic': 0, 'above-bound': 0, 'no-quote': 0, crossed: 0},
    violations: 0,
    edgeAfterCosts: 0,
    smiles: 0,
    rmseVolPoints: null,
    coverage: null,
    arbitrageFree: 0,
  }
  return {records: recordsOf(request, summary), summary}
}

async function* recordsOf(request: ChainRequest, summary: ChainSummary): AsyncGenerator<ChainRecord> {
  const rejectsFile = request.rejectsFile === undefined ? undefined : openSync(request.rejectsFile, 'w')
  const rejects = new Rejects(invalid => {
    if (rejectsFile !== undefined) writeSync(rejectsFile, `${JSON.stringify(invalid)}\n`)
  })
  const weights = {points: 0, squares: 0, inside: 0}
  try {
    const dividends = request.dividends === undefined ? noDividends : await readDividends(request.dividends)
    const levels = new DailyLevels()
    let plot: string | undefined
    for await (const quotes of chainsOf(readNdjson(openInput(request.from), rejects), request, summary)) {
      const chain = buildChain(quotes, request.style)
      const analysis = americanChainGreeks(chain, {
        dividends: dividends.after(chain.symbol, chain.tsUs),
        ...(request.rate === undefined ? {} : {rate: request.rate}),
      })
      if (chain.underlying !== undefined) levels.add(chain.symbol, chain.tsUs, chain.underlying)
      summary.chains++
      for (const record of greeksRecords(analysis)) {
        summary.contracts++
        summary.byStatus[record.status]++
        yield record
      }
      if (request.violations) yield* violationsOf(analysis, request, summary)
      if (request.surface || request.plot !== undefined) {
        const surface = fitSurface(analysis)
        countSmiles(surface, summary, weights)
        if (request.surface) yield* surfaceRecords(analysis, surface, request.realised ?? levels.realised(chain.symbol))
        if (request.plot !== undefined) plot = smileSvg(analysis, surface)
      }
      if (request.signal?.aborted) break
    }
    summary.rejected = rejects.count
    if (request.plot !== undefined && plot !== undefined) writeBeside(request.plot, plot)
    if (!request.skipInvalid) rejects.throwIfAny(inputName(request.from))
    if (summary.chains === 0 && request.signal?.aborted !== true) throw noChain(summary.otherRecords, 'chain')
  } finally {
    if (rejectsFile !== undefined) closeSync(rejectsFile)
  }
}

function* violationsOf(analysis: ChainGreeks, request: ChainRequest, summary: ChainSummary): Generator<Violation> {
  const options = request.feePerContract === undefined ? {} : {feePerContract: request.feePerContract}
  for (const violation of findViolations(analysis.chain, analysis.forwards, options)) {
    summary.violations++
    summary.edgeAfterCosts += violation.edgeAfterCosts
    yield violation
  }
}

const countSmiles = (
  {fits}: Surface,
  summary: ChainSummary,
  weights: {points: number; squares: number; inside: number},
): void => {
  for (const fit of fits) {
    summary.smiles++
    if (fit.butterflyFree && fit.calendarFree) summary.arbitrageFree++
    weights.points += fit.points
    weights.squares += fit.points * fit.rmseVolPoints ** 2
    weights.inside += fit.points * fit.coverage
  }
  if (weights.points === 0) return
  summary.rmseVolPoints = Math.sqrt(weights.squares / weights.points)
  summary.coverage = weights.inside / weights.points
}

function* surfaceRecords(
  analysis: ChainGreeks,
  surface: Surface,
  realised: number,
): Generator<SmileRecord | SurfaceRecord> {
  const {symbol, tsUs} = analysis.chain
  for (const {slice: _slice, ...fit} of surface.fits) yield {kind: 'smile', symbol, tsUs, ...fit}
  const {expiries: _expiries, ...features} = chainFeatures(analysis, realised)
  const {ssvi} = surface
  yield {
    kind: 'surface',
    symbol,
    tsUs,
    ssvi: ssvi === undefined ? null : {rho: ssvi.rho, eta: ssvi.eta, gamma: ssvi.gamma},
    ssviRmseVolPoints: finite(surface.ssviRmseVolPoints),
    ssviCoverage: finite(surface.ssviCoverage),
    features: Object.fromEntries(Object.entries(features).map(([name, value]) => [name, finite(value)])),
  }
}

const finite = (value: number): number | null => (Number.isFinite(value) ? value : null)

/** Collects quotes by symbol; a chain is complete when its symbol's next quote lies a window later, or the stream ends. */
async function* chainsOf(
  records: AsyncGenerator<NumberedRecord>,
  {windowUs, signal}: ChainRequest,
  summary: ChainSummary,
): AsyncGenerator<readonly OptionQuote[]> {
  const open = new Map<string, {startUs: number; quotes: OptionQuote[]}>()
  for await (const {record} of records) {
    if (signal?.aborted) break
    if (record.kind !== 'option-quote') {
      summary.otherRecords++
      continue
    }
    const pending = open.get(record.symbol)
    if (pending === undefined) open.set(record.symbol, {startUs: record.tsUs, quotes: [record]})
    else if (record.tsUs - pending.startUs < windowUs) pending.quotes.push(record)
    else {
      open.set(record.symbol, {startUs: record.tsUs, quotes: [record]})
      yield pending.quotes
    }
  }
  for (const {quotes} of open.values()) yield quotes
}
