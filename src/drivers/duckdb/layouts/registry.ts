import {ExitCode, UserError} from '../../../domain/errors.ts'
import {binanceDepth, binanceQuotes, binanceTrades} from './binance.ts'
import {
  binanceAggTrades,
  binanceArchiveTrades,
  binanceBookDepth,
  binanceBookTicker,
  binanceFunding,
  binanceKlines,
} from './binance-archive.ts'
import {bitstampOrders} from './bitstamp.ts'
import {cboePage} from './cboe-page.ts'
import {corporateActions} from './corporate-actions.ts'
import {type Layout, wrongColumns} from './layout.ts'
import {
  leanFactors,
  leanOptionQuotes,
  leanOptionUniverse,
  leanQuoteBars,
  leanTickQuotes,
  leanTickTrades,
} from './lean.ts'
import {leanNative} from './lean-native.ts'
import {lobster} from './lobster.ts'
import {cboeChain, cboeEndOfDay, deribitVolatilities, spxChain, spxVolatilities} from './options.ts'
import {fredSeries, realisedMeasures} from './series.ts'
import {shfe} from './shfe.ts'
import {csvTable, leanTable} from './table.ts'
import {taqQuotes, taqTrades} from './taq.ts'

/** Every layout that its header tells apart, the general table last. */
export const LAYOUTS: readonly Layout[] = [
  lobster,
  shfe,
  binanceQuotes,
  binanceTrades,
  binanceDepth,
  binanceKlines,
  binanceAggTrades,
  binanceArchiveTrades,
  binanceBookTicker,
  binanceBookDepth,
  binanceFunding,
  bitstampOrders,
  leanNative,
  leanTickQuotes,
  leanTickTrades,
  leanQuoteBars,
  leanOptionQuotes,
  leanOptionUniverse,
  leanFactors,
  taqQuotes,
  taqTrades,
  cboeChain,
  cboePage,
  cboeEndOfDay,
  spxChain,
  spxVolatilities,
  deribitVolatilities,
  fredSeries,
  realisedMeasures,
  corporateActions,
  leanTable,
  csvTable,
]

export const LAYOUT_SOURCES = [
  'csv',
  'lean',
  'lobster',
  'shfe',
  'binance',
  'bitstamp',
  'taq',
  'cboe',
  'spx',
  'deribit',
] as const
export type LayoutSource = (typeof LAYOUT_SOURCES)[number]

/** The layout of a file: one of the source's own; for `csv`, any whose header fits exactly, else a plain table. */
export const layoutFor = (
  source: LayoutSource,
  isMapped: boolean,
  header: readonly string[],
  fileName: string,
): Layout => {
  if (source === 'csv') {
    if (isMapped) return csvTable
    return LAYOUTS.find(layout => layout !== leanTable && layout.matches(header, fileName)) ?? csvTable
  }
  const own = LAYOUTS.find(layout => layout.source === source && layout.matches(header, fileName))
  if (own !== undefined) return own
  const other = LAYOUTS.find(layout => layout.source !== 'csv' && layout.matches(header, fileName))
  if (other === undefined) throw wrongColumns(fileName, header, `layout of ${source}`)
  throw new UserError('WRONG_COLUMNS', `${fileName} is not laid out as ${source}`, {
    exitCode: ExitCode.invalidData,
    hints: [`its columns look like ${other.source}: gpi ingest ${other.source} ${fileName}`],
  })
}
