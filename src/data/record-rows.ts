import {type Instrument, type InstrumentTable, instrumentOf, optionFromOcc} from '../domain/instrument.ts'
import type {GpiRecord} from './records.ts'
import type {Scales} from './scales.ts'
import {Aggressor, Depth, EventKind, Notice, type TapeChunk} from './tape.ts'
import {actionCode} from './tape-to-records.ts'

/** A tape row whose prices and sizes are still decimals. */
export interface SpooledRow {
  tsUs: number
  kind: number
  instrument: number
  flags: number
  v0: number
  v1: number
  v2: number
  v3: number
  v4: number
  v5: number
}

const ROW: SpooledRow = {tsUs: 0, kind: 0, instrument: 0, flags: 0, v0: 0, v1: 0, v2: 0, v3: 0, v4: 0, v5: 0}

/** The rows of a market record, none for other kinds. The yielded object is reused. */
export function* rowsOf(record: GpiRecord, scales: Scales): Generator<SpooledRow> {
  switch (record.kind) {
    case 'quote': {
      const i = begin(record, EventKind.quote, 0, scales.indexOf(record.symbol))
      ROW.v0 = scales.price(i, record.bid)
      ROW.v1 = scales.price(i, record.ask)
      ROW.v2 = scales.size(i, record.bidSize)
      ROW.v3 = scales.size(i, record.askSize)
      yield ROW
      return
    }
    case 'trade': {
      const flags =
        record.aggressor === undefined ? Aggressor.none : record.aggressor === 'buy' ? Aggressor.buy : Aggressor.sell
      const i = begin(record, EventKind.trade, flags, scales.indexOf(record.symbol))
      ROW.v0 = scales.price(i, record.price)
      ROW.v1 = scales.size(i, record.size)
      yield ROW
      return
    }
    case 'bar': {
      const i = begin(record, EventKind.bar, 0, scales.indexOf(record.symbol))
      ROW.v0 = scales.price(i, record.open)
      ROW.v1 = scales.price(i, record.high)
      ROW.v2 = scales.price(i, record.low)
      ROW.v3 = scales.price(i, record.close)
      ROW.v4 = scales.size(i, record.volume)
      ROW.v5 = record.periodUs
      yield ROW
      return
    }
    case 'book-snapshot':
      yield* snapshotRows(record, scales)
      return
    case 'book-delta': {
      const flags = (record.side === 'ask' ? Depth.ask : 0) | (record.last === false ? 0 : Depth.last)
      const i = begin(record, EventKind.depth, flags, scales.indexOf(record.symbol))
      ROW.v0 = scales.price(i, record.price)
      ROW.v1 = scales.size(i, record.size)
      yield ROW
      return
    }
    case 'book-order': {
      const flags = (actionCode(record.action) << 1) | (record.side === 'ask' ? 1 : 0)
      const i = begin(record, EventKind.order, flags, scales.indexOf(record.symbol))
      ROW.v0 = scales.price(i, record.price)
      ROW.v1 = scales.size(i, record.size)
      ROW.v2 = typeof record.orderId === 'number' ? record.orderId : hashId(record.orderId)
      yield ROW
      return
    }
    case 'option-quote': {
      const index = scales.indexOf(record.contract, () => contractOf(record))
      const i = begin(record, EventKind.option, 0, index)
      ROW.v0 = scales.price(i, record.bid)
      ROW.v1 = scales.price(i, record.ask)
      ROW.v2 = scales.size(i, record.bidSize ?? (record.bid > 0 ? 1 : 0))
      ROW.v3 = scales.size(i, record.askSize ?? (record.ask > 0 ? 1 : 0))
      ROW.v4 = scales.size(i, record.volume ?? 0)
      ROW.v5 = scales.size(i, record.openInterest ?? 0)
      yield ROW
      return
    }
    case 'split': {
      notice(record, Notice.split, scales)
      const [numerator, denominator] = fractionOf(record.ratio)
      ROW.v0 = numerator
      ROW.v1 = denominator
      yield ROW
      return
    }
    case 'dividend': {
      const i = notice(record, Notice.dividend, scales)
      ROW.v1 = record.payUs ?? 0
      ROW.v2 = scales.price(i, record.cashPerShare)
      yield ROW
      return
    }
    case 'borrow':
      notice(record, Notice.borrow, scales)
      ROW.v0 = Math.round(record.rateBpsAnnual * 1000)
      ROW.v1 = record.available === true ? -1 : Number(record.available)
      yield ROW
      return
    case 'status':
      notice(record, Notice.status, scales)
      ROW.v0 = record.status === 'halted' ? 1 : 0
      yield ROW
      return
    case 'band': {
      const i = notice(record, Notice.band, scales)
      ROW.v2 = scales.price(i, record.lower ?? 0)
      ROW.v3 = scales.price(i, record.upper ?? 0)
      yield ROW
      return
    }
    default:
      return
  }
}

const notice = (record: {readonly tsUs: number; readonly symbol: string}, flags: number, scales: Scales): number => {
  const i = begin(record, EventKind.notice, flags, scales.indexOf(record.symbol))
  ROW.v0 = ROW.v1 = 0
  return i
}

/** The simplest fraction within a part in 10^9 of a ratio (continued fractions): 1.5 is 3/2, 0.3333333333 is 1/3. */
export const fractionOf = (ratio: number): readonly [numerator: number, denominator: number] => {
  let [n0, d0, n1, d1] = [1, 0, Math.floor(ratio), 1]
  let rest = ratio
  for (let step = 0; step < 32 && Math.abs(n1 / d1 - ratio) > ratio * 1e-9; step++) {
    rest = 1 / (rest - Math.floor(rest))
    const whole = Math.floor(rest)
    ;[n0, d0, n1, d1] = [n1, d1, whole * n1 + n0, whole * d1 + d0]
  }
  return [n1, d1]
}

const begin = (record: {readonly tsUs: number}, kind: number, flags: number, instrument: number): number => {
  ROW.tsUs = record.tsUs
  ROW.kind = kind
  ROW.instrument = instrument
  ROW.flags = flags
  ROW.v2 = ROW.v3 = ROW.v4 = ROW.v5 = 0
  return instrument
}

function* snapshotRows(record: Extract<GpiRecord, {kind: 'book-snapshot'}>, scales: Scales): Generator<SpooledRow> {
  const i = scales.indexOf(record.symbol)
  // An empty book is one row that clears and ends, at no size.
  const levels: (readonly [number, number, number])[] = [
    ...record.bids.map(([price, size]) => [price, size, 0] as const),
    ...record.asks.map(([price, size]) => [price, size, Depth.ask] as const),
  ]
  if (levels.length === 0) levels.push([0, 0, 0])
  for (const [n, [price, size, side]] of levels.entries()) {
    begin(record, EventKind.depth, side | (n === 0 ? Depth.clear : 0) | (n === levels.length - 1 ? Depth.last : 0), i)
    ROW.v0 = scales.price(i, price)
    ROW.v1 = scales.size(i, size)
    yield ROW
  }
}

const contractOf = (record: Extract<GpiRecord, {kind: 'option-quote'}>): Instrument => {
  const {contract, symbol, right, strike, expiry} = record
  const listed = optionFromOcc(contract)
  if (listed !== undefined) return listed
  return {
    ...instrumentOf('OPTION'),
    symbol: contract,
    kind: 'option',
    base: contract,
    multiplier: 100,
    option: {underlying: symbol, right, strike, expiry, style: 'european'},
  }
}

/** FNV-1a to 52 bits: order ids that are words become numbers a double holds. */
const hashId = (id: string): number => {
  let low = 0x811c9dc5
  let high = 0x1b873593
  for (let i = 0; i < id.length; i++) {
    low = Math.imul(low ^ id.charCodeAt(i), 0x01000193)
    high = Math.imul(high ^ id.charCodeAt(i), 0x85ebca6b)
  }
  return (high & 0xfffff) * 2 ** 32 + (low >>> 0)
}

/** Turns a chunk of decimals into ticks and lots, in place. */
export const toIntegers = (chunk: TapeChunk, instruments: InstrumentTable): void => {
  const all = instruments.all()
  const prices = Float64Array.from(all, instrument => 10 ** instrument.priceDecimals)
  const sizes = Float64Array.from(all, instrument => 10 ** instrument.sizeDecimals)
  const {v0, v1, v2, v3, v4, v5} = chunk
  const scale = (column: Float64Array, row: number, by: number): void => {
    column[row] = Math.round((column[row] as number) * by)
  }
  for (let row = 0; row < chunk.count; row++) {
    const i = chunk.instrument[row] as number
    const price = prices[i] as number
    const size = sizes[i] as number
    if (chunk.kind[row] === EventKind.notice) {
      // Only the last two are prices; the rest is in units of its own.
      scale(v2, row, price)
      scale(v3, row, price)
      continue
    }
    scale(v0, row, price)
    switch (chunk.kind[row]) {
      case EventKind.bar:
        scale(v1, row, price)
        scale(v2, row, price)
        scale(v3, row, price)
        scale(v4, row, size)
        break
      case EventKind.quote:
      case EventKind.option:
        scale(v1, row, price)
        scale(v2, row, size)
        scale(v3, row, size)
        scale(v4, row, size)
        scale(v5, row, size)
        break
      default:
        scale(v1, row, size)
    }
  }
}
