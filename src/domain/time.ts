import type {TsUs} from './units.ts'

/** Reads the time. The system clock is made in `core`; everything below takes one as an argument. */
export interface Clock {
  readonly nowUs: () => TsUs
}

/** Runs a callback later, on the clock it belongs to. */
export interface Scheduler {
  /** Calls `run` once, `delayUs` from now; the returned function takes it back. */
  readonly after: (delayUs: number, run: () => void) => () => void
}

/** A clock that only its owner moves; time going back is a bug. */
export class ManualClock implements Clock {
  #nowUs: TsUs
  constructor(startUs: TsUs) {
    this.#nowUs = startUs
  }
  readonly nowUs = (): TsUs => this.#nowUs
  advanceTo(atUs: TsUs): void {
    if (atUs < this.#nowUs) throw new RangeError(`time must not go back: from ${this.#nowUs} to ${atUs}`)
    this.#nowUs = atUs
  }
}
