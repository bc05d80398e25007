// Columns are indexed by instruments of the run's table and legs by 0, 1, 2, so `!` cannot miss here.
import {z} from 'zod'
import {EventKind, type TapeChunk} from '../data/tape.ts'
import {type InstrumentTable, lotsToSize, ticksToPrice} from '../domain/instrument.ts'
import type {Fill} from '../domain/order.ts'
import {US_PER_SECOND} from '../domain/units.ts'
import {chainGreeks} from '../options/chain-greeks.ts'
import {ChainBook} from './option-sentiment/chain-book.ts'
import type {Strategy, StrategyContext} from './strategy.ts'
import {type Basket, basketBundle, findBaskets, quoteBasket} from './triangular-arbitrage/baskets.ts'
import {BUNDLE_TIMER, BundleDesk} from './triangular-arbitrage/bundles.ts'
import {CloseLoops} from './triangular-arbitrage/close-loops.ts'
import {walkLeg, walkLoop} from './triangular-arbitrage/depth.ts'
import {optionBundles, type SpotQuote} from './triangular-arbitrage/option-bundles.ts'
import {Survival} from './triangular-arbitrage/survival.ts'
import {findLoops, grossRate, type Leg, type Loop, rateOf} from './triangular-arbitrage/triangles.ts'

export const TriangularArbitrageParams = z.strictObject({
  takerFeeBps: z.number().min(-10).max(200).default(25).describe('fee of one leg until fills show the real one'),
  minEdgeBps: z.number().default(1).describe('profit after fees asked of a loop, basis points'),
  capitalFraction: z
    .number()
    .positive()
    .max(1)
    .default(0.05)
    .describe('dollars put through one loop, fraction of capital'),
  participation: z.number().positive().max(1).default(0.5).describe('share of the profitable depth taken'),
  maxLegs: z.int().min(3).max(4).default(4).describe('most pairs in a loop'),
  maxQuoteAgeMs: z.number().positive().default(1000).describe('age from which a quote is not believed'),
  legTimeoutMs: z.number().positive().default(500).describe('time a leg is given before it is given up'),
  slippageBps: z.number().nonnegative().default(1).describe('worse price a later leg may still take'),
  baskets: z
    .array(
      z.strictObject({
        etf: z.string(),
        members: z.record(z.string(), z.number().positive()),
        cash: z.number().optional(),
      }),
    )
    .default([])
    .describe('funds and what a share of each stands for: units of its members, and cash'),
  basketSetShares: z.int().positive().default(100).describe('shares of a fund in one set'),
  basketCostBps: z.number().nonnegative().default(5).describe('round trip of a basket, of the fund’s price'),
  optionKinds: z
    .array(z.enum(['parity', 'box', 'conversion', 'reversal', 'vertical', 'butterfly']))
    .default(['parity', 'box', 'conversion', 'reversal'])
    .describe('static arbitrage of option chains that is traded, held to expiry'),
  optionEverySeconds: z.number().positive().default(10).describe('time between two looks at a chain'),
  maxOptionAgeSeconds: z.number().positive().default(5).describe('age from which an option quote is not believed'),
  feePerContract: z.number().nonnegative().default(0.69).describe('dollars an option contract and side costs'),
  minOptionEdge: z.number().nonnegative().default(1).describe('dollars after costs asked of a set of option legs'),
  minDollars: z.number().positive().default(10).describe('smallest loop'),
})
export type TriangularArbitrageParams = z.output<typeof TriangularArbitrageParams>

/**
 * Dollars → coin → coin → dollars when the three touches give back more than fees cost. Legs follow one another, each
 * sized by what the one before brought: nothing is sold that is not held. A leg that is not filled in time is given up
 * and what was bought is sold for dollars. Reports every chance seen and how long it lived, traded or not.
 */
export const triangularArbitrage = (params: TriangularArbitrageParams): Strategy => new TriangleStrategy(params)

/** A loop, and how long its chances live before and after fees. */
interface Watched {
  readonly loop: Loop
  readonly gross: Survival
  readonly net: Survival
}

interface Running {
  readonly triangle: Loop
  leg: number
  /** Traded lots of the leg's instrument before it, and lots wanted of it. */
  baseLots: number
  wantLots: number
  deadlineUs: number
}

class TriangleStrategy implements Strategy {
  readonly name = 'triangular-arbitrage'
  readonly #params: TriangularArbitrageParams
  #watched: readonly Watched[] = []
  /** The dollar pair that sells each coin. */
  readonly #exitLegs = new Map<string, Leg>()
  /** Loops an instrument is part of. */
  #of: readonly (readonly Watched[])[] = []
  #loopsOf: readonly (readonly Loop[])[] = []
  #running: Running | undefined
  /** Coins bought by loops and not yet sold, in units. */
  readonly #coins = new Map<string, number>()
  #feeFraction: number
  #unwindUs = 0
  #bestNetBps = Number.NEGATIVE_INFINITY
  readonly #bundles: BundleDesk
  #chains: ChainBook | undefined
  #baskets: readonly Basket[] = []
  /** Baskets an instrument is part of. */
  #basketsOf: readonly (readonly Basket[])[] = []
  readonly #nextChainUs = new Map<string, number>()
  /** Edges of chains and baskets at the quotes shown, after and before costs, by kind. */
  readonly #bundlesSeen = new Map<string, number>()
  readonly #bundlesBeforeCosts = new Map<string, number>()
  #closes = new CloseLoops(0)
  #chainsRead = 0
  readonly #counts = {loops: 0, completed: 0, missed: 0, legFailures: 0, unwinds: 0}

  constructor(params: TriangularArbitrageParams) {
    this.#params = params
    this.#feeFraction = params.takerFeeBps / 1e4
    this.#bundles = new BundleDesk(params.legTimeoutMs * 1000)
  }

  start({instruments}: StrategyContext): void {
    this.#watched = findLoops(instruments, this.#params.maxLegs).map(loop => ({
      loop,
      gross: new Survival(),
      net: new Survival(),
    }))
    for (const {loop} of this.#watched)
      for (const leg of loop.legs)
        if (leg.side === 'sell' && isDollar(leg.to) && !this.#exitLegs.has(leg.from)) this.#exitLegs.set(leg.from, leg)
    this.#of = instruments
      .all()
      .map((_, i) => this.#watched.filter(({loop}) => loop.legs.some(l => l.instrument === i)))
    // The ledger takes every dollar coin for a dollar, so loops between them cannot be traded honestly; closes show them.
    const hinted = findLoops(instruments, this.#params.maxLegs, true)
    this.#loopsOf = instruments.all().map((_, i) => hinted.filter(({legs}) => legs.some(l => l.instrument === i)))
    this.#closes = new CloseLoops(instruments.size)
    this.#chains = new ChainBook(instruments)
    this.#baskets = findBaskets(this.#params.baskets, instruments)
    this.#basketsOf = instruments
      .all()
      .map((_, i) => this.#baskets.filter(b => b.etf === i || b.members.some(m => m.instrument === i)))
  }

  onEvent(context: StrategyContext, chunk: TapeChunk, row: number): void {
    const i = chunk.instrument[row]!
    if (this.#bundles.open > 0) this.#bundles.onTime(context)
    if (chunk.kind[row] === EventKind.option) this.#onOption(context, chunk, row)
    else for (const basket of this.#basketsOf[i] ?? []) this.#lookAtBasket(context, basket)
    const hinted = this.#loopsOf[i]
    if (chunk.kind[row] === EventKind.bar && hinted !== undefined && hinted.length > 0)
      this.#closes.onBar(i, context.nowUs, hinted, context.market, {
        feeFraction: this.#feeFraction,
        minEdgeBps: this.#params.minEdgeBps,
      })
    const triangles = this.#of[i]
    if (triangles === undefined || triangles.length === 0) return
    if (this.#running !== undefined && context.nowUs >= this.#running.deadlineUs)
      this.#giveUpLeg(context, this.#running)
    if (this.#running === undefined && this.#coins.size > 0 && context.nowUs >= this.#unwindUs) this.#unwind(context)
    if (chunk.kind[row] === EventKind.trade || chunk.kind[row] === EventKind.bar) return
    for (const watched of triangles) this.#look(context, watched)
  }

  onTimer(context: StrategyContext, tag: number): void {
    if (tag === BUNDLE_TIMER) {
      this.#bundles.onTime(context)
      return
    }
    if (this.#running !== undefined && context.nowUs >= this.#running.deadlineUs)
      this.#giveUpLeg(context, this.#running)
  }

  onFill(context: StrategyContext, fill: Fill): void {
    if (context.instruments.at(fill.instrument).kind !== 'crypto') {
      this.#bundles.onTime(context)
      return
    }
    this.#book(context.instruments, fill)
    const running = this.#running
    if (running === undefined || running.triangle.legs[running.leg]!.instrument !== fill.instrument) return
    const done = Math.abs(context.positionLots(fill.instrument) - running.baseLots)
    if (done >= running.wantLots) this.#nextLeg(context, running)
  }

  report(): Readonly<Record<string, number | string>> {
    const sum = (pick: (one: Watched) => Survival) => this.#watched.reduce((total, one) => total + pick(one).seen, 0)
    const longest = this.#watched.map(({gross}) => gross).toSorted((a, b) => b.seen - a.seen)[0]
    return {
      triangles: this.#watched.filter(({loop}) => loop.legs.length === 3).length,
      longerLoops: this.#watched.filter(({loop}) => loop.legs.length > 3).length,
      chancesBeforeFees: sum(({gross}) => gross),
      chancesAfterFees: sum(({net}) => net),
      bestNetBps: Number.isFinite(this.#bestNetBps) ? this.#bestNetBps : 0,
      ...(longest?.report() ?? {}),
      ...this.#counts,
      ...this.#closes.report(),
      ...this.#reportBundles(),
    }
  }

  #reportBundles(): Record<string, number> {
    const {bundles, complete, partial, missed, refused, closed, expectedMicros} = this.#bundles.counts
    if (this.#chainsRead === 0 && this.#baskets.length === 0) return {}
    return {
      chainsRead: this.#chainsRead,
      baskets: this.#baskets.length,
      ...Object.fromEntries(
        [...this.#bundlesBeforeCosts].flatMap(([kind, seen]) => [
          [`${kind}BeforeCosts`, seen],
          [`${kind}Seen`, this.#bundlesSeen.get(kind) ?? 0],
        ]),
      ),
      bundles,
      bundlesComplete: complete,
      bundlesPartial: partial,
      bundlesMissed: missed,
      bundlesRefused: refused,
      bundlesClosed: closed,
      bundlesOpen: this.#bundles.open,
      bundleEdgeMicros: expectedMicros,
    }
  }

  #onOption(context: StrategyContext, chunk: TapeChunk, row: number): void {
    const i = chunk.instrument[row]!
    this.#chains?.onRow(i, chunk.v4[row]!, chunk.v5[row]!, context.nowUs)
    const underlying = context.instruments.at(i).option?.underlying
    if (underlying === undefined || this.#params.optionKinds.length === 0) return
    const due = this.#nextChainUs.get(underlying)
    if (due !== undefined && (context.nowUs < due || this.#chains?.isWhole(underlying, context.nowUs) !== true)) return
    this.#nextChainUs.set(underlying, context.nowUs + this.#params.optionEverySeconds * US_PER_SECOND)
    // The first look waits one pace, so that the chain has been seen once.
    if (due !== undefined) this.#lookAtChain(context, underlying)
  }

  #lookAtChain(context: StrategyContext, underlying: string): void {
    const {market, instruments, nowUs, capitalMicros} = context
    const params = this.#params
    const maxAgeUs = params.maxOptionAgeSeconds * US_PER_SECOND
    const chain = this.#chains?.chain(underlying, market, nowUs, maxAgeUs)
    if (chain === undefined) return
    this.#chainsRead++
    const found = optionBundles(
      chain,
      chainGreeks(chain).forwards,
      spotOf(context, underlying, nowUs - maxAgeUs),
      instruments,
      {
        kinds: new Set(params.optionKinds),
        feePerContract: params.feePerContract,
        minEdge: params.minOptionEdge,
        maxDollars: (params.capitalFraction * capitalMicros) / 1e6,
        participation: params.participation,
      },
    )
    for (const [kind, count] of found.beforeCosts)
      this.#bundlesBeforeCosts.set(kind, (this.#bundlesBeforeCosts.get(kind) ?? 0) + count)
    for (const [kind, count] of found.afterCosts)
      this.#bundlesSeen.set(kind, (this.#bundlesSeen.get(kind) ?? 0) + count)
    for (const bundle of found.bundles) {
      if (this.#bundles.isFree(bundle.legs.map(({instrument}) => instrument))) this.#bundles.start(context, bundle)
    }
  }

  #lookAtBasket(context: StrategyContext, basket: Basket): void {
    const {market, instruments, nowUs} = context
    const {maxQuoteAgeMs, basketCostBps, basketSetShares, capitalFraction, participation} = this.#params
    const quote = quoteBasket(basket, market, instruments, nowUs - maxQuoteAgeMs * 1000)
    if (quote === undefined) return
    const held = this.#bundles.held.find(({kind, name}) => kind === 'basket' && name === basket.spec.etf)
    if (held !== undefined) {
      // The difference that was sold has gone: what is paid to leave is no more than nothing.
      const isLong = (held.legs[0]?.lots ?? 0) > 0
      const gain = isLong ? quote.etfBid - quote.navAsk : quote.navBid - quote.etfAsk
      if (gain >= 0) this.#bundles.close(context, held)
      return
    }
    if (!this.#bundles.isFree([basket.etf, ...basket.members.map(({instrument}) => instrument)])) return
    if (Math.max(quote.etfBid - quote.navAsk, quote.navBid - quote.etfAsk) > 0)
      this.#bundlesBeforeCosts.set('basket', (this.#bundlesBeforeCosts.get('basket') ?? 0) + 1)
    const bundle = basketBundle(basket, quote, market, instruments, {
      costBps: basketCostBps,
      setShares: basketSetShares,
      maxDollars: (capitalFraction * context.capitalMicros) / 1e6,
    })
    if (bundle === undefined) return
    this.#bundlesSeen.set('basket', (this.#bundlesSeen.get('basket') ?? 0) + 1)
    this.#bundles.start(context, {...bundle, sets: Math.max(1, Math.floor(participation * bundle.sets))})
  }

  #look(context: StrategyContext, {loop: triangle, gross, net}: Watched): void {
    const {market, nowUs} = context
    const rate = this.#isFresh(triangle, context) ? grossRate(triangle, market) : 0
    let kept = rate
    for (let leg = triangle.legs.length; leg > 0; leg--) kept *= 1 - this.#feeFraction
    const netBps = (kept - 1) * 1e4
    const isChance = rate > 0 && netBps >= this.#params.minEdgeBps
    gross.update(rate > 1, nowUs)
    net.update(isChance, nowUs)
    if (rate > 0 && netBps > this.#bestNetBps) this.#bestNetBps = netBps
    if (!isChance || this.#running !== undefined || this.#holdsCoins(context)) return
    const {minEdgeBps, participation, minDollars, capitalFraction} = this.#params
    const budget = (capitalFraction * context.capitalMicros) / 1e6
    const walk = walkLoop(triangle, market, this.#feeFraction, {
      minEdge: minEdgeBps / 1e4,
      maxDollars: budget / participation,
    })
    const dollars = participation * walk.dollarsIn
    if (dollars < minDollars) return
    this.#counts.loops++
    this.#send(context, {triangle, leg: 0, baseLots: 0, wantLots: 0, deadlineUs: 0}, dollars)
  }

  #isFresh({legs}: Loop, {market, nowUs}: StrategyContext): boolean {
    const oldest = nowUs - this.#params.maxQuoteAgeMs * 1000
    const {quotedUs} = market
    for (let k = 0; k < legs.length; k++) if (!(quotedUs[legs[k]!.instrument]! >= oldest)) return false
    return true
  }

  /** Sends the running leg for `amount` units of its `from` currency; false when it rounds to nothing. */
  #send(context: StrategyContext, running: Running, amount: number): boolean {
    const leg = running.triangle.legs[running.leg]!
    const walk = walkLeg(leg, context.market, amount)
    const instrument = context.instruments.at(leg.instrument)
    if (walk.got === 0) return false
    // The first leg takes the prices that were seen; later ones must get through, so they may pay a little more.
    const slack = running.leg === 0 ? 0 : this.#params.slippageBps / 1e4
    // A buy is kept affordable at the worse price; a sale gives what is there, and what the book does not take rests.
    const size = leg.side === 'buy' ? walk.got / (1 + slack) : amount
    const lots = Math.floor(size * 10 ** instrument.sizeDecimals * (1 + 1e-12))
    if (lots < instrument.minLots) return false
    const ticks = walk.worstTicks * (leg.side === 'buy' ? 1 + slack : 1 - slack)
    const limitTicks = leg.side === 'buy' ? Math.floor(ticks + 1e-6) : Math.ceil(ticks - 1e-6)
    running.baseLots = context.positionLots(leg.instrument)
    running.wantLots = lots
    running.deadlineUs = context.nowUs + this.#params.legTimeoutMs * 1000
    this.#running = running
    context.target(leg.instrument, running.baseLots + (leg.side === 'buy' ? lots : -lots), {limitTicks})
    context.wakeAt(running.deadlineUs, 0)
    return true
  }

  #nextLeg(context: StrategyContext, running: Running): void {
    if (running.leg === running.triangle.legs.length - 1) {
      this.#running = undefined
      this.#counts.completed++
      this.#unwindUs = context.nowUs
      return
    }
    running.leg++
    const leg = running.triangle.legs[running.leg]!
    if (!this.#send(context, running, this.#coins.get(leg.from) ?? 0)) this.#fail(context)
  }

  #giveUpLeg(context: StrategyContext, running: Running): void {
    const leg = running.triangle.legs[running.leg]!
    const held = context.positionLots(leg.instrument)
    // Taking the target back to what is held takes the rest of the order back.
    context.target(leg.instrument, held)
    const filled = Math.abs(held - running.baseLots)
    if (running.leg === 0 && filled === 0) {
      this.#running = undefined
      this.#counts.missed++
      return
    }
    // A first leg in part still makes a smaller loop; a later one in part leaves two coins to sell.
    if (running.leg === 0) this.#nextLeg(context, running)
    else this.#fail(context)
  }

  #fail(context: StrategyContext): void {
    this.#running = undefined
    this.#counts.legFailures++
    this.#unwindUs = context.nowUs
    this.#unwind(context)
  }

  #holdsCoins(context: StrategyContext): boolean {
    return this.#exits(context).length > 0
  }

  /** Coins worth selling and the dollar pair that sells each. */
  #exits({market}: StrategyContext): {readonly leg: Leg; readonly amount: number}[] {
    const out: {leg: Leg; amount: number}[] = []
    for (const [coin, amount] of this.#coins) {
      if (amount <= 0) continue
      const leg = this.#exitLegs.get(coin)
      if (leg !== undefined && amount * rateOf(leg, market) >= 1) out.push({leg, amount})
    }
    return out
  }

  /** Sells whatever coins a loop left behind, at the market. */
  #unwind(context: StrategyContext): void {
    for (const {leg, amount} of this.#exits(context)) {
      const lots = Math.floor(amount * 10 ** context.instruments.at(leg.instrument).sizeDecimals)
      if (lots < context.instruments.at(leg.instrument).minLots) continue
      this.#counts.unwinds++
      this.#unwindUs = context.nowUs + US_PER_SECOND
      context.target(leg.instrument, context.positionLots(leg.instrument) - lots)
    }
  }

  #book(instruments: InstrumentTable, fill: Fill): void {
    const {base, quote, priceDecimals, sizeDecimals} = instruments.at(fill.instrument)
    const direction = fill.side === 'buy' ? 1 : -1
    const size = fill.lots / 10 ** sizeDecimals
    const value = (size * fill.priceTicks) / 10 ** priceDecimals
    const feeUnits = (fill.feeLots ?? 0) / 10 ** sizeDecimals
    this.#add(base, direction * size - feeUnits)
    this.#add(quote, -direction * value)
    const isDollarPair = isDollar(quote)
    const fee = isDollarPair ? fill.feeMicros / 1e6 / value + feeUnits / size : feeUnits / size
    if (Number.isFinite(fee) && (isDollarPair || feeUnits > 0)) this.#feeFraction = fee
  }

  #add(currency: string, amount: number): void {
    if (!isDollar(currency)) this.#coins.set(currency, (this.#coins.get(currency) ?? 0) + amount)
  }
}

/** The underlying where it trades in the run and its quote is fresh. */
const spotOf = (
  {market, instruments}: StrategyContext,
  underlying: string,
  oldestUs: number,
): SpotQuote | undefined => {
  const i = instruments.indexOf(underlying)
  if (i === undefined || market.quotedUs[i]! < oldestUs) return undefined
  const [bidLots, askLots] = [market.bidLots[i]!, market.askLots[i]!]
  if (bidLots <= 0 || askLots <= 0) return undefined
  const instrument = instruments.at(i)
  return {
    instrument: i,
    bid: ticksToPrice(instrument, market.bidTicks[i]!),
    ask: ticksToPrice(instrument, market.askTicks[i]!),
    bidShares: lotsToSize(instrument, bidLots),
    askShares: lotsToSize(instrument, askLots),
  }
}

const isDollar = (currency: string): boolean => /^(USD|USDT|USDC)$/.test(currency)
