import type {WeightRecord} from '../allocation/allocation.ts'
import type {RequestUse} from '../broker/broker.ts'
import {midTicks} from '../data/market-state.ts'
import {lotsToSize, ticksToPrice} from '../domain/instrument.ts'
import type {OrderIntent} from '../domain/order.ts'
import type {Engine, EngineListener, EngineOptions} from '../engine/engine.ts'
import type {LiveOrder} from '../engine/live-order.ts'
import type {RiskLimits} from '../risk/limits.ts'
import type {OrderEvent, PositionEvent, RiskEvent, TradeEvent, WeightsEvent} from './trade-events.ts'

export interface NodeEventOptions {
  readonly instruments: EngineOptions['instruments']
  readonly strategies: readonly string[]
  readonly limits: RiskLimits
  readonly engine: () => Engine
  readonly onEvent: (event: TradeEvent) => void
  readonly requestUse?: () => RequestUse
}

/** The engine's listener that speaks in symbols and decimals, and the periodic records that nobody triggers. */
export const nodeEvents = ({instruments, strategies, limits, engine, onEvent, requestUse}: NodeEventOptions) => {
  const price = (i: number, ticks: number): number => ticksToPrice(instruments.at(i), ticks)
  const size = (i: number, lots: number): number => lotsToSize(instruments.at(i), lots)
  const symbolOf = (i: number): string => instruments.at(i).symbol

  const position = (i: number, nowUs: number): PositionEvent => {
    const {ledger} = engine()
    const lots = ledger.account.lots[i] ?? 0
    const instrument = instruments.at(i)
    const unit = instrument.multiplier * 10 ** (6 - instrument.sizeDecimals)
    return {
      kind: 'position',
      symbol: instrument.symbol,
      tsUs: nowUs,
      size: size(i, lots),
      averageEntry: lots === 0 ? 0 : Number((ledger.account.averageMicros(i) / unit).toPrecision(12)),
      price: price(i, midTicks(engine().market, i)),
      unrealizedMicros: ledger.markMicros(ledger.account, i, i) - (ledger.account.costMicros[i] ?? 0),
    }
  }
  const listener: EngineListener = {
    onSignal: ({instrument, ...signal}) => onEvent({kind: 'signal', ...signal, symbol: symbolOf(instrument)}),
    onOrder: (order, nowUs, reason) => onEvent(orderEvent(order, nowUs, reason, price, size)),
    onFill: (fill, order, _effect, nowUs) => {
      onEvent({
        kind: 'fill',
        fillId: fill.fillId,
        clientOrderId: fill.clientOrderId,
        strategy: order === undefined || order.strategy < 0 ? 'external' : (strategies[order.strategy] ?? 'external'),
        symbol: symbolOf(fill.instrument),
        tsUs: nowUs,
        side: fill.side,
        size: size(fill.instrument, fill.lots),
        price: price(fill.instrument, fill.priceTicks),
        feeMicros: fill.feeMicros,
        liquidity: fill.liquidity,
      })
      onEvent(position(engine().ledger.settlement.home[fill.instrument] ?? fill.instrument, nowUs))
    },
    onVerdict: (intent: OrderIntent, {kind, rule, detail}, nowUs) =>
      onEvent({
        kind: 'verdict',
        clientOrderId: intent.clientOrderId,
        symbol: symbolOf(intent.instrument),
        tsUs: nowUs,
        verdict: kind,
        rule,
        detail,
      }),
    onLatched: (reason, nowUs) => onEvent({kind: 'log', tsUs: nowUs, level: 'warn', text: `kill latch: ${reason}`}),
    onState: (state, reason, nowUs) =>
      onEvent({kind: 'log', tsUs: nowUs, level: state === 'active' ? 'info' : 'warn', text: `${state}: ${reason}`}),
    onExit: (strategy, instrument, reason, nowUs) =>
      onEvent({
        kind: 'log',
        tsUs: nowUs,
        level: 'info',
        text: `${strategies[strategy] ?? 'external'} ${symbolOf(instrument)}: closed by ${reason}`,
      }),
  }
  const risk = (nowUs: number): RiskEvent => {
    const {ledger, desk, state} = engine()
    const equityMicros = ledger.equityMicros()
    const peak = engine().peakEquityMicros()
    return {
      kind: 'risk',
      tsUs: nowUs,
      state: desk.latched ? 'latched' : state,
      equityMicros,
      cashMicros: ledger.cashMicros,
      pnlMicros: equityMicros - ledger.initialCashMicros,
      realizedMicros: ledger.realizedMicros,
      feesMicros: ledger.feesMicros,
      grossMicros: ledger.grossMicros(),
      drawdown: peak > 0 ? Math.max(0, 1 - equityMicros / peak) : 0,
      openOrders: desk.orders.size,
      limits: {maxDrawdown: limits.maxDrawdown, maxDailyLossMicros: limits.maxDailyLossMicros},
    }
  }
  return {
    listener,
    weights: (names: readonly string[], record: WeightRecord): void => onEvent(weightsEvent(names, record)),
    /** Account, request budget and open positions as they are now. */
    publish: (nowUs: number): void => {
      onEvent(risk(nowUs))
      if (requestUse !== undefined) onEvent({kind: 'requests', tsUs: nowUs, ...requestUse()})
      const {lots} = engine().ledger.account
      for (let i = 0; i < lots.length; i++) if (lots[i] !== 0) onEvent(position(i, nowUs))
    },
  }
}

/** Capital was shared anew. */
export const weightsEvent = (names: readonly string[], {tsUs, weights, profitMicros}: WeightRecord): WeightsEvent => {
  const byName = (values: Float64Array): Record<string, number> =>
    Object.fromEntries(names.map((name, k) => [name, values[k] ?? 0]))
  return {kind: 'weights', tsUs, weights: byName(weights), profitMicros: byName(profitMicros)}
}

const orderEvent = (
  order: LiveOrder,
  nowUs: number,
  reason: string | undefined,
  price: (i: number, ticks: number) => number,
  size: (i: number, lots: number) => number,
): OrderEvent => {
  const {intent} = order
  return {
    kind: 'order',
    clientOrderId: intent.clientOrderId,
    strategy: intent.strategy,
    symbol: order.symbol,
    tsUs: nowUs,
    side: intent.side,
    type: intent.type,
    timeInForce: intent.timeInForce,
    size: size(intent.instrument, intent.lots),
    ...(intent.limitTicks === undefined ? {} : {limit: price(intent.instrument, intent.limitTicks)}),
    status: order.status === 'held' ? 'accepted' : order.status === 'replaced' ? 'cancelled' : order.status,
    ...(reason === undefined ? {} : {reason}),
  }
}
