import type {InstrumentTable} from '../domain/instrument.ts'
import {notionalMicros} from '../domain/instrument.ts'
import type {Fill} from '../domain/order.ts'
import type {NewPattern} from '../memory/memory.ts'
import type {MarketWindow} from './market-window.ts'

/** The part of the pattern bank that trading writes to. */
export interface PatternSink {
  readonly add: (pattern: NewPattern) => 'added' | 'known'
  readonly recordOutcome: (id: string, pnlBps: number, atUs: number) => 'recorded' | 'known' | 'no-pattern'
}

export interface TradeMemoryOptions {
  readonly runId: string
  readonly instruments: InstrumentTable
  readonly window: Pick<MarketWindow, 'vector' | 'regime'>
  readonly bank: PatternSink
}

/** One strategy's position in one instrument, from flat to flat. */
interface OpenTrade {
  readonly id: string | undefined
  lots: number
  /** Cash in minus cash out, fees taken off. */
  flowMicros: number
  /** What was put on in all: the base of the outcome. */
  openedMicros: number
}

/**
 * Remembers what the market looked like when a strategy opened a position and, when that position is flat again, what it
 * earned after costs. A fill that turns a position around closes one trade and opens the next.
 */
export class TradeMemory {
  readonly #options: TradeMemoryOptions
  readonly #open = new Map<string, OpenTrade>()
  #sequence = 0
  /** Trades closed whose outcome went to the bank. */
  recorded = 0

  constructor(options: TradeMemoryOptions) {
    this.#options = options
  }

  onFill(strategy: string, fill: Fill): void {
    const {instruments} = this.#options
    const instrument = instruments.at(fill.instrument)
    const direction = fill.side === 'buy' ? 1 : -1
    const key = `${strategy}\n${fill.instrument}`
    let left = direction * fill.lots
    const open = this.#open.get(key)
    const value = (lots: number): number => notionalMicros(instrument, fill.priceTicks, Math.abs(lots))
    const feePerLot = (fill.feeMicros + (fill.feeLots ? value(fill.feeLots) : 0)) / fill.lots

    if (open !== undefined && Math.sign(open.lots) !== direction) {
      const closing = direction * Math.min(Math.abs(left), Math.abs(open.lots))
      open.flowMicros -= direction * value(closing) + feePerLot * Math.abs(closing)
      open.lots += closing
      left -= closing
      if (open.lots === 0) {
        this.#open.delete(key)
        this.#record(open, fill.tsUs)
      }
    }
    if (left === 0) return
    const grown = this.#open.get(key) ?? this.#begin(strategy, fill)
    this.#open.set(key, grown)
    grown.lots += left
    grown.flowMicros -= direction * value(left) + feePerLot * Math.abs(left)
    grown.openedMicros += value(left)
  }

  #begin(strategy: string, fill: Fill): OpenTrade {
    const {runId, instruments, window, bank} = this.#options
    const vector = window.vector(fill.instrument)
    // Before the window is full there is nothing to compare by; the trade is followed but leaves no pattern.
    const id = vector?.some(value => value !== 0)
      ? `${runId}:${strategy}:${instruments.at(fill.instrument).symbol}:${++this.#sequence}`
      : undefined
    if (id !== undefined && vector !== undefined)
      bank.add({
        id,
        symbol: instruments.at(fill.instrument).symbol,
        strategy,
        regime: window.regime(fill.instrument),
        tsUs: fill.tsUs,
        vector,
      })
    return {id, lots: 0, flowMicros: 0, openedMicros: 0}
  }

  #record({id, flowMicros, openedMicros}: OpenTrade, atUs: number): void {
    if (id === undefined || openedMicros === 0) return
    if (this.#options.bank.recordOutcome(id, (1e4 * flowMicros) / openedMicros, atUs) === 'recorded') this.recorded++
  }
}
