import type {PositionBook} from './position-book.ts'

// Columns grow by doubling and are read below their count, so they are read under `!`.

/** A position of one strategy from flat to flat (or through zero). */
export interface ClosedTrade {
  readonly strategy: number
  readonly instrument: number
  readonly openedUs: number
  readonly closedUs: number
  readonly side: 'long' | 'short'
  /** Largest size held. */
  readonly lots: number
  /** After fees. */
  readonly profitMicros: number
  /** Value of what was bought and sold to open and close it. */
  readonly turnoverMicros: number
}

/**
 * One sample of the account a fixed market time apart; the pace halves when the curve grows too long. The deepest fall is
 * of every look, between samples too: a minute's crash in a year of minutes is not thinned away.
 */
export class EquityCurve {
  readonly #capacity: number
  readonly #columns: number
  /** Market time between two samples. */
  stepUs: number
  count = 0
  tsUs: Float64Array
  /** Column 0 is equity, then gross exposure, then each strategy's profit, all in micros. */
  readonly values: Float64Array[]

  constructor(stepUs: number, strategies: number, capacity = 16_384) {
    this.stepUs = stepUs
    this.#capacity = capacity
    this.#columns = 2 + strategies
    this.tsUs = new Float64Array(capacity)
    this.values = Array.from({length: this.#columns}, () => new Float64Array(capacity))
  }

  #peak = Number.NEGATIVE_INFINITY
  #peakUs = 0
  readonly #inserted = new Set<number>()
  #fall = {depth: 0, peak: 0, peakUs: 0, trough: 0, troughUs: 0}

  /** Equity as it is now, sampled or not. */
  look(tsUs: number, equity: number): void {
    if (equity >= this.#peak) {
      this.#peak = equity
      this.#peakUs = tsUs
      return
    }
    const depth = 1 - equity / this.#peak
    if (depth > this.#fall.depth)
      this.#fall = {depth, peak: this.#peak, peakUs: this.#peakUs, trough: equity, troughUs: tsUs}
  }
  /** Puts both ends of the deepest fall among the samples, once the run has ended; the other columns stay as they were before. */
  keepDeepestFall(): void {
    const {depth, peak, peakUs, trough, troughUs} = this.#fall
    if (!(depth > 0)) return
    this.#insert(peakUs, peak)
    this.#insert(troughUs, trough)
  }
  /** When samples were due: of the tape alone, whatever the account did. */
  dueUs(): Float64Array {
    return this.tsUs.slice(0, this.count).filter(at => !this.#inserted.has(at))
  }
  #insert(tsUs: number, equity: number): void {
    let after = this.count
    while (after > 0 && this.tsUs[after - 1]! > tsUs) after--
    if (after === 0 || this.tsUs[after - 1] === tsUs) return
    this.#inserted.add(tsUs)
    const widened = (column: Float64Array, value: number): Float64Array => {
      const wide = new Float64Array(this.count + 1)
      wide.set(column.subarray(0, after))
      wide[after] = value
      wide.set(column.subarray(after, this.count), after + 1)
      return wide
    }
    this.tsUs = widened(this.tsUs, tsUs)
    for (const [c, column] of this.values.entries())
      this.values[c] = widened(column, c === 0 ? equity : column[after - 1]!)
    this.count++
  }

  /** True when a sample belongs here; then the caller adds one. */
  isDue(tsUs: number): boolean {
    return this.count === 0 || tsUs - this.tsUs[this.count - 1]! >= this.stepUs
  }
  add(tsUs: number, values: ArrayLike<number>): void {
    this.look(tsUs, values[0]!)
    if (this.count === this.#capacity) this.#thin()
    this.tsUs[this.count] = tsUs
    for (let c = 0; c < this.#columns; c++) this.values[c]![this.count] = values[c]!
    this.count++
  }
  /** Keeps every second sample. */
  #thin(): void {
    const kept = this.count >> 1
    for (const column of [this.tsUs, ...this.values]) for (let k = 0; k < kept; k++) column[k] = column[2 * k]!
    this.count = kept
    this.stepUs *= 2
  }
}

interface Episode {
  openedUs: number
  lots: number
  startRealizedMicros: number
  feesMicros: number
  turnoverMicros: number
}

/** What has to be remembered of a run to judge it afterwards; bounded, however long it is. */
export class RunRecord {
  readonly equity: EquityCurve
  readonly trades: ClosedTrade[] = []
  /** Trades beyond the bound, counted only. */
  droppedTrades = 0
  /** Cost of the distance between mid and hoped price, and between hoped and real price, in micros; negative is earned. */
  spreadMicros = 0
  slippageMicros = 0
  /** Cost of moving the market ourselves, in micros; no part of the slippage. */
  impactMicros = 0
  readonly #episodes = new Map<number, Episode>()
  readonly #instruments: number
  readonly #maxTrades: number

  constructor(instruments: number, strategies: number, stepUs: number, maxTrades = 500_000) {
    this.#instruments = instruments
    this.#maxTrades = maxTrades
    this.equity = new EquityCurve(stepUs, strategies)
  }

  /** A strategy's position in `slot` moved from `before` lots; `book` has it as it is now. */
  onMove(
    book: PositionBook,
    slot: number,
    before: number,
    realizedBefore: number,
    value: number,
    fees: number,
    tsUs: number,
  ): void {
    const after = book.lots[slot]!
    let episode = this.#episodes.get(slot)
    if (episode === undefined) {
      episode = {openedUs: tsUs, lots: 0, startRealizedMicros: realizedBefore, feesMicros: 0, turnoverMicros: 0}
      this.#episodes.set(slot, episode)
    }
    episode.feesMicros += fees
    episode.turnoverMicros += value
    episode.lots = Math.max(episode.lots, Math.abs(before), after * before >= 0 ? Math.abs(after) : 0)
    const crossed = before !== 0 && (after === 0 || after > 0 !== before > 0)
    if (!crossed) return
    this.#close(slot, episode, before, book.realizedMicros[slot]!, tsUs)
    if (after === 0) this.#episodes.delete(slot)
    else
      this.#episodes.set(slot, {
        openedUs: tsUs,
        lots: Math.abs(after),
        startRealizedMicros: book.realizedMicros[slot]!,
        feesMicros: 0,
        turnoverMicros: 0,
      })
  }

  #close(slot: number, episode: Episode, before: number, realizedMicros: number, tsUs: number): void {
    if (this.trades.length >= this.#maxTrades) {
      this.droppedTrades++
      return
    }
    this.trades.push({
      strategy: Math.floor(slot / this.#instruments),
      instrument: slot % this.#instruments,
      openedUs: episode.openedUs,
      closedUs: tsUs,
      side: before > 0 ? 'long' : 'short',
      lots: episode.lots,
      profitMicros: realizedMicros - episode.startRealizedMicros - episode.feesMicros,
      turnoverMicros: episode.turnoverMicros,
    })
  }

  /** Dividends and borrow count in the trade that they came with. */
  onIncome(slot: number, micros: number): void {
    const episode = this.#episodes.get(slot)
    if (episode !== undefined) episode.feesMicros -= micros
  }
  /** A split; a position that was only a fraction is closed by it. */
  onSplit(book: PositionBook, slot: number, before: number, factor: number, tsUs: number): void {
    const episode = this.#episodes.get(slot)
    if (episode === undefined) return
    episode.lots = Math.round(episode.lots * factor)
    if (book.lots[slot] !== 0) return
    this.#close(slot, episode, before, book.realizedMicros[slot]!, tsUs)
    this.#episodes.delete(slot)
  }

  openedUs(slot: number): number {
    return this.#episodes.get(slot)?.openedUs ?? 0
  }
}
