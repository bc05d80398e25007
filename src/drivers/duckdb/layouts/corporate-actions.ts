import {hasColumns, type Layout, NEW_YORK, RAW, toUtcUs} from './layout.ts'

/**
 * Splits and cash dividends: `symbol, ex_date, action, new_rate, old_rate, cash, pay_date`, an action being `split`
 * (`new_rate` shares for `old_rate`, whole numbers) or `dividend` (`cash` a share, paid on `pay_date` or, without one, on
 * the ex-date). Known from the first moment of the ex-date in New York, before any of its prices.
 */
export const corporateActions: Layout = {
  name: 'corporate-actions',
  source: 'csv',
  matches: hasColumns('symbol', 'ex_date', 'action', 'new_rate', 'old_rate', 'cash', 'pay_date'),
  types: () => ({ex_date: 'DATE', new_rate: 'DOUBLE', old_rate: 'DOUBLE', cash: 'DOUBLE', pay_date: 'DATE'}),
  outputs: () => [
    {
      kind: 'notice',
      select: `SELECT ${RAW}.rowid AS line, ${RAW}.rowid AS seq, symbol, ${toUtcUs('ex_date::TIMESTAMP', NEW_YORK)} AS ts_us,
        CASE lower(action) WHEN 'split' THEN 0 WHEN 'dividend' THEN 1 END AS code,
        CASE lower(action) WHEN 'split' THEN new_rate ELSE 0 END AS first,
        CASE lower(action) WHEN 'split' THEN old_rate ELSE coalesce(${toUtcUs('pay_date::TIMESTAMP', NEW_YORK)}, 0) END AS second,
        CASE lower(action) WHEN 'dividend' THEN cash ELSE 0 END AS lower, 0 AS upper FROM ${RAW}`,
    },
  ],
}
