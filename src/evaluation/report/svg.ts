/** Text made safe for HTML and attributes. */
export const escapeText = (text: string): string =>
  text.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('>', '&gt;').replaceAll('"', '&quot;')

export interface Scale {
  readonly of: (value: number) => number
  readonly ticks: readonly number[]
}

/** Linear scale from a domain to pixels with about `count` round ticks inside the domain. */
export const linearScale = (low: number, high: number, from: number, to: number, count = 5): Scale => {
  const [a, b] = high > low ? [low, high] : [low - 1, high + 1]
  return {of: value => from + ((value - a) / (b - a)) * (to - from), ticks: roundTicks(a, b, count)}
}

const roundTicks = (low: number, high: number, count: number): number[] => {
  const raw = (high - low) / count
  const power = 10 ** Math.floor(Math.log10(raw))
  const step = power * ([1, 2, 2.5, 5, 10].find(m => m * power >= raw) ?? 10)
  const ticks: number[] = []
  for (let t = Math.ceil(low / step) * step; t <= high + step * 1e-9; t += step)
    ticks.push(Math.abs(t) < step * 1e-9 ? 0 : t)
  return ticks
}

const px = (value: number): string => (Math.round(value * 10) / 10).toString()

/** Path through points; breaks where a value is not finite. */
export const linePath = (xs: ArrayLike<number>, ys: ArrayLike<number>, x: Scale, y: Scale): string => {
  let path = ''
  let isDown = false
  for (let i = 0; i < xs.length; i++) {
    const value = ys[i] as number
    if (!Number.isFinite(value)) {
      isDown = false
      continue
    }
    path += `${isDown ? 'L' : 'M'}${px(x.of(xs[i] as number))} ${px(y.of(value))}`
    isDown = true
  }
  return path
}

/** The curve closed down to a base value. */
export const areaPath = (xs: ArrayLike<number>, ys: ArrayLike<number>, x: Scale, y: Scale, base: number): string =>
  xs.length === 0
    ? ''
    : `${linePath(xs, ys, x, y)}L${px(x.of(xs[xs.length - 1] as number))} ${px(y.of(base))}L${px(x.of(xs[0] as number))} ${px(y.of(base))}Z`

/** At most `most` indices of a curve that keep its extremes: the first, lowest, highest and last of each stretch. */
export const thin = (values: ArrayLike<number>, most = 1200): number[] => {
  const n = values.length
  if (n <= most) return Array.from({length: n}, (_, i) => i)
  const stretches = Math.floor(most / 4)
  const kept = new Set<number>()
  for (let s = 0; s < stretches; s++) {
    const from = Math.floor((s * n) / stretches)
    const to = Math.floor(((s + 1) * n) / stretches)
    let [low, high] = [from, from]
    for (let i = from; i < to; i++) {
      if ((values[i] as number) < (values[low] as number)) low = i
      if ((values[i] as number) > (values[high] as number)) high = i
    }
    for (const i of [from, low, high, to - 1]) kept.add(i)
  }
  return [...kept].sort((a, b) => a - b)
}

export const text = (x: number, y: number, content: string, attributes = ''): string =>
  `<text x="${px(x)}" y="${px(y)}" ${attributes}>${escapeText(content)}</text>`
export const rule = (x1: number, y1: number, x2: number, y2: number, css = 'grid'): string =>
  `<line class="${css}" x1="${px(x1)}" y1="${px(y1)}" x2="${px(x2)}" y2="${px(y2)}"/>`
export const rect = (x: number, y: number, width: number, height: number, attributes: string, title?: string): string =>
  `<rect x="${px(x)}" y="${px(y)}" width="${px(Math.max(0, width))}" height="${px(Math.max(0, height))}" ${attributes}>${title === undefined ? '' : `<title>${escapeText(title)}</title>`}</rect>`
