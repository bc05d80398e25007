import {applyRow, createMarketState, type MarketState, midTicks} from '../data/market-state.ts'
import {EventKind, type TapeChunk} from '../data/tape.ts'
import type {InstrumentTable} from '../domain/instrument.ts'
import type {Rng} from '../domain/rng.ts'
import {type Side, US_PER_MINUTE} from '../domain/units.ts'
import {type AccountFacts, accountJson} from './account-json.ts'
import {type Activity, cashFeeActivity, coinFeeActivity, fillActivity} from './activities.ts'
import {type Asset, listAssets, positionSymbol, unitSize} from './assets.ts'
import {type Decimal, fromUnits, ONE, times} from './decimal.ts'
import {feeSchedule} from './fees.ts'
import {
  dollarPair,
  heldForOrders,
  holdingKey,
  isCash,
  netValue,
  reservedBy,
  type Valuation,
  valuationSymbol,
} from './holdings.ts'
import {noLatency} from './latency.ts'
import {Ledger, type Position} from './ledger.ts'
import {type MarginValues, marginOf} from './margin.ts'
import {MarketStore, type StoredBar} from './market-store.ts'
import {createVenue} from './matching.ts'
import {termsOf} from './options/contract.ts'
import {lockedCash} from './options/option-margin.ts'
import {expireContracts} from './options/settlement.ts'
import type {AccountConfiguration, CheckContext} from './order-checks.ts'
import {type DeskFill, OrderDesk, type TradeUpdate} from './order-desk.ts'
import type {OrderRecord} from './order-record.ts'
import type {PastMarket} from './past-market.ts'
import {type Boundary, nextBoundary} from './session-clock.ts'
import {newYorkDay, previousTradingDay, type Session, sessionOf} from './sessions.ts'
import {uuid} from './uuid.ts'
import type {Venue} from './venue.ts'

export interface ExchangeOptions {
  /** In the exchange's own scale: see `listedInstrument`. */
  readonly instruments: InstrumentTable
  readonly rng: Rng
  readonly startUs: number
  /** Dollars; 100,000 as a fresh paper account has. */
  readonly startingCash?: number
  /** Chance that a marketable order is first filled in part, as Alpaca's paper engine does one time in ten. 0 by default. */
  readonly partialFillProbability?: number
  /** Take no more than what is quoted; off by default, as on paper. */
  readonly respectSize?: boolean
  /** Bars from before the start, for the data endpoints; none by default. */
  readonly past?: PastMarket
  /** Of a contract at the start, 0 when not known; rows tell later. */
  readonly openInterest?: (instrument: number) => number
  /** Finished orders that can still be asked for, up to twice as many at times; 20,000 by default. */
  readonly keptOrders?: number
}

export interface ExchangeListener {
  readonly onUpdate?: (update: TradeUpdate) => void
  readonly onActivity?: (activity: Activity) => void
  readonly onRow?: (chunk: TapeChunk, row: number) => void
  readonly onMinute?: (instrument: number, minute: StoredBar, day: StoredBar) => void
}

const DEFAULT_CONFIGURATION: AccountConfiguration = {
  fractional_trading: true,
  max_margin_multiplier: '4',
  max_options_trading_level: 3,
  no_shorting: false,
  ptp_no_exception_entry: false,
  suspend_trade: false,
  trade_confirm_email: 'all',
  disable_overnight_trading: false,
}
const KEPT_ACTIVITIES = 50_000
/** A month, round the clock. */
const KEPT_MINUTES = 43_200
/** Below this equity Alpaca lends nothing and allows no shorts. */
const MARGIN_MINIMUM = 2_000n * ONE

/**
 * The paper exchange behind the wire: one account, the market it sees, the orders it sent. It owns no clock and no
 * socket; rows and requests come in, in time order, and everything that happens is a function of them and the seed.
 */
export class PaperExchange {
  readonly assets: readonly Asset[]
  readonly market: MarketState
  readonly instruments: InstrumentTable
  readonly ledger: Ledger
  readonly desk: OrderDesk
  readonly store: MarketStore
  readonly rng: Rng
  /** The latest of them; older ones are forgotten, so that memory does not grow with time. */
  readonly activities: Activity[] = []
  fills = 0
  /** Equity at each full minute of a session. */
  readonly equityHistory: {readonly atUs: number; readonly equity: Decimal}[] = []
  /** Equity at the close of each trading day. */
  readonly dailyEquity: {readonly day: number; readonly equity: Decimal}[] = []
  configuration = DEFAULT_CONFIGURATION
  /** Contracts that their holder will not use at expiry, by position. */
  readonly doNotExercise = new Set<string>()
  readonly startUs: number
  readonly past: PastMarket | undefined

  readonly #venue: Venue
  readonly #listeners = new Set<ExchangeListener>()
  readonly #bySymbol = new Map<string, Asset>()
  readonly #indexOf = new Map<Asset, number>()
  readonly #byIndex: readonly Asset[]
  readonly #optioned: ReadonlySet<string>
  readonly accountId: string
  readonly #accountNumber: string
  readonly #createdUs: number
  readonly #baseEquity: Decimal
  #lastEquity: Decimal
  #lastMaintenance = 0n
  #balanceDay: number
  /** Price of each instrument at the close before, in ticks. */
  readonly #lastDayTicks: Float64Array
  /** Of each contract as its quotes carry it, 0 for all else. */
  readonly #openInterest: Float64Array
  #closing: {day: number; equity: Decimal; maintenance: Decimal} | undefined
  #nowUs: number
  #boundary: Boundary
  #nextMinuteUs: number
  #sequence = 0
  #fees: {asset: Asset; coin: Decimal; cash: Decimal; price: Decimal}[] = []

  constructor(options: ExchangeOptions) {
    const {instruments, rng, startUs} = options
    this.instruments = instruments
    this.startUs = startUs
    this.past = options.past
    this.rng = rng.fork('account')
    this.assets = listAssets(instruments.all(), rng.fork('assets'))
    this.#byIndex = this.assets
    this.#optioned = new Set(instruments.all().flatMap(({option}) => (option === undefined ? [] : [option.underlying])))
    this.assets.forEach((asset, index) => {
      this.#bySymbol.set(asset.instrument.symbol, asset)
      this.#bySymbol.set(positionSymbol(asset.instrument.symbol), asset)
      this.#bySymbol.set(asset.id, asset)
      this.#indexOf.set(asset, index)
    })
    this.market = createMarketState(instruments.size)
    this.ledger = new Ledger(fromUnits(Math.round((options.startingCash ?? 100_000) * 100), 2))
    this.store = new MarketStore({
      instruments,
      onMinute: (instrument, minute, day) => {
        for (const listener of this.#listeners) listener.onMinute?.(instrument, minute, day)
      },
    })
    this.#venue = createVenue({
      instruments,
      market: this.market,
      rng: rng.fork('venue'),
      latency: noLatency,
      fees: feeSchedule('alpaca-paper', instruments),
      queue: 'none',
      respectSize: options.respectSize ?? false,
      partialFillProbability: options.partialFillProbability ?? 0,
      onReport: report => this.desk.onReport(report),
    })
    this.desk = new OrderDesk({
      venue: this.#venue,
      keptOrders: options.keptOrders ?? 20_000,
      rng: rng.fork('executions'),
      instrumentIndex: asset => this.indexOf(asset),
      nowUs: () => this.#nowUs,
      farPrice: order => this.valuation.farPrice(order.asset, order.side),
      onFill: fill => this.#bookFill(fill),
      positionQty: key => this.ledger.qtyOf(key),
      onUpdate: update => {
        for (const listener of this.#listeners) listener.onUpdate?.(update)
      },
    })
    this.accountId = uuid(this.rng)
    this.#accountNumber = `PA${this.rng.u32().toString(36).toUpperCase().padStart(10, '0')}`
    this.#createdUs = startUs
    this.#nowUs = startUs
    this.#baseEquity = this.ledger.cash
    this.#lastEquity = this.ledger.cash
    this.#balanceDay = previousTradingDay(newYorkDay(startUs))
    this.#lastDayTicks = new Float64Array(instruments.size)
    this.#openInterest = Float64Array.from(instruments.all(), (_, i) => options.openInterest?.(i) ?? 0)
    this.#boundary = nextBoundary(startUs)
    this.#nextMinuteUs = (Math.floor(startUs / US_PER_MINUTE) + 1) * US_PER_MINUTE
  }

  get nowUs(): number {
    return this.#nowUs
  }
  get baseEquity(): Decimal {
    return this.#baseEquity
  }
  get lastEquity(): Decimal {
    return this.#lastEquity
  }

  /** Registers a listener; the returned function takes it back. */
  listen(listener: ExchangeListener): () => void {
    this.#listeners.add(listener)
    return () => this.#listeners.delete(listener)
  }

  assetOf(symbolOrId: string): Asset | undefined {
    return this.#bySymbol.get(symbolOrId)
  }
  indexOf(asset: Asset): number {
    return this.#indexOf.get(asset) as number
  }
  nextSequence(): number {
    return ++this.#sequence
  }

  /** Moves time, letting sessions open and close and due orders act on the way. */
  advanceTo(nowUs: number): void {
    if (nowUs < this.#nowUs) return
    while (this.#boundary.atUs <= nowUs) {
      const boundary = this.#boundary
      this.#nowUs = boundary.atUs
      this.#venue.advanceTo(boundary.atUs)
      this.#cross(boundary)
      this.#boundary = nextBoundary(boundary.atUs)
    }
    this.#nowUs = nowUs
    this.#venue.advanceTo(nowUs)
    if (nowUs >= this.#nextMinuteUs) this.#onMinute(nowUs)
  }

  /** A row of the market at its own time, which must not lie before the last one. */
  onRow(chunk: TapeChunk, row: number): void {
    this.advanceTo(chunk.tsUs[row] as number)
    applyRow(this.market, chunk, row)
    const instrument = chunk.instrument[row] as number
    if (this.#lastDayTicks[instrument] === 0) this.#lastDayTicks[instrument] = midTicks(this.market, instrument)
    this.#venue.onRow(chunk, row)
    this.#venue.advanceTo(this.#nowUs)
    if (chunk.kind[row] === EventKind.option) this.#openInterest[instrument] = chunk.v5[row] as number
    if (chunk.kind[row] === EventKind.trade) {
      const asset = this.#byIndex[instrument] as Asset
      this.desk.onTrade(asset, fromUnits(chunk.v0[row] as number, asset.instrument.priceDecimals))
    }
    this.store.onRow(chunk, row)
    for (const listener of this.#listeners) listener.onRow?.(chunk, row)
  }

  // --- valuation -----------------------------------------------------------------------------------------------

  readonly valuation: Valuation = {
    lastPrice: asset => {
      const i = this.indexOf(asset)
      const {priceDecimals} = asset.instrument
      const last = this.market.lastTicks[i] as number
      const mid = midTicks(this.market, i)
      // Most contracts trade once in a while, if at all: what is quoted now says more than what was paid once.
      if (last > 0 && !(asset.instrument.kind === 'option' && mid > 0)) return fromUnits(last, priceDecimals)
      return mid > 0 ? fromUnits(Math.round(mid * 2), priceDecimals) / 2n : undefined
    },
    farPrice: (asset, side: Side) => {
      const i = this.indexOf(asset)
      const lots = (side === 'buy' ? this.market.askLots : this.market.bidLots)[i] as number
      const ticks = (side === 'buy' ? this.market.askTicks : this.market.bidTicks)[i] as number
      return lots > 0 && this.isOpen(asset)
        ? fromUnits(ticks, asset.instrument.priceDecimals)
        : this.valuation.lastPrice(asset)
    },
    dollarsPer: currency => {
      if (isCash(currency)) return ONE
      const pair = this.#bySymbol.get(dollarPair(this.instruments, currency) ?? '')
      return pair === undefined ? undefined : this.valuation.lastPrice(pair)
    },
  }

  /** The asset that values a holding of `asset`. */
  valuedBy(asset: Asset): Asset {
    return this.#bySymbol.get(valuationSymbol(this.instruments, asset.instrument)) as Asset
  }

  priceOf(position: Position): Decimal {
    const price = this.valuation.lastPrice(position.asset) ?? 0n
    const {asset} = position
    return times(times(price, unitSize(asset)), this.valuation.dollarsPer(asset.instrument.quote) ?? 0n)
  }
  /** Open contracts; undefined where the market does not say. */
  openInterest(index: number): number | undefined {
    return (this.#openInterest[index] as number) > 0 ? this.#openInterest[index] : undefined
  }
  lastDayPrice(asset: Asset): Decimal {
    return fromUnits(Math.round(this.#lastDayTicks[this.indexOf(asset)] as number), asset.instrument.priceDecimals)
  }

  margin(): MarginValues {
    const open = this.desk.open()
    const reserved = reservedBy(open, this.ledger, this.valuation)
    const locked = lockedCash(this.ledger, open, order => netValue(order, this.valuation))
    return marginOf({
      cash: this.ledger.cash,
      positions: this.ledger.positions().map(position => ({
        qty: position.qty,
        price: this.priceOf(position),
        marginable: position.asset.marginable,
      })),
      multiplier: this.multiplier(),
      reserved: reserved.shares,
      reservedCash: reserved.coins + locked.orders,
      collateral: locked.positions,
    })
  }

  equity(): Decimal {
    let equity = this.ledger.cash
    for (const position of this.ledger.positions()) equity += times(position.qty, this.priceOf(position))
    return equity
  }

  multiplier(): 1 | 2 | 4 {
    const wanted = Number(this.configuration.max_margin_multiplier) as 1 | 2 | 4
    return this.equity() < MARGIN_MINIMUM ? 1 : wanted
  }

  checkContext(): CheckContext {
    return {
      ledger: this.ledger,
      open: this.desk.open(),
      valuation: this.valuation,
      margin: this.margin(),
      configuration: this.configuration,
      shortingEnabled: this.equity() >= MARGIN_MINIMUM,
      nowUs: this.#nowUs,
      isOpen: asset => this.isOpen(asset),
    }
  }

  accountJson(): Record<string, unknown> {
    const facts: AccountFacts = {
      id: this.accountId,
      accountNumber: this.#accountNumber,
      createdUs: this.#createdUs,
      cash: this.ledger.cash,
      lastEquity: this.#lastEquity,
      lastMaintenanceMargin: this.#lastMaintenance,
      balanceDay: this.#balanceDay,
      multiplier: this.multiplier(),
      shortingEnabled: !this.configuration.no_shorting && this.equity() >= MARGIN_MINIMUM,
      suspended: this.configuration.suspend_trade,
      optionsLevel: this.configuration.max_options_trading_level ?? 3,
    }
    return accountJson(facts, this.margin())
  }

  /** Quantity of a position that no open order lays claim to. */
  available(position: Position): Decimal {
    const held = heldForOrders(position.key, this.ledger, this.desk.open()).qty
    return position.qty >= 0n ? position.qty - held : position.qty + held
  }

  /** Adds a line to the account's history. */
  record(activity: Activity): void {
    this.activities.push(activity)
    if (this.activities.length >= 2 * KEPT_ACTIVITIES) this.activities.splice(0, KEPT_ACTIVITIES)
    for (const listener of this.#listeners) listener.onActivity?.(activity)
  }

  /** Whether contracts on the asset are listed. */
  hasOptions(asset: Asset): boolean {
    return this.#optioned.has(asset.instrument.symbol)
  }

  // --- sessions ------------------------------------------------------------------------------------------------

  session(): Session | undefined {
    return sessionOf(newYorkDay(this.#nowUs))
  }

  /** Whether an order for the asset can trade now: always for coins, in the core session for shares. */
  isOpen(asset: Asset, extendedHours = false): boolean {
    if (asset.instrument.kind === 'crypto') return true
    const session = this.session()
    if (session === undefined) return false
    const [from, to] = extendedHours ? [session.preOpenUs, session.postCloseUs] : [session.openUs, session.closeUs]
    return this.#nowUs >= from && this.#nowUs < to
  }

  #cross({kind, session}: Boundary): void {
    switch (kind) {
      case 'midnight':
        this.#startDay()
        return
      case 'preOpen':
        this.#releaseWaiting(order => order.extendedHours)
        return
      case 'open':
        this.#releaseWaiting(order => order.timeInForce !== 'cls')
        return
      case 'close':
        this.#endSession(session as Session)
        return
      case 'postClose':
        for (const order of this.#openShares()) {
          if (!order.extendedHours) continue
          if (order.timeInForce === 'day') this.desk.expire(order)
          else this.desk.pause(order)
        }
        return
      case 'utcDay':
        this.#bookFees()
        return
      default:
        kind satisfies never
    }
  }

  #openShares(): OrderRecord[] {
    return this.desk.open().filter(order => order.asset.instrument.kind !== 'crypto' && order.parent === undefined)
  }

  #releaseWaiting(wanted: (order: OrderRecord) => boolean): void {
    for (const order of this.desk.open())
      if (order.asset.instrument.kind !== 'crypto' && order.status !== 'held' && wanted(order)) this.desk.release(order)
  }

  #endSession(session: Session): void {
    for (const order of this.#openShares()) if (order.timeInForce === 'cls') this.desk.release(order)
    for (const order of this.#openShares()) {
      if (order.extendedHours) continue
      if (order.expiresUs !== undefined && order.expiresUs <= session.closeUs + 15 * US_PER_MINUTE) {
        if (order.timeInForce === 'gtc') this.desk.cancel(order)
        else this.desk.expire(order)
      } else for (const member of [order, ...order.legs]) this.desk.pause(member)
    }
    this.#expireOptions(session)
    const {equity, maintenanceMargin} = this.margin()
    this.#closing = {day: session.day, equity, maintenance: maintenanceMargin}
    this.dailyEquity.push({day: session.day, equity})
    for (let i = 0; i < this.#byIndex.length; i++) {
      const isContract = this.#byIndex[i]?.instrument.kind === 'option'
      const close = isContract ? midTicks(this.market, i) : (this.market.lastTicks[i] as number)
      if (close > 0) this.#lastDayTicks[i] = close
    }
  }

  /** Orders for contracts that stop trading now end with them, whatever their time in force. */
  #expireOptions({closeUs}: Session): void {
    for (const order of this.desk.open()) {
      const terms = termsOf(order.asset)
      if (terms !== undefined && terms.lastUs <= closeUs) this.desk.expire(order)
    }
    expireContracts(this)
  }

  /** A new day in New York: the last close becomes the reference. */
  #startDay(): void {
    if (this.#closing === undefined) return
    this.#lastEquity = this.#closing.equity
    this.#lastMaintenance = this.#closing.maintenance
    this.#balanceDay = this.#closing.day
    this.#closing = undefined
    this.ledger.startDay()
  }

  #onMinute(nowUs: number): void {
    const minuteUs = Math.floor(nowUs / US_PER_MINUTE) * US_PER_MINUTE
    this.#nextMinuteUs = minuteUs + US_PER_MINUTE
    this.store.advanceTo(nowUs)
    this.equityHistory.push({atUs: minuteUs, equity: this.equity()})
    if (this.equityHistory.length >= 2 * KEPT_MINUTES) this.equityHistory.splice(0, KEPT_MINUTES)
  }

  // --- fills ---------------------------------------------------------------------------------------------------

  #bookFill(deskFill: DeskFill): void {
    const {order, qty, price, fill} = deskFill
    const {instrument} = order.asset
    const unit = unitSize(order.asset)
    const value = times(times(qty, price), unit)
    const dollars = this.valuation.dollarsPer(instrument.quote) ?? 0n
    const key = holdingKey(instrument)
    const unitPrice = times(times(price, dollars), unit)
    this.ledger.move({key, asset: this.valuedBy(order.asset), side: order.side, qty, price: unitPrice})
    const feeQty = fromUnits(fill.feeLots ?? 0, instrument.sizeDecimals)
    const feeMoney = fromUnits(fill.feeMicros, 6)
    if (isCash(instrument.quote)) this.ledger.cash += (order.side === 'buy' ? -value : value) - feeMoney
    else {
      const quoteAsset = this.#bySymbol.get(dollarPair(this.instruments, instrument.quote) ?? '') as Asset
      this.ledger.move({
        key: instrument.quote,
        asset: quoteAsset,
        side: order.side === 'buy' ? 'sell' : 'buy',
        qty: value,
        price: dollars,
      })
      if (feeMoney > 0n) this.ledger.withhold(instrument.quote, feeMoney)
    }
    if (feeQty > 0n) this.ledger.withhold(key, feeQty)
    if (feeQty > 0n || feeMoney !== 0n) this.#fees.push({asset: order.asset, coin: feeQty, cash: feeMoney, price})
    this.fills++
    this.record(fillActivity(deskFill, this.#nowUs))
  }

  /** Coin fees are taken at once but reported at the end of the day. */
  #bookFees(): void {
    for (const {asset, coin, cash, price} of this.#fees) {
      const {symbol} = asset.instrument
      this.record(
        coin > 0n
          ? coinFeeActivity(symbol, coin, price, this.#nowUs, this.rng)
          : cashFeeActivity(symbol, cash, this.#nowUs, this.rng),
      )
    }
    this.#fees = []
  }
}
