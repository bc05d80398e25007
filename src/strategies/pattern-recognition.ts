// Columns are indexed by instruments of the run's table, so `!` cannot miss here.
import normalCdf from '@stdlib/stats-base-dists-normal-cdf'
import {z} from 'zod'
import {midTicks} from '../data/market-state.ts'
import type {TapeChunk} from '../data/tape.ts'
import {US_PER_SECOND} from '../domain/units.ts'
import {TrackRecord} from './pattern-recognition/track-record.ts'
import type {PatternEvidence, PatternMemory, StrategyServices} from './services.ts'
import type {Strategy, StrategyContext} from './strategy.ts'

export const PatternRecognitionParams = z.strictObject({
  symbols: z.array(z.string()).default([]).describe('instruments to trade; all dollar-quoted non-options when empty'),
  everySeconds: z.number().positive().default(30).describe('time between two looks at an instrument'),
  horizonSeconds: z.number().positive().default(120).describe('time ahead that a pattern is judged by, and held for'),
  minEdgeBps: z.number().nonnegative().default(2).describe('least expected move beyond the spread, basis points'),
  maxFraction: z.number().positive().max(1).default(0.05).describe('largest position, fraction of capital'),
  feedbackTrades: z
    .int()
    .nonnegative()
    .default(20)
    .describe('forecasts judged before a record that is bad beyond chance stops trading; 0 never stops'),
  sameSymbolOnly: z.boolean().default(false).describe('learn from an instrument’s own past only'),
  longOnlyKinds: z
    .array(z.enum(['equity', 'etf', 'crypto', 'option']))
    .default(['crypto'])
    .describe('kinds never sold short'),
})
export type PatternRecognitionParams = z.output<typeof PatternRecognitionParams>

const NAME = 'pattern-recognition'

interface Pending {
  readonly id: string
  readonly instrument: number
  readonly mid: number
  readonly dueUs: number
}

/**
 * Asks the pattern memory what followed when the market last looked like this, and trades only when the whole interval of
 * the answer lies beyond the cost of crossing the spread twice. Remembers every look with what happened next, traded or
 * not, so evidence grows without being chosen by its own trades; while its own forecasts have lost beyond chance it only
 * watches. Without a memory it is silent and says so.
 */
export const patternRecognition = (params: PatternRecognitionParams, services: StrategyServices = {}): Strategy =>
  new PatternStrategy(params, services)

class PatternStrategy implements Strategy {
  readonly name = NAME
  readonly #params: PatternRecognitionParams
  readonly #services: StrategyServices
  #memory: PatternMemory | undefined
  #isWanted: boolean[] = []
  #mayShort: boolean[] = []
  #nextUs: Float64Array<ArrayBuffer> = new Float64Array(0)
  #pending: Pending[] = []
  #sequence = 0
  #prefix = ''
  readonly #counts = {looks: 0, abstained: 0, belowCosts: 0, distrusted: 0, signals: 0, learned: 0}
  readonly #record: TrackRecord
  readonly #forecasts = new Map<string, {readonly direction: -1 | 1; readonly cost: number}>()

  constructor(params: PatternRecognitionParams, services: StrategyServices) {
    this.#params = params
    this.#services = services
    this.#record = new TrackRecord(params.feedbackTrades)
  }

  start({market, instruments, nowUs}: StrategyContext): void {
    const {symbols, longOnlyKinds} = this.#params
    this.#memory = this.#services.patterns?.({market, instruments})
    this.#isWanted = instruments
      .all()
      .map(i =>
        symbols.length > 0 ? symbols.includes(i.symbol) : i.kind !== 'option' && /^(USD|USDT|USDC)$/.test(i.quote),
      )
    this.#mayShort = instruments.all().map(i => !longOnlyKinds.includes(i.kind))
    this.#nextUs = new Float64Array(instruments.size)
    // Looks of different runs must not share ids: the same tape gives the same ones, another start gives others.
    this.#prefix = `${NAME}:${nowUs.toString(36)}`
  }

  onEvent(context: StrategyContext, chunk: TapeChunk, row: number): void {
    const memory = this.#memory
    if (memory === undefined) return
    memory.onTime(context.nowUs)
    if (this.#pending.length > 0 && context.nowUs >= this.#pending[0]!.dueUs) this.#learn(context, memory)
    const i = chunk.instrument[row]!
    if (this.#isWanted[i] !== true || context.nowUs < this.#nextUs[i]!) return
    this.#nextUs[i] = context.nowUs + this.#params.everySeconds * US_PER_SECOND
    this.#look(context, memory, i)
  }

  report(): Readonly<Record<string, number | string>> {
    return {
      ...this.#counts,
      rightOfJudged: this.#record.judged > 0 ? this.#record.right / this.#record.judged : 0,
      meanNetBps: this.#record.mean,
      ...(this.#memory === undefined ? {silent: 'no pattern memory is plugged in'} : {}),
    }
  }

  #look(context: StrategyContext, memory: PatternMemory, i: number): void {
    const vector = memory.vector(i)
    const mid = midTicks(context.market, i)
    if (vector === undefined || !(mid > 0)) return
    this.#counts.looks++
    const {symbol} = context.instruments.at(i)
    const {horizonSeconds, sameSymbolOnly} = this.#params
    const evidence = memory.search(vector, context.nowUs, {strategy: NAME, ...(sameSymbolOnly ? {symbol} : {})})
    const id = `${this.#prefix}:${(++this.#sequence).toString(36)}`
    memory.remember({id, symbol, strategy: NAME, regime: memory.regime(i), tsUs: context.nowUs, vector})
    this.#pending.push({id, instrument: i, mid, dueUs: context.nowUs + horizonSeconds * US_PER_SECOND})
    this.#speak(context, i, mid, evidence, id)
  }

  #speak(context: StrategyContext, i: number, mid: number, evidence: PatternEvidence, id: string): void {
    if (evidence.abstain) {
      this.#counts.abstained++
      return
    }
    const {market} = context
    const spread =
      market.askTicks[i]! > market.bidTicks[i]! && market.bidLots[i]! > 0
        ? market.askTicks[i]! - market.bidTicks[i]!
        : 0
    const cost = (spread / mid) * 1e4 + this.#params.minEdgeBps
    const direction = evidence.low > cost ? 1 : evidence.high < -cost ? -1 : 0
    if (direction === 0 || (direction < 0 && !this.#mayShort[i])) {
      this.#counts.belowCosts++
      return
    }
    const deviation = Math.max((evidence.high - evidence.low) / (2 * 1.6449), 1e-9)
    const confidence = normalCdf(Math.abs(evidence.mean) / deviation, 0, 1)
    // Judged whether it is traded or not, so that a record that was bad can become good again.
    this.#forecasts.set(id, {direction, cost})
    if (this.#record.isBad) {
      this.#counts.distrusted++
      return
    }
    this.#counts.signals++
    // The neighbours that were traded on stay in memory longer than those that only were near.
    this.#memory?.use(evidence.neighbours, context.nowUs)
    context.signal({
      instrument: i,
      direction,
      strength: Math.min(1, Math.abs(evidence.mean) / (5 * cost)),
      holdingPeriodUs: this.#params.horizonSeconds * US_PER_SECOND,
      size: this.#params.maxFraction * (2 * confidence - 1),
      confidence,
    })
  }

  #learn(context: StrategyContext, memory: PatternMemory): void {
    while (this.#pending.length > 0 && this.#pending[0]!.dueUs <= context.nowUs) {
      const {id, instrument, mid} = this.#pending.shift()!
      const now = midTicks(context.market, instrument)
      const bps = ((now - mid) / mid) * 1e4
      memory.learn(id, bps, context.nowUs)
      this.#counts.learned++
      const forecast = this.#forecasts.get(id)
      if (forecast === undefined) continue
      this.#forecasts.delete(id)
      this.#record.onOutcome(forecast.direction * bps - forecast.cost, forecast.direction * bps > 0)
    }
  }
}
