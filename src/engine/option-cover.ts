import type {InstrumentTable} from '../domain/instrument.ts'

const NONE: readonly number[] = []

/** What must not be sold while contracts written on the same underlying are held: it may be all that covers them. */
export class OptionCover {
  readonly #held: (instrument: number) => number
  readonly #contracts = new Set<number>()
  /** Contracts and their underlying, by each of them; nothing where no contract is. */
  readonly #related = new Map<number, readonly number[]>()

  /** `held` says how many lots the account holds of an instrument. */
  constructor(instruments: InstrumentTable, held: (instrument: number) => number) {
    this.#held = held
    const families = new Map<string, number[]>()
    for (const [i, {option}] of instruments.all().entries()) {
      if (option === undefined) continue
      const family = families.get(option.underlying) ?? []
      family.push(i)
      this.#contracts.add(i)
      families.set(option.underlying, family)
    }
    for (const [underlying, family] of families) {
      const share = instruments.indexOf(underlying)
      if (share !== undefined) family.push(share)
      for (const i of family) this.#related.set(i, family)
    }
  }

  relatedTo(instrument: number): readonly number[] {
    return this.#related.get(instrument) ?? NONE
  }
  /** Whether a contract on the same underlying is held short. */
  isNeeded(instrument: number): boolean {
    return this.relatedTo(instrument).some(other => this.#contracts.has(other) && this.#held(other) < 0)
  }
}
