/** Dollars with a sign of their own and thousands separated: `-1,234.50`. */
export const dollars = (micros: number, decimals = 2): string =>
  (micros / 1e6).toLocaleString('en-US', {minimumFractionDigits: decimals, maximumFractionDigits: decimals})

/** Gains carry a plus, so that a column reads without colour. */
export const signedDollars = (micros: number): string => `${micros > 0 ? '+' : ''}${dollars(micros)}`

export const percent = (fraction: number, decimals = 2): string => `${(fraction * 100).toFixed(decimals)} %`

/** As many digits as the size of the number deserves, without a trailing exponent. */
export const price = (value: number): string =>
  value === 0 ? '0' : Math.abs(value) >= 1 ? value.toFixed(2) : value.toPrecision(5)

export const quantity = (size: number): string =>
  Number.isInteger(size) ? String(size) : Math.abs(size) >= 1 ? size.toFixed(3) : size.toPrecision(4)

/** `850 µs`, `1.25 ms`, `2.1 s`. */
export const latency = (us: number): string =>
  us < 1_000
    ? `${Math.round(us)} µs`
    : us < 1e6
      ? `${(us / 1e3).toFixed(us < 1e5 ? 2 : 0)} ms`
      : `${(us / 1e6).toFixed(1)} s`

/** Market time in New York, where most of the instruments trade: `2026-10-05 09:30:01`. */
export const marketTime = (tsUs: number): string => {
  if (tsUs === 0) return '-'
  const parts = Object.fromEntries(NEW_YORK.formatToParts(tsUs / 1e3).map(({type, value}) => [type, value]))
  return `${parts['year']}-${parts['month']}-${parts['day']} ${parts['hour']}:${parts['minute']}:${parts['second']}`
}
export const clockTime = (tsUs: number): string => marketTime(tsUs).slice(11)

const NEW_YORK = new Intl.DateTimeFormat('en-US', {
  timeZone: 'America/New_York',
  hourCycle: 'h23',
  year: 'numeric',
  month: '2-digit',
  day: '2-digit',
  hour: '2-digit',
  minute: '2-digit',
  second: '2-digit',
})

const BARS = '▁▂▃▄▅▆▇█'
/** The last `width` values as one line of block characters, scaled to their own range. */
export const sparkline = (values: readonly number[], width: number): string => {
  const shown = resample(values, width)
  const low = Math.min(...shown)
  const span = Math.max(...shown) - low
  return shown.map(value => BARS[span === 0 ? 0 : Math.round(((value - low) / span) * 7)] ?? '').join('')
}

/** Every value once when they fit, else the last value of each of `width` equal slices. */
const resample = (values: readonly number[], width: number): readonly number[] =>
  values.length <= width
    ? values
    : Array.from({length: width}, (_, i) => values[Math.ceil(((i + 1) * values.length) / width) - 1] ?? 0)

/** Cut to `width` columns, the cut marked, then padded. */
export const cut = (text: string, width: number): string =>
  text.length > width ? `${text.slice(0, Math.max(0, width - 1))}…` : text.padEnd(width)
export const cutRight = (text: string, width: number): string =>
  text.length > width ? `${text.slice(0, Math.max(0, width - 1))}…` : text.padStart(width)
