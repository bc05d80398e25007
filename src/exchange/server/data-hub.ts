import {OrderBook} from '../../data/order-book.ts'
import {Depth, EventKind, Notice, type TapeChunk} from '../../data/tape.ts'
import type {Asset} from '../assets.ts'
import type {PaperExchange} from '../exchange.ts'
import type {StoredBar} from '../market-store.ts'
import {priceNumber, sizeNumber} from './data-shapes.ts'
import type {Channel, DataStreamSession} from './data-stream.ts'
import {barMessage, type MarketMessage, marketMessage, TickEncoder} from './market-messages.ts'
import {MsgpackWriter, Timestamp} from './msgpack.ts'

interface Level {
  readonly bidTicks: number
  readonly askTicks: number
  readonly bidLots: number
  readonly askLots: number
}
const NO_LEVEL: Level = {bidTicks: 0, askTicks: 0, bidLots: 0, askLots: 0}

/** Sends rows of the market to the sessions that want them: each message is encoded once, whoever gets it. */
export class DataHub {
  readonly writer = new MsgpackWriter()
  readonly #exchange: PaperExchange
  readonly #ticks: readonly TickEncoder[]
  readonly #sessions = new Set<DataStreamSession>()
  readonly #shown: Level[]
  readonly #isHalted: Uint8Array
  /** Of instruments whose market gives its depth; the others show their touch. */
  readonly #books: (DeepBook | undefined)[]

  constructor(exchange: PaperExchange) {
    this.#exchange = exchange
    this.#ticks = exchange.assets.map(asset => new TickEncoder(asset, this.writer))
    this.#shown = exchange.assets.map(() => NO_LEVEL)
    this.#isHalted = new Uint8Array(exchange.assets.length)
    this.#books = exchange.assets.map(() => undefined)
  }

  add(session: DataStreamSession): void {
    this.#sessions.add(session)
  }
  remove(session: DataStreamSession): void {
    this.#sessions.delete(session)
    session.markClosed()
  }

  onRow(chunk: TapeChunk, row: number): void {
    if (this.#sessions.size === 0) return
    const kind = chunk.kind[row]
    if (kind === EventKind.notice) {
      this.#onNotice(chunk, row)
      return
    }
    const isQuote = kind === EventKind.quote || kind === EventKind.option
    if (!isQuote && kind !== EventKind.trade) return
    const instrument = chunk.instrument[row] as number
    let message: MarketMessage | undefined
    let book: MarketMessage | undefined
    const channel: Channel = isQuote ? 'quotes' : 'trades'
    for (const session of this.#sessions) {
      if (session.wants(channel, instrument)) {
        message ??= (this.#ticks[instrument] as TickEncoder).message(
          chunk,
          row,
          kind === EventKind.trade ? (this.#exchange.store.lastTrade(instrument)?.id ?? 0) : 0,
        )
        session.push(message)
      }
      if (
        kind === EventKind.quote &&
        this.#books[instrument] === undefined &&
        session.wants('orderbooks', instrument)
      ) {
        book ??= this.#bookDelta(instrument, chunk, row)
        session.push(book)
      }
    }
    if (kind !== EventKind.quote) return
    const level = levelOf(chunk, row)
    this.#shown[instrument] = level
    this.#watchHalt(instrument, level)
  }

  /** A depth row of the market: told with the others of its update, whole after a `clear`, else what changed. */
  onDepth(chunk: TapeChunk, row: number): void {
    const instrument = chunk.instrument[row] as number
    const flags = chunk.flags[row] as number
    this.#books[instrument] ??= {book: new OrderBook(), bids: [], asks: [], isWhole: true}
    const deep = this.#books[instrument] as DeepBook
    deep.book.applyDepth(chunk, row)
    if ((flags & Depth.clear) !== 0) {
      deep.isWhole = true
      deep.bids = []
      deep.asks = []
    }
    const lots = chunk.v1[row] as number
    // A whole book names no level that is not there.
    if (lots > 0 || !deep.isWhole)
      ((flags & Depth.ask) !== 0 ? deep.asks : deep.bids).push([chunk.v0[row] as number, lots])
    if ((flags & Depth.last) === 0) return
    let message: MarketMessage | undefined
    for (const session of this.#sessions) {
      if (!session.wants('orderbooks', instrument)) continue
      message ??= this.#book(instrument, deep.bids, deep.asks, deep.isWhole, chunk.tsUs[row] as number)
      session.push(message)
    }
    deep.isWhole = false
    deep.bids = []
    deep.asks = []
  }

  onMinute(instrument: number, minute: StoredBar, day: StoredBar): void {
    const asset = this.#asset(instrument)
    let bar: MarketMessage | undefined
    let daily: MarketMessage | undefined
    for (const session of this.#sessions) {
      if (session.wants('bars', instrument)) {
        bar ??= barMessage('b', asset, minute, this.writer)
        session.push(bar)
      }
      if (session.wants('dailyBars', instrument)) {
        daily ??= barMessage('d', asset, day, this.writer)
        session.push(daily)
      }
    }
  }

  /** A halt or a resumption that the market says, and the prices between which it lets a share trade. */
  #onNotice(chunk: TapeChunk, row: number): void {
    const instrument = chunk.instrument[row] as number
    if (chunk.flags[row] === Notice.status) {
      this.#tellStatus(instrument, chunk.v0[row] === 1)
      return
    }
    if (chunk.flags[row] !== Notice.band) return
    const asset = this.#asset(instrument)
    const message = marketMessage(
      {
        T: 'l',
        S: asset.instrument.symbol,
        u: priceNumber(asset, chunk.v3[row] as number),
        d: priceNumber(asset, chunk.v2[row] as number),
        i: 'B',
        t: new Timestamp(chunk.tsUs[row] as number),
        z: asset.tape,
      },
      this.writer,
    )
    for (const session of this.#sessions) if (session.wants('lulds', instrument)) session.push(message)
  }

  /** A share that nobody quotes on either side is halted; the next quote resumes it. */
  #watchHalt(instrument: number, {bidLots, askLots}: Level): void {
    const isHalted = bidLots === 0 && askLots === 0
    if (this.#asset(instrument).instrument.kind !== 'crypto') this.#tellStatus(instrument, isHalted)
  }

  /** Each change once, whoever noticed it first. */
  #tellStatus(instrument: number, isHalted: boolean): void {
    const asset = this.#asset(instrument)
    if (isHalted === (this.#isHalted[instrument] === 1)) return
    this.#isHalted[instrument] = isHalted ? 1 : 0
    const message = marketMessage(
      {
        T: 's',
        S: asset.instrument.symbol,
        sc: isHalted ? 'H' : 'T',
        sm: isHalted ? 'Trading Halt' : 'Trading Resumption',
        rc: isHalted ? 'M' : '',
        rm: isHalted ? 'Volatility Trading Pause' : '',
        z: asset.tape,
        t: new Timestamp(this.#exchange.nowUs),
      },
      this.writer,
    )
    for (const session of this.#sessions) if (session.wants('statuses', instrument)) session.push(message)
  }

  /** Bids and asks as [ticks, lots], best first, of an instrument whose market gives its depth. */
  sidesOf(instrument: number): BookSides | undefined {
    return bookSides(this.#books[instrument]?.book)
  }

  sendBooks(session: DataStreamSession, instruments: readonly number[]): void {
    for (const instrument of instruments) {
      const level = this.#shown[instrument] as Level
      const [bids, asks] = this.sidesOf(instrument) ?? [
        bookSide(level.bidTicks, level.bidLots),
        bookSide(level.askTicks, level.askLots),
      ]
      session.push(this.#book(instrument, bids, asks, true))
    }
    session.flush()
  }

  flush(): void {
    for (const session of this.#sessions) session.flush()
  }

  /** What changed at the touch: a level that is gone has size 0. */
  #bookDelta(instrument: number, chunk: TapeChunk, row: number): MarketMessage {
    const before = this.#shown[instrument] as Level
    const now = levelOf(chunk, row)
    const side = (oldTicks: number, oldLots: number, ticks: number, lots: number): [number, number][] => {
      const changes: [number, number][] = []
      if (oldLots > 0 && (oldTicks !== ticks || lots === 0)) changes.push([oldTicks, 0])
      if (lots > 0 && (oldTicks !== ticks || oldLots !== lots)) changes.push([ticks, lots])
      return changes
    }
    return this.#book(
      instrument,
      side(before.bidTicks, before.bidLots, now.bidTicks, now.bidLots),
      side(before.askTicks, before.askLots, now.askTicks, now.askLots),
      false,
    )
  }

  #book(
    instrument: number,
    bids: readonly [number, number][],
    asks: readonly [number, number][],
    full: boolean,
    atUs = this.#exchange.nowUs,
  ): MarketMessage {
    const asset = this.#asset(instrument)
    const level = ([ticks, lots]: readonly [number, number]) => ({
      p: priceNumber(asset, ticks),
      s: sizeNumber(asset, lots),
    })
    return marketMessage(
      {
        T: 'o',
        S: asset.instrument.symbol,
        t: new Timestamp(atUs),
        b: bids.map(level),
        a: asks.map(level),
        ...(full ? {r: true} : {}),
      },
      this.writer,
    )
  }

  #asset(instrument: number): Asset {
    return this.#exchange.assets[instrument] as Asset
  }
}

export type BookSides = readonly [bids: [number, number][], asks: [number, number][]]

/** A book and what has changed in it since it was last told. */
interface DeepBook {
  readonly book: OrderBook
  bids: [number, number][]
  asks: [number, number][]
  isWhole: boolean
}

const bookSides = (book: OrderBook | undefined): BookSides | undefined =>
  book === undefined
    ? undefined
    : [
        Array.from({length: book.bidLevels()}, (_, level) => [book.bidTicks(level), book.bidLots(level)]),
        Array.from({length: book.askLevels()}, (_, level) => [book.askTicks(level), book.askLots(level)]),
      ]
const bookSide = (ticks: number, lots: number): [number, number][] => (lots > 0 ? [[ticks, lots]] : [])
const levelOf = (chunk: TapeChunk, row: number): Level => ({
  bidTicks: chunk.v0[row] as number,
  askTicks: chunk.v1[row] as number,
  bidLots: chunk.v2[row] as number,
  askLots: chunk.v3[row] as number,
})
