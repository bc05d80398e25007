// Columns are indexed by instruments of the run's table, so `!` cannot miss here.
import {z} from 'zod'
import {type MarketState, markTicks} from '../data/market-state.ts'
import {EventKind, OrderAction, type TapeChunk} from '../data/tape.ts'
import {UserError} from '../domain/errors.ts'
import {type Instrument, LEAST_COIN_ORDER_MICROS} from '../domain/instrument.ts'
import type {Fill} from '../domain/order.ts'
import {sign, US_PER_SECOND} from '../domain/units.ts'
import {glftQuote} from './market-making/glft.ts'
import {Markouts} from './market-making/markouts.ts'
import {ModelAdvisor} from './market-making/model-advisor.ts'
import {ProfitSplit} from './market-making/profit-split.ts'
import {RequestAllowance} from './market-making/request-allowance.ts'
import {Touch} from './market-making/touch.ts'
import type {StrategyServices} from './services.ts'
import type {Strategy, StrategyContext} from './strategy.ts'

export const MarketMakingParams = z.strictObject({
  symbols: z.array(z.string()).default([]).describe('instruments to quote; all dollar-quoted non-options when empty'),
  quoteFraction: z.number().positive().max(1).default(0.01).describe('value of one quote as a fraction of capital'),
  inventoryFraction: z.number().positive().max(1).default(0.05).describe('largest inventory as a fraction of capital'),
  riskAversion: z.number().positive().max(10).default(0.1).describe('γ of the quotes, in units of the decay k'),
  minHalfSpreadIncrements: z.number().nonnegative().default(0.5).describe('least distance from the fair price'),
  maxHalfSpreads: z.number().positive().default(3).describe('largest distance, in average half-spreads of the market'),
  edgeBps: z.number().nonnegative().default(0).describe('profit asked of a fill on top of the model, in basis points'),
  warmupSeconds: z.number().nonnegative().default(20).describe('market time to learn before the first quote'),
  calibrationSeconds: z.number().positive().default(600).describe('half-life of the arrival statistics'),
  requoteMs: z.number().nonnegative().default(100).describe('least market time between two changes of quotes'),
  hysteresisIncrements: z
    .number()
    .nonnegative()
    .default(1)
    .describe('distance a resting quote may be from the ideal one'),
  volatilityPause: z.number().positive().default(3).describe('fast over slow volatility that pulls both quotes'),
  toxicityPause: z.number().positive().max(1).default(0.9).describe('aggressor balance that pulls the side being hit'),
  markoutSeconds: z.number().positive().default(5).describe('time after a fill at which its worth is measured'),
  model: z
    .string()
    .default('book')
    .describe('signal model whose expected move adjusts the fair price, as far as it has been right; empty for none'),
  modelSeconds: z.number().positive().default(1).describe('market time between two questions to the model'),
  requestsPerMinute: z
    .number()
    .nonnegative()
    .nullable()
    .default(null)
    .describe(
      'orders and cancels a market minute; 0 for no limit; null: no limit in a back-test, 3/4 of the venue’s in trading',
    ),
  pauseSeconds: z.number().nonnegative().default(5).describe('least length of a pause'),
})
export type MarketMakingParams = z.output<typeof MarketMakingParams>

/** Share of the venue's budget that quotes may use: other strategies, exits and polls need the rest. */
const BUDGET_SHARE = 0.75
/** Before this much market time ahead of the model's own data, its features are not kept up: nobody may ask. */
const MODEL_WARMUP_US = 300 * US_PER_SECOND
const REASSERT_US = 5 * US_PER_SECOND

const isDollar = ({quote}: Instrument): boolean => /^(USD|USDT|USDC)$/.test(quote)

/**
 * Quotes both sides around a learned fair price at Guéant–Lehalle–Fernandez-Tapia distances, skewed against inventory.
 * Pulls quotes when the market moves too fast or one side is being hit. Spot coins are never sold short. Needs quotes or
 * a book; bars alone leave it silent. Keeps to a budget of requests where the venue has one: then quotes rest in wider bands
 * and live longer.
 */
export const marketMaking = (params: MarketMakingParams, services: StrategyServices = {}): Strategy => {
  let makers: (Maker | undefined)[] = []
  let advisor: ModelAdvisor | undefined
  let market: MarketState | undefined
  const allowance = new RequestAllowance(requestsPerMinute(params, services))
  return {
    name: 'market-making',
    start(context) {
      for (const symbol of params.symbols)
        if (context.instruments.indexOf(symbol) === undefined)
          throw new UserError(
            'SYMBOL_NOT_IN_DATA',
            `market-making was told to quote ${symbol}, which is not in the data`,
            {
              hints: [
                `the data has ${context.instruments
                  .all()
                  .map(i => i.symbol)
                  .slice(0, 20)
                  .join(', ')}`,
              ],
            },
          )
      makers = context.instruments
        .all()
        .map((instrument, index) =>
          (
            params.symbols.length > 0
              ? params.symbols.includes(instrument.symbol)
              : isDollar(instrument) && instrument.kind !== 'option'
          )
            ? new Maker(index, instrument, params, allowance)
            : undefined,
        )
      market = context.market
      advisor = params.model === '' ? undefined : adviceOf(params, services, context, makers)
    },
    onEvent(context, chunk, row) {
      advisor?.onEvent(context, chunk, row)
      makers[chunk.instrument[row]!]?.onEvent(context, chunk, row)
    },
    onFill(context, fill) {
      makers[fill.instrument]?.onFill(context, fill)
    },
    report: () =>
      reportOf(
        makers.filter(m => m !== undefined),
        market,
        allowance,
        advisor,
      ),
  }
}

const requestsPerMinute = (params: MarketMakingParams, services: StrategyServices): number => {
  if (params.requestsPerMinute === 0) return Number.POSITIVE_INFINITY
  return params.requestsPerMinute ?? BUDGET_SHARE * (services.requestsPerMinute ?? Number.POSITIVE_INFINITY)
}

const adviceOf = (
  params: MarketMakingParams,
  services: StrategyServices,
  {market, instruments}: StrategyContext,
  makers: readonly (Maker | undefined)[],
): ModelAdvisor | undefined =>
  ModelAdvisor.open(params.model, services, {
    market,
    instruments,
    everyUs: params.modelSeconds * US_PER_SECOND,
    warmupUs: MODEL_WARMUP_US,
    isWanted: i => makers[i] !== undefined,
    onMove: (i, moveTicks) => {
      const maker = makers[i]
      if (maker !== undefined) maker.touch.modelTicks = moveTicks
    },
  })

class Maker {
  readonly touch: Touch
  readonly index: number
  readonly profit: ProfitSplit
  pauses = 0
  requotes = 0
  readonly markouts: Markouts
  readonly #allowance: RequestAllowance
  readonly #params: MarketMakingParams
  readonly #microsPerTickLot: number
  readonly #mayShort: boolean
  readonly #minLots: number
  readonly #leastBuyMicros: number
  #bid = 0
  #bidLots = 0
  #ask = 0
  #askLots = 0
  #nextRequoteUs = 0
  #pausedUntilUs = 0
  #sentUs = 0
  #isDirty = false
  #feeFraction = 0
  /** As the last `#setDistances` left them: kept here so that a quote makes no garbage. */
  #distance = 0
  #shift = 0

  constructor(index: number, instrument: Instrument, params: MarketMakingParams, allowance: RequestAllowance) {
    this.index = index
    this.#allowance = allowance
    this.profit = new ProfitSplit(instrument)
    this.#params = params
    this.#microsPerTickLot = instrument.multiplier * 10 ** (6 - instrument.priceDecimals - instrument.sizeDecimals)
    this.#mayShort = instrument.kind !== 'crypto'
    this.#minLots = instrument.minLots
    this.#leastBuyMicros = instrument.kind === 'crypto' && isDollar(instrument) ? LEAST_COIN_ORDER_MICROS : 0
    this.markouts = new Markouts(params.markoutSeconds * US_PER_SECOND)
    this.touch = new Touch(instrument.incrementTicks, params.calibrationSeconds * US_PER_SECOND)
  }

  onEvent(context: StrategyContext, chunk: TapeChunk, row: number): void {
    const {market, nowUs} = context
    const i = this.index
    const kind = chunk.kind[row]!
    if (kind === EventKind.trade) this.touch.onTrade(chunk.v0[row]!, chunk.v1[row]!, chunk.flags[row]! & 3, nowUs)
    else if (kind === EventKind.order && chunk.flags[row]! >> 1 === OrderAction.execute)
      // A resting ask that executes was hit by a buyer.
      this.touch.onTrade(chunk.v0[row]!, chunk.v1[row]!, (chunk.flags[row]! & 1) === 1 ? 1 : 2, nowUs)
    const hasChanged = this.touch.onQuote(
      market.bidTicks[i]!,
      market.bidLots[i]!,
      market.askTicks[i]!,
      market.askLots[i]!,
      nowUs,
    )
    if (this.markouts.isDue(nowUs)) this.markouts.settle(this.touch.mid, nowUs, this.#mostWideningBps())
    if (hasChanged || this.#isDirty || nowUs >= this.#pausedUntilUs) this.#requote(context)
  }

  /** Two average spreads and two deviations of the mid over the time fills are judged by. */
  #mostWideningBps(): number {
    const {averageSpread, volatility, increment, mid} = this.touch
    const move = volatility * increment * Math.sqrt(this.#params.markoutSeconds)
    return mid > 0 ? (2e4 * (averageSpread + move)) / mid : 0
  }

  onFill(context: StrategyContext, fill: Fill): void {
    const mid = this.touch.mid > 0 ? this.touch.mid : fill.priceTicks
    const signedLots = sign(fill.side) * fill.lots
    this.profit.onFill(signedLots, fill.priceTicks, fill.feeMicros, fill.feeLots ?? 0, mid)
    const notional = fill.lots * fill.priceTicks * this.#microsPerTickLot
    const fee = fill.feeMicros + (fill.feeLots ?? 0) * mid * this.#microsPerTickLot
    // The venue's fee is learned from its fills: later quotes stay at least that far from the fair price.
    if (notional > 0 && fill.liquidity === 'maker') this.#feeFraction = fee / notional
    if (fill.side === 'buy') this.#bidLots = Math.max(0, this.#bidLots - fill.lots)
    else this.#askLots = Math.max(0, this.#askLots - fill.lots)
    const feeBps = notional > 0 ? (1e4 * fee) / notional : 0
    this.markouts.onFill(sign(fill.side), fill.priceTicks, mid, feeBps, context.nowUs)
    this.#isDirty = true
  }

  #requote(context: StrategyContext): void {
    const {touch} = this
    const {nowUs} = context
    const params = this.#params
    const isWarm = touch.quotes >= 50 && nowUs - touch.firstUs >= params.warmupSeconds * US_PER_SECOND
    if (!isWarm) return
    if (!touch.isTwoSided) {
      this.#pull(context, 0, 0)
      return
    }
    if (touch.volatilityRatio > params.volatilityPause) {
      if (nowUs >= this.#pausedUntilUs) this.pauses++
      this.#pausedUntilUs = nowUs + params.pauseSeconds * US_PER_SECOND
    }
    if (nowUs < this.#pausedUntilUs) {
      this.#pull(context, 0, 0)
      return
    }
    if (nowUs < this.#nextRequoteUs && !this.#isDirty) return

    const most = this.#quoteLots(context.capitalMicros, params.inventoryFraction)
    // A single lot may be worth more than a quote should be, as long as the inventory limit holds it.
    const least = this.#leastLots()
    const wanted = Math.min(most, Math.max(least, this.#quoteLots(context.capitalMicros, params.quoteFraction)))
    const held = context.positionLots(this.index)
    // Capital that was taken away may no longer pay for a lot: then nothing is begun, and what it once paid for is worked off.
    const isClosing = wanted < least
    if (isClosing && held === 0 && this.#bidLots === 0 && this.#askLots === 0) return
    const [lots, limit] = isClosing ? [least, 0] : [wanted, most]
    const fair = touch.fairTicks()
    const step = touch.increment
    this.#setDistances(nowUs, held / lots)
    // Never through the touch: both quotes are post-only.
    const bid = Math.min(Math.floor((fair - (this.#distance + this.#shift)) / step) * step, touch.ask - step)
    const ask = Math.max(Math.ceil((fair + (this.#distance - this.#shift)) / step) * step, touch.bid + step)
    const buyable = this.#worthSending(Math.min(lots, limit - held), bid)
    const bidLots = touch.aggressorBalance < -params.toxicityPause ? 0 : buyable
    const sellable = this.#mayShort ? limit + held : held
    const askLots = touch.aggressorBalance > params.toxicityPause ? 0 : Math.max(0, Math.min(lots, sellable))
    const band = params.hysteresisIncrements * step * this.#allowance.bandFactor(nowUs)
    const nextBid = keep(this.#bid, bid, band)
    const nextAsk = keep(this.#ask, ask, band)
    const cost =
      this.#sideCost(this.#bid, this.#bidLots, nextBid, bidLots) +
      this.#sideCost(this.#ask, this.#askLots, nextAsk, askLots)
    if (this.#allowance.spend(cost, nowUs)) this.#send(context, nextBid, bidLots, nextAsk, askLots)
    else this.#pullDangerous(context, fair)
  }

  /** Least lots of a quote: of a coin, a twentieth more than the venue's least buy, which a bid below the mid must reach too. */
  #leastLots(): number {
    const least = (1.05 * this.#leastBuyMicros) / (this.touch.mid * this.#microsPerTickLot)
    return Math.max(this.#minLots, Math.ceil(least))
  }

  #worthSending(lots: number, ticks: number): number {
    return lots > 0 && lots * ticks * this.#microsPerTickLot >= this.#leastBuyMicros ? lots : 0
  }

  /** Requests of one side's change; a rest of at least half stays in its place in the queue. */
  #sideCost(resting: number, restingLots: number, next: number, lots: number): number {
    if (lots === 0) return restingLots > 0 ? 1 : 0
    if (restingLots === 0) return 1
    return next === resting && restingLots <= lots && 2 * restingLots >= lots ? 0 : 2
  }

  /** There is no request left for better quotes: those beyond the fair price go, which always may, the others stay. */
  #pullDangerous(context: StrategyContext, fair: number): void {
    const isBidBad = this.#bidLots > 0 && this.#bid > fair
    const isAskBad = this.#askLots > 0 && this.#ask < fair
    if (isBidBad || isAskBad) this.#pull(context, isBidBad ? 0 : this.#bidLots, isAskBad ? 0 : this.#askLots)
  }

  /** Fewer lots at the same prices: cancels, which the venue always takes. */
  #pull(context: StrategyContext, bidLots: number, askLots: number): void {
    this.#allowance.force((this.#bidLots > 0 && bidLots === 0 ? 1 : 0) + (this.#askLots > 0 && askLots === 0 ? 1 : 0))
    this.#send(context, this.#bid, bidLots, this.#ask, askLots)
  }

  /** Distance of both quotes from the fair price and shift against inventory, in ticks, for an inventory counted in quotes. */
  #setDistances(nowUs: number, inventory: number): void {
    const {touch} = this
    const params = this.#params
    const {arrival, decay} = touch.arrivals(nowUs)
    const {halfSpread, skew} = glftQuote({
      arrival,
      decay,
      riskAversion: params.riskAversion * decay,
      volatility: touch.volatility,
    })
    const step = touch.increment
    const most = Math.max((params.maxHalfSpreads * touch.averageSpread) / 2, step)
    const fees = touch.mid * Math.max(0, this.#feeFraction)
    const modelled = Math.max(Math.min(halfSpread * step, most), params.minHalfSpreadIncrements * step)
    // Beyond the model: the fee, and what the last fills have lost.
    this.#distance = modelled + fees + (touch.mid * (this.markouts.widenBps + params.edgeBps)) / 1e4
    this.#shift = Math.max(-most, Math.min(most, skew * step * inventory))
  }

  #quoteLots(capitalMicros: number, fraction: number): number {
    return Math.floor((capitalMicros * fraction) / (this.touch.mid * this.#microsPerTickLot))
  }

  #send(context: StrategyContext, bid: number, bidLots: number, ask: number, askLots: number): void {
    this.#isDirty = false
    const isSame =
      (bidLots === 0 ? this.#bidLots === 0 : bid === this.#bid && bidLots === this.#bidLots) &&
      (askLots === 0 ? this.#askLots === 0 : ask === this.#ask && askLots === this.#askLots)
    // Said again now and then, for a quote that risk or the venue refused; unchanged quotes cost nothing.
    if (isSame && context.nowUs - this.#sentUs < REASSERT_US) return
    this.#sentUs = context.nowUs
    this.#bid = bidLots > 0 ? bid : 0
    this.#bidLots = bidLots
    this.#ask = askLots > 0 ? ask : 0
    this.#askLots = askLots
    this.#nextRequoteUs = context.nowUs + this.#params.requoteMs * 1000
    this.requotes++
    context.quote(this.index, bid, bidLots, ask, askLots)
  }
}

/** The resting price, when it is near enough to the ideal one that its place in the queue is worth more. */
const keep = (resting: number, ideal: number, band: number): number =>
  resting > 0 && Math.abs(ideal - resting) <= band ? resting : ideal

const reportOf = (
  makers: readonly Maker[],
  market: MarketState | undefined,
  allowance: RequestAllowance,
  advisor: ModelAdvisor | undefined,
): Record<string, number | string> => {
  const sum = (pick: (m: Maker) => number): number => makers.reduce((total, m) => total + pick(m), 0)
  const mark = ({index}: Maker): number => (market === undefined ? 0 : markTicks(market, index))
  const fills = sum(m => m.profit.fills)
  const turnover = sum(m => m.profit.turnoverMicros)
  const inventory = sum(m => m.profit.inventoryMicros(mark(m)))
  const net = sum(m => m.profit.netMicros(mark(m)))
  return {
    instruments: makers.length,
    quotes: sum(m => m.touch.quotes),
    requotes: sum(m => m.requotes),
    pauses: sum(m => m.pauses),
    fills,
    requests: allowance.spent,
    deferred: allowance.deferred,
    ...advisor?.report(),
    ...(advisor === undefined ? {} : {modelWeight: sum(m => m.touch.weights.model) / Math.max(1, makers.length)}),
    spreadMicros: sum(m => m.profit.spreadMicros),
    inventoryMicros: inventory,
    rebateMicros: sum(m => m.profit.rebateMicros),
    feesMicros: sum(m => m.profit.feesMicros),
    grossMicros: sum(m => m.profit.spreadMicros) + inventory,
    netMicros: net,
    netWithoutRebateMicros: net - sum(m => m.profit.rebateMicros),
    netBpsOfTurnover: turnover > 0 ? (1e4 * net) / turnover : 0,
    edgeBps: fills > 0 ? sum(m => m.markouts.edgeBps * m.profit.fills) / fills : 0,
    markoutBps: fills > 0 ? sum(m => m.markouts.meanBps * m.profit.fills) / fills : 0,
  }
}
