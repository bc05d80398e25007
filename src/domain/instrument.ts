import {type Lots, type Micros, micros, type Ticks, lots as toLots, ticks as toTicks} from './units.ts'

export type InstrumentKind = 'equity' | 'etf' | 'option' | 'crypto'

/**
 * A tradable thing and its integer scales. Prices are `10^-priceDecimals` of `quote`, sizes `10^-sizeDecimals` units:
 * the only conversions between decimals and integers in gpi are in this file.
 */
export interface Instrument {
  /** The venue's own string: `AAPL`, `BTC/USD`, OCC `AAPL260116C00250000`. */
  readonly symbol: string
  readonly kind: InstrumentKind
  /** What a unit is: `AAPL`, `BTC`, or the OCC symbol itself for an option. */
  readonly base: string
  /** Currency (or coin) the price is in: `USD`, `BTC`. */
  readonly quote: string
  readonly priceDecimals: number
  readonly sizeDecimals: number
  /** Units of `base` a contract stands for: 1, or 100 for a standard option. */
  readonly multiplier: number
  /** Order prices must be multiples of this; 1 unless the venue's increment is coarser than the tick. */
  readonly incrementTicks: number
  /** Smallest order. */
  readonly minLots: number
  readonly option?: {
    readonly underlying: string
    readonly right: 'call' | 'put'
    readonly strike: number
    /** YYYY-MM-DD */
    readonly expiry: string
    readonly style: 'american' | 'european'
  }
}

/** Alpaca takes no smaller crypto buy; it refuses them with "cost basis must be >= minimal amount of order 10". */
export const LEAST_COIN_ORDER_MICROS = 10_000_000

const POW10 = Array.from({length: 23}, (_, i) => 10 ** i)
const pow10 = (n: number): number => POW10[n] as number

/** Nearest tick; halves away from zero. Throws RangeError on NaN, infinity or overflow. */
export const priceToTicks = (instrument: Instrument, price: number): Ticks =>
  toTicks(roundDecimal(price, instrument.priceDecimals))
export const ticksToPrice = (instrument: Instrument, priceTicks: number): number =>
  priceTicks / pow10(instrument.priceDecimals)
/** Whole lots not above the size; a partial lot is dropped, never rounded up. */
export const sizeToLots = (instrument: Instrument, size: number): Lots =>
  toLots(Math.floor(roundDecimal(size, instrument.sizeDecimals + 3) / 1000))
export const lotsToSize = (instrument: Instrument, sizeLots: number): number =>
  sizeLots / pow10(instrument.sizeDecimals)

const roundDecimal = (value: number, decimals: number): number => {
  const scaled = value * pow10(decimals)
  if (!Number.isFinite(scaled)) throw new RangeError(`a price or size must be finite, was ${value}`)
  // toPrecision(15) removes the representation error of decimals such as 1.005 before the half is decided.
  const magnitude = Math.round(Number(Math.abs(scaled).toPrecision(15)))
  return scaled < 0 ? 0 - magnitude : magnitude
}

/**
 * Value of `sizeLots` at `priceTicks` in micros of the quote currency; the one rounding of the order path (half away
 * from zero), exact for every product.
 */
export const notionalMicros = (instrument: Instrument, priceTicks: number, sizeLots: number): Micros =>
  micros(
    scaledProduct(priceTicks * instrument.multiplier, sizeLots, instrument.priceDecimals + instrument.sizeDecimals - 6),
  )

/**
 * `a * b / 10^decimals`, halves away from zero, exact although the product may pass 2^53. Most cases need no big integer:
 * a whole part of `b` is taken out, and what is left is small.
 */
export const scaledProduct = (a: number, b: number, decimals: number): number => {
  // Adding 0 takes the sign off a negative zero, which would change a journal's bytes.
  if (decimals <= 0) return a * b * pow10(-decimals) + 0
  const divisor = pow10(decimals)
  const product = a * b
  if (product <= Number.MAX_SAFE_INTEGER && product >= -Number.MAX_SAFE_INTEGER) return divideRounded(product, divisor)
  const rest = b % divisor
  const whole = a * ((b - rest) / divisor)
  const part = a * rest
  if (Number.isSafeInteger(whole) && Number.isSafeInteger(part)) return whole + divideRounded(part, divisor)
  return divideRoundedBig(BigInt(a) * BigInt(b), BigInt(divisor))
}

/** `a * b / c`, halves away from zero, exact although the product may pass 2^53; `c` positive. */
export const mulDivRounded = (a: number, b: number, c: number): number => {
  const product = a * b
  if (product <= Number.MAX_SAFE_INTEGER && product >= -Number.MAX_SAFE_INTEGER) return divideRounded(product, c)
  return divideRoundedBig(BigInt(a) * BigInt(b), BigInt(c))
}

/** Integer quotient, halves away from zero, exact for safe integers (a double quotient is not). */
export const divideRounded = (numerator: number, divisor: number): number => {
  const magnitude = Math.abs(numerator)
  const remainder = magnitude % divisor
  const quotient = (magnitude - remainder) / divisor + (remainder * 2 >= divisor ? 1 : 0)
  return numerator < 0 ? 0 - quotient : quotient
}

const divideRoundedBig = (numerator: bigint, divisor: bigint): number => {
  const magnitude = numerator < 0n ? -numerator : numerator
  const quotient = Number((magnitude * 2n + divisor) / (divisor * 2n))
  return numerator < 0n ? -quotient : quotient
}

/** US stock or ETF: prices to 1/10,000 dollar, orders in cents, fractional sizes to 9 decimals are off by default. */
export const equity = (symbol: string, kind: 'equity' | 'etf' = 'equity'): Instrument => ({
  symbol,
  kind,
  base: symbol,
  quote: 'USD',
  priceDecimals: 4,
  sizeDecimals: 0,
  multiplier: 1,
  incrementTicks: 100,
  minLots: 1,
})

/** A coin pair `BASE/QUOTE`. USD-like quotes have 1/10,000 ticks, coin quotes 1e-8; sizes to 1e-8. */
export const crypto = (symbol: string): Instrument => {
  const [base, quote] = symbol.split('/')
  if (!base || !quote) throw new RangeError(`a crypto symbol is BASE/QUOTE, was ${JSON.stringify(symbol)}`)
  const priceDecimals = /^(USD|USDT|USDC|EUR|CNY)$/.test(quote) ? 4 : 8
  return {
    symbol,
    kind: 'crypto',
    base,
    quote,
    priceDecimals,
    sizeDecimals: 8,
    multiplier: 1,
    incrementTicks: 1,
    minLots: 1,
  }
}

const OCC = /^([A-Z]{1,6})\s*(\d{2})(\d{2})(\d{2})([CP])(\d{8})$/

/** A listed option from its OCC symbol; undefined when it is not one. */
export const optionFromOcc = (symbol: string, style: 'american' | 'european' = 'american'): Instrument | undefined => {
  const match = OCC.exec(symbol)
  if (match === null) return undefined
  const [, underlying = '', year, month, day, right, strike] = match
  return {
    symbol: symbol.replace(/\s+/g, ''),
    kind: 'option',
    base: symbol.replace(/\s+/g, ''),
    quote: 'USD',
    priceDecimals: 4,
    sizeDecimals: 0,
    multiplier: 100,
    incrementTicks: 100,
    minLots: 1,
    option: {
      underlying,
      right: right === 'C' ? 'call' : 'put',
      strike: Number(strike) / 1000,
      expiry: `20${year}-${month}-${day}`,
      style,
    },
  }
}

const ETFS = new Set(
  'SPY QQQ IWM DIA EEM EFA GLD GDX TLT XLF XLE XLK XLV XLI XLP XLU XLY XLB XLC XLRE SMH VIXY VXX SPXL SQQQ TQQQ UPRO NUGT IBIT EWA EWC'.split(
    ' ',
  ),
)

/** The instrument a bare symbol most likely means: a pair when it holds a slash, an OCC option, an ETF, else a stock. */
export const instrumentOf = (symbol: string): Instrument =>
  symbol.includes('/') ? crypto(symbol) : (optionFromOcc(symbol) ?? equity(symbol, ETFS.has(symbol) ? 'etf' : 'equity'))

/** Dense numbering of the instruments of one run; hot columns hold the index. */
export class InstrumentTable {
  readonly #list: Instrument[] = []
  readonly #index = new Map<string, number>()

  static of(symbols: Iterable<string | Instrument>): InstrumentTable {
    const table = new InstrumentTable()
    for (const item of symbols) table.add(typeof item === 'string' ? instrumentOf(item) : item)
    return table
  }

  get size(): number {
    return this.#list.length
  }
  /** Index of the instrument, added when its symbol is new. */
  add(instrument: Instrument): number {
    const known = this.#index.get(instrument.symbol)
    if (known !== undefined) return known
    this.#index.set(instrument.symbol, this.#list.length)
    return this.#list.push(instrument) - 1
  }
  indexOf(symbol: string): number | undefined {
    return this.#index.get(symbol)
  }
  at(index: number): Instrument {
    const instrument = this.#list[index]
    if (instrument === undefined) throw new RangeError(`no instrument ${index} in a table of ${this.#list.length}`)
    return instrument
  }
  all(): readonly Instrument[] {
    return this.#list
  }
}
