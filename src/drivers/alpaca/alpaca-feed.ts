import type {streaming} from '@alpacahq/alpaca-trade-api'
import {Aggressor, addRow, EventKind, emptyChunk, type TapeChunk} from '../../data/tape.ts'
import {ExitCode, UserError} from '../../domain/errors.ts'
import {type Instrument, type InstrumentTable, priceToTicks} from '../../domain/instrument.ts'
import type {Clock, Scheduler} from '../../domain/time.ts'
import {US_PER_MINUTE, US_PER_SECOND} from '../../domain/units.ts'
import type {Feed} from '../../feed/feed.ts'
import {BookFeed} from './book-feed.ts'
import type {AlpacaClient, StreamTuning} from './client.ts'
import {lotsAtLeastOne as lotsOf} from './wire-numbers.ts'

/** A stretch in which a stream was down: rows of its instruments are missing. */
export interface FeedGap {
  readonly stream: 'stocks' | 'crypto' | 'options'
  /** Wall microseconds. */
  readonly fromUs: number
  readonly untilUs: number
}

export interface AlpacaFeedOptions {
  readonly client: AlpacaClient
  readonly instruments: InstrumentTable
  /** Wall clock and wall timers. */
  readonly clock: Clock
  readonly scheduler: Scheduler
  readonly stream?: StreamTuning
  /** Whether books of coins are asked for as well; true by default. */
  readonly depth?: boolean
  /** Wall time without a row of an instrument after which it counts as stale; 15 s by default. */
  readonly staleAfterUs?: number
  readonly onStale?: (stale: {readonly instrument: number; readonly sinceUs: number}) => void
  readonly onGap?: (gap: FeedGap) => void
  readonly onConnection?: (stream: FeedGap['stream'], connected: boolean) => void
}

export interface AlpacaFeed extends Feed {
  /**
   * Hands every row over inside the socket's own callback, as a chunk that is valid during the call; `chunks` then stays
   * empty. One listener.
   */
  readonly listen: (listener: (chunk: TapeChunk) => void) => void
  readonly isConnected: () => boolean
  readonly gaps: () => readonly FeedGap[]
  /** Wall microseconds since the first row of the chunk handed over last was written, and since its message came. */
  readonly age: () => {readonly messageUs: number; readonly rowUs: number}
}

const CONNECT_TIMEOUT_US = 15 * US_PER_SECOND
const FIRST_CAPACITY = 256
/** A reader that is this far behind is not reading: better to stop than to trade on old prices. */
const MOST_ROWS = 1 << 20

/** Subscribes to quotes, trades and minute bars of all instruments, to books of coins, and returns once every stream is authenticated. */
export const createAlpacaFeed = async (options: AlpacaFeedOptions): Promise<AlpacaFeed> => {
  const core = new AlpacaFeedCore(options)
  await core.connect()
  return {
    name: options.client.target.kind === 'local' ? 'local exchange' : `alpaca ${options.client.target.kind}`,
    instruments: options.instruments,
    chunks: () => core.chunks(),
    listen: listener => core.listen(listener),
    isConnected: () => core.isConnected(),
    gaps: () => core.gaps,
    age: () => core.age(),
    [Symbol.asyncDispose]: () => core.dispose(),
  }
}

type DataStream = streaming.StockDataStream | streaming.CryptoDataStream | streaming.OptionDataStream

class AlpacaFeedCore {
  readonly gaps: FeedGap[] = []
  readonly #options: AlpacaFeedOptions
  readonly #streams: {
    readonly name: FeedGap['stream']
    readonly stream: DataStream
    lostUs: number | undefined
    up: boolean
  }[] = []
  /** Of contracts, as the venue knew it when the feed was opened. */
  readonly #openInterest: Float64Array
  readonly #heardUs: Float64Array
  readonly #isStale: Uint8Array
  #filling = emptyChunk(FIRST_CAPACITY)
  #spare = emptyChunk(FIRST_CAPACITY)
  #lastUs = 0
  /** Of the latest message; of the first row and its message, for the chunk being filled and for the one handed over. */
  #messageUs = 0
  #fillingUs: readonly [messageUs: number, rowUs: number] = [0, 0]
  #handedUs = this.#fillingUs
  #wake: (() => void) | undefined
  #listener: ((chunk: TapeChunk) => void) | undefined
  #failure: unknown
  #ended = false
  #cancelStaleTimer: (() => void) | undefined

  constructor(options: AlpacaFeedOptions) {
    this.#options = options
    const {client, instruments, clock} = options
    this.#heardUs = new Float64Array(instruments.size).fill(clock.nowUs())
    this.#isStale = new Uint8Array(instruments.size)
    const all = instruments.all()
    const tuning: StreamTuning = {
      ...options.stream,
      onMessage: () => {
        this.#messageUs = clock.nowUs()
      },
    }
    if (all.some(({kind}) => kind === 'equity' || kind === 'etf')) this.#add('stocks', client.stockStream(tuning))
    if (all.some(({kind}) => kind === 'crypto')) this.#add('crypto', client.cryptoStream(tuning))
    if (all.some(({kind}) => kind === 'option')) this.#add('options', client.optionStream(tuning))
    this.#openInterest = new Float64Array(instruments.size)
  }

  async connect(): Promise<void> {
    await this.#askOpenInterest()
    await Promise.all(this.#streams.map(({name, stream}) => this.#connectOne(name, stream)))
    this.#watchStaleness()
  }

  isConnected(): boolean {
    return this.#streams.every(({up}) => up)
  }

  age(): {readonly messageUs: number; readonly rowUs: number} {
    const now = this.#options.clock.nowUs()
    const [messageUs, rowUs] = this.#handedUs
    return {messageUs: now - messageUs, rowUs: now - rowUs}
  }

  listen(listener: (chunk: TapeChunk) => void): void {
    this.#listener = listener
    this.#flush()
  }

  async *chunks(): AsyncGenerator<TapeChunk> {
    for (;;) {
      if (this.#failure !== undefined) throw this.#failure
      if (this.#filling.count === 0) {
        if (this.#ended) return
        await new Promise<void>(resolve => {
          this.#wake = resolve
        })
        continue
      }
      const ready = this.#filling
      this.#filling = this.#spare
      this.#filling.count = 0
      this.#spare = ready
      this.#handedUs = this.#fillingUs
      yield ready
    }
  }

  dispose(): Promise<void> {
    this.#ended = true
    this.#cancelStaleTimer?.()
    for (const {stream} of this.#streams) stream.disconnect()
    this.#wakeReader()
    return Promise.resolve()
  }

  #add(name: FeedGap['stream'], stream: DataStream): void {
    const entry = {name, stream, lostUs: undefined as number | undefined, up: false}
    this.#streams.push(entry)
    const {instruments, clock} = this.#options
    const symbols = instruments
      .all()
      .filter(({kind}) => streamOf(kind) === name)
      .map(({symbol}) => symbol)
    stream.onQuote(quote => {
      const i = instruments.indexOf(quote.symbol)
      if (i === undefined) return
      const instrument = instruments.at(i)
      const atUs = timeOf(quote.timestamp, quote.timestampRaw)
      this.#row(atUs, name === 'options' ? EventKind.option : EventKind.quote, i, 0, [
        priceToTicks(instrument, quote.bidPrice),
        priceToTicks(instrument, quote.askPrice),
        lotsOf(instrument, quote.bidSize),
        lotsOf(instrument, quote.askSize),
        // The stream says nothing of the day's volume.
        0,
        this.#openInterest[i] as number,
      ])
    })
    stream.onTrade(trade => {
      const i = instruments.indexOf(trade.symbol)
      if (i === undefined) return
      const instrument = instruments.at(i)
      const side = trade.takerSide === 'B' ? Aggressor.buy : trade.takerSide === 'S' ? Aggressor.sell : Aggressor.none
      const atUs = timeOf(trade.timestamp, trade.timestampRaw)
      this.#row(atUs, EventKind.trade, i, side, [priceToTicks(instrument, trade.price), lotsOf(instrument, trade.size)])
    })
    stream.onBar(bar => {
      const i = instruments.indexOf(bar.symbol)
      if (i === undefined) return
      const instrument = instruments.at(i)
      // The wire stamps a bar at its start; it is known at its close.
      const atUs = timeOf(bar.timestamp, bar.timestampRaw) + US_PER_MINUTE
      this.#row(atUs, EventKind.bar, i, 0, [
        priceToTicks(instrument, bar.open),
        priceToTicks(instrument, bar.high),
        priceToTicks(instrument, bar.low),
        priceToTicks(instrument, bar.close),
        lotsOf(instrument, bar.volume),
        US_PER_MINUTE,
      ])
    })
    stream.on('authenticated', () => {
      entry.up = true
      this.#options.onConnection?.(name, true)
      if (entry.lostUs === undefined) return
      const gap = {stream: name, fromUs: entry.lostUs, untilUs: clock.nowUs()}
      entry.lostUs = undefined
      this.gaps.push(gap)
      this.#options.onGap?.(gap)
    })
    stream.on('disconnected', () => {
      if (!entry.up || this.#ended) return
      entry.up = false
      entry.lostUs = clock.nowUs()
      this.#options.onConnection?.(name, false)
    })
    if (name === 'crypto' && this.#options.depth !== false) this.#followBooks(stream, symbols)
    stream.subscribeForQuotes(symbols)
    stream.subscribeForTrades(symbols)
    if (name !== 'options') stream.subscribeForBars(symbols)
  }

  #followBooks(stream: DataStream, symbols: string[]): void {
    let atUs = 0
    const values = [0, 0]
    const books = new BookFeed(this.#options.instruments, (instrument, flags, ticks, lots) => {
      values[0] = ticks
      values[1] = lots
      this.#row(atUs, EventKind.depth, instrument, flags, values)
    })
    stream.onOrderbook(book => {
      atUs = timeOf(book.timestamp, book.timestampRaw)
      books.onBook(book)
    })
    stream.subscribeForOrderbooks(symbols)
  }

  async #connectOne(name: string, stream: DataStream): Promise<void> {
    const refused = (code: string, message: string, exitCode: ExitCode): UserError =>
      new UserError(code, message, {
        hints: ['another program may hold the one connection that the account has', 'gpi doctor checks the connection'],
        exitCode,
      })
    await new Promise<void>((resolve, reject) => {
      const cancelTimeout = this.#options.scheduler.after(CONNECT_TIMEOUT_US, () => {
        reject(refused('FEED_TIMEOUT', `the ${name} stream did not answer within 15 s`, ExitCode.timeout))
      })
      const settle = (run: () => void): void => {
        cancelTimeout()
        run()
      }
      stream.on('error', (message: string) => {
        if (message === 'auth failed')
          settle(() => reject(refused('ALPACA_KEYS_REFUSED', `the ${name} stream refused the keys`, ExitCode.usage)))
        if (message === 'connection limit exceeded')
          settle(() => reject(refused('FEED_IN_USE', `the ${name} stream is already in use`, ExitCode.refused)))
      })
      // The acknowledgement of the subscription: rows follow it.
      stream.once('subscription', () => settle(resolve))
      stream.connect()
    }).catch((error: unknown) => {
      for (const other of this.#streams) other.stream.disconnect()
      throw error
    })
  }

  /** Once: open interest changes overnight. */
  async #askOpenInterest(): Promise<void> {
    const {client, instruments} = this.#options
    const underlyings = new Set(
      instruments.all().flatMap(({option}) => (option === undefined ? [] : [option.underlying])),
    )
    for (const underlying of underlyings) {
      let pageToken: string | undefined
      do {
        const page = await client.alpaca.trading.assets.getOptionsContracts({
          underlyingSymbols: [underlying] as never,
          expirationDateGte: FIRST_EXPIRY,
          limit: 10_000,
          ...(pageToken === undefined ? {} : {pageToken}),
        })
        for (const {symbol, openInterest} of page.optionContracts ?? []) {
          const i = instruments.indexOf(symbol)
          if (i !== undefined) this.#openInterest[i] = Number(openInterest ?? 0)
        }
        pageToken = page.nextPageToken ?? undefined
      } while (pageToken !== undefined)
    }
  }

  /** Appends a row. Rows of two streams may be out of order by a little: time never goes back, so the later is moved up. */
  #row(atUs: number, kind: number, instrument: number, flags: number, values: readonly number[]): void {
    if (this.#ended) return
    if (this.#filling.count === this.#filling.tsUs.length) this.#grow()
    const chunk = this.#filling
    const nowUs = this.#options.clock.nowUs()
    if (chunk.count === 0) this.#fillingUs = [this.#messageUs, nowUs]
    this.#lastUs = Math.max(this.#lastUs, atUs)
    addRow(
      chunk,
      this.#lastUs,
      kind,
      instrument,
      flags,
      values[0],
      values[1],
      values[2],
      values[3],
      values[4],
      values[5],
    )
    this.#heardUs[instrument] = nowUs
    this.#isStale[instrument] = 0
    if (this.#listener === undefined) this.#wakeReader()
    else this.#flush()
  }

  #flush(): void {
    if (this.#listener === undefined || this.#filling.count === 0) return
    this.#handedUs = this.#fillingUs
    this.#listener(this.#filling)
    this.#filling.count = 0
  }

  #grow(): void {
    const old = this.#filling
    if (old.count >= MOST_ROWS) {
      this.#failure = new Error(`nobody has read the feed for ${old.count} rows`)
      this.#wakeReader()
      old.count = 0
      return
    }
    const larger = emptyChunk(old.count * 2)
    for (const column of ['tsUs', 'kind', 'instrument', 'flags', 'v0', 'v1', 'v2', 'v3', 'v4', 'v5'] as const)
      larger[column].set(old[column])
    larger.count = old.count
    this.#filling = larger
  }

  #wakeReader(): void {
    const wake = this.#wake
    this.#wake = undefined
    wake?.()
  }

  #watchStaleness(): void {
    const {clock, scheduler, staleAfterUs = 15 * US_PER_SECOND, onStale} = this.#options
    if (onStale === undefined) return
    this.#cancelStaleTimer = scheduler.after(staleAfterUs / 2, () => {
      const now = clock.nowUs()
      this.#heardUs.forEach((heardUs, instrument) => {
        if (now - heardUs <= staleAfterUs || this.#isStale[instrument] === 1) return
        this.#isStale[instrument] = 1
        onStale({instrument, sinceUs: heardUs})
      })
      this.#watchStaleness()
    })
  }
}

/** Earlier than any: a replay's contracts may all have expired by now. */
const FIRST_EXPIRY = new Date('2000-01-01')

const streamOf = (kind: Instrument['kind']): FeedGap['stream'] =>
  kind === 'crypto' ? 'crypto' : kind === 'option' ? 'options' : 'stocks'

/** Microseconds; the SDK's date stops at milliseconds, its text goes on. */
const timeOf = (date: Date, raw: string | undefined): number => {
  const micros = raw !== undefined && raw.length >= 26 ? Number(raw.slice(23, 26)) : 0
  return date.getTime() * 1_000 + (Number.isNaN(micros) ? 0 : micros)
}
