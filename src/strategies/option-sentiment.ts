// Columns are indexed by instruments of the run's table, so `!` cannot miss here.
import {z} from 'zod'
import {midTicks} from '../data/market-state.ts'
import {EventKind, type TapeChunk} from '../data/tape.ts'
import {newYorkDayOf, parseDay} from '../domain/calendar.ts'
import type {Fill, OrderLeg} from '../domain/order.ts'
import {opposite, type Side, US_PER_SECOND} from '../domain/units.ts'
import {type ChainFeatures, chainFeatures} from '../options/chain-features.ts'
import {chainGreeks} from '../options/chain-greeks.ts'
import type {OptionQuote} from '../options/option-quote.ts'
import {ChainBook} from './option-sentiment/chain-book.ts'
import {impliedEventMoves} from './option-sentiment/event-move.ts'
import {SentimentScore} from './option-sentiment/sentiment-score.ts'
import {chooseVertical, type Vertical} from './option-sentiment/vertical.ts'
import type {Answer, HeadsService, SentimentHeads, StrategyServices} from './services.ts'
import type {Strategy, StrategyContext} from './strategy.ts'

const isoDay = z.string().regex(/^\d{4}-\d{2}-\d{2}$/, 'must be YYYY-MM-DD')

export const OptionSentimentParams = z.strictObject({
  vehicle: z
    .enum(['underlying', 'spread', 'auto'])
    .default('auto')
    .describe('what is traded; auto: the underlying where it is in the data, else a debit vertical'),
  everySeconds: z.number().positive().default(300).describe('time between two readings of a chain'),
  memoryReadings: z.number().min(20).default(100).describe('readings the usual level is learned over'),
  warmUpReadings: z
    .int()
    .min(5)
    .default(10)
    .describe('readings before a score is trusted; the fewer they are, the farther it must deviate'),
  entryScore: z
    .number()
    .positive()
    .default(2)
    .describe('score that opens a position, in standard deviations of its usual level: 2 is one reading in twenty'),
  exitScore: z.number().nonnegative().default(0.25).describe('score on the position’s side below which it is closed'),
  holdingSeconds: z
    .number()
    .positive()
    .default(5 * 86_400)
    .describe('longest time a position is held'),
  fraction: z.number().positive().max(1).default(0.05).describe('value of the underlying bought, fraction of capital'),
  riskFraction: z.number().positive().max(1).default(0.01).describe('largest loss of a spread, fraction of capital'),
  skewWeight: z.number().nonnegative().default(1).describe('weight of the 25-delta risk reversal'),
  flowWeight: z.number().nonnegative().default(1).describe('weight of put against call premium traded'),
  gammaWeight: z.number().nonnegative().default(0.5).describe('weight of gamma exposure against momentum'),
  headWeight: z.number().nonnegative().default(2).describe('weight of the embedding’s sentiment head'),
  minDays: z.number().nonnegative().default(7).describe('least days to expiry of a spread; closer ones are closed'),
  maxDays: z.number().positive().default(60).describe('most days to expiry of a spread'),
  maxDebitOfWidth: z.number().positive().max(1).default(0.6).describe('largest price of a spread over its width'),
  maxRelativeSpread: z.number().positive().default(0.2).describe('widest option quote, ask less bid over mid'),
  earnings: z.record(z.string(), z.array(isoDay)).default({}).describe('earnings dates by underlying'),
  earningsGuardDays: z.int().nonnegative().default(2).describe('days before and after earnings without a position'),
  eventGuardMoves: z
    .number()
    .positive()
    .default(2)
    .describe('jump the near expiries price in, in daily deviations, from which nothing is opened'),
  answerSeconds: z.number().positive().default(10).describe('time the embedding’s heads are waited for'),
  allowSeenHeads: z
    .boolean()
    .default(false)
    .describe('use the heads also where the embedder was trained: never a result, only a check'),
  maxQuoteAgeSeconds: z.number().positive().default(86_400).describe('age from which an option quote is not used'),
})
export type OptionSentimentParams = z.output<typeof OptionSentimentParams>

const NO_HEADS: Answer<null> = () => null

interface Held {
  readonly direction: 1 | -1
  readonly vertical: Pick<Vertical, 'long' | 'short'> | undefined
  /** Held before this process began: nothing is known of its score yet. */
  readonly isAdopted?: boolean
  readonly untilUs: number
  /** Of the order that opens a spread. */
  readonly orderId?: string
  isClosing: boolean
  /** When a closing order was last sent. */
  closeSentUs: number
}

/** An order for the day that has not closed a spread by then is gone. */
const CLOSE_AGAIN_US = 86_400 * US_PER_SECOND

/** A reading whose heads are not there yet. */
interface Reading {
  readonly underlying: string
  readonly forward: number
  readonly underlyingReturn: number
  readonly features: ChainFeatures
  readonly answer: Answer<SentimentHeads | null>
  readonly atUs: number
}

/**
 * Reads each option chain at a fixed pace, scores skew, flow, gamma and (where an embedder is plugged in) its sentiment head
 * against the underlying's own past, and holds the underlying or a debit vertical in the score's direction. No position
 * near earnings, known from a list or priced into the near expiries; spreads are closed before expiry. Needs option quotes.
 */
export const optionSentiment = (params: OptionSentimentParams, services: StrategyServices = {}): Strategy =>
  new OptionSentimentStrategy(params, services)

class OptionSentimentStrategy implements Strategy {
  readonly name = 'option-sentiment'
  readonly #params: OptionSentimentParams
  readonly #services: StrategyServices
  #book: ChainBook | undefined
  readonly #scores = new Map<string, SentimentScore>()
  readonly #held = new Map<string, Held>()
  /** Underlyings whose positions of before a restart were looked for. */
  readonly #adopted = new Set<string>()
  readonly #nextUs = new Map<string, number>()
  readonly #lastForward = new Map<string, number>()
  readonly #readings = new Map<string, number>()
  #highest = 0
  #pending: Reading[] = []
  readonly #counts = {
    readings: 0,
    absentChains: 0,
    thinChains: 0,
    entries: 0,
    exits: 0,
    guarded: 0,
    eventsPriced: 0,
    withoutVehicle: 0,
    refused: 0,
    unfilled: 0,
    withHeads: 0,
    withoutHeads: 0,
    lateHeads: 0,
    seenInTraining: 0,
  }

  constructor(params: OptionSentimentParams, services: StrategyServices) {
    this.#params = params
    this.#services = services
  }

  start({instruments}: StrategyContext): void {
    this.#book = new ChainBook(instruments)
    for (const underlying of this.#book.underlyings)
      this.#scores.set(
        underlying,
        new SentimentScore(this.#params, this.#params.memoryReadings, this.#params.warmUpReadings),
      )
  }

  onEvent(context: StrategyContext, chunk: TapeChunk, row: number): void {
    if (this.#pending.length > 0) this.#hear(context)
    const i = chunk.instrument[row]!
    const instrument = context.instruments.at(i)
    const underlying = instrument.option?.underlying ?? instrument.symbol
    if (chunk.kind[row] === EventKind.option) this.#book!.onRow(i, chunk.v4[row]!, chunk.v5[row]!, context.nowUs)
    if (!this.#scores.has(underlying)) return
    const due = this.#nextUs.get(underlying)
    // The first reading waits one pace, so that the chain has been seen once.
    if (due === undefined || (context.nowUs >= due && this.#book!.isWhole(underlying, context.nowUs))) {
      this.#nextUs.set(underlying, context.nowUs + this.#params.everySeconds * US_PER_SECOND)
      if (due !== undefined) this.#read(context, underlying)
    }
  }

  onFill(context: StrategyContext, fill: Fill): void {
    const underlying = context.instruments.at(fill.instrument).option?.underlying
    const held = underlying === undefined ? undefined : this.#held.get(underlying)
    if (underlying === undefined || held?.vertical === undefined) return
    if (held.isClosing) this.#close(context, underlying, held)
  }

  report(): Readonly<Record<string, number | string>> {
    const silent = this.#whySilent()
    return {
      ...this.#counts,
      underlyings: this.#scores.size,
      open: this.#held.size,
      ...(this.#services.heads === undefined ? {} : {heads: this.#services.heads.model}),
      ...(silent === undefined ? {} : {silent}),
    }
  }

  /** Why nothing was opened, where the reason lies in the data or the warm-up and not in the rule. */
  #whySilent(): string | undefined {
    if (this.#scores.size === 0) return 'the feed has no option chains'
    const {readings, thinChains, absentChains, entries, withoutVehicle, refused, guarded, eventsPriced} = this.#counts
    const {everySeconds, warmUpReadings, maxQuoteAgeSeconds, entryScore} = this.#params
    if (readings === 0) {
      if (thinChains > 0) return 'no chain has a forward: too few two-sided pairs of a call and a put'
      return absentChains > 0
        ? `no chain had eight quotes younger than ${maxQuoteAgeSeconds} s`
        : `no chain has been there for ${everySeconds} s`
    }
    const known = Math.max(...this.#readings.values())
    if (known <= warmUpReadings)
      return `learning a chain’s usual level: ${known} of ${warmUpReadings} readings, one every ${everySeconds} s of market time`
    if (entries > 0) return undefined
    if (withoutVehicle > 0) return 'no vehicle: neither the underlying nor a spread fits'
    if (refused > 0) return 'risk refused what it would have opened'
    if (guarded + eventsPriced > 0) return 'held back by earnings, known or priced into the near expiries'
    return `no chain was unusual enough: highest score ${this.#highest.toFixed(2)}, entered at ${entryScore}`
  }

  #read(context: StrategyContext, underlying: string): void {
    const {nowUs, market} = context
    const chain = this.#book!.chain(underlying, market, nowUs, this.#params.maxQuoteAgeSeconds * US_PER_SECOND)
    const analysis = chain === undefined ? undefined : chainGreeks(chain)
    const forward = chain?.underlying ?? analysis?.forwards.find(f => f.forward > 0)?.forward
    if (chain === undefined) {
      this.#counts.absentChains++
      return
    }
    if (analysis === undefined || forward === undefined) {
      this.#counts.thinChains++
      return
    }
    this.#readings.set(underlying, (this.#readings.get(underlying) ?? 0) + 1)
    const last = this.#lastForward.get(underlying)
    this.#lastForward.set(underlying, forward)
    this.#counts.readings++
    const reading: Reading = {
      underlying,
      forward,
      underlyingReturn: last === undefined ? 0 : Math.log(forward / last),
      features: chainFeatures(analysis),
      answer: this.#askHeads(this.#services.heads, chain.quotes, nowUs),
      atUs: nowUs,
    }
    // A newer reading of the same chain settles an older one first, so that scores come in order.
    this.#hear(context, underlying)
    this.#pending.push(reading)
    this.#hear(context)
  }

  #askHeads(
    heads: HeadsService | undefined,
    quotes: readonly OptionQuote[],
    nowUs: number,
  ): Answer<SentimentHeads | null> {
    if (heads === undefined || this.#params.headWeight === 0) return NO_HEADS
    if (!this.#params.allowSeenHeads && nowUs < heads.seenUntilUs) {
      this.#counts.seenInTraining++
      return NO_HEADS
    }
    return heads.ask(quotes)
  }

  /** Decides on the readings whose heads are there, or are waited for no longer; on those of `overdue` at once. */
  #hear(context: StrategyContext, overdue?: string): void {
    const waiting: Reading[] = []
    for (const reading of this.#pending) {
      const {underlying, features, forward, underlyingReturn, answer, atUs} = reading
      const heads = answer()
      const isOver = underlying === overdue || context.nowUs - atUs > this.#params.answerSeconds * US_PER_SECOND
      if (heads === undefined && !isOver) {
        waiting.push(reading)
        continue
      }
      if (heads === undefined) this.#counts.lateHeads++
      else if (heads !== null) this.#counts.withHeads++
      else if (answer !== NO_HEADS) this.#counts.withoutHeads++
      const score = this.#scores.get(underlying)!.next(features, heads ?? undefined, underlyingReturn)
      this.#decide(context, underlying, forward, score, features)
    }
    this.#pending = waiting
  }

  #decide(context: StrategyContext, underlying: string, spot: number, score: number, features: ChainFeatures): void {
    const {entryScore, exitScore, minDays} = this.#params
    const isGuarded = this.#isNearEarnings(underlying, context.nowUs)
    this.#adopt(context, underlying)
    this.#dropUnfilled(context, underlying)
    const held = this.#held.get(underlying)
    if (held !== undefined) {
      // A score that is still learning is 0, and says nothing against a position.
      const isKnown = held.isAdopted !== true || (this.#readings.get(underlying) ?? 0) > this.#params.warmUpReadings
      const expiring = held.vertical !== undefined && this.#daysTo(context, held.vertical.long) < minDays
      const hasTurned = isKnown && held.direction * score < exitScore
      if (isGuarded || expiring || hasTurned || context.nowUs >= held.untilUs) this.#close(context, underlying, held)
      return
    }
    this.#highest = Math.max(this.#highest, Math.abs(score))
    if (Math.abs(score) < entryScore) return
    if (isGuarded) {
      this.#counts.guarded++
      return
    }
    if (impliedEventMoves(features.expiries) >= this.#params.eventGuardMoves) {
      this.#counts.eventsPriced++
      return
    }
    this.#open(context, underlying, spot, score > 0 ? 1 : -1, score)
  }

  #open(context: StrategyContext, underlying: string, spot: number, direction: 1 | -1, score: number): void {
    const {vehicle, fraction, holdingSeconds, riskFraction} = this.#params
    const untilUs = context.nowUs + holdingSeconds * US_PER_SECOND
    const index = context.instruments.indexOf(underlying)
    const hasUnderlying = index !== undefined && midTicks(context.market, index) > 0
    if (vehicle !== 'spread' && hasUnderlying) {
      const strength = Math.min(1, Math.abs(score) / 4)
      context.signal({
        instrument: index,
        direction,
        strength,
        holdingPeriodUs: holdingSeconds * US_PER_SECOND,
        size: fraction,
        // Uncalibrated: a score says how unusual the chain is, not how often it is right.
        confidence: 0.5,
      })
      this.#held.set(underlying, {direction, vertical: undefined, untilUs, isClosing: false, closeSentUs: 0})
      this.#counts.entries++
      return
    }
    const vertical =
      vehicle === 'underlying'
        ? undefined
        : chooseVertical(
            direction,
            spot,
            this.#book!.contracts(underlying),
            expiry => parseDay(expiry) - newYorkDayOf(context.nowUs),
            context,
            this.#params,
          )
    const spreads =
      vertical === undefined ? 0 : Math.floor((riskFraction * context.capitalMicros) / (vertical.debit * 100 * 1e6))
    if (vertical === undefined || spreads < 1) {
      this.#counts.withoutVehicle++
      return
    }
    const limitTicks = Math.round(vertical.debit * 10 ** context.instruments.at(vertical.long).priceDecimals)
    // One order: both legs or neither, so that nothing is ever short alone.
    const orderId = context.multiLeg(spreadLegs(vertical, 'buy'), spreads, {limitTicks})
    if (orderId === undefined) {
      this.#counts.refused++
      return
    }
    this.#held.set(underlying, {direction, vertical, untilUs, orderId, isClosing: false, closeSentUs: 0})
    this.#counts.entries++
  }

  /**
   * Takes up what a run before this one left, once: a node that is started again has its positions from its journal, and
   * nobody else would ever close them. When they were opened is not known, so the longest holding time begins anew.
   */
  #adopt(context: StrategyContext, underlying: string): void {
    if (this.#adopted.has(underlying)) return
    this.#adopted.add(underlying)
    if (this.#held.has(underlying)) return
    const untilUs = context.nowUs + this.#params.holdingSeconds * US_PER_SECOND
    const left = {untilUs, isAdopted: true, isClosing: false, closeSentUs: 0} as const
    const index = context.instruments.indexOf(underlying)
    const lots = index === undefined ? 0 : context.positionLots(index)
    const legs = this.#book!.contracts(underlying).filter(contract => context.positionLots(contract) !== 0)
    const vertical = verticalAmong(legs, context)
    if (vertical !== undefined) {
      const isCall = context.instruments.at(vertical.long).option?.right === 'call'
      this.#held.set(underlying, {...left, direction: isCall ? 1 : -1, vertical})
      // Shares beside a spread came of an assignment.
      if (index !== undefined && lots !== 0) context.target(index, 0)
    } else if (lots !== 0) this.#held.set(underlying, {...left, direction: lots > 0 ? 1 : -1, vertical: undefined})
    // A leg without its partner is no position of this strategy's: written ones first, so that none is ever short alone.
    const single = legs.filter(leg => leg !== vertical?.long && leg !== vertical?.short)
    for (const leg of single.sort((a, b) => context.positionLots(a) - context.positionLots(b))) context.target(leg, 0)
  }

  /** A spread that nobody sold by the next reading is given up: its price was that of another moment. */
  #dropUnfilled(context: StrategyContext, underlying: string): void {
    const held = this.#held.get(underlying)
    if (held?.orderId === undefined || held.vertical === undefined || held.isClosing) return
    if (context.positionLots(held.vertical.long) !== 0) return
    context.cancelMultiLeg(held.orderId)
    this.#held.delete(underlying)
    this.#counts.unfilled++
  }

  #close(context: StrategyContext, underlying: string, held: Held): void {
    const {vertical} = held
    if (!held.isClosing) this.#counts.exits++
    held.isClosing = true
    const index = context.instruments.indexOf(underlying)
    if (vertical === undefined) {
      if (index !== undefined) context.target(index, 0)
      this.#held.delete(underlying)
      return
    }
    const units = Math.min(context.positionLots(vertical.long), -context.positionLots(vertical.short))
    if (units > 0) {
      if (held.closeSentUs > 0 && context.nowUs - held.closeSentUs < CLOSE_AGAIN_US) return
      held.closeSentUs = context.nowUs
      if (context.multiLeg(spreadLegs(vertical, 'sell'), units) !== undefined) return
      // Refused as one order: the short leg first, so that what is left is never short alone.
      context.target(vertical.short, 0)
      return
    }
    if (context.positionLots(vertical.long) !== 0) context.target(vertical.long, 0)
    this.#held.delete(underlying)
  }

  #daysTo({instruments, nowUs}: StrategyContext, contract: number): number {
    const expiry = instruments.at(contract).option?.expiry
    return expiry === undefined ? Number.POSITIVE_INFINITY : parseDay(expiry) - newYorkDayOf(nowUs)
  }

  #isNearEarnings(underlying: string, nowUs: number): boolean {
    const today = newYorkDayOf(nowUs)
    const dates = this.#params.earnings[underlying] ?? []
    return dates.some(d => Math.abs(parseDay(d) - today) <= this.#params.earningsGuardDays)
  }
}

/** Two legs of one expiry and right, one held and one written. */
const verticalAmong = (
  legs: readonly number[],
  {instruments, positionLots}: Pick<StrategyContext, 'instruments' | 'positionLots'>,
): Pick<Vertical, 'long' | 'short'> | undefined => {
  const kindOf = (leg: number) => `${instruments.at(leg).option?.expiry} ${instruments.at(leg).option?.right}`
  for (const long of legs.filter(leg => positionLots(leg) > 0)) {
    const short = legs.find(leg => positionLots(leg) < 0 && kindOf(leg) === kindOf(long))
    if (short !== undefined) return {long, short}
  }
  return undefined
}

const spreadLegs = ({long, short}: Pick<Vertical, 'long' | 'short'>, longSide: Side): OrderLeg[] => [
  {instrument: long, side: longSide, ratio: 1},
  {instrument: short, side: opposite(longSide), ratio: 1},
]
