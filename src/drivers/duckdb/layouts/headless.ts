import {isLeanName, leanColumns} from './lean-native.ts'

const KLINES =
  'open_time open high low close volume close_time quote_volume count taker_buy_volume taker_buy_quote_volume ignore'
const AGG_TRADES = 'agg_trade_id price quantity first_trade_id last_trade_id transact_time is_buyer_maker is_best_match'
const TRADES = 'id price qty quote_qty time is_buyer_maker is_best_match'
const BOOK_TICKER = 'update_id best_bid_price best_bid_qty best_ask_price best_ask_qty transaction_time event_time'

const isStamp = (field: string | undefined): boolean => /^\d{13}(\d{3})?$/.test(field ?? '')
const isFlag = (field: string | undefined): boolean => /^(true|false)$/i.test(field ?? '')

/**
 * Names of the columns of a table without a header, by its file's name and the shape of its first row; undefined where it is
 * none that we know. Binance's archive (github.com/binance/binance-public-data) has no header in its spot files and in its
 * older futures files; LEAN's files have none at all.
 */
export const headlessColumns = (
  fileName: string,
  path: string,
  fields: readonly string[],
): readonly string[] | undefined => {
  if (isLeanName(fileName, path, fields)) return leanColumns(fileName, path, fields)
  const named = (names: string) => names.split(' ').slice(0, fields.length)
  const count = fields.length
  if ((count === 11 || count === 12) && isStamp(fields[0]) && isStamp(fields[6])) return named(KLINES)
  if ((count === 7 || count === 8) && isStamp(fields[5]) && isFlag(fields[6])) return named(AGG_TRADES)
  if ((count === 6 || count === 7) && isStamp(fields[4]) && isFlag(fields[5])) return named(TRADES)
  if (count === 7 && isStamp(fields[5]) && isStamp(fields[6])) return named(BOOK_TICKER)
  return undefined
}
