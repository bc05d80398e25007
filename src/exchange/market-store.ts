import {EventKind, type TapeChunk} from '../data/tape.ts'
import type {InstrumentTable} from '../domain/instrument.ts'
import {US_PER_MINUTE} from '../domain/units.ts'
import {newYorkDay, newYorkTime} from './sessions.ts'

// Ring buffers are indexed by counters kept inside their length, so they are read under `!`.

export interface StoredQuote {
  readonly atUs: number
  readonly bidTicks: number
  readonly askTicks: number
  readonly bidLots: number
  readonly askLots: number
}
export interface StoredTrade {
  readonly id: number
  readonly atUs: number
  readonly ticks: number
  readonly lots: number
  /** 1 the buyer took, 2 the seller, 0 unknown. */
  readonly aggressor: number
}
export interface StoredBar {
  /** Start of the interval, as the wire stamps it. */
  readonly startUs: number
  open: number
  high: number
  low: number
  close: number
  lots: number
  count: number
  /** Sum of ticks times lots, for the average price. */
  turnover: number
}

/** The last `capacity` items, oldest first. */
class Ring<T> {
  readonly #items: T[] = []
  readonly #capacity: number
  #head = 0
  constructor(capacity: number) {
    this.#capacity = capacity
  }
  push(item: T): void {
    if (this.#items.length < this.#capacity) this.#items.push(item)
    else {
      this.#items[this.#head] = item
      this.#head = (this.#head + 1) % this.#capacity
    }
  }
  last(): T | undefined {
    return this.#items.length === 0
      ? undefined
      : this.#items[(this.#head + this.#items.length - 1) % this.#items.length]
  }
  all(): T[] {
    return [...this.#items.slice(this.#head), ...this.#items.slice(0, this.#head)]
  }
}

interface InstrumentStore {
  readonly quotes: Ring<StoredQuote>
  readonly trades: Ring<StoredTrade>
  readonly minutes: Ring<StoredBar>
  readonly days: Ring<StoredBar>
  minute: StoredBar | undefined
  day: StoredBar | undefined
  trades24: number
  /** Trades since the last own bar. */
  tradesInBar: number
  /** The source publishes its own minute bars; they are taken instead of being built from trades. */
  ownBars: boolean
}

export interface MarketStoreOptions {
  readonly instruments: InstrumentTable
  /** Quotes and trades kept for each instrument; older ones are forgotten. */
  readonly ticks?: number
  /** Told of each finished minute, and of the running day after it. */
  readonly onMinute: (instrument: number, minute: StoredBar, day: StoredBar) => void
}

/** Recent market history for the data endpoints: ticks in rings, minute and daily bars. */
export class MarketStore {
  readonly #options: MarketStoreOptions
  readonly #stores: InstrumentStore[]
  readonly #isCoin: boolean[]

  constructor(options: MarketStoreOptions) {
    this.#options = options
    const ticks = options.ticks ?? 10_000
    this.#stores = options.instruments.all().map(({kind}) => ({
      // Of a contract only the latest quote is ever asked for.
      quotes: new Ring<StoredQuote>(kind === 'option' ? 1 : ticks),
      trades: new Ring<StoredTrade>(kind === 'option' ? 100 : ticks),
      minutes: new Ring<StoredBar>(30 * 1_440),
      days: new Ring<StoredBar>(2_000),
      minute: undefined,
      day: undefined,
      trades24: 0,
      tradesInBar: 0,
      ownBars: false,
    }))
    this.#isCoin = options.instruments.all().map(({kind}) => kind === 'crypto')
  }

  quotes(instrument: number): StoredQuote[] {
    return this.#store(instrument).quotes.all()
  }
  trades(instrument: number): StoredTrade[] {
    return this.#store(instrument).trades.all()
  }
  /** Finished minutes. */
  minutes(instrument: number): StoredBar[] {
    return this.#store(instrument).minutes.all()
  }
  /** Finished days and the one that is forming. */
  days(instrument: number): StoredBar[] {
    const {days, day} = this.#store(instrument)
    return day === undefined ? days.all() : [...days.all(), day]
  }
  lastQuote(instrument: number): StoredQuote | undefined {
    return this.#store(instrument).quotes.last()
  }
  lastTrade(instrument: number): StoredTrade | undefined {
    return this.#store(instrument).trades.last()
  }
  lastMinute(instrument: number): StoredBar | undefined {
    return this.#store(instrument).minutes.last()
  }

  /** Closes every minute that ended at or before `nowUs`. */
  advanceTo(nowUs: number): void {
    for (let i = 0; i < this.#stores.length; i++) {
      const {minute, ownBars} = this.#stores[i]!
      if (!ownBars && minute !== undefined && minute.startUs + US_PER_MINUTE <= nowUs) this.#closeMinute(i)
    }
  }

  onRow(chunk: TapeChunk, row: number): void {
    const i = chunk.instrument[row]!
    const store = this.#stores[i]!
    const atUs = chunk.tsUs[row]!
    switch (chunk.kind[row]) {
      case EventKind.quote:
      case EventKind.option:
        store.quotes.push({
          atUs,
          bidTicks: chunk.v0[row]!,
          askTicks: chunk.v1[row]!,
          bidLots: chunk.v2[row]!,
          askLots: chunk.v3[row]!,
        })
        return
      case EventKind.trade: {
        const ticks = chunk.v0[row]!
        const lots = chunk.v1[row]!
        store.trades.push({id: ++store.trades24, atUs, ticks, lots, aggressor: chunk.flags[row]! & 3})
        store.tradesInBar++
        if (store.ownBars) return
        const startUs = Math.floor(atUs / US_PER_MINUTE) * US_PER_MINUTE
        if (store.minute !== undefined && store.minute.startUs !== startUs) this.#closeMinute(i)
        store.minute = extend(store.minute, startUs, ticks, lots)
        return
      }
      case EventKind.bar: {
        if (chunk.v5[row] !== US_PER_MINUTE) return
        store.ownBars = true
        const count = store.tradesInBar
        store.tradesInBar = 0
        const [open, high, low, close, lots] = [
          chunk.v0[row]!,
          chunk.v1[row]!,
          chunk.v2[row]!,
          chunk.v3[row]!,
          chunk.v4[row]!,
        ]
        store.minute = {
          startUs: atUs - US_PER_MINUTE,
          open,
          high,
          low,
          close,
          lots,
          count,
          turnover: ((high + low + close) / 3) * lots,
        }
        this.#closeMinute(i)
        return
      }
      default:
        return
    }
  }

  #closeMinute(i: number): void {
    const store = this.#stores[i]!
    const minute = store.minute as StoredBar
    store.minute = undefined
    store.minutes.push(minute)
    const startUs = this.#dayStart(i, minute.startUs)
    if (store.day !== undefined && store.day.startUs !== startUs) {
      store.days.push(store.day)
      store.day = undefined
    }
    if (store.day === undefined) store.day = {...minute, startUs}
    else {
      store.day.high = Math.max(store.day.high, minute.high)
      store.day.low = Math.min(store.day.low, minute.low)
      store.day.close = minute.close
      store.day.lots += minute.lots
      store.day.count += minute.count
      store.day.turnover += minute.turnover
    }
    this.#options.onMinute(i, minute, store.day)
  }

  /** Days of shares begin at midnight in New York, of coins at midnight UTC. */
  #dayStart(i: number, atUs: number): number {
    return this.#isCoin[i] ? Math.floor(atUs / 86_400e6) * 86_400e6 : newYorkTime(newYorkDay(atUs), 0)
  }

  #store(instrument: number): InstrumentStore {
    const store = this.#stores[instrument]
    if (store === undefined) throw new RangeError(`no instrument ${instrument}`)
    return store
  }
}

const extend = (bar: StoredBar | undefined, startUs: number, ticks: number, lots: number): StoredBar => {
  if (bar === undefined)
    return {startUs, open: ticks, high: ticks, low: ticks, close: ticks, lots, count: 1, turnover: ticks * lots}
  bar.high = Math.max(bar.high, ticks)
  bar.low = Math.min(bar.low, ticks)
  bar.close = ticks
  bar.lots += lots
  bar.count++
  bar.turnover += ticks * lots
  return bar
}
