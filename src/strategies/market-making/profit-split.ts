import {type Instrument, notionalMicros} from '../../domain/instrument.ts'

/**
 * A market maker's profit in its four parts, in whole micros: what was earned against the mid at each fill, what the inventory
 * gained or lost from those mids to the mark, rebates received and fees paid. Fills are valued and rounded as the ledger does
 * it, so the four sum to the ledger's profit exactly, whatever was filled.
 */
export class ProfitSplit {
  spreadMicros = 0
  rebateMicros = 0
  feesMicros = 0
  fills = 0
  /** Notional traded, micros. */
  turnoverMicros = 0
  /** Signed lots held after coin fees, and what those fees were worth. */
  lots = 0
  #coinFeesMicros = 0
  /** What the fills were worth at the mids of their moments: inventory is judged against it. */
  #midMicros = 0
  readonly #instrument: Instrument
  readonly #microsPerTickLot: number

  constructor(instrument: Instrument) {
    this.#instrument = instrument
    this.#microsPerTickLot = instrument.multiplier * 10 ** (6 - instrument.priceDecimals - instrument.sizeDecimals)
  }

  onFill(signedLots: number, priceTicks: number, feeMicros: number, feeLots: number, midTicks: number): void {
    const direction = signedLots < 0 ? -1 : 1
    const notional = notionalMicros(this.#instrument, priceTicks, Math.abs(signedLots))
    const atMid = this.#valueMicros(signedLots, midTicks)
    this.spreadMicros += atMid - direction * notional
    this.#midMicros += atMid
    const coinFee = feeLots === 0 ? 0 : notionalMicros(this.#instrument, priceTicks, feeLots)
    this.#coinFeesMicros += coinFee
    const fee = feeMicros + coinFee
    if (fee < 0) this.rebateMicros -= fee
    else this.feesMicros += fee
    this.turnoverMicros += notional
    this.lots += signedLots - feeLots
    this.fills++
  }

  /** From the mids of the fills to `markTicks`; a fee taken in coin is a fee, not a loss of inventory. */
  inventoryMicros(markTicks: number): number {
    return this.#valueMicros(this.lots, markTicks) - this.#midMicros + this.#coinFeesMicros
  }

  netMicros(markTicks: number): number {
    return this.spreadMicros + this.inventoryMicros(markTicks) + this.rebateMicros - this.feesMicros
  }

  /** As the ledger marks a position: mids may be half ticks. */
  #valueMicros(lots: number, ticks: number): number {
    return lots === 0 ? 0 : Math.round(lots * ticks * this.#microsPerTickLot)
  }
}
