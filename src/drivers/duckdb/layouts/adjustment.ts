import {formatDay} from '../../../domain/calendar.ts'
import {quoted} from '../database.ts'
import {type LayoutContext, NEW_YORK} from './layout.ts'

export interface Adjustment {
  readonly price: (sql: string) => string
  readonly volume: (sql: string) => string
  readonly join: string
}

const NONE: Adjustment = {price: sql => sql, volume: sql => sql, join: ''}

/**
 * Back-adjusts bars for dividends and splits: price × price factor × split factor and volume ÷ split factor of the first
 * factor row whose day is not before the bar's. Adjusted prices are rounded to 1/1,000,000. A symbol without factors is left as it is.
 */
export const adjustment = async (
  {database, options}: LayoutContext,
  symbol: string,
  time: {readonly utcUs: string; readonly date?: string},
): Promise<Adjustment> => {
  if (options.factors === undefined) return NONE
  const rows = [...options.factors].flatMap(([name, factors]) =>
    factors.map(
      ({day, priceFactor, splitFactor}) =>
        `(${quoted(name)},DATE '${formatDay(day)}',${priceFactor}::DOUBLE,${splitFactor}::DOUBLE)`,
    ),
  )
  await database.run(
    'CREATE OR REPLACE TEMP TABLE factors(symbol VARCHAR, day DATE, price_factor DOUBLE, split_factor DOUBLE)',
  )
  if (rows.length > 0) await database.run(`INSERT INTO factors VALUES ${rows.join(',')}`)
  const day = time.date ?? `timezone('${NEW_YORK}', timezone('UTC', make_timestamp(${time.utcUs})))::DATE`
  return {
    price: sql => `round((${sql}) * coalesce(factors.price_factor * factors.split_factor, 1), 6)`,
    volume: sql => `round((${sql}) / coalesce(factors.split_factor, 1))`,
    join: `ASOF LEFT JOIN factors ON factors.symbol = ${symbol} AND ${day} <= factors.day`,
  }
}
