import {type Instrument, lotsToSize, ticksToPrice} from '../domain/instrument.ts'
import type {MarketRecord} from './records.ts'
import {Aggressor, Depth, EventKind, Notice, OrderAction, type TapeChunk} from './tape.ts'
import type {TapeSource} from './tape-source.ts'

const ACTIONS = ['add', 'reduce', 'delete', 'execute', 'hidden-execute', 'halt'] as const satisfies readonly string[]
// Held together by a test: the position in ACTIONS is the code on the tape.
export const actionName = (code: number): (typeof ACTIONS)[number] => ACTIONS[code] ?? 'halt'
export const actionCode = (name: (typeof ACTIONS)[number]): number =>
  name === 'hidden-execute' ? OrderAction.hiddenExecute : OrderAction[name]

/** A tape as the records other programs read, in order; rows of a book snapshot become one record. */
export async function* tapeToRecords(source: TapeSource): AsyncGenerator<MarketRecord> {
  const convert = rowConverter(source)
  for await (const chunk of source.chunks()) {
    for (let row = 0; row < chunk.count; row++) {
      const record = convert(chunk, row)
      if (record !== undefined) yield record
    }
  }
}

/** The same as text, many lines at a time: for pipes. */
export async function* tapeToNdjson(source: TapeSource): AsyncGenerator<string> {
  const convert = rowConverter(source)
  for await (const chunk of source.chunks()) {
    let text = ''
    for (let row = 0; row < chunk.count; row++) {
      const record = convert(chunk, row)
      if (record === undefined) continue
      text += `${JSON.stringify(record)}\n`
      if (text.length > 65_536) {
        yield text
        text = ''
      }
    }
    if (text !== '') yield text
  }
}

/** Converts rows one after another; undefined while a snapshot is being gathered. */
const rowConverter = (source: TapeSource) => {
  const snapshots = new Map<number, {bids: [number, number][]; asks: [number, number][]}>()
  return (chunk: TapeChunk, row: number): MarketRecord | undefined => {
    const index = chunk.instrument[row] as number
    const instrument = source.instruments.at(index)
    if (chunk.kind[row] !== EventKind.depth) return toRecord(chunk, row, instrument)
    const flags = chunk.flags[row] as number
    if ((flags & Depth.clear) !== 0) snapshots.set(index, {bids: [], asks: []})
    const snapshot = snapshots.get(index)
    if (snapshot === undefined) return toRecord(chunk, row, instrument)
    const size = lotsToSize(instrument, chunk.v1[row] as number)
    if (size > 0) {
      const levels = (flags & Depth.ask) === 0 ? snapshot.bids : snapshot.asks
      levels.push([ticksToPrice(instrument, chunk.v0[row] as number), size])
    }
    if ((flags & Depth.last) === 0) return undefined
    snapshots.delete(index)
    return {kind: 'book-snapshot', symbol: instrument.symbol, tsUs: chunk.tsUs[row] as number, ...snapshot}
  }
}

const toRecord = (chunk: TapeChunk, row: number, instrument: Instrument): MarketRecord => {
  const {symbol} = instrument
  const tsUs = chunk.tsUs[row] as number
  const flags = chunk.flags[row] as number
  const price = (column: Float64Array) => ticksToPrice(instrument, column[row] as number)
  const size = (column: Float64Array) => lotsToSize(instrument, column[row] as number)
  switch (chunk.kind[row]) {
    case EventKind.quote: {
      const {v0, v1, v2, v3} = chunk
      return {kind: 'quote', symbol, tsUs, bid: price(v0), ask: price(v1), bidSize: size(v2), askSize: size(v3)}
    }
    case EventKind.trade:
      return {
        kind: 'trade',
        symbol,
        tsUs,
        price: price(chunk.v0),
        size: size(chunk.v1),
        ...(flags === Aggressor.none ? {} : {aggressor: flags === Aggressor.buy ? 'buy' : 'sell'}),
      }
    case EventKind.bar:
      return {
        kind: 'bar',
        symbol,
        tsUs,
        open: price(chunk.v0),
        high: price(chunk.v1),
        low: price(chunk.v2),
        close: price(chunk.v3),
        volume: size(chunk.v4),
        periodUs: chunk.v5[row] as number,
      }
    case EventKind.depth:
      return {
        kind: 'book-delta',
        symbol,
        tsUs,
        side: (flags & Depth.ask) === 0 ? 'bid' : 'ask',
        price: price(chunk.v0),
        size: size(chunk.v1),
        last: (flags & Depth.last) !== 0,
      }
    case EventKind.order:
      return {
        kind: 'book-order',
        symbol,
        tsUs,
        orderId: chunk.v2[row] as number,
        action: actionName(flags >> 1),
        side: (flags & 1) === 0 ? 'bid' : 'ask',
        price: price(chunk.v0),
        size: size(chunk.v1),
      }
    case EventKind.option: {
      const {option} = instrument
      if (option === undefined) throw new Error(`${symbol} has option rows but is no option`)
      return {
        kind: 'option-quote',
        symbol: option.underlying,
        contract: symbol,
        right: option.right,
        strike: option.strike,
        expiry: option.expiry,
        tsUs,
        bid: price(chunk.v0),
        ask: price(chunk.v1),
        bidSize: size(chunk.v2),
        askSize: size(chunk.v3),
        volume: size(chunk.v4),
        openInterest: size(chunk.v5),
      }
    }
    case EventKind.notice:
      return noticeRecord(chunk, row, instrument)
    default:
      throw new Error(`a tape row has the unknown kind ${chunk.kind[row]}`)
  }
}

const noticeRecord = (chunk: TapeChunk, row: number, instrument: Instrument): MarketRecord => {
  const {symbol} = instrument
  const tsUs = chunk.tsUs[row] as number
  const first = chunk.v0[row] as number
  const second = chunk.v1[row] as number
  switch (chunk.flags[row]) {
    case Notice.split:
      return {kind: 'split', symbol, tsUs, ratio: first / second}
    case Notice.dividend:
      return {
        kind: 'dividend',
        symbol,
        tsUs,
        cashPerShare: ticksToPrice(instrument, chunk.v2[row] as number),
        ...(second === 0 ? {} : {payUs: second}),
      }
    case Notice.borrow:
      return {
        kind: 'borrow',
        symbol,
        tsUs,
        rateBpsAnnual: first / 1000,
        available: second === -1 ? true : second === 0 ? false : second,
      }
    case Notice.status:
      return {kind: 'status', symbol, tsUs, status: first === 0 ? 'trading' : 'halted'}
    case Notice.band: {
      const lower = ticksToPrice(instrument, chunk.v2[row] as number)
      const upper = ticksToPrice(instrument, chunk.v3[row] as number)
      return {kind: 'band', symbol, tsUs, ...(lower > 0 ? {lower} : {}), ...(upper > 0 ? {upper} : {})}
    }
    default:
      throw new Error(`a notice has the unknown code ${chunk.flags[row]}`)
  }
}
