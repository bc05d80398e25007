/** One seeded run of the whole stack through one scenario (or its calm twin), as plain data that crosses threads. */
export interface PathRequest {
  readonly scenario: string
  readonly seed: number
  readonly calm: boolean
}

export interface PathResult {
  readonly seed: number
  readonly calm: boolean
  /** Fraction of the starting equity lost at the end, at the path's own prices and after costs; negative is a gain. */
  readonly loss: number
  /** Largest fall from a peak of equity at the path's own prices, sampled every market second: a stub quote is no loss. */
  readonly maxDrawdown: number
  /** Value of all positions, signs left away, when the trouble began, as a fraction of the starting equity. */
  readonly grossAtOnset: number
  /** The most that the positions held at the onset would have lost on the path, had nobody touched them. */
  readonly revaluedLoss: number
  /** From the onset to the first position closed by force; undefined: none was. */
  readonly exitUs: number | undefined
  /** Market microseconds after the scenario's start at which risk stopped opening orders (by its own marks, which quotes can fool); undefined: never. */
  readonly latchedAtUs: number | undefined
  /** From the onset of the trouble to the latch. */
  readonly reactionUs: number | undefined
  /** Why it stopped. */
  readonly latchReason: string | undefined
  /** Orders that could open or grow a position sent after the latch; must be 0. */
  readonly ordersAfterLatch: number
  readonly events: number
  readonly orders: number
  readonly fills: number
  readonly rejected: number
  readonly ledgerErrorMicros: number
  readonly journalHash: string
}
