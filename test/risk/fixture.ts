import {RiskConfig} from '../../src/config/schema.ts'
import {createMarketState} from '../../src/data/market-state.ts'
import {InstrumentTable} from '../../src/domain/instrument.ts'
import type {OrderIntent} from '../../src/domain/order.ts'
import {lots, ticks, tsUs} from '../../src/domain/units.ts'
import {createRiskGate} from '../../src/risk/gate.ts'
import {type RiskLimits, riskLimits} from '../../src/risk/limits.ts'

export const NOW = 1_700_000_000_000_000

export const limitsWith = (extra: Partial<RiskLimits> = {}): RiskLimits => riskLimits(RiskConfig.parse({}), extra)

/** SPY at 400 ± 0.01, KO at 60 ± 0.01, BTC/USD at 50,000 ± 1, ETH/BTC at 0.05; equity one million dollars. */
export const gateWith = (extra: Partial<RiskLimits> = {}, equity = 1_000_000) => {
  const instruments = InstrumentTable.of(['SPY', 'KO', 'BTC/USD', 'ETH/BTC'])
  const market = createMarketState(instruments.size)
  const quote = (i: number, bid: number, ask: number, size: number) => {
    market.bidTicks[i] = bid
    market.askTicks[i] = ask
    market.bidLots[i] = size
    market.askLots[i] = size
    market.quotedUs[i] = NOW
    market.updatedUs[i] = NOW
  }
  quote(0, 3_999_900, 4_000_100, 500)
  quote(1, 599_900, 600_100, 500)
  quote(2, 499_990_000, 500_010_000, 5e8)
  quote(3, 4_999_000, 5_001_000, 5e8)
  const gate = createRiskGate({limits: limitsWith(extra), instruments, market, equityMicros: equity * 1e6})
  gate.snapshot.nowUs = NOW
  return {gate, market, instruments, quote}
}

let nextId = 0
export const order = (change: Partial<Record<keyof OrderIntent, unknown>> = {}): OrderIntent =>
  ({
    clientOrderId: `t-${nextId++}`,
    strategy: 'test',
    instrument: 0,
    side: 'buy',
    type: 'limit',
    timeInForce: 'day',
    lots: lots(10),
    limitTicks: ticks(4_000_000),
    decidedUs: tsUs(NOW),
    ...change,
  }) as OrderIntent
