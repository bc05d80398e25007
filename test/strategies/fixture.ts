import {applyRow, createMarketState, midTicks} from '../../src/data/market-state.ts'
import {EventKind, emptyChunk, type TapeChunk} from '../../src/data/tape.ts'
import {InstrumentTable} from '../../src/domain/instrument.ts'
import type {Fill, OrderLeg} from '../../src/domain/order.ts'
import {createRng, type Rng} from '../../src/domain/rng.ts'
import type {Signal} from '../../src/domain/signal.ts'
import {lots, micros, type Side, ticks, tsUs} from '../../src/domain/units.ts'
import type {Strategy, StrategyContext} from '../../src/strategies/strategy.ts'

export const START = 1_700_000_000_000_000

export type Row = {
  readonly tsUs: number
  readonly kind: EventKind
  readonly instrument: number
  readonly values: readonly number[]
  readonly flags?: number
}
export const quote = (at: number, instrument: number, bid: number, ask: number, bidLots = 100, askLots = 100): Row => ({
  tsUs: at,
  kind: EventKind.quote,
  instrument,
  values: [bid, ask, bidLots, askLots],
})
export const trade = (at: number, instrument: number, price: number, size: number, aggressor: 0 | 1 | 2): Row => ({
  tsUs: at,
  kind: EventKind.trade,
  instrument,
  values: [price, size],
  flags: aggressor,
})
export const bar = (at: number, instrument: number, close: number, periodUs = 60e6): Row => ({
  tsUs: at,
  kind: EventKind.bar,
  instrument,
  values: [close, close, close, close, 1000, periodUs],
})

export const chunkOf = (rows: readonly Row[]): TapeChunk => {
  const chunk = emptyChunk(Math.max(1, rows.length))
  for (const [k, row] of rows.entries()) {
    chunk.tsUs[k] = row.tsUs
    chunk.kind[k] = row.kind
    chunk.instrument[k] = row.instrument
    chunk.flags[k] = row.flags ?? 0
    for (const [c, column] of [chunk.v0, chunk.v1, chunk.v2, chunk.v3, chunk.v4, chunk.v5].entries())
      column[k] = row.values[c] ?? 0
  }
  chunk.count = rows.length
  return chunk
}

export interface Rehearsal {
  readonly fills: Fill[]
  readonly targets: {readonly tsUs: number; readonly instrument: number; readonly lots: number}[]
  readonly quotes: {
    readonly tsUs: number
    readonly instrument: number
    readonly bid: number
    readonly bidLots: number
    readonly ask: number
    readonly askLots: number
  }[]
  readonly signals: Omit<Signal, 'strategy' | 'tsUs'>[]
  readonly multiLegs: {
    readonly tsUs: number
    readonly legs: readonly OrderLeg[]
    readonly units: number
    readonly limitTicks?: number
  }[]
  readonly positions: Float64Array
  /** Cash plus positions at the last mid, dollars-quoted instruments, micros. */
  readonly profitMicros: number
}

export interface RehearsalOptions {
  readonly capitalMicros?: number
  readonly rng?: Rng
  readonly feeBps?: number
  /** Targets of this instrument are ignored, as risk might. */
  readonly refuse?: number
  /** Risk refuses every order of several legs. */
  readonly refuseMultiLeg?: boolean
  /** Lots held from before, by instrument: as after a restart. */
  readonly held?: Readonly<Record<number, number>>
}

/**
 * A strategy on a hand-made tape with the simplest possible venue: targets trade at the far touch of the next event of
 * their instrument, resting quotes when that touch or a trade reaches them. Enough to see what a strategy says; the real
 * venue has its own tests.
 */
export const rehearse = (
  strategy: Strategy,
  instruments: InstrumentTable,
  rows: readonly Row[],
  {
    capitalMicros = 100_000e6,
    rng = createRng(1),
    feeBps = 0,
    refuse = -1,
    refuseMultiLeg = false,
    held = {},
  }: RehearsalOptions = {},
): Rehearsal => {
  const market = createMarketState(instruments.size)
  const positions = new Float64Array(instruments.size)
  for (const [instrument, n] of Object.entries(held)) positions[Number(instrument)] = n
  const out = {
    fills: [] as Fill[],
    targets: [] as Rehearsal['targets'],
    quotes: [] as Rehearsal['quotes'],
    signals: [] as Rehearsal['signals'],
    multiLegs: [] as Rehearsal['multiLegs'],
  }
  const wanted = new Map<number, number>()
  const resting = new Map<number, Rehearsal['quotes'][number]>()
  const multiLegs: {
    id: string
    legs: readonly OrderLeg[]
    units: number
    limitTicks: number
    isOpen: boolean
  }[] = []
  let nowUs = 0
  let cashMicros = 0
  const timers: {atUs: number; tag: number}[] = []
  const context: StrategyContext = {
    get nowUs() {
      return tsUs(nowUs)
    },
    instruments,
    market,
    rng,
    capitalMicros,
    positionLots: i => positions[i] as number,
    signal: s => out.signals.push(s),
    target: (instrument, n) => {
      out.targets.push({tsUs: nowUs, instrument, lots: n})
      if (instrument !== refuse) wanted.set(instrument, n)
    },
    quote: (instrument, bid, bidLots, ask, askLots) => {
      const said = {tsUs: nowUs, instrument, bid, bidLots, ask, askLots}
      out.quotes.push(said)
      resting.set(instrument, said)
    },
    wakeAt: (atUs, tag) => timers.push({atUs, tag}),
    multiLeg: (legs, units, {limitTicks} = {}) => {
      if (refuseMultiLeg) return undefined
      const id = `m${multiLegs.length}`
      out.multiLegs.push({tsUs: nowUs, legs, units, ...(limitTicks === undefined ? {} : {limitTicks})})
      multiLegs.push({id, legs, units, limitTicks: limitTicks ?? Number.POSITIVE_INFINITY, isOpen: true})
      return id
    },
    cancelMultiLeg: id => {
      const order = multiLegs.find(one => one.id === id)
      if (order !== undefined) order.isOpen = false
    },
  }
  const perTickLot = (i: number): number => {
    const {multiplier, priceDecimals, sizeDecimals} = instruments.at(i)
    return multiplier * 10 ** (6 - priceDecimals - sizeDecimals)
  }
  const fill = (instrument: number, side: Side, n: number, price: number, liquidity: 'maker' | 'taker') => {
    const direction = side === 'buy' ? 1 : -1
    const fee = Math.round((feeBps / 1e4) * n * price * perTickLot(instrument))
    positions[instrument] = (positions[instrument] as number) + direction * n
    cashMicros -= direction * n * price * perTickLot(instrument) + fee
    const made: Fill = {
      fillId: `f${out.fills.length}`,
      clientOrderId: `o${out.fills.length}`,
      instrument,
      side,
      lots: lots(n),
      priceTicks: ticks(price),
      feeMicros: micros(fee),
      liquidity,
      tsUs: tsUs(nowUs),
    }
    out.fills.push(made)
    strategy.onFill?.(context, made)
  }
  const settle = (i: number, row: Row) => {
    const target = wanted.get(i)
    const held = positions[i] as number
    if (target !== undefined && target !== held) {
      const isBuy = target > held
      const far =
        row.kind === EventKind.bar ? (row.values[0] as number) : isBuy ? market.askTicks[i] : market.bidTicks[i]
      if ((far as number) > 0) fill(i, isBuy ? 'buy' : 'sell', Math.abs(target - held), far as number, 'taker')
    }
    const mine = resting.get(i)
    if (mine === undefined) return
    const low = row.kind === EventKind.trade ? (row.values[0] as number) : (market.askTicks[i] as number)
    const high = row.kind === EventKind.trade ? (row.values[0] as number) : (market.bidTicks[i] as number)
    if (mine.bidLots > 0 && low > 0 && low <= mine.bid) {
      resting.set(i, {...mine, bidLots: 0})
      fill(i, 'buy', mine.bidLots, mine.bid, 'maker')
    } else if (mine.askLots > 0 && high >= mine.ask) {
      resting.set(i, {...mine, askLots: 0})
      fill(i, 'sell', mine.askLots, mine.ask, 'maker')
    }
  }
  /** All legs at their far touches when the net is within the limit and none is refused; at the next event of any leg. */
  const settleLegs = (i: number): void => {
    for (const order of multiLegs) {
      if (!order.isOpen || !order.legs.some(leg => leg.instrument === i)) continue
      const prices = order.legs.map(
        ({instrument, side}) => (side === 'buy' ? market.askTicks : market.bidTicks)[instrument] as number,
      )
      const net = order.legs.reduce(
        (sum, {side, ratio}, k) => sum + (side === 'buy' ? 1 : -1) * ratio * (prices[k] as number),
        0,
      )
      if (net > order.limitTicks || prices.some(p => p <= 0) || order.legs.some(leg => leg.instrument === refuse))
        continue
      order.isOpen = false
      for (const [k, {instrument, side, ratio}] of order.legs.entries())
        fill(instrument, side, ratio * order.units, prices[k] as number, 'taker')
    }
  }
  const chunk = chunkOf(rows)
  let isStarted = false
  for (const [k, row] of rows.entries()) {
    nowUs = row.tsUs
    if (!isStarted) strategy.start?.(context)
    isStarted = true
    applyRow(market, chunk, k)
    settle(row.instrument, row)
    settleLegs(row.instrument)
    strategy.onEvent(context, chunk, k)
    for (const due of timers.filter(t => t.atUs <= nowUs)) {
      timers.splice(timers.indexOf(due), 1)
      strategy.onTimer?.(context, due.tag)
    }
  }
  let value = cashMicros
  for (let i = 0; i < instruments.size; i++) value += (positions[i] as number) * midTicks(market, i) * perTickLot(i)
  return {...out, positions, profitMicros: value}
}

/** A one-instrument market: the mid walks, trades arrive on both sides and reach exponential depths. */
export const syntheticBook = (
  rng: Rng,
  {seconds = 600, perSecond = 5, mid = 1_000_000, step = 100, volatility = 1} = {},
): Row[] => {
  const rows: Row[] = []
  let price = mid
  for (let k = 0; k < seconds * perSecond; k++) {
    const at = START + Math.floor((k * 1e6) / perSecond)
    if (rng.uniform() < 0.3) price += step * Math.round(volatility * rng.normal())
    const half = step * (1 + rng.below(2))
    rows.push(quote(at, 0, price - half, price + half, 100 + rng.below(400), 100 + rng.below(400)))
    if (rng.uniform() < 0.4) {
      const isBuy = rng.uniform() < 0.5
      const depth = step * Math.floor(1 + 1.5 * rng.exponential())
      rows.push(trade(at + 1000, 0, isBuy ? price + depth : price - depth, 10 + rng.below(100), isBuy ? 1 : 2))
    }
  }
  return rows
}

export const table = (...symbols: string[]): InstrumentTable => InstrumentTable.of(symbols)
