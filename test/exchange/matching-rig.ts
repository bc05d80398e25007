import {applyRow, createMarketState} from '../../src/data/market-state.ts'
import {EventKind} from '../../src/data/tape.ts'
import {InstrumentTable} from '../../src/domain/instrument.ts'
import type {ExecutionReport, Fill} from '../../src/domain/order.ts'
import {createRng} from '../../src/domain/rng.ts'
import {type Lots, type Ticks, ticks} from '../../src/domain/units.ts'
import {zeroFees} from '../../src/exchange/fees.ts'
import {noLatency} from '../../src/exchange/latency.ts'
import {createVenue} from '../../src/exchange/matching.ts'
import type {ImpactModel, VenueOptions, VenueOrder} from '../../src/exchange/venue.ts'
import {chunkOf, type Row} from '../support/rows.ts'

type OrderShape = Partial<Omit<VenueOrder, 'clientOrderId' | 'lots' | 'limitTicks' | 'stopTicks'>> & {
  readonly lots?: number
  readonly limitTicks?: number
  readonly stopTicks?: number
}

/** A day limit order of 10 lots to buy, unless said otherwise. */
export const order = (
  clientOrderId: string,
  {lots = 10, limitTicks, stopTicks, ...shape}: OrderShape = {},
): VenueOrder => ({
  clientOrderId,
  instrument: 0,
  side: 'buy',
  type: limitTicks === undefined ? (stopTicks === undefined ? 'market' : 'stop') : 'limit',
  timeInForce: 'gtc',
  lots: lots as Lots,
  ...(limitTicks === undefined ? {} : {limitTicks: limitTicks as Ticks}),
  ...(stopTicks === undefined ? {} : {stopTicks: stopTicks as Ticks}),
  ...shape,
})

/** A venue over two instruments with whole ticks as increments, and everything it said. */
export const rig = ({
  impactOf,
  ...options
}: Partial<VenueOptions> & {
  readonly impactOf?: (parts: Pick<VenueOptions, 'instruments' | 'market'>) => ImpactModel | undefined
} = {}) => {
  const instruments = options.instruments ?? InstrumentTable.of(['BTC/USD', 'ETH/USD'])
  const market = createMarketState(instruments.size)
  const reports: (ExecutionReport & {heardUs: number})[] = []
  let nowUs = 0
  const impact = impactOf?.({instruments, market})
  const venue = createVenue({
    instruments,
    market,
    rng: createRng(1, 'venue'),
    latency: noLatency,
    fees: zeroFees,
    queue: 'conservative',
    respectSize: true,
    partialFillProbability: 0,
    onReport: report => reports.push({...report, heardUs: nowUs}),
    ...(impact === undefined ? {} : {impact}),
    ...options,
  })
  const advance = (toUs: number): void => {
    while (venue.nextDueUs() <= toUs) {
      nowUs = Math.max(nowUs, venue.nextDueUs())
      venue.advanceTo(venue.nextDueUs())
    }
    nowUs = toUs
  }
  return {
    venue,
    market,
    reports,
    play(rows: readonly Row[]): void {
      const chunk = chunkOf(rows)
      for (let r = 0; r < chunk.count; r++) {
        const at = chunk.tsUs[r] as number
        advance(at)
        applyRow(market, chunk, r)
        venue.onRow(chunk, r)
        if (chunk.kind[r] === EventKind.notice) venue.onNotice(chunk, r)
        advance(at)
      }
    },
    advance,
    send(...orders: readonly VenueOrder[]): void {
      for (const each of orders) venue.submit(each, nowUs)
      advance(nowUs)
    },
    cancel(id: string): void {
      venue.cancel(id, nowUs)
      advance(nowUs)
    },
    replace(id: string, newClientOrderId: string, change: {lots?: number; limitTicks?: number}): void {
      const {limitTicks, lots} = change
      venue.replace(
        id,
        {
          newClientOrderId,
          ...(lots === undefined ? {} : {lots}),
          ...(limitTicks === undefined ? {} : {limitTicks: ticks(limitTicks)}),
        },
        nowUs,
      )
      advance(nowUs)
    },
    fills: (id?: string): Fill[] =>
      reports.flatMap(r => (r.kind === 'fill' && (id === undefined || r.fill.clientOrderId === id) ? [r.fill] : [])),
    /** `lots@price` of each fill, `m` or `t` for its liquidity. */
    tape: (id?: string): string[] =>
      reports.flatMap(r =>
        r.kind === 'fill' && (id === undefined || r.fill.clientOrderId === id)
          ? [`${r.fill.lots}@${r.fill.priceTicks}${r.fill.liquidity === 'maker' ? 'm' : 't'}`]
          : [],
      ),
    kinds: (id: string): string[] =>
      reports.flatMap(r => ((r.kind === 'fill' ? r.fill.clientOrderId : r.clientOrderId) === id ? [r.kind] : [])),
  }
}
