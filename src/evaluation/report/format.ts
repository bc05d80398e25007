/** How a report writes numbers. Undefined figures say so. */
export const dollars = (micros: number): string => {
  const value = micros / 1e6
  const digits = Math.abs(value) >= 1000 ? 0 : 2
  const sign = value < 0 ? '−' : ''
  return `${sign}$${Math.abs(value).toLocaleString('en-US', {minimumFractionDigits: digits, maximumFractionDigits: digits})}`
}
export const signedDollars = (micros: number): string => (micros > 0 ? `+${dollars(micros)}` : dollars(micros))
/** What would be rounded to nothing keeps two significant digits instead. */
export const percent = (fraction: number | null, digits = 2): string => {
  if (fraction === null) return 'undefined'
  const value = fraction * 100
  const isTiny = value !== 0 && Math.abs(value) < 10 ** -digits && Math.abs(value) >= 1e-6
  return `${minus(isTiny ? value.toFixed(1 - Math.floor(Math.log10(Math.abs(value)))) : value.toFixed(digits))} %`
}
export const ratio = (value: number | null, digits = 2): string =>
  value === null ? 'undefined' : minus(value.toFixed(Math.abs(value) >= 100 ? 0 : digits))
export const minus = (text: string): string => text.replace('-', '−')

const DAY_US = 86_400e6

/** Time for an axis: the clock within a day, dates beyond. UTC. */
export const timeLabel = (tsUs: number, spanUs: number): string => {
  const iso = new Date(tsUs / 1000).toISOString()
  if (spanUs <= 2 * 60e6) return iso.slice(11, 19)
  if (spanUs <= 1.5 * DAY_US) return iso.slice(11, 16)
  return spanUs <= 12 * DAY_US ? `${iso.slice(5, 10)} ${iso.slice(11, 16)}` : iso.slice(0, 10)
}
export const duration = (us: number): string => {
  if (us < 1e6) return `${(us / 1000).toFixed(0)} ms`
  if (us < 60e6) return `${(us / 1e6).toFixed(1)} s`
  if (us < 3600e6) return `${(us / 60e6).toFixed(1)} min`
  return us < 2 * DAY_US ? `${(us / 3600e6).toFixed(1)} h` : `${(us / DAY_US).toFixed(1)} d`
}
