// Columns are indexed by instruments of the run's table, so `!` cannot miss here.
import {z} from 'zod'
import type {MarketState} from '../data/market-state.ts'
import type {TapeChunk} from '../data/tape.ts'
import type {Fill} from '../domain/order.ts'
import {US_PER_SECOND} from '../domain/units.ts'
import type {Answer, ModelOpinion, SignalModel, StrategyServices} from './services.ts'
import type {Strategy, StrategyContext} from './strategy.ts'

export const ModelSignalParams = z.strictObject({
  model: z.string().min(1).default('transformer').describe('signal model: a shipped or trained one, or its file'),
  symbols: z.array(z.string()).default([]).describe('instruments to trade; all dollar-quoted non-options when empty'),
  minConfidence: z.number().min(0).max(1).default(0.4).describe('least probability of the direction; less abstains'),
  costBps: z.number().nonnegative().default(2).describe('cost of a round trip besides the spread and known fees'),
  minEdgeBps: z.number().nonnegative().default(0).describe('profit asked on top of the costs'),
  maxFraction: z.number().positive().max(1).default(0.05).describe('largest position, fraction of capital'),
  minHoldSeconds: z.number().positive().default(30).describe('shortest holding time'),
  answerSeconds: z.number().positive().default(2).describe('age from which an answer that came late is not used'),
  allowSeen: z
    .boolean()
    .default(false)
    .describe('also trade where the model was trained: never a result, only a check'),
  longOnlyKinds: z
    .array(z.enum(['equity', 'etf', 'crypto', 'option']))
    .default(['crypto'])
    .describe('kinds never sold short'),
})
export type ModelSignalParams = z.output<typeof ModelSignalParams>

interface Asked {
  readonly instrument: number
  readonly atUs: number
  readonly answer: Answer<ModelOpinion>
}

/**
 * Trades what a signal model says at each of its rows, in this order of doubt: nothing while its window fills; nothing where
 * the model's training saw this market later than now; nothing when flat is likelier than the direction, when the direction
 * is less probable than `minConfidence`, or when its two heads (direction and regression) disagree in sign; nothing when the
 * smaller of their two expected moves does not pay the spread, the fees seen and `costBps`. Size is Kelly's
 * fraction of an even bet at the calibrated odds, scaled to `maxFraction`; holding time is the model's own.
 */
export const modelSignal = (params: ModelSignalParams, services: StrategyServices = {}): Strategy =>
  new ModelSignalStrategy(params, services)

class ModelSignalStrategy implements Strategy {
  readonly name = 'model-signal'
  readonly #params: ModelSignalParams
  readonly #services: StrategyServices
  #model: SignalModel | undefined
  #isWanted: boolean[] = []
  #mayShort: boolean[] = []
  #pending: Asked[] = []
  /** Instruments whose row has just closed. */
  readonly #closed: number[] = []
  #feeFraction = 0
  readonly #counts = {
    rows: 0,
    seenInTraining: 0,
    asked: 0,
    late: 0,
    flat: 0,
    unsure: 0,
    headsDisagree: 0,
    belowCosts: 0,
    shortNotAllowed: 0,
    signals: 0,
  }

  constructor(params: ModelSignalParams, services: StrategyServices) {
    this.#params = params
    this.#services = services
  }

  start({market, instruments}: StrategyContext): void {
    const {symbols, longOnlyKinds, model: name} = this.#params
    this.#model = this.#services.model?.({
      name,
      market,
      instruments,
      onRow: i => {
        if (this.#isWanted[i] === true) this.#closed.push(i)
      },
    })
    this.#isWanted = instruments
      .all()
      .map(i =>
        symbols.length > 0 ? symbols.includes(i.symbol) : i.kind !== 'option' && /^(USD|USDT|USDC)$/.test(i.quote),
      )
    this.#mayShort = instruments.all().map(i => !longOnlyKinds.includes(i.kind))
  }

  onEvent(context: StrategyContext, chunk: TapeChunk, row: number): void {
    const model = this.#model
    if (model === undefined) return
    if (this.#pending.length > 0) this.#hear(context)
    model.onEvent(chunk, row)
    if (this.#closed.length === 0) return
    for (const i of this.#closed) this.#ask(context, model, i)
    this.#closed.length = 0
    if (this.#pending.length > 0) this.#hear(context)
  }

  onFill({instruments}: StrategyContext, fill: Fill): void {
    const {multiplier, priceDecimals, sizeDecimals} = instruments.at(fill.instrument)
    const notional = fill.lots * fill.priceTicks * multiplier * 10 ** (6 - priceDecimals - sizeDecimals)
    const inCoin = (fill.feeLots ?? 0) / fill.lots
    if (notional > 0) this.#feeFraction = Math.max(0, fill.feeMicros / notional + inCoin)
  }

  report(): Readonly<Record<string, number | string>> {
    return {
      ...this.#counts,
      ...(this.#model === undefined ? {silent: 'no signal model is plugged in'} : {model: this.#model.name}),
      ...(this.#params.allowSeen ? {warning: 'trades where the model was trained: not a result'} : {}),
    }
  }

  #ask(context: StrategyContext, model: SignalModel, i: number): void {
    this.#counts.rows++
    if (!this.#params.allowSeen && context.nowUs < model.seenUntilUs(i)) {
      this.#counts.seenInTraining++
      return
    }
    // One question an instrument at a time: a newer row makes an unanswered one worthless.
    this.#pending = this.#pending.filter(asked => asked.instrument !== i)
    const answer = model.ask(i)
    if (answer === undefined) return
    this.#counts.asked++
    this.#pending.push({instrument: i, atUs: context.nowUs, answer})
  }

  #hear(context: StrategyContext): void {
    const waiting: Asked[] = []
    for (const asked of this.#pending) {
      const opinion = asked.answer()
      if (opinion !== undefined) this.#speak(context, asked.instrument, opinion)
      else if (context.nowUs - asked.atUs <= this.#params.answerSeconds * US_PER_SECOND) waiting.push(asked)
      else this.#counts.late++
    }
    this.#pending = waiting
  }

  #speak(context: StrategyContext, i: number, opinion: ModelOpinion): void {
    const {minConfidence, maxFraction, minHoldSeconds} = this.#params
    const {direction, confidence, flatProbability, moveBps, edgeBps} = opinion
    const counts = this.#counts
    if (direction === 0 || flatProbability >= confidence) counts.flat++
    else if (confidence < minConfidence) counts.unsure++
    else if (moveBps * direction <= 0 || edgeBps * direction <= 0) counts.headsDisagree++
    else if (Math.min(Math.abs(moveBps), Math.abs(edgeBps)) <= this.#costBps(context.market, i)) counts.belowCosts++
    else if (direction < 0 && this.#mayShort[i] !== true) counts.shortNotAllowed++
    else {
      counts.signals++
      context.signal({
        instrument: i,
        direction,
        strength: Math.min(1, opinion.strength),
        holdingPeriodUs: Math.max(opinion.holdingPeriodUs, minHoldSeconds * US_PER_SECOND),
        size: maxFraction * Math.min(1, opinion.strength),
        confidence: Math.min(1, confidence),
      })
    }
  }

  /** Round trip: half the spread at each end, the fee of the last fill twice, and what the parameters add. */
  #costBps(market: MarketState, i: number): number {
    const [bid, ask] = [market.bidTicks[i]!, market.askTicks[i]!]
    const isTwoSided = market.bidLots[i]! > 0 && market.askLots[i]! > 0 && ask > bid
    const spread = isTwoSided ? (2e4 * (ask - bid)) / (bid + ask) : 0
    return spread + 2e4 * this.#feeFraction + this.#params.costBps + this.#params.minEdgeBps
  }
}
