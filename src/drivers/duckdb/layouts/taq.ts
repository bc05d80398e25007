import {consolidateQuotes} from './consolidate.ts'
import {hasColumns, type Layout, type LayoutContext, NEW_YORK, RAW} from './layout.ts'
import {localToUtcUs} from './local-time.ts'

const stampUs = (context: LayoutContext): Promise<string> =>
  localToUtcUs(context, 'DT', context.options.timeZone ?? NEW_YORK, {series: 'SYMBOL'})

/** TAQ quotes of single exchanges, sizes in round lots of 100 shares. */
export const taqQuotes: Layout = {
  name: 'taq-quotes',
  source: 'taq',
  matches: hasColumns('DT', 'EX', 'BID', 'BIDSIZ', 'OFR', 'OFRSIZ', 'SYMBOL'),
  types: () => ({DT: 'TIMESTAMP', BID: 'DOUBLE', BIDSIZ: 'DOUBLE', OFR: 'DOUBLE', OFRSIZ: 'DOUBLE'}),
  outputs: async context => [
    await consolidateQuotes(context.database, {
      tsUs: await stampUs(context),
      symbol: 'SYMBOL',
      venue: 'EX',
      bid: 'BID',
      bidSize: 'BIDSIZ * 100',
      ask: 'OFR',
      askSize: 'OFRSIZ * 100',
      isOneSided: false,
      without: ['BID > OFR AND OFR > 0', 'crossedVenueQuotes'],
    }),
  ],
}

/** TAQ trades; a correction code above 1 marks a print that was changed, cancelled or in error. */
export const taqTrades: Layout = {
  name: 'taq-trades',
  source: 'taq',
  matches: hasColumns('DT', 'SYMBOL', 'PRICE', 'SIZE'),
  types: () => ({DT: 'TIMESTAMP', PRICE: 'DOUBLE', SIZE: 'DOUBLE', CORR: 'INTEGER'}),
  outputs: async context => {
    const isDetailed = context.header.includes('CORR')
    return [
      {
        kind: 'trade',
        ...(isDetailed ? {counts: {lateReports: `SELECT count_if(regexp_matches(COND, '[ZLUT]')) FROM ${RAW}`}} : {}),
        select: `SELECT rowid AS line, rowid AS seq, SYMBOL AS symbol, ${await stampUs(context)} AS ts_us, PRICE AS price, SIZE AS size,
          ${isDetailed ? "CASE WHEN CORR > 1 THEN 'correctedTrades' END" : 'NULL::VARCHAR'} AS dropped FROM ${RAW}`,
      },
    ]
  },
}
