declare const unit: unique symbol
type Unit<Name extends string> = number & {readonly [unit]: Name}

/** Epoch microseconds, UTC. Exact in a double until the year 2255; nanoseconds are not. */
export type TsUs = Unit<'TsUs'>
/** Integer multiples of the instrument's tick size, 10^-priceDecimals of its quote currency. */
export type Ticks = Unit<'Ticks'>
/** Integer multiples of the instrument's lot size, 10^-sizeDecimals. Never negative; direction lives in `Side`. */
export type Lots = Unit<'Lots'>
/** Signed lots: long positive, short negative. */
export type SignedLots = Unit<'SignedLots'>
/** Integer millionths of the account currency. */
export type Micros = Unit<'Micros'>

const safeInteger =
  <T extends number>(name: string) =>
  (value: number): T => {
    if (!Number.isSafeInteger(value)) throw new RangeError(`${name} must be a safe integer, was ${value}`)
    return value as T
  }

export const tsUs = safeInteger<TsUs>('tsUs')
export const ticks = safeInteger<Ticks>('ticks')
export const signedLots = safeInteger<SignedLots>('signed lots')
export const micros = safeInteger<Micros>('micros')
const anyLots = safeInteger<Lots>('lots')
export const lots = (value: number): Lots => {
  if (value < 0) throw new RangeError(`lots must not be negative, was ${value}`)
  return anyLots(value)
}

export const US_PER_MS = 1_000
export const US_PER_SECOND = 1_000_000
export const US_PER_MINUTE = 60 * US_PER_SECOND
export const US_PER_HOUR = 3_600 * US_PER_SECOND
export const US_PER_DAY = 86_400 * US_PER_SECOND

export type Side = 'buy' | 'sell'
export const sign = (side: Side): 1 | -1 => (side === 'buy' ? 1 : -1)
export const opposite = (side: Side): Side => (side === 'buy' ? 'sell' : 'buy')
