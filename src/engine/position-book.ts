import {mulDivRounded} from '../domain/instrument.ts'

// Columns are sized by the caller and indexed by its own numbers, so they are read under `!`.

/**
 * Signed positions with their cost, in exact integers: lots and micros. Closing a part releases the same part of the
 * cost (average cost), rounded once; closing all releases all, so no remainder is ever left behind.
 */
export class PositionBook {
  readonly lots: Float64Array
  /** What the open position cost: positive for a long, negative for a short. */
  readonly costMicros: Float64Array
  readonly realizedMicros: Float64Array

  constructor(size: number, lots: Float64Array = new Float64Array(size)) {
    this.lots = lots
    this.costMicros = new Float64Array(size)
    this.realizedMicros = new Float64Array(size)
  }

  /** Moves `signedLots` in or out for `valueMicros` in all; returns the profit realised. */
  trade(i: number, signedLots: number, valueMicros: number): number {
    const held = this.lots[i]!
    const direction = signedLots > 0 ? 1 : -1
    this.lots[i] = held + signedLots
    if (held === 0 || held > 0 === signedLots > 0) {
      this.costMicros[i]! += direction * valueMicros
      return 0
    }
    const size = Math.abs(signedLots)
    const closing = Math.min(size, Math.abs(held))
    const closedValue = closing === size ? valueMicros : mulDivRounded(valueMicros, closing, size)
    const cost = this.costMicros[i]!
    const released = closing === Math.abs(held) ? cost : mulDivRounded(cost, closing, Math.abs(held))
    const realized = -direction * closedValue - released
    this.costMicros[i] = cost - released + direction * (valueMicros - closedValue)
    this.realizedMicros[i]! += realized
    return realized
  }

  /**
   * `numerator` new lots for `denominator` old ones, of which `newLots` are kept: what is missing to the exact number
   * (or is too much) is paid for at `microsPerLot` a new lot. Returns the cash that comes in and the profit realised.
   */
  split(
    i: number,
    numerator: number,
    denominator: number,
    newLots: number,
    microsPerLot: number,
  ): {readonly cashMicros: number; readonly realizedMicros: number} {
    const before = this.lots[i]! * numerator
    // In parts of a new lot.
    const delta = newLots * denominator - before
    this.lots[i] = newLots
    if (delta === 0) return {cashMicros: 0, realizedMicros: 0}
    const cashMicros = -mulDivRounded(delta, microsPerLot, denominator)
    const cost = this.costMicros[i]!
    if (delta > 0 === before > 0) {
      this.costMicros[i] = cost - cashMicros
      return {cashMicros, realizedMicros: 0}
    }
    const released = newLots === 0 ? cost : mulDivRounded(cost, Math.abs(delta), Math.abs(before))
    this.costMicros[i] = cost - released
    const realizedMicros = cashMicros - released
    this.realizedMicros[i]! += realizedMicros
    return {cashMicros, realizedMicros}
  }

  /** Average entry in micros a lot, unsigned; 0 when flat. */
  averageMicros(i: number): number {
    return this.lots[i] === 0 ? 0 : this.costMicros[i]! / this.lots[i]!
  }
}
