// Numeric kernel: columns are indexed with `!` below their length.

import {civilOf, newYorkToLocalUs, parseDay} from '../domain/calendar.ts'
import {US_PER_DAY, US_PER_MINUTE} from '../domain/units.ts'
import {isTwoSided} from './chain.ts'
import type {ChainGreeks} from './chain-greeks.ts'
import type {SmileFit, Surface} from './smile.ts'
import {sviVariance} from './svi.ts'

const WIDTH = 1120
const MARGIN = 28
const HEADER = 76
const GAP = 24
const COLUMNS = 3
const PANEL = {width: (WIDTH - 2 * MARGIN - (COLUMNS - 1) * GAP) / COLUMNS, height: 214}
const OVERVIEW_HEIGHT = 268
const MAX_PANELS = 12
const DEVIATIONS = 3.5
const INK = '#1b1f24'
const MUTED = '#68707c'
const GRID = '#e9ecf1'
const QUOTE = '#8db4dc'
const MID = '#22568f'
const FIT = '#d0433f'

/**
 * A chain's volatilities as an SVG: the term structure at the money, all smiles on one scale, then a panel an expiry (at most
 * twelve spread over the term) with quotes from bid to ask, mids and the fit. Volatility in percent. Self-contained, no script.
 */
export const smileSvg = (analysis: ChainGreeks, surface: Surface): string => {
  const fits = spread(surface.fits, MAX_PANELS)
  const rows = Math.ceil(fits.length / COLUMNS)
  const top = HEADER + OVERVIEW_HEIGHT + GAP
  const height = top + rows * (PANEL.height + GAP) + 8
  const wide = 2 * PANEL.width + GAP
  return [
    `<svg xmlns="http://www.w3.org/2000/svg" width="${WIDTH}" height="${height}" viewBox="0 0 ${WIDTH} ${height}" font-family="ui-sans-serif, system-ui, 'Helvetica Neue', Arial, sans-serif" font-size="11">`,
    `<rect width="${WIDTH}" height="${height}" fill="#fff"/>`,
    header(analysis, surface),
    ...(surface.fits.length === 0
      ? []
      : [
          at(MARGIN, HEADER, termStructure(surface.fits, wide)),
          at(MARGIN + wide + GAP, HEADER, overlay(surface.fits, PANEL.width)),
        ]),
    ...fits.map((fit, i) => {
      const x = MARGIN + (i % COLUMNS) * (PANEL.width + GAP)
      return at(x, top + Math.floor(i / COLUMNS) * (PANEL.height + GAP), panel(analysis, fit))
    }),
    '</svg>',
    '',
  ].join('\n')
}

const at = (x: number, y: number, content: string): string =>
  `<g transform="translate(${x.toFixed(1)} ${y.toFixed(1)})">${content}</g>`

const header = ({chain}: ChainGreeks, {fits}: Surface): string => {
  const points = fits.reduce((sum, fit) => sum + fit.points, 0)
  const squares = fits.reduce((sum, fit) => sum + fit.points * fit.rmseVolPoints ** 2, 0)
  const inside = fits.reduce((sum, fit) => sum + fit.points * fit.coverage, 0)
  const broken = fits.filter(fit => !(fit.butterflyFree && fit.calendarFree)).length
  const words = [
    newYorkTime(chain.tsUs),
    `${chain.quotes.length.toLocaleString('en')} contracts`,
    `${fits.length} ${fits.length === 1 ? 'expiry' : 'expiries'}`,
    ...(points === 0
      ? ['nothing to fit']
      : [
          `fit ±${Math.sqrt(squares / points).toFixed(2)} vol points`,
          `${((100 * inside) / points).toFixed(0)} % inside bid–ask`,
          broken === 0 ? 'free of static arbitrage' : `${broken} smiles with static arbitrage`,
        ]),
  ]
  return [
    text(MARGIN, 36, `${chain.symbol} implied volatility`, `font-size="21" font-weight="600" fill="${INK}"`),
    text(MARGIN, 56, words.join('  ·  '), `font-size="12" fill="${MUTED}"`),
  ].join('')
}

/** `9 June 2023, 13:40 New York` */
const newYorkTime = (tsUs: number): string => {
  const localUs = newYorkToLocalUs(tsUs)
  const minutes = Math.floor((localUs % US_PER_DAY) / US_PER_MINUTE)
  const clock = `${String(Math.floor(minutes / 60)).padStart(2, '0')}:${String(minutes % 60).padStart(2, '0')}`
  return `${dateWords(Math.floor(localUs / US_PER_DAY))}, ${clock} New York`
}
const MONTHS = ['Jan', 'Feb', 'Mar', 'Apr', 'May', 'Jun', 'Jul', 'Aug', 'Sep', 'Oct', 'Nov', 'Dec']
const dateWords = (epochDay: number): string => {
  const {year, month, day} = civilOf(epochDay)
  return `${day} ${MONTHS[month - 1]} ${year}`
}

/** `count` of the fits, evenly over their order, first and last included. */
const spread = (fits: readonly SmileFit[], count: number): SmileFit[] =>
  fits.length <= count
    ? [...fits]
    : Array.from({length: count}, (_, i) => fits[Math.round((i * (fits.length - 1)) / (count - 1))]!)

interface Frame {
  readonly width: number
  readonly height: number
  readonly x: (value: number) => number
  readonly y: (value: number) => number
}

const INSET = {left: 36, right: 6, top: 30, bottom: 24}

/** Axes over a range, with round numbers; `grid` is drawn first. */
const frameOf = (
  width: number,
  height: number,
  [fromX, toX]: readonly [number, number],
  [fromY, toY]: readonly [number, number],
): Frame => ({
  width,
  height,
  x: value => INSET.left + ((value - fromX) / (toX - fromX)) * (width - INSET.left - INSET.right),
  y: value => INSET.top + (1 - (value - fromY) / (toY - fromY)) * (height - INSET.top - INSET.bottom),
})

const percentGrid = (frame: Frame, [low, high]: readonly [number, number]): string =>
  roundNumbers(low, high, 5)
    .map(value => {
      const y = frame.y(value).toFixed(1)
      return `<line x1="${INSET.left}" x2="${frame.width - INSET.right}" y1="${y}" y2="${y}" stroke="${GRID}"/>${text(INSET.left - 7, Number(y) + 4, `${value}%`, `text-anchor="end" fill="${MUTED}"`)}`
    })
    .join('')

const foot = (frame: Frame, value: number, words: string): string =>
  text(frame.x(value), frame.height - 8, words, `text-anchor="middle" fill="${MUTED}"`)

const title = (words: string, note: string, width: number): string =>
  `${text(0, 13, words, `font-size="12" font-weight="600" fill="${INK}"`)}${text(width - INSET.right, 13, note, `text-anchor="end" fill="${MUTED}"`)}`

const text = (x: number, y: number, words: string, style: string): string =>
  `<text x="${x.toFixed(1)}" y="${y.toFixed(1)}" ${style}>${escapeXml(words)}</text>`

const path = (points: readonly (readonly [number, number])[], style: string): string =>
  `<polyline fill="none" stroke-linejoin="round" points="${points.map(([x, y]) => `${x.toFixed(1)},${y.toFixed(1)}`).join(' ')}" ${style}/>`

/** About `count` multiples of 1, 2, 2.5 or 5 times a power of ten within a range. */
const roundNumbers = (low: number, high: number, count: number): number[] => {
  const raw = Math.max((high - low) / count, 1e-9)
  const power = 10 ** Math.floor(Math.log10(raw))
  const step = [1, 2, 2.5, 5, 10].map(m => m * power).find(candidate => candidate >= raw) as number
  const numbers: number[] = []
  for (let i = Math.ceil(low / step - 1e-9); i * step <= high + 1e-9; i++)
    numbers.push(Number((i * step).toPrecision(6)))
  return numbers
}

const padded = (values: readonly number[]): readonly [number, number] => {
  const [low, high] = [Math.min(...values), Math.max(...values)]
  const pad = Math.max(0.06 * (high - low), 0.25)
  return [Math.max(low - pad, 0), high + pad]
}

const percentOf = (fit: SmileFit, k: number): number =>
  100 * Math.sqrt(Math.max(sviVariance(fit.svi, k), 0) / fit.ttmYears)
const atTheMoney = (fit: SmileFit): number => percentOf(fit, 0)
const totalVolatility = (fit: SmileFit): number => Math.sqrt(Math.max(sviVariance(fit.svi, 0), 1e-8))

/** Early expiries warm, late ones cool, by the logarithm of time. */
const colourOf = (fit: SmileFit, fits: readonly SmileFit[]): string => {
  const first = Math.log(fits[0]!.ttmYears)
  const share = (Math.log(fit.ttmYears) - first) / Math.max(Math.log(fits.at(-1)!.ttmYears) - first, 1e-9)
  return `hsl(${(12 + 218 * share).toFixed(0)} 62% ${(52 - 8 * share).toFixed(0)}%)`
}

const TERMS = [
  [1, '1 d'],
  [7, '1 w'],
  [30, '1 m'],
  [91, '3 m'],
  [182, '6 m'],
  [365, '1 y'],
  [730, '2 y'],
  [1825, '5 y'],
] as const

const termStructure = (fits: readonly SmileFit[], width: number): string => {
  const days = fits.map(fit => Math.log(Math.max(fit.ttmYears * 365, 0.1)))
  const range = padded(fits.map(atTheMoney))
  const [first, last] = [days[0]!, days.at(-1)!]
  const frame = frameOf(width, OVERVIEW_HEIGHT, [first - 0.15, Math.max(last, first + 0.5) + 0.15], range)
  const terms = TERMS.filter(([d]) => Math.log(d) >= first - 0.1 && Math.log(d) <= last + 0.1)
  return [
    title('At the money', 'σ by time to expiry', width),
    percentGrid(frame, range),
    ...terms.map(([d, words]) => foot(frame, Math.log(d), words)),
    path(
      fits.map((fit, i) => [frame.x(days[i]!), frame.y(atTheMoney(fit))] as const),
      `stroke="#c3c9d2" stroke-width="1.5"`,
    ),
    ...fits.map(
      (fit, i) =>
        `<circle cx="${frame.x(days[i]!).toFixed(1)}" cy="${frame.y(atTheMoney(fit)).toFixed(1)}" r="3.6" fill="${colourOf(fit, fits)}"/>`,
    ),
  ].join('')
}

const overlay = (fits: readonly SmileFit[], width: number): string => {
  const smiles = fits.map(fit => {
    const total = totalVolatility(fit)
    return Array.from({length: 61}, (_, i) => {
      const z = -3 + i * 0.075
      return [z, percentOf(fit, z * total) / atTheMoney(fit)] as const
    })
  })
  const range = padded(smiles.flat().map(([, ratio]) => 100 * ratio))
  const frame = frameOf(width, OVERVIEW_HEIGHT, [-3, 1.5], range)
  return [
    title('All smiles', 'σ over at-the-money σ', width),
    percentGrid(frame, range),
    ...[-3, -2, -1, 0, 1].map(z => foot(frame, z, z === 0 ? 'forward' : `${z > 0 ? '+' : '−'}${Math.abs(z)}σ√T`)),
    ...smiles.map((smile, i) =>
      path(
        smile.map(([z, ratio]) => [frame.x(z), frame.y(100 * ratio)] as const),
        `stroke="${colourOf(fits[i]!, fits)}" stroke-width="1.3" stroke-opacity="0.8"`,
      ),
    ),
  ].join('')
}

const panel = (analysis: ChainGreeks, fit: SmileFit): string => {
  const reach = DEVIATIONS * totalVolatility(fit)
  const points = quoted(analysis, fit).filter(p => Math.abs(p.k) <= reach)
  const ends = [
    Math.min(...points.map(p => p.k), -0.2 * reach),
    Math.max(...points.map(p => p.k), 0.2 * reach),
  ] as const
  const line = Array.from({length: 81}, (_, i) => {
    const k = ends[0] + ((ends[1] - ends[0]) * i) / 80
    return [k, percentOf(fit, k)] as const
  })
  const range = padded([...line.map(([, percent]) => percent), ...points.map(p => p.percent)])
  const frame = frameOf(PANEL.width, PANEL.height, ends, range)
  const clamp = (percent: number): number => frame.y(Math.min(Math.max(percent, range[0]), range[1]))
  const forward = frame.x(0).toFixed(1)
  const days = fit.ttmYears * 365
  return [
    title(
      `${dateWords(parseDay(fit.expiry))}  ${fit.root}`,
      `±${fit.rmseVolPoints.toFixed(2)} points, ${(100 * fit.coverage).toFixed(0)} % in spread`,
      PANEL.width,
    ),
    `<desc>${escapeXml(fit.expiry)}, ${days.toFixed(1)} days</desc>`,
    percentGrid(frame, range),
    `<line x1="${forward}" x2="${forward}" y1="${INSET.top}" y2="${PANEL.height - INSET.bottom}" stroke="#c3c9d2" stroke-dasharray="2 3"/>`,
    ...roundNumbers(100 * (Math.exp(ends[0]) - 1), 100 * (Math.exp(ends[1]) - 1), 5).map(percent =>
      foot(frame, Math.log(1 + percent / 100), percent === 0 ? 'F' : `${percent > 0 ? '+' : '−'}${Math.abs(percent)}%`),
    ),
    ...points.map(
      p =>
        `<line x1="${frame.x(p.k).toFixed(1)}" x2="${frame.x(p.k).toFixed(1)}" y1="${clamp(p.percent - p.half).toFixed(1)}" y2="${clamp(p.percent + p.half).toFixed(1)}" stroke="${QUOTE}" stroke-width="2.2" stroke-opacity="0.55"/>`,
    ),
    ...points.map(
      p => `<circle cx="${frame.x(p.k).toFixed(1)}" cy="${frame.y(p.percent).toFixed(1)}" r="1.3" fill="${MID}"/>`,
    ),
    path(
      line.map(([k, percent]) => [frame.x(k), clamp(percent)] as const),
      `stroke="${FIT}" stroke-width="1.5"`,
    ),
  ].join('')
}

/** Two-sided out-of-the-money quotes of the fit's slice; `half` is half the spread in percent of volatility. */
const quoted = (analysis: ChainGreeks, fit: SmileFit): {k: number; percent: number; half: number}[] => {
  const slice = analysis.chain.slices[fit.slice]!
  const points: {k: number; percent: number; half: number}[] = []
  for (let i = 0; i < slice.strike.length; i++) {
    const strike = slice.strike[i]!
    const side = strike >= fit.forward ? slice.call : slice.put
    const row = side.index[i]!
    if (row < 0 || !isTwoSided(side.bid[i]!, side.ask[i]!)) continue
    const volatility = analysis.columns.impliedVolatility[row]!
    const half = (50 * (side.ask[i]! - side.bid[i]!)) / analysis.columns.vega[row]!
    if (volatility > 0 && half >= 0) points.push({k: Math.log(strike / fit.forward), percent: 100 * volatility, half})
  }
  return points
}

const escapeXml = (text: string): string => text.replace(/[&<>"]/g, c => `&#${c.charCodeAt(0)};`)
