// Indices come from arrays built in the same function, so `!` cannot miss here.
import {percent, signedDollars, timeLabel} from './format.ts'
import {areaPath, escapeText, linearScale, linePath, rect, rule, type Scale, text, thin} from './svg.ts'

const WIDTH = 920
const LEFT = 92
const RIGHT = 16
const TOP = 12
const BOTTOM = 26

const frame = (height: number, label: string, body: string): string =>
  `<div class="scroll"><svg viewBox="0 0 ${WIDTH} ${height}" role="img" aria-label="${escapeText(label)}" preserveAspectRatio="xMidYMid meet">${body}</svg></div>`

/**
 * Positions along the time axis. Nights and weekends are cut out: where two samples are far apart compared with the
 * median step, the gap is drawn as a few steps, so a five-day run is not four fifths empty.
 */
const timeAxis = (
  tsUs: readonly number[],
): {readonly x: number[]; readonly at: (tsUs: number) => number; readonly total: number} => {
  const steps = tsUs.slice(1).map((t, i) => t - tsUs[i]!)
  const median = [...steps].sort((a, b) => a - b)[Math.floor(steps.length / 2)] ?? 1
  const longest = Math.max(20 * median, 1)
  const x = [0]
  for (const step of steps) x.push(x.at(-1)! + Math.min(step, longest))
  const at = (t: number): number => {
    let [low, high] = [0, tsUs.length - 1]
    while (high - low > 1) {
      const middle = (low + high) >> 1
      if (tsUs[middle]! <= t) low = middle
      else high = middle
    }
    const span = tsUs[high]! - tsUs[low]!
    const share = span > 0 ? Math.min(1, Math.max(0, (t - tsUs[low]!) / span)) : 0
    return x[low]! + share * (x[high]! - x[low]!)
  }
  return {x, at, total: x.at(-1) ?? 0}
}

const axes = (
  tsUs: readonly number[],
  axis: ReturnType<typeof timeAxis>,
  x: Scale,
  y: Scale,
  height: number,
  label: (v: number) => string,
): string => {
  const bottom = height - BOTTOM
  const horizontal = y.ticks.map(
    t => rule(LEFT, y.of(t), WIDTH - RIGHT, y.of(t)) + text(LEFT - 8, y.of(t) + 4, label(t), 'text-anchor="end"'),
  )
  const span = (tsUs.at(-1) ?? 0) - (tsUs[0] ?? 0)
  // Dates with times are wide, and small pages and paper set them larger.
  const count = timeLabel(tsUs[0] ?? 0, span).length > 8 ? 5 : 6
  const marks = Array.from({length: count + 1}, (_, k) => {
    const target = (axis.total * k) / count
    const i = axis.x.findIndex(v => v >= target - 1e-9)
    const tick = tsUs[Math.max(0, i)] ?? 0
    const anchor = k === 0 ? 'start' : k === count ? 'end' : 'middle'
    return text(x.of(target), bottom + 18, timeLabel(tick, span), `text-anchor="${anchor}"`)
  })
  return horizontal.join('') + marks.join('')
}

export interface Series {
  readonly name: string
  readonly values: readonly number[]
  /** CSS class that colours it: s1…s5. */
  readonly css: string
}

const legendOf = (series: readonly Series[]): string =>
  series.length < 2
    ? ''
    : `<p class="legend">${series.map(s => `<span><i class="${s.css}"></i>${escapeText(s.name)}</span>`).join('')}</p>`

/** Lines over a common time axis. */
export const lineChart = (
  tsUs: readonly number[],
  series: readonly Series[],
  {
    label,
    height = 260,
    format,
    includeZero = false,
  }: {
    readonly label: string
    readonly height?: number
    readonly format: (v: number) => string
    readonly includeZero?: boolean
  },
): string => {
  const all = series.flatMap(s => s.values).filter(Number.isFinite)
  if (tsUs.length < 2 || all.length === 0) return empty('too few samples to draw')
  const low = Math.min(...bounds(all), ...(includeZero ? [0] : []))
  const high = Math.max(...bounds(all), ...(includeZero ? [0] : []))
  // A flat line stands in the middle of a range that its labels can tell apart.
  const pad = high > low ? (high - low) * 0.05 : Math.max(Math.abs(high) * 0.01, 1e6)
  const axis = timeAxis(tsUs)
  const x = linearScale(0, axis.total, LEFT, WIDTH - RIGHT)
  const y = linearScale(low - pad, high + pad, height - BOTTOM, TOP)
  const lines = series.map(s => {
    const kept = thin(s.values)
    return `<path class="line ${s.css}" d="${linePath(
      kept.map(i => axis.x[i]!),
      kept.map(i => s.values[i]!),
      x,
      y,
    )}"><title>${escapeText(s.name)}</title></path>`
  })
  return legendOf(series) + frame(height, label, axes(tsUs, axis, x, y, height, format) + lines.join(''))
}

/** Fall from the peak, as an area below zero. */
export const drawdownChart = (tsUs: readonly number[], equity: readonly number[]): string => {
  if (tsUs.length < 2) return empty('too few samples to draw')
  let peak = Number.NEGATIVE_INFINITY
  const falls = equity.map(v => {
    peak = Math.max(peak, v)
    return v / peak - 1
  })
  const lowest = Math.min(...bounds(falls))
  if (!(lowest < 0)) return ''
  const height = 160
  const axis = timeAxis(tsUs)
  const x = linearScale(0, axis.total, LEFT, WIDTH - RIGHT)
  const y = linearScale(lowest * 1.08, 0, height - BOTTOM, TOP, 4)
  const decimals = Math.max(0, Math.min(6, 1 - Math.floor(Math.log10(Math.max(1e-8, -lowest * 25)))))
  const format = (v: number) => percent(v, decimals)
  const kept = thin(falls)
  const [xs, ys] = [kept.map(i => axis.x[i]!), kept.map(i => falls[i]!)]
  return frame(
    height,
    'drawdown',
    `${axes(tsUs, axis, x, y, height, format)}<path class="area bad" d="${areaPath(xs, ys, x, y, 0)}"/><path class="line bad" d="${linePath(xs, ys, x, y)}"/>`,
  )
}

export interface Mark {
  readonly tsUs: number
  readonly side: 'buy' | 'sell'
  readonly price: number
  readonly size: number
}

/** Price with executions: triangles up for buys below the line, down for sells above it. At most `most` are drawn. */
export const tradesOnPrice = (
  tsUs: readonly number[],
  price: readonly number[],
  fills: readonly Mark[],
  label: string,
  most = 400,
): string => {
  if (tsUs.length < 2) return empty('too few prices to draw')
  const height = 220
  const axis = timeAxis(tsUs)
  // An odd step: buys and sells take turns, and an even one would draw one side alone.
  const step = Math.ceil(fills.length / most) | 1
  const shown = fills.filter((_, i) => i % step === 0)
  const values = bounds([...price, ...shown.map(f => f.price)])
  const x = linearScale(0, axis.total, LEFT, WIDTH - RIGHT)
  const pad = (Math.max(...values) - Math.min(...values)) * 0.05
  const y = linearScale(Math.min(...values) - pad, Math.max(...values) + pad, height - BOTTOM, TOP)
  const kept = thin(price)
  const decimals = Math.max(2, Math.min(8, 2 - Math.floor(Math.log10(Math.max(1e-9, pad * 4)))))
  const marks = shown.map(f => {
    const [cx, cy] = [x.of(axis.at(f.tsUs)), y.of(f.price)]
    const d = f.side === 'buy' ? `M${cx} ${cy + 2}l4 7h-8Z` : `M${cx} ${cy - 2}l4 -7h-8Z`
    return `<path class="mark ${f.side}" d="${d}"><title>${f.side} ${f.size} at ${f.price}, ${new Date(f.tsUs / 1000).toISOString()}</title></path>`
  })
  const note =
    shown.length < fills.length ? `<p class="note">${shown.length} of ${fills.length} executions drawn</p>` : ''
  return (
    frame(
      height,
      label,
      `${axes(tsUs, axis, x, y, height, v => v.toFixed(decimals))}<path class="line quiet" d="${linePath(
        kept.map(i => axis.x[i]!),
        kept.map(i => price[i]!),
        x,
        y,
      )}"/>${marks.join('')}`,
    ) + note
  )
}

export interface HeatCell {
  readonly row: string
  readonly column: string
  readonly value: number
  readonly count: number
}

/** Sums in cells: green above zero, red below, deeper with size; every cell has its number. */
export const heatMap = (
  rows: readonly string[],
  columns: readonly string[],
  cells: readonly HeatCell[],
  label: string,
): string => {
  if (cells.length === 0) return empty('no closed trades')
  const cellHeight = 30
  const height = TOP + rows.length * cellHeight + BOTTOM
  const left = leftOf(rows)
  const width = (WIDTH - left - RIGHT) / columns.length
  const middle = `text-anchor="middle" class="value${width < 60 ? ' tight' : ''}"`
  const largest = Math.max(...cells.map(c => Math.abs(c.value)), 1)
  const body = cells.map(c => {
    const [r, k] = [rows.indexOf(c.row), columns.indexOf(c.column)]
    const opacity = (0.15 + 0.75 * Math.sqrt(Math.abs(c.value) / largest)).toFixed(2)
    const [x, y] = [left + k * width, TOP + r * cellHeight]
    return (
      rect(
        x + 1,
        y + 1,
        width - 2,
        cellHeight - 2,
        `class="${c.value >= 0 ? 'good' : 'bad'} cell" fill-opacity="${opacity}" rx="2"`,
        `${c.row}, ${c.column}: ${signedDollars(c.value)} in ${c.count} trades`,
      ) + text(x + width / 2, y + cellHeight / 2 + 4, short(c.value), middle)
    )
  })
  return frame(height, label, body.join('') + gridNames(rows, columns, {left, width, cellHeight, height}))
}

/** Room for the longest name of a row at the larger type of print: an option’s has nineteen letters. */
const leftOf = (rows: readonly string[]): number =>
  Math.min(240, Math.max(LEFT, 16 + 10 * Math.max(...rows.map(row => row.length))))

const gridNames = (
  rows: readonly string[],
  columns: readonly string[],
  {left, width, cellHeight, height}: {left: number; width: number; cellHeight: number; height: number},
): string => {
  const names = rows.map((r, i) => text(left - 8, TOP + i * cellHeight + cellHeight / 2 + 4, r, 'text-anchor="end"'))
  const heads = columns.map((c, k) =>
    text(left + (k + 0.5) * width, height - 8, c, `text-anchor="middle"${width < 60 ? ' class="tight"' : ''}`),
  )
  return names.join('') + heads.join('')
}

/** A number for each pair of values: green above zero, red below, a dash where there is none. */
export const heatGrid = (
  columns: readonly string[],
  rows: readonly string[],
  values: readonly (readonly (number | null)[])[],
  label: string,
): string => {
  const cellHeight = 30
  const height = TOP + rows.length * cellHeight + BOTTOM
  const left = leftOf(rows)
  const width = Math.min(120, (WIDTH - left - RIGHT) / columns.length)
  const largest = Math.max(...values.flat().map(v => Math.abs(v ?? 0)), 1e-12)
  const body = values.flatMap((cells, r) =>
    cells.map((value, k) => {
      const [x, y] = [left + k * width, TOP + r * cellHeight]
      const name = `${columns[k]}, ${rows[r]}`
      const middle = `text-anchor="middle" class="value${width < 60 ? ' tight' : ''}"`
      if (value === null) return text(x + width / 2, y + cellHeight / 2 + 4, '–', middle)
      const opacity = (0.12 + 0.68 * Math.sqrt(Math.abs(value) / largest)).toFixed(2)
      const css = `class="${value >= 0 ? 'good' : 'bad'} cell" fill-opacity="${opacity}" rx="2"`
      const shown = (Math.abs(value) >= 100 ? value.toFixed(0) : value.toFixed(2)).replace('-', '−')
      return (
        rect(x + 1, y + 1, width - 2, cellHeight - 2, css, `${name}: ${shown}`) +
        text(x + width / 2, y + cellHeight / 2 + 4, shown, middle)
      )
    }),
  )
  return frame(height, label, body.join('') + gridNames(rows, columns, {left, width, cellHeight, height}))
}

const short = (micros: number): string => {
  const value = micros / 1e6
  const text =
    Math.abs(value) >= 1000
      ? `${(value / 1000).toFixed(1)}k`
      : Math.abs(value) >= 10
        ? value.toFixed(0)
        : value.toFixed(1)
  return text.replace('-', '−')
}

export interface Step {
  readonly name: string
  readonly value: number
  /** Drawn from zero instead of from the step before. */
  readonly isTotal?: boolean
}

/** From gross to net, step by step. */
export const waterfall = (steps: readonly Step[], label: string): string => {
  if (steps.every(({value}) => value === 0)) return empty('no profit and no costs')
  const height = 240
  let running = 0
  const bars = steps.map(s => {
    const from = s.isTotal === true ? 0 : running
    running = s.isTotal === true ? s.value : running + s.value
    return {...s, from, to: running}
  })
  const values = bars.flatMap(b => [b.from, b.to, 0])
  const pad = (Math.max(...values) - Math.min(...values)) * 0.1 || 1
  const y = linearScale(Math.min(...values) - pad, Math.max(...values) + pad, height - BOTTOM, TOP)
  const width = (WIDTH - LEFT - RIGHT) / bars.length
  const grid = y.ticks.map(
    t => rule(LEFT, y.of(t), WIDTH - RIGHT, y.of(t)) + text(LEFT - 8, y.of(t) + 4, short(t), 'text-anchor="end"'),
  )
  const body = bars.map((b, k) => {
    const [top, low] = [Math.min(y.of(b.from), y.of(b.to)), Math.max(y.of(b.from), y.of(b.to))]
    const css = b.isTotal === true ? 'total' : b.value >= 0 ? 'good' : 'bad'
    return (
      rect(
        LEFT + (k + 0.2) * width,
        top,
        0.6 * width,
        Math.max(1, low - top),
        `class="${css}" rx="2"`,
        `${b.name}: ${signedDollars(b.value)}`,
      ) +
      text(LEFT + (k + 0.5) * width, top - 6, signedDollars(b.value), 'text-anchor="middle" class="value"') +
      text(LEFT + (k + 0.5) * width, height - 8, b.name, 'text-anchor="middle"')
    )
  })
  return frame(height, label, grid.join('') + rule(LEFT, y.of(0), WIDTH - RIGHT, y.of(0), 'axis') + body.join(''))
}

/** Histogram of values in about `count` bars, negative ones in red. */
export const histogram = (
  values: readonly number[],
  label: string,
  format: (v: number) => string,
  count = 31,
): string => {
  if (values.length === 0) return empty('no closed trades')
  const sorted = [...values].sort((a, b) => a - b)
  // The outermost per cent is drawn in the end bars, so one outlier does not flatten the rest.
  const at = (p: number) => sorted[Math.round(p * (sorted.length - 1))]!
  const [low, high] = [Math.min(at(0.01), 0), Math.max(at(0.99), 0)]
  const width = (high - low) / count || 1
  const bars = new Array<number>(count).fill(0)
  for (const v of values) bars[Math.min(count - 1, Math.max(0, Math.floor((v - low) / width)))]!++
  const height = 180
  const x = linearScale(low, low + width * count, LEFT, WIDTH - RIGHT, 6)
  const y = linearScale(0, Math.max(...bars) * 1.1, height - BOTTOM, TOP, 4)
  const grid = y.ticks.map(
    t => rule(LEFT, y.of(t), WIDTH - RIGHT, y.of(t)) + text(LEFT - 8, y.of(t) + 4, String(t), 'text-anchor="end"'),
  )
  const body = bars.map((n, k) => {
    const [from, to] = [low + k * width, low + (k + 1) * width]
    return rect(
      x.of(from) + 1,
      y.of(n),
      x.of(to) - x.of(from) - 2,
      y.of(0) - y.of(n),
      `class="${(from + to) / 2 >= 0 ? 'good' : 'bad'}"`,
      `${n} from ${format(from)} to ${format(to)}`,
    )
  })
  const heads = x.ticks.map(t => text(x.of(t), height - 8, format(t), 'text-anchor="middle"'))
  return frame(
    height,
    label,
    grid.join('') + body.join('') + rule(x.of(0), TOP, x.of(0), height - BOTTOM, 'axis') + heads.join(''),
  )
}

const bounds = (values: readonly number[]): [number, number] => {
  let [low, high] = [Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY]
  for (const v of values) {
    if (v < low) low = v
    if (v > high) high = v
  }
  return [low, high]
}

const empty = (why: string): string => `<p class="note">${escapeText(why)}</p>`
