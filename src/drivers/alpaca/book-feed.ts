import {Depth} from '../../data/tape.ts'
import {type Instrument, type InstrumentTable, priceToTicks} from '../../domain/instrument.ts'
import {lotsAtLeastOne} from './wire-numbers.ts'

/** A message of the `orderbooks` channel, as the SDK passes it on. */
export interface WireBook {
  readonly symbol: string
  readonly bids: readonly WireLevel[]
  readonly asks: readonly WireLevel[]
  /** The whole book; else what changed, a level that is gone with size 0. */
  readonly reset: boolean
}
interface WireLevel {
  readonly price: number
  readonly size: number
}

/** One depth row of the tape: flags are `Depth` bits. */
export type DepthRow = (instrument: number, flags: number, ticks: number, lots: number) => void

/**
 * Turns books of the wire into depth rows. A book that has only ever shown its touch says what the quotes say, so nothing
 * of it is passed on: strategies would take one level for the depth. The first message that shows more passes on the
 * whole book, and every later one its changes.
 */
export class BookFeed {
  readonly #instruments: InstrumentTable
  readonly #row: DepthRow
  /** What shallow books have shown, bids and asks by price; undefined once a book is known to be deep. */
  readonly #shallow = new Map<number, readonly [Map<number, number>, Map<number, number>] | undefined>()

  constructor(instruments: InstrumentTable, row: DepthRow) {
    this.#instruments = instruments
    this.#row = row
  }

  onBook({symbol, bids, asks, reset}: WireBook): void {
    const i = this.#instruments.indexOf(symbol)
    if (i === undefined) return
    const instrument = this.#instruments.at(i)
    const changes = [levelsOf(instrument, bids), levelsOf(instrument, asks)] as const
    if (this.#shallow.has(i) && this.#shallow.get(i) === undefined) {
      this.#pass(i, changes, reset)
      return
    }
    const [knownBids, knownAsks] = this.#shallow.get(i) ?? [new Map<number, number>(), new Map<number, number>()]
    if (reset) {
      knownBids.clear()
      knownAsks.clear()
    }
    apply(knownBids, changes[0])
    apply(knownAsks, changes[1])
    const isDeep = knownBids.size > 1 || knownAsks.size > 1
    this.#shallow.set(i, isDeep ? undefined : [knownBids, knownAsks])
    if (isDeep) this.#pass(i, [[...knownBids], [...knownAsks]], true)
  }

  #pass(i: number, sides: readonly [Levels, Levels], isWhole: boolean): void {
    let left = sides[0].length + sides[1].length
    let flags = isWhole ? Depth.clear : 0
    if (left === 0 && isWhole) this.#row(i, Depth.clear | Depth.last, 0, 0)
    for (const [side, levels] of sides.entries())
      for (const [ticks, lots] of levels) {
        this.#row(i, flags | (side === 1 ? Depth.ask : 0) | (--left === 0 ? Depth.last : 0), ticks, lots)
        flags = 0
      }
  }
}

type Levels = readonly (readonly [ticks: number, lots: number])[]

const levelsOf = (instrument: Instrument, levels: readonly WireLevel[]): Levels =>
  levels.map(({price, size}) => [priceToTicks(instrument, price), lotsAtLeastOne(instrument, size)])

const apply = (known: Map<number, number>, changes: Levels): void => {
  for (const [ticks, lots] of changes)
    if (lots > 0) known.set(ticks, lots)
    else known.delete(ticks)
}
