// Numeric kernel: columns are indexed with `!` below their length.

import {isTwoSided} from './chain.ts'
import type {ChainGreeks} from './chain-greeks.ts'
import type {SmileFit, Surface} from './smile.ts'
import {sviVariance} from './svi.ts'

const COLUMNS = 3
const PANEL = {width: 360, height: 220, left: 44, right: 12, top: 26, bottom: 30}
const MAX_PANELS = 12
const DEVIATIONS = 3.5

/**
 * Smiles as an SVG: a panel an expiry, at most twelve spread over the term, quoted mids as points, the fit as a line;
 * volatility in percent over ln(strike/forward). Self-contained, no script.
 */
export const smileSvg = (analysis: ChainGreeks, surface: Surface): string => {
  const fits = spread(surface.fits, MAX_PANELS)
  const rows = Math.max(Math.ceil(fits.length / COLUMNS), 1)
  const width = COLUMNS * PANEL.width
  const height = rows * PANEL.height + 36
  const title = `${analysis.chain.symbol} implied volatility, ${new Date(analysis.chain.tsUs / 1_000).toISOString()}`
  return [
    `<svg xmlns="http://www.w3.org/2000/svg" width="${width}" height="${height}" viewBox="0 0 ${width} ${height}" font-family="sans-serif" font-size="11">`,
    `<rect width="${width}" height="${height}" fill="#fff"/>`,
    `<text x="12" y="22" font-size="15" fill="#111">${escapeXml(title)}</text>`,
    ...fits.map((fit, i) => {
      const x = (i % COLUMNS) * PANEL.width
      const y = 36 + Math.floor(i / COLUMNS) * PANEL.height
      return `<g transform="translate(${x} ${y})">${panel(analysis, fit)}</g>`
    }),
    '</svg>',
    '',
  ].join('\n')
}

/** `count` of the fits, evenly over their order, first and last included. */
const spread = (fits: readonly SmileFit[], count: number): SmileFit[] =>
  fits.length <= count
    ? [...fits]
    : Array.from({length: count}, (_, i) => fits[Math.round((i * (fits.length - 1)) / (count - 1))]!)

const panel = (analysis: ChainGreeks, fit: SmileFit): string => {
  const reach = DEVIATIONS * Math.sqrt(Math.max(sviVariance(fit.svi, 0), 1e-8))
  const points = quoted(analysis, fit).filter(p => Math.abs(p.k) <= reach)
  const line = Array.from({length: 81}, (_, i) => {
    const k = -reach + (i * reach) / 40
    return {k, percent: 100 * Math.sqrt(Math.max(sviVariance(fit.svi, k), 0) / fit.ttmYears)}
  })
  const top = 1.05 * Math.max(...line.map(p => p.percent), ...points.map(p => p.percent))
  const innerWidth = PANEL.width - PANEL.left - PANEL.right
  const innerHeight = PANEL.height - PANEL.top - PANEL.bottom
  const x = (k: number): string => (PANEL.left + ((k + reach) / (2 * reach)) * innerWidth).toFixed(1)
  const y = (percent: number): string => (PANEL.top + (1 - percent / top) * innerHeight).toFixed(1)
  const ticks = [0, 0.25, 0.5, 0.75, 1].map(share => {
    const value = share * top
    return `<line x1="${PANEL.left}" x2="${PANEL.width - PANEL.right}" y1="${y(value)}" y2="${y(value)}" stroke="#e5e5e5"/><text x="${PANEL.left - 6}" y="${y(value)}" dy="4" text-anchor="end" fill="#555">${value.toFixed(0)}%</text>`
  })
  const feet = [-0.8, 0, 0.8].map(
    share =>
      `<text x="${x(share * reach)}" y="${PANEL.height - 12}" text-anchor="middle" fill="#555">${(share * reach).toFixed(2)}</text>`,
  )
  const label = `${fit.root} ${fit.expiry}  fit ±${fit.rmseVolPoints.toFixed(2)} vol points, ${(100 * fit.coverage).toFixed(0)} % inside bid–ask`
  return [
    `<text x="${PANEL.left}" y="14" fill="#111">${escapeXml(label)}</text>`,
    ...ticks,
    ...feet,
    ...points.map(p => `<circle cx="${x(p.k)}" cy="${y(p.percent)}" r="1.6" fill="#1f6fb2"/>`),
    `<polyline fill="none" stroke="#c0392b" stroke-width="1.4" points="${line.map(p => `${x(p.k)},${y(p.percent)}`).join(' ')}"/>`,
  ].join('')
}

/** Two-sided out-of-the-money quotes of the fit's slice. */
const quoted = (analysis: ChainGreeks, fit: SmileFit): {k: number; percent: number}[] => {
  const slice = analysis.chain.slices[fit.slice]!
  const points: {k: number; percent: number}[] = []
  for (let i = 0; i < slice.strike.length; i++) {
    const strike = slice.strike[i]!
    const side = strike >= fit.forward ? slice.call : slice.put
    const row = side.index[i]!
    if (row < 0 || !isTwoSided(side.bid[i]!, side.ask[i]!)) continue
    const volatility = analysis.columns.impliedVolatility[row]!
    if (volatility > 0) points.push({k: Math.log(strike / fit.forward), percent: 100 * volatility})
  }
  return points
}

const escapeXml = (text: string): string => text.replace(/[&<>"]/g, c => `&#${c.charCodeAt(0)};`)
