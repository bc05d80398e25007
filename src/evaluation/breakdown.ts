import type {RoundTrip} from './round-trips.ts'

export interface BreakdownRow {
  readonly key: string
  readonly trades: number
  readonly wins: number
  readonly losses: number
  /** Of closed trades, after fees. */
  readonly pnlMicros: number
  readonly feesMicros: number
}

/** Closed trades summed by a key, the most traded first. */
export const breakdown = (trips: readonly RoundTrip[], keyOf: (trip: RoundTrip) => string): BreakdownRow[] =>
  [...Map.groupBy(trips, keyOf)]
    .map(([key, own]) => ({
      key,
      trades: own.length,
      wins: own.filter(({pnlMicros}) => pnlMicros > 0).length,
      losses: own.filter(({pnlMicros}) => pnlMicros < 0).length,
      pnlMicros: Math.round(own.reduce((sum, t) => sum + t.pnlMicros, 0)),
      feesMicros: Math.round(own.reduce((sum, t) => sum + t.feesMicros, 0)),
    }))
    .sort((a, b) => b.trades - a.trades || (a.key < b.key ? -1 : 1))

/** Hour of closing, UTC, as `14`. */
export const hourOf = ({closedUs}: RoundTrip): string =>
  String(new Date(closedUs / 1000).getUTCHours()).padStart(2, '0')
