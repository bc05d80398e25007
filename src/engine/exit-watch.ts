import type {MarketState} from '../data/market-state.ts'
import {type ExitReason, type ExitRules, exitReason} from '../risk/position-exit.ts'
import type {Ledger} from './ledger.ts'
import type {RunRecord} from './run-record.ts'

// Columns are sized from the run's instruments and strategies, so they are read under `!`.

export interface ExitWatchOptions {
  readonly instruments: number
  readonly strategies: number
  readonly market: MarketState
  readonly ledger: Ledger
  readonly record: RunRecord
  readonly microsPerTickLot: Float64Array
  readonly rules: ExitRules
  readonly coolOffUs: number
  /** Whether the slot is being closed already. */
  readonly isForced: (slot: number) => boolean
  readonly onExit: (strategy: number, instrument: number, reason: ExitReason, nowUs: number) => void
}

/** Watches positions for the exits that apply whatever a strategy thinks; a slot is `strategy * instruments + instrument`. */
export class ExitWatch {
  readonly #o: ExitWatchOptions
  readonly #n: number
  readonly #bestTicks: Float64Array
  /** Between these prices, and before that time, no exit rule can apply. */
  readonly #calmLow: Float64Array
  readonly #calmHigh: Float64Array
  readonly #calmUntilUs: Float64Array
  readonly #coolUntilUs: Float64Array
  readonly #coolSide: Int8Array
  /** 1 where a position is part of a combination, which its legs' own exits would tear apart. */
  readonly #combined: Uint8Array

  constructor(options: ExitWatchOptions) {
    const slots = options.instruments * options.strategies
    this.#o = options
    this.#n = options.instruments
    this.#bestTicks = new Float64Array(slots)
    this.#calmLow = new Float64Array(slots)
    this.#calmHigh = new Float64Array(slots)
    this.#calmUntilUs = new Float64Array(slots)
    this.#coolUntilUs = new Float64Array(slots)
    this.#coolSide = new Int8Array(slots)
    this.#combined = new Uint8Array(slots)
  }

  /** The position changed: its exits are judged anew at the next price. */
  positionChanged(slot: number, isFlat: boolean): void {
    this.#calmUntilUs[slot] = 0
    if (!isFlat) return
    this.#bestTicks[slot] = 0
    this.#combined[slot] = 0
  }
  /** The slot's next position is a leg: until it is flat its strategy alone decides on exits. */
  combine(slot: number): void {
    this.#combined[slot] = 1
  }
  /** Prices are in other shares now: what was best so far means nothing. */
  forget(slot: number): void {
    this.#calmUntilUs[slot] = 0
    this.#bestTicks[slot] = 0
  }
  /** A forced exit is too fresh to go the same way again. */
  isCooling(slot: number, nowUs: number): boolean {
    return nowUs < this.#coolUntilUs[slot]!
  }
  coolSide(slot: number): number {
    return this.#coolSide[slot]!
  }

  /** Stops, profits and time-outs of positions, whatever their strategies think. */
  check(i: number, nowUs: number): void {
    const {market, ledger, strategies} = this.#o
    for (let k = 0, slot = i; k < strategies; k++, slot += this.#n) {
      const lots = ledger.own.lots[slot]!
      if (lots === 0 || ledger.tradedLots[slot] === 0) continue
      const shown = lots > 0 ? market.bidLots[i]! : market.askLots[i]!
      const exitTicks = shown > 0 ? (lots > 0 ? market.bidTicks[i]! : market.askTicks[i]!) : market.lastTicks[i]!
      if (exitTicks > this.#calmLow[slot]! && exitTicks < this.#calmHigh[slot]! && nowUs < this.#calmUntilUs[slot]!)
        continue
      this.#judge(k, i, slot, exitTicks, nowUs)
    }
  }

  #judge(k: number, i: number, slot: number, exitTicks: number, nowUs: number): void {
    const {ledger, rules, record, microsPerTickLot} = this.#o
    if (ledger.settlement.home[i] !== i || this.#combined[slot] === 1 || this.#o.isForced(slot)) return
    const lots = ledger.own.lots[slot]!
    const side = lots > 0
    const perTick = microsPerTickLot[i]!
    const best = this.#bestTicks[slot]!
    const bestTicks = best === 0 ? exitTicks : side ? Math.max(best, exitTicks) : Math.min(best, exitTicks)
    this.#bestTicks[slot] = bestTicks
    const averageEntryTicks = perTick > 0 ? ledger.own.averageMicros(slot) / perTick : 0
    const openedUs = record.openedUs(slot)
    const reason = exitReason({lots, averageEntryTicks, openedUs, bestTicks}, exitTicks, nowUs, rules)
    if (reason !== undefined) this.#exit(k, i, side ? 1 : -1, reason, nowUs)
    else this.#setCalm(slot, side, averageEntryTicks, openedUs)
  }

  /** A little inside the rules' own bounds, so that only they decide; a trailing stop is judged at every price. */
  #setCalm(slot: number, side: boolean, entryTicks: number, openedUs: number): void {
    const {rules} = this.#o
    if (rules.trailingStop !== undefined || entryTicks <= 0) return
    const {stopLoss = Infinity, takeProfit = Infinity, maxHoldingUs = Infinity} = rules
    const [down, up] = side ? [stopLoss, takeProfit] : [takeProfit, stopLoss]
    this.#calmLow[slot] = entryTicks * (1 - down * (1 - 1e-9))
    this.#calmHigh[slot] = entryTicks * (1 + up * (1 - 1e-9))
    this.#calmUntilUs[slot] = openedUs + maxHoldingUs
  }

  #exit(strategy: number, instrument: number, side: 1 | -1, reason: ExitReason, nowUs: number): void {
    const slot = strategy * this.#n + instrument
    this.#coolUntilUs[slot] = nowUs + this.#o.coolOffUs
    this.#coolSide[slot] = side
    this.#o.onExit(strategy, instrument, reason, nowUs)
  }
}
