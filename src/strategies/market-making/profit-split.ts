/**
 * A market maker's profit in its four parts, in micros: what was earned against the mid at each fill, what the inventory
 * gained or lost as the mid moved, rebates received and fees paid. Their sum is cash plus position at mid, exactly.
 */
export class ProfitSplit {
  spreadMicros = 0
  inventoryMicros = 0
  rebateMicros = 0
  feesMicros = 0
  fills = 0
  /** Notional traded, micros. */
  turnoverMicros = 0
  #lots = 0
  #markTicks = 0

  get lots(): number {
    return this.#lots
  }

  mark(midTicks: number, microsPerTickLot: number): void {
    if (this.#lots !== 0 && this.#markTicks > 0)
      this.inventoryMicros += this.#lots * (midTicks - this.#markTicks) * microsPerTickLot
    this.#markTicks = midTicks
  }

  onFill(
    signedLots: number,
    priceTicks: number,
    feeMicros: number,
    feeLots: number,
    midTicks: number,
    microsPerTickLot: number,
  ): void {
    this.mark(midTicks, microsPerTickLot)
    this.spreadMicros += signedLots * (midTicks - priceTicks) * microsPerTickLot
    const fee = feeMicros + feeLots * midTicks * microsPerTickLot
    if (fee < 0) this.rebateMicros -= fee
    else this.feesMicros += fee
    this.turnoverMicros += Math.abs(signedLots) * priceTicks * microsPerTickLot
    this.#lots += signedLots - feeLots
    this.fills++
  }

  get netMicros(): number {
    return this.spreadMicros + this.inventoryMicros + this.rebateMicros - this.feesMicros
  }
}
