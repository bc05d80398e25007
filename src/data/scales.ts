import {type Instrument, instrumentOf} from '../domain/instrument.ts'

/** Learns, symbol by symbol, how many decimals prices and sizes need; indices are given in order of first appearance. */
export class Scales {
  readonly #bases: Instrument[] = []
  readonly #priceDecimals: number[] = []
  readonly #sizeDecimals: number[] = []
  readonly #index = new Map<string, number>()
  readonly #meaning: (symbol: string) => Instrument

  constructor(meaning: (symbol: string) => Instrument = instrumentOf) {
    this.#meaning = meaning
  }

  indexOf(symbol: string, instrument?: () => Instrument): number {
    const known = this.#index.get(symbol)
    if (known !== undefined) return known
    const base = instrument?.() ?? this.#meaning(symbol)
    this.#index.set(symbol, this.#bases.length)
    this.#priceDecimals.push(base.priceDecimals)
    this.#sizeDecimals.push(base.sizeDecimals)
    return this.#bases.push(base) - 1
  }

  price(index: number, value: number): number {
    const decimals = this.#priceDecimals[index] as number
    if (!fits(value, decimals)) this.#priceDecimals[index] = priceDecimalsOf(value, decimals)
    return value
  }

  size(index: number, value: number): number {
    const decimals = this.#sizeDecimals[index] as number
    if (!fits(value, decimals)) this.#sizeDecimals[index] = decimalsOf(value, decimals)
    return value
  }

  /** The instruments at the scales learned; increments keep their value. */
  instruments(): Instrument[] {
    return this.#bases.map((base, i) => {
      const priceDecimals = this.#priceDecimals[i] as number
      const sizeDecimals = this.#sizeDecimals[i] as number
      return {
        ...base,
        priceDecimals,
        sizeDecimals,
        incrementTicks: base.incrementTicks * 10 ** (priceDecimals - base.priceDecimals),
        minLots: base.minLots * 10 ** (sizeDecimals - base.sizeDecimals),
      }
    })
  }
}

/** Beyond this many decimals a number is rounded: a tick must stay an integer that a double holds. */
const MOST_DECIMALS = 8
/** For prices of which rounding to eight decimals would leave less than seven digits. */
const FINEST_DECIMALS = 14

/** What is left over may be a thousandth of a tick, but no more than a ten-millionth of the value. */
const fits = (value: number, decimals: number): boolean => {
  const scaled = Math.abs(value) * 10 ** decimals
  return Math.abs(scaled - Math.round(scaled)) <= Math.min(0.001, scaled * 1e-7) + scaled * 4e-16
}

const isCrude = (value: number, decimals: number): boolean => {
  const scaled = Math.abs(value) * 10 ** decimals
  return Math.abs(scaled - Math.round(scaled)) > scaled * 1.001e-7
}

const decimalsOf = (value: number, atLeast: number): number => {
  let decimals = atLeast
  while (decimals < MOST_DECIMALS && !fits(value, decimals)) decimals++
  return decimals
}

const priceDecimalsOf = (value: number, atLeast: number): number => {
  let decimals = decimalsOf(value, atLeast)
  while (decimals < FINEST_DECIMALS && isCrude(value, decimals)) decimals += 2
  return decimals
}
