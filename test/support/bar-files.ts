import {writeFileSync} from 'node:fs'
import path from 'node:path'
import type {SymbolBars} from '../models/support.ts'

/** Writes five-minute bars as the shared files have them: New York time (four hours behind in June), stamped at the start. */
export const writeBars = (dir: string, bars: SymbolBars): string => {
  const lines = [...bars.tsUs].map((ts, i) => {
    const start = new Date((ts - 300_000_000) / 1000 - 4 * 3_600_000).toISOString().slice(0, 16).replace('T', ' ')
    return [start, bars.open[i], bars.high[i], bars.low[i], bars.close[i], bars.volume[i]].join(',')
  })
  const file = path.join(dir, `us_5m_${bars.symbol}_2025.csv`)
  writeFileSync(file, `datetime_et,open,high,low,close,volume\n${lines.join('\n')}\n`)
  return file
}
