/**
 * Exact decimals for the account side of the exchange: a bigint counting 10^-18. A quantity (9 decimals) times a price
 * (up to 8) is exact; quotients are rounded half up at the number of decimals the caller names.
 */
export type Decimal = bigint

export const DECIMALS = 18
export const ONE: Decimal = 10n ** 18n
const POW10 = Array.from({length: 40}, (_, i) => 10n ** BigInt(i))
const pow10 = (n: number): bigint => POW10[n] as bigint

const NUMERAL = /^([+-]?)(\d*)(?:\.(\d*))?(?:[eE]([+-]?\d{1,3}))?$/

/** The exact value of a JSON number or a decimal string, exponents allowed; undefined when it is neither, or finer than 10^-18. */
export const parseDecimal = (input: unknown): Decimal | undefined => {
  if (typeof input !== 'string' && typeof input !== 'number') return undefined
  const match = NUMERAL.exec(String(input).trim())
  if (match === null) return undefined
  const [, sign, whole = '', fraction = '', exponent = '0'] = match
  if (whole === '' && fraction === '') return undefined
  const shift = DECIMALS - fraction.length + Number(exponent)
  if (shift > 39) return undefined
  const digits = BigInt(whole + fraction)
  let value: bigint
  if (shift >= 0) value = digits * pow10(shift)
  else {
    if (shift < -39 || digits % pow10(-shift) !== 0n) return undefined
    value = digits / pow10(-shift)
  }
  return sign === '-' ? -value : value
}

/** An integer count of 10^-decimals. */
export const fromUnits = (units: number | bigint, decimals: number): Decimal =>
  BigInt(units) * pow10(DECIMALS - decimals)
/** Whole units of 10^-decimals, anything finer cut towards zero. */
export const toUnits = (value: Decimal, decimals: number): bigint => value / pow10(DECIMALS - decimals)
/** Whether the value needs no more than this many decimals. */
export const fits = (value: Decimal, decimals: number): boolean => value % pow10(DECIMALS - decimals) === 0n

/** Half away from zero, which for the positive numbers of a ledger is half up. */
const divideHalfUp = (numerator: bigint, divisor: bigint): bigint => {
  const negative = numerator < 0n !== divisor < 0n
  const n = numerator < 0n ? -numerator : numerator
  const d = divisor < 0n ? -divisor : divisor
  const quotient = (2n * n + d) / (2n * d)
  return negative ? -quotient : quotient
}

/** Product rounded to 18 decimals. */
export const times = (a: Decimal, b: Decimal): Decimal => divideHalfUp(a * b, ONE)
/** Quotient rounded half up to `decimals` (16 on Alpaca's wire). */
export const quotient = (a: Decimal, b: Decimal, decimals = 16): Decimal =>
  divideHalfUp(a * pow10(decimals), b) * pow10(DECIMALS - decimals)
export const roundTo = (value: Decimal, decimals: number): Decimal =>
  divideHalfUp(value, pow10(DECIMALS - decimals)) * pow10(DECIMALS - decimals)
export const absolute = (a: Decimal): Decimal => (a < 0n ? -a : a)
export const least = (a: Decimal, b: Decimal): Decimal => (a < b ? a : b)
export const greatest = (a: Decimal, b: Decimal): Decimal => (a > b ? a : b)
/** Nearest double, for JSON numbers and estimates. */
export const toNumber = (value: Decimal): number => Number(formatDecimal(value))

/** Plain decimal, no exponent, no trailing zeros, rounded half up to at most `decimals`. */
export const formatDecimal = (value: Decimal, decimals = DECIMALS): string => {
  const rounded = decimals === DECIMALS ? value : roundTo(value, decimals)
  const magnitude = rounded < 0n ? -rounded : rounded
  const whole = magnitude / ONE
  const rest = magnitude % ONE
  const sign = rounded < 0n ? '-' : ''
  if (rest === 0n) return `${sign}${whole}`
  return `${sign}${whole}.${rest.toString().padStart(DECIMALS, '0').replace(/0+$/, '')}`
}
