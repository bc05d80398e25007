// Columns are indexed by instruments of the run's table, so `!` cannot miss here.
import normalCdf from '@stdlib/stats-base-dists-normal-cdf'
import {z} from 'zod'
import {midTicks} from '../data/market-state.ts'
import {EventKind, Notice, type TapeChunk} from '../data/tape.ts'
import type {Fill} from '../domain/order.ts'
import {US_PER_SECOND} from '../domain/units.ts'
import {EarnedTrust} from './pattern-recognition/earned-trust.ts'
import {TrackRecord} from './pattern-recognition/track-record.ts'
import type {PatternEvidence, PatternMemory, StrategyServices} from './services.ts'
import type {Strategy, StrategyContext} from './strategy.ts'

export const PatternRecognitionParams = z.strictObject({
  symbols: z.array(z.string()).default([]).describe('instruments to trade; all dollar-quoted non-options when empty'),
  everySeconds: z
    .number()
    .positive()
    .default(30)
    .describe('time between two looks at an instrument with quotes or trades'),
  horizonSeconds: z
    .number()
    .positive()
    .default(120)
    .describe('time ahead that a pattern of quotes or trades is judged by, and held for'),
  everyBars: z.int().positive().default(3).describe('bars between two looks at an instrument that has only bars'),
  horizonBars: z
    .int()
    .positive()
    .default(6)
    .describe('bars ahead that a pattern of bars is judged by, and held for; intraday, never over a close'),
  neighbours: z.int().min(2).max(200).default(20).describe('nearest patterns that are heard'),
  minEdgeBps: z.number().nonnegative().default(2).describe('least expected move beyond spread and fees, basis points'),
  barSpreadBps: z.number().nonnegative().default(3).describe('spread assumed where bars show none'),
  coinFeeBps: z
    .number()
    .nonnegative()
    .default(25)
    .describe('fee of a coin and side until fills show the real one, basis points'),
  maxFraction: z.number().positive().max(1).default(0.05).describe('largest position, fraction of capital'),
  feedbackTrades: z
    .int()
    .nonnegative()
    .default(20)
    .describe(
      'outcomes of forecasts, apart in time, before their record can earn trust; 0 trades from the start, for ever',
    ),
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
  readonly mid: number
  readonly dueUs: number
}

interface Forecast {
  readonly direction: -1 | 1
  readonly cost: number
}

/** How an instrument is looked at, by its own clock. */
interface Pace {
  readonly everyUs: number
  readonly horizonUs: number
  /** Its patterns in the memory: those of other clocks and horizons are not comparable. */
  readonly family: string
}

/**
 * Asks the pattern memory what followed when the market last looked like this. It forecasts only when the whole interval of
 * the answer lies beyond the cost of getting in and out, and trades only while its forecasts, judged after their horizon
 * whether traded or not, have earned that cost beyond chance: on noise it watches for ever. Remembers every look with what
 * happened next, so evidence grows without being chosen by its own trades. Without a memory it is silent and says so.
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
  #feeBps: Float64Array<ArrayBuffer> = new Float64Array(0)
  #nextUs: Float64Array<ArrayBuffer> = new Float64Array(0)
  #paces: (Pace | undefined)[] = []
  /** Looks whose outcome is not known yet, by instrument, oldest first. */
  #pending: Pending[][] = []
  #sequence = 0
  #prefix = ''
  readonly #counts = {looks: 0, abstained: 0, belowCosts: 0, forecasts: 0, distrusted: 0, signals: 0, learned: 0}
  readonly #record: TrackRecord
  readonly #trust: EarnedTrust
  readonly #forecasts = new Map<string, Forecast>()

  constructor(params: PatternRecognitionParams, services: StrategyServices) {
    this.#params = params
    this.#services = services
    this.#record = new TrackRecord(params.feedbackTrades)
    this.#trust = new EarnedTrust(params.feedbackTrades)
  }

  start({market, instruments, nowUs}: StrategyContext): void {
    const {symbols, longOnlyKinds, coinFeeBps} = this.#params
    this.#memory = this.#services.patterns?.({market, instruments})
    this.#isWanted = instruments
      .all()
      .map(i =>
        symbols.length > 0 ? symbols.includes(i.symbol) : i.kind !== 'option' && /^(USD|USDT|USDC)$/.test(i.quote),
      )
    this.#mayShort = instruments.all().map(i => !longOnlyKinds.includes(i.kind))
    this.#feeBps = Float64Array.from(instruments.all(), ({kind}) => (kind === 'crypto' ? coinFeeBps : 0))
    this.#nextUs = new Float64Array(instruments.size)
    this.#paces = new Array<Pace | undefined>(instruments.size).fill(undefined)
    this.#pending = instruments.all().map(() => [])
    // Looks of different runs must not share ids: the same tape gives the same ones, another start gives others.
    this.#prefix = `${NAME}:${nowUs.toString(36)}`
  }

  onEvent(context: StrategyContext, chunk: TapeChunk, row: number): void {
    const memory = this.#memory
    if (memory === undefined) return
    memory.onEvent(chunk, row)
    const i = chunk.instrument[row]!
    if (this.#isWanted[i] !== true) return
    const kind = chunk.kind[row]
    if (kind === EventKind.notice) {
      // A move over a split is no outcome.
      if (chunk.flags[row] === Notice.split) this.#pending[i] = []
      return
    }
    const {nowUs} = context
    const pending = this.#pending[i]!
    if (pending.length > 0 && nowUs >= pending[0]!.dueUs) this.#learn(context, memory, i, pending)
    if (nowUs < this.#nextUs[i]!) return
    const pace = this.#paceOf(memory, i)
    if (pace === undefined) return
    this.#nextUs[i] = nowUs + pace.everyUs
    if (memory.clock(i)!.staysInSession(nowUs, nowUs + pace.horizonUs)) this.#look(context, memory, i, pace)
  }

  onFill({instruments}: StrategyContext, {instrument, feeMicros, feeLots, lots, priceTicks}: Fill): void {
    const {kind, multiplier, priceDecimals, sizeDecimals} = instruments.at(instrument)
    if (kind !== 'crypto') return
    const value = lots * priceTicks * multiplier * 10 ** (6 - priceDecimals - sizeDecimals)
    this.#feeBps[instrument] = 1e4 * (feeMicros / value + (feeLots ?? 0) / lots)
  }

  report(): Readonly<Record<string, number | string>> {
    const {blocks, mean, lowBps, isEarned} = this.#trust
    return {
      ...this.#counts,
      rightOfJudged: this.#record.judged > 0 ? this.#record.right / this.#record.judged : 0,
      meanNetBps: this.#record.mean,
      recordOutcomes: blocks,
      recordMeanBps: mean,
      ...(Number.isFinite(lowBps) ? {recordLowBps: lowBps} : {}),
      ...(this.#memory === undefined ? {silent: 'no pattern memory is plugged in'} : {}),
      ...(this.#memory !== undefined && this.#counts.signals === 0 ? {silentBecause: this.#whySilent(isEarned)} : {}),
    }
  }

  #whySilent(isEarned: boolean): string {
    const {looks, forecasts} = this.#counts
    if (looks === 0) return 'no instrument had enough past'
    if (forecasts === 0) return 'no evidence was beyond costs'
    return isEarned ? 'forecasts have lost lately' : 'forecasts after costs were not good beyond chance'
  }

  #paceOf(memory: PatternMemory, i: number): Pace | undefined {
    const clock = memory.clock(i)
    if (clock === undefined) return undefined
    const {everySeconds, horizonSeconds, everyBars, horizonBars} = this.#params
    const {barUs} = clock
    const known = this.#paces[i]
    const family = barUs === 0 ? NAME : `${NAME}:${barUs / US_PER_SECOND}s-bars:${horizonBars}`
    if (known?.family === family) return known
    // Another clock: what is pending would be judged by the wrong horizon.
    this.#pending[i] = []
    const pace =
      barUs === 0
        ? {everyUs: everySeconds * US_PER_SECOND, horizonUs: horizonSeconds * US_PER_SECOND, family}
        : {everyUs: everyBars * barUs, horizonUs: horizonBars * barUs, family}
    this.#paces[i] = pace
    return pace
  }

  #look(context: StrategyContext, memory: PatternMemory, i: number, {family, horizonUs}: Pace): void {
    const vector = memory.vector(i)
    const mid = midTicks(context.market, i)
    if (vector === undefined || !(mid > 0)) return
    this.#counts.looks++
    const {symbol} = context.instruments.at(i)
    const {sameSymbolOnly, neighbours} = this.#params
    const filters = {strategy: family, ...(sameSymbolOnly ? {symbol} : {})}
    const evidence = memory.search(vector, context.nowUs, filters, neighbours)
    const id = `${this.#prefix}:${(++this.#sequence).toString(36)}`
    memory.remember({id, symbol, strategy: family, regime: memory.regime(i), tsUs: context.nowUs, vector})
    this.#pending[i]!.push({id, mid, dueUs: context.nowUs + horizonUs})
    this.#speak(context, i, mid, evidence, id, horizonUs)
  }

  #speak(
    context: StrategyContext,
    i: number,
    mid: number,
    evidence: PatternEvidence,
    id: string,
    horizonUs: number,
  ): void {
    if (evidence.abstain) {
      this.#counts.abstained++
      return
    }
    const cost = this.#costBps(context, i, mid)
    const direction = evidence.low > cost ? 1 : evidence.high < -cost ? -1 : 0
    if (direction === 0 || (direction < 0 && !this.#mayShort[i])) {
      this.#counts.belowCosts++
      return
    }
    const deviation = Math.max((evidence.high - evidence.low) / (2 * 1.6449), 1e-9)
    const confidence = normalCdf(Math.abs(evidence.mean) / deviation, 0, 1)
    // Judged whether it is traded or not, so that trust can be earned, lost, and earned again.
    this.#counts.forecasts++
    this.#forecasts.set(id, {direction, cost})
    if (!this.#trust.isEarned || this.#record.isBad) {
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
      holdingPeriodUs: horizonUs,
      size: this.#params.maxFraction * (2 * confidence - 1),
      confidence,
    })
  }

  /** Of getting in and out, and the edge asked for beyond. */
  #costBps({market}: StrategyContext, i: number, mid: number): number {
    const {minEdgeBps, barSpreadBps} = this.#params
    const [bid, ask] = [market.bidTicks[i]!, market.askTicks[i]!]
    const spreadBps =
      ask > bid && market.bidLots[i]! > 0 ? (1e4 * (ask - bid)) / mid : this.#isOnBars(i) ? barSpreadBps : 0
    return spreadBps + 2 * this.#feeBps[i]! + minEdgeBps
  }

  #isOnBars(i: number): boolean {
    return (this.#memory?.clock(i)?.barUs ?? 0) > 0
  }

  #learn(context: StrategyContext, memory: PatternMemory, i: number, pending: Pending[]): void {
    while (pending.length > 0 && pending[0]!.dueUs <= context.nowUs) {
      const {id, mid} = pending.shift()!
      const now = midTicks(context.market, i)
      const bps = ((now - mid) / mid) * 1e4
      memory.learn(id, bps, context.nowUs)
      this.#counts.learned++
      const forecast = this.#forecasts.get(id)
      if (forecast === undefined) continue
      this.#forecasts.delete(id)
      const net = forecast.direction * bps - forecast.cost
      this.#record.onOutcome(net, forecast.direction * bps > 0)
      this.#trust.onOutcome(net, context.nowUs, this.#paces[i]!.horizonUs)
    }
  }
}
