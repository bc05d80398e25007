// Columns are indexed by instruments of the run's table, so `!` cannot miss here.
import {z} from 'zod'
import {EventKind, OrderAction, type TapeChunk} from '../data/tape.ts'
import {UserError} from '../domain/errors.ts'
import type {Instrument} from '../domain/instrument.ts'
import type {Fill} from '../domain/order.ts'
import {sign, US_PER_SECOND} from '../domain/units.ts'
import {glftQuote} from './market-making/glft.ts'
import {Markouts} from './market-making/markouts.ts'
import {ProfitSplit} from './market-making/profit-split.ts'
import {Touch} from './market-making/touch.ts'
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
  pauseSeconds: z.number().nonnegative().default(5).describe('least length of a pause'),
})
export type MarketMakingParams = z.output<typeof MarketMakingParams>

const REASSERT_US = 5 * US_PER_SECOND

const isDollar = ({quote}: Instrument): boolean => /^(USD|USDT|USDC)$/.test(quote)

/**
 * Quotes both sides around a learned fair price at Guéant–Lehalle–Fernandez-Tapia distances, skewed against inventory.
 * Pulls quotes when the market moves too fast or one side is being hit. Spot coins are never sold short. Needs quotes or
 * a book; bars alone leave it silent.
 */
export const marketMaking = (params: MarketMakingParams): Strategy => {
  let makers: (Maker | undefined)[] = []
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
            ? new Maker(index, instrument, params)
            : undefined,
        )
    },
    onEvent(context, chunk, row) {
      makers[chunk.instrument[row]!]?.onEvent(context, chunk, row)
    },
    onFill(context, fill) {
      makers[fill.instrument]?.onFill(context, fill)
    },
    report: () => reportOf(makers.filter(m => m !== undefined)),
  }
}

class Maker {
  readonly touch: Touch
  readonly profit = new ProfitSplit()
  pauses = 0
  requotes = 0
  readonly markouts: Markouts
  readonly #index: number
  readonly #params: MarketMakingParams
  readonly #microsPerTickLot: number
  readonly #mayShort: boolean
  readonly #minLots: number
  #bid = 0
  #bidLots = 0
  #ask = 0
  #askLots = 0
  #nextRequoteUs = 0
  #pausedUntilUs = 0
  #sentUs = 0
  #isDirty = false
  #feeFraction = 0

  constructor(index: number, instrument: Instrument, params: MarketMakingParams) {
    this.#index = index
    this.#params = params
    this.#microsPerTickLot = instrument.multiplier * 10 ** (6 - instrument.priceDecimals - instrument.sizeDecimals)
    this.#mayShort = instrument.kind !== 'crypto'
    this.#minLots = instrument.minLots
    this.markouts = new Markouts(params.markoutSeconds * US_PER_SECOND)
    this.touch = new Touch(instrument.incrementTicks, params.calibrationSeconds * US_PER_SECOND)
  }

  onEvent(context: StrategyContext, chunk: TapeChunk, row: number): void {
    const {market, nowUs} = context
    const i = this.#index
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
    if (hasChanged && this.touch.isTwoSided) this.profit.mark(this.touch.mid, this.#microsPerTickLot)
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
    this.profit.onFill(signedLots, fill.priceTicks, fill.feeMicros, fill.feeLots ?? 0, mid, this.#microsPerTickLot)
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
      this.#send(context, 0, 0, 0, 0)
      return
    }
    if (touch.volatilityRatio > params.volatilityPause) {
      if (nowUs >= this.#pausedUntilUs) this.pauses++
      this.#pausedUntilUs = nowUs + params.pauseSeconds * US_PER_SECOND
    }
    if (nowUs < this.#pausedUntilUs) {
      this.#send(context, 0, 0, 0, 0)
      return
    }
    if (nowUs < this.#nextRequoteUs && !this.#isDirty) return

    const most = this.#quoteLots(context.capitalMicros, params.inventoryFraction)
    // A single lot may be worth more than a quote should be, as long as the inventory limit holds it.
    const lots = Math.min(most, Math.max(this.#minLots, this.#quoteLots(context.capitalMicros, params.quoteFraction)))
    if (lots < this.#minLots) return
    const held = context.positionLots(this.#index)
    const fair = touch.fairTicks()
    const step = touch.increment
    const half = this.#halfSpread(nowUs, held / lots)
    // Never through the touch: both quotes are post-only.
    const bid = Math.min(Math.floor((fair - half.bid) / step) * step, touch.ask - step)
    const ask = Math.max(Math.ceil((fair + half.ask) / step) * step, touch.bid + step)
    const bidLots = touch.aggressorBalance < -params.toxicityPause ? 0 : Math.max(0, Math.min(lots, most - held))
    const sellable = this.#mayShort ? most + held : held
    const askLots = touch.aggressorBalance > params.toxicityPause ? 0 : Math.max(0, Math.min(lots, sellable))
    this.#send(context, this.#keep(this.#bid, bid, step), bidLots, this.#keep(this.#ask, ask, step), askLots)
  }

  /** Distances of bid and ask from the fair price in ticks, for an inventory counted in quotes. */
  #halfSpread(nowUs: number, inventory: number): {readonly bid: number; readonly ask: number} {
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
    const distance = modelled + fees + (touch.mid * (this.markouts.widenBps + params.edgeBps)) / 1e4
    const shift = Math.max(-most, Math.min(most, skew * step * inventory))
    return {bid: distance + shift, ask: distance - shift}
  }

  #quoteLots(capitalMicros: number, fraction: number): number {
    return Math.floor((capitalMicros * fraction) / (this.touch.mid * this.#microsPerTickLot))
  }

  /** The resting price, when it is near enough to the ideal one that its place in the queue is worth more. */
  #keep(resting: number, ideal: number, step: number): number {
    return resting > 0 && Math.abs(ideal - resting) <= this.#params.hysteresisIncrements * step ? resting : ideal
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
    context.quote(this.#index, bid, bidLots, ask, askLots)
  }
}

const reportOf = (makers: readonly Maker[]): Record<string, number | string> => {
  const sum = (pick: (m: Maker) => number): number => makers.reduce((total, m) => total + pick(m), 0)
  const fills = sum(m => m.profit.fills)
  const turnover = sum(m => m.profit.turnoverMicros)
  const net = sum(m => m.profit.netMicros)
  return {
    instruments: makers.length,
    quotes: sum(m => m.touch.quotes),
    requotes: sum(m => m.requotes),
    pauses: sum(m => m.pauses),
    fills,
    spreadMicros: Math.round(sum(m => m.profit.spreadMicros)),
    inventoryMicros: Math.round(sum(m => m.profit.inventoryMicros)),
    rebateMicros: Math.round(sum(m => m.profit.rebateMicros)),
    feesMicros: Math.round(sum(m => m.profit.feesMicros)),
    grossMicros: Math.round(sum(m => m.profit.spreadMicros + m.profit.inventoryMicros)),
    netMicros: Math.round(net),
    netWithoutRebateMicros: Math.round(net - sum(m => m.profit.rebateMicros)),
    netBpsOfTurnover: turnover > 0 ? (1e4 * net) / turnover : 0,
    edgeBps: fills > 0 ? sum(m => m.markouts.edgeBps * m.profit.fills) / fills : 0,
    markoutBps: fills > 0 ? sum(m => m.markouts.meanBps * m.profit.fills) / fills : 0,
  }
}
