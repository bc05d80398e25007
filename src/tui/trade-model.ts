import type {
  FillEvent,
  LatencyEvent,
  LogEvent,
  PositionEvent,
  RequestsEvent,
  RiskEvent,
  RunStarted,
  SignalEvent,
  StoppedBy,
  TradeEvent,
} from '../core/trade-events.ts'

/** Everything the live view draws: a pure fold over the node's events, bounded in size however long the run is. */
export interface TradeModel {
  readonly run: RunStarted | undefined
  readonly stoppedBy: StoppedBy | undefined
  /** Market time of the latest event. */
  readonly nowUs: number
  /** By symbol, in order of first appearance; closed ones are dropped. */
  readonly positions: ReadonlyMap<string, PositionEvent>
  readonly risk: RiskEvent | undefined
  readonly latency: LatencyEvent | undefined
  readonly requests: RequestsEvent | undefined
  /** Latest first, by strategy and symbol. */
  readonly signals: readonly SignalEvent[]
  /** Latest first. */
  readonly fills: readonly FillEvent[]
  /** Latest last. */
  readonly log: readonly (LogEvent & {readonly id: number})[]
  /** Equity in micros at even steps of market time, oldest first, for the curve. */
  readonly equity: readonly number[]
  readonly counts: {
    readonly signals: number
    readonly orders: number
    readonly fills: number
    readonly rejected: number
  }
  /** Why risk refused, most frequent first. */
  readonly refusals: ReadonlyMap<string, number>
}

const KEPT_SIGNALS = 12
const KEPT_FILLS = 12
const KEPT_LOG = 50
const KEPT_EQUITY = 240

export const emptyTradeModel: TradeModel = {
  run: undefined,
  stoppedBy: undefined,
  nowUs: 0,
  positions: new Map(),
  risk: undefined,
  latency: undefined,
  requests: undefined,
  signals: [],
  fills: [],
  log: [],
  equity: [],
  counts: {signals: 0, orders: 0, fills: 0, rejected: 0},
  refusals: new Map(),
}

export const reduceTrade = (model: TradeModel, event: TradeEvent): TradeModel => {
  const next = {...model, nowUs: Math.max(model.nowUs, event.tsUs)}
  switch (event.kind) {
    case 'run':
      return event.phase === 'started' ? {...next, run: event} : {...next, stoppedBy: event.stoppedBy}
    case 'signal':
      return {
        ...next,
        counts: {...model.counts, signals: model.counts.signals + 1},
        signals: [
          event,
          ...model.signals.filter(({strategy, symbol}) => strategy !== event.strategy || symbol !== event.symbol),
        ].slice(0, KEPT_SIGNALS),
      }
    case 'order':
      return event.status === 'submitted'
        ? {...next, counts: {...model.counts, orders: model.counts.orders + 1}}
        : event.status === 'rejected'
          ? refused(next, `venue: ${event.reason ?? 'rejected'}`)
          : next
    case 'fill':
      return {
        ...next,
        counts: {...model.counts, fills: model.counts.fills + 1},
        fills: [event, ...model.fills].slice(0, KEPT_FILLS),
      }
    case 'verdict':
      return event.verdict === 'reject' ? refused(next, event.rule ?? 'risk') : next
    case 'position': {
      const positions = new Map(model.positions)
      if (event.size === 0) positions.delete(event.symbol)
      else positions.set(event.symbol, event)
      return {...next, positions}
    }
    case 'risk':
      return {...next, risk: event, equity: [...model.equity, event.equityMicros].slice(-KEPT_EQUITY)}
    case 'weights':
      return next
    case 'latency':
      return {...next, latency: event}
    case 'requests':
      return {...next, requests: event}
    case 'log':
      return {...next, log: [...model.log, {...event, id: (model.log.at(-1)?.id ?? 0) + 1}].slice(-KEPT_LOG)}
    default:
      event satisfies never
      return next
  }
}

const refused = (model: TradeModel, rule: string): TradeModel => {
  const refusals = new Map(model.refusals).set(rule, (model.refusals.get(rule) ?? 0) + 1)
  return {
    ...model,
    counts: {...model.counts, rejected: model.counts.rejected + 1},
    refusals: new Map([...refusals].sort((a, b) => b[1] - a[1])),
  }
}
