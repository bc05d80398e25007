import {ExitCode, UserError} from '../../../domain/errors.ts'
import {type Layout, wrongColumns} from './layout.ts'
import {csvTable, leanTable} from './table.ts'

/** Every layout that its header tells apart, the general table last. */
export const LAYOUTS: readonly Layout[] = [leanTable, csvTable]

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
    return LAYOUTS.find(layout => layout.source !== 'lean' && layout.matches(header, fileName)) ?? csvTable
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
