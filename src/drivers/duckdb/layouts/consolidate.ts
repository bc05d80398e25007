import {NationalBestBuilder} from '../../../data/national-best.ts'
import {type Database, quoted} from '../database.ts'
import {doubleColumns, TableWriter} from '../table-writer.ts'
import {inTimeOrder, type LayoutOutput, RAW, usable} from './layout.ts'

export interface VenueQuotes {
  /** SQL of the UTC time in microseconds. */
  readonly tsUs: string
  readonly symbol: string
  readonly venue: string
  readonly bid: string
  readonly bidSize: string
  readonly ask: string
  readonly askSize: string
  /** Rows update one side only; the other is blank. */
  readonly isOneSided: boolean
  /** Rows to leave out, such as suspicious ones, and the name they are counted under. */
  readonly without?: readonly [condition: string, name: string]
}

/** National best quotes from the quotes of single venues, one stream a symbol. */
export const consolidateQuotes = async (database: Database, input: VenueQuotes): Promise<LayoutOutput> => {
  const {venues} = await database.one<{venues: string[]}>(
    `SELECT list_sort(list(DISTINCT ${input.venue})) AS venues FROM ${RAW} WHERE ${input.venue} IS NOT NULL`,
  )
  const names = venues ?? []
  const unusable = [
    [`(${input.tsUs}) IS NULL`, 'time is missing'],
    [`coalesce(${input.symbol}, '') = ''`, 'symbol is missing'],
    [`coalesce(${input.venue}, '') = ''`, 'exchange is missing'],
  ] as const
  const symbols = await database.rows<{symbol: string}>(
    `SELECT DISTINCT ${input.symbol} AS symbol FROM ${usable(unusable)} ORDER BY 1`,
  )
  const columns = ['line', 'ts_us', 'seq', 'symbol_index', 'bid', 'ask', 'bid_size', 'ask_size']
  const quotes = await TableWriter.create(database, 'kernel_quote', columns)
  const {tsUs, bid, bidSize, ask, askSize, without} = input
  const venueIndex = `list_position([${names.map(quoted)}], ${input.venue}) - 1`
  let stale = 0
  let transient = 0
  for (const [index, {symbol}] of symbols.entries()) {
    let pending: number[] = []
    let isPending = false
    const best = new NationalBestBuilder(names.length)
    const rowsOfSymbol = usable(unusable, [
      `${input.symbol} = ${quoted(symbol)}`,
      ...(without === undefined ? [] : [`NOT coalesce(${without[0]}, false)`]),
    ])
    const from = await inTimeOrder(database, rowsOfSymbol, tsUs)
    for await (const block of doubleColumns(database, ['rowid', tsUs, venueIndex, bid, bidSize, ask, askSize], from)) {
      const [lines, times, venue, bids, bidSizes, asks, askSizes] = block.columns as [
        Float64Array,
        Float64Array,
        Float64Array,
        Float64Array,
        Float64Array,
        Float64Array,
        Float64Array,
      ]
      for (let row = 0; row < block.rows; row++) {
        const v = venue[row] as number
        const b = bids[row] as number
        const a = asks[row] as number
        if (Number.isNaN(v) || Number.isNaN(times[row] as number)) continue
        // A blank side of a one-sided row says nothing about it; of a two-sided row, that the venue quotes nothing.
        if (!input.isOneSided || !Number.isNaN(b)) best.setBid(v, b, bidSizes[row] as number)
        if (!input.isOneSided || !Number.isNaN(a)) best.setAsk(v, a, askSizes[row] as number)
        const tsUs = times[row] as number
        if (!best.update()) continue
        // Both sides of one move arrive as rows of one stamp: between them the market is not really locked.
        if (isPending && (pending[1] !== tsUs || (pending[4] as number) < (pending[5] as number)))
          quotes.write(...pending)
        else if (isPending) transient++
        pending = [
          lines[row] as number,
          tsUs,
          lines[row] as number,
          index,
          best.bid,
          best.ask,
          best.bidSize,
          best.askSize,
        ]
        isPending = true
      }
    }
    if (isPending) quotes.write(...pending)
    stale += best.stale
  }
  quotes.close()
  return {
    kind: 'quote',
    select: `SELECT *, ([${symbols.map(({symbol}) => quoted(symbol))}])[symbol_index::INTEGER + 1] AS symbol FROM kernel_quote`,
    unusable,
    counts: {
      staleQuotes: `SELECT ${stale}`,
      transientLocks: `SELECT ${transient}`,
      ...(without === undefined ? {} : {[without[1]]: `SELECT count_if(${without[0]}) FROM ${RAW}`}),
    },
  }
}
