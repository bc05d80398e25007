import {BarFeatures, type BarInput, barSchema} from './bar-features.ts'
import type {BookInput} from './book-features.ts'
import {type FeatureSchema, type Modality, schemaKey} from './features.ts'
import {MICRO_NAMES, MicroFeatures} from './micro-features.ts'
import {NEIGHBOURS, PATTERN_NAMES, PatternFeatures, type PatternSource} from './pattern-features.ts'
import type {SessionClock} from './session-clock.ts'

/** An option chain as the models see it: volatilities per √year in units of 1. */
export interface OptionsInput {
  readonly tsUs: number
  readonly volatility30: number
  readonly termSlope: number
  readonly riskReversal30: number
  readonly butterfly30: number
  /** Puts over calls, traded contracts and premium; NaN where nothing traded. */
  readonly putCallVolume: number
  readonly putCallPremium: number
  readonly halfSpreadVolatility: number
  /** -1 (fear) to 1. */
  readonly sentiment: number
}

const OPTION_NAMES = [
  'optionVolatility',
  'optionTermSlope',
  'optionRiskReversal',
  'optionButterfly',
  'optionPutCallVolume',
  'optionPutCallPremium',
  'optionHalfSpread',
  'optionSentiment',
  'optionAge',
] as const
/** A chain read longer ago than this is no longer news. */
const CHAIN_AGE_US = 2 * 86_400_000_000

const names = [...barSchema.names, ...MICRO_NAMES, ...OPTION_NAMES, ...PATTERN_NAMES]
const flags = ['hasMicrostructure', 'hasOptions', 'hasPatterns'] as const
const at = {
  micro: barSchema.names.length,
  options: barSchema.names.length + MICRO_NAMES.length,
  patterns: barSchema.names.length + MICRO_NAMES.length + OPTION_NAMES.length,
  flags: names.length,
}

const modalities: readonly Modality[] = [
  {name: 'technical', from: 0, to: at.micro},
  {name: 'microstructure', from: at.micro, to: at.options, flag: at.flags},
  {name: 'options', from: at.options, to: at.patterns, flag: at.flags + 1},
  {name: 'patterns', from: at.patterns, to: at.flags, flag: at.flags + 2},
]

/** Bars first, so that a row filled by `BarFeatures` alone is a valid one on which everything else is absent. */
export const multiSchema: FeatureSchema = {set: 'multi', version: 1, names: [...names, ...flags], modalities}

/** Columns by what they hold. */
export const MULTI_COLUMNS = {...at, sentiment: at.options + 7, neighbours: NEIGHBOURS}

export const schemaOf = (key: string): FeatureSchema | undefined =>
  [barSchema, multiSchema].find(schema => schemaKey(schema) === key)

export interface MultiOptions {
  readonly session: SessionClock
  /** Bars ahead that patterns are judged by. */
  readonly horizon: number
  /** Without it no pattern is retrieved. */
  readonly patterns?: PatternSource
}

/**
 * Rows of one instrument from all that is known of it: bars, quotes or books, option chains, remembered patterns. One row
 * a bar; each other source that has nothing fresh to say is flagged as absent and its columns are 0. The same object
 * serves training, back-test and trading.
 */
export class MultiFeatures {
  readonly schema = multiSchema
  readonly #bars: BarFeatures
  readonly #micro = new MicroFeatures()
  readonly #patterns: PatternFeatures | undefined
  #chain: OptionsInput | undefined

  constructor({session, horizon, patterns}: MultiOptions) {
    this.#bars = new BarFeatures(session)
    this.#patterns = patterns === undefined ? undefined : new PatternFeatures(patterns, horizon, at.micro)
  }

  get deviation(): number {
    return this.#bars.deviation
  }

  onBook(book: BookInput): void {
    this.#micro.onBook(book)
  }

  /** Takes in a chain; one without a 30-day volatility and its skew is no reading. */
  onOptions(chain: OptionsInput): void {
    const {volatility30, termSlope, riskReversal30, butterfly30, halfSpreadVolatility, sentiment} = chain
    const needed = [volatility30, termSlope, riskReversal30, butterfly30, halfSpreadVolatility, sentiment]
    if (volatility30 > 0 && needed.every(Number.isFinite)) this.#chain = chain
  }

  /** Writes the row of this bar to `out`. True when the bar opened a new session. */
  push(bar: BarInput, out: Float32Array, offset = 0): boolean {
    const {tsUs, close} = bar
    out.fill(0, offset, offset + multiSchema.names.length)
    const isNew = this.#bars.push(bar, out, offset)
    if (this.#micro.onBar(tsUs, out, offset + at.micro)) out[offset + at.flags] = 1
    const chain = this.#chain
    if (chain !== undefined && chain.tsUs <= tsUs && tsUs - chain.tsUs <= CHAIN_AGE_US) {
      writeChain(chain, tsUs, out, offset + at.options)
      out[offset + at.flags + 1] = 1
    }
    const closed = {tsUs, close, deviation: this.#bars.deviation, isNew}
    if (this.#patterns?.onBar(closed, out, offset, out, offset + at.patterns) === true) out[offset + at.flags + 2] = 1
    return isNew
  }
}

const writeChain = (chain: OptionsInput, tsUs: number, out: Float32Array, offset: number): void => {
  let i = offset
  out[i++] = Math.log(chain.volatility30)
  out[i++] = chain.termSlope
  out[i++] = chain.riskReversal30
  out[i++] = chain.butterfly30
  out[i++] = logRatio(chain.putCallVolume)
  out[i++] = logRatio(chain.putCallPremium)
  out[i++] = Math.log(1e-4 + Math.max(0, chain.halfSpreadVolatility))
  out[i++] = chain.sentiment
  out[i] = Math.log1p((tsUs - chain.tsUs) / 3_600_000_000)
}

/** Nothing traded on one side says nothing of the other: the ratio is then neutral. */
const logRatio = (ratio: number): number =>
  ratio > 0 && Number.isFinite(ratio) ? Math.max(-5, Math.min(5, Math.log(ratio))) : 0
