/**
 * Time of all pre-trade checks of one order, against one check alone (the notional limit), in the same run.
 *
 *     npx node test/bench/risk-checks.ts
 */
import process from 'node:process'
import {RiskConfig} from '../../src/config/schema.ts'
import {createMarketState} from '../../src/data/market-state.ts'
import {InstrumentTable} from '../../src/domain/instrument.ts'
import type {OrderIntent} from '../../src/domain/order.ts'
import {createRng} from '../../src/domain/rng.ts'
import {lots, ticks, tsUs} from '../../src/domain/units.ts'
import {createRiskGate, standardRules} from '../../src/risk/gate.ts'
import {riskLimits} from '../../src/risk/limits.ts'
import type {RiskRule} from '../../src/risk/risk.ts'
import {maxOrder} from '../../src/risk/rules/order-rules.ts'

const CHECKS = 200_000
const START = 1_700_000_000_000_000
const limits = riskLimits(RiskConfig.parse({}), {maxOrdersPerSecond: 1_000_000})

/** A gate over `size` stocks, two thirds of them held, with working orders and a minute of volatility samples. */
const gateOf = (size: number, rules: readonly RiskRule[]) => {
  const rng = createRng(1)
  const instruments = InstrumentTable.of(Array.from({length: size}, (_, i) => `S${i}`))
  const market = createMarketState(size)
  const gate = createRiskGate({limits, instruments, market, equityMicros: 1e12, rules})
  const s = gate.snapshot
  for (let minute = 0; minute < 60; minute++) {
    s.nowUs = START + minute * 60e6
    for (let i = 0; i < size; i++) {
      const mid = 1_000_000 + 100 * rng.below(200)
      market.bidTicks[i] = mid - 100
      market.askTicks[i] = mid + 100
      market.bidLots[i] = 500
      market.askLots[i] = 500
      market.updatedUs[i] = s.nowUs
    }
    gate.onTime(s.nowUs)
  }
  for (let i = 0; i < size; i++) {
    if (i % 3 !== 0) s.positionLots[i] = rng.below(100) - 50
    s.workingBuyLots[i] = rng.below(20)
  }
  return gate
}

const orders = (count: number, size: number): OrderIntent[] => {
  const rng = createRng(2)
  return Array.from({length: count}, (_, k) => ({
    clientOrderId: `b-${k.toString(36)}`,
    strategy: 'bench',
    instrument: rng.below(size),
    side: rng.uniform() < 0.5 ? ('buy' as const) : ('sell' as const),
    type: 'limit' as const,
    timeInForce: 'day' as const,
    lots: lots(1 + rng.below(20)),
    limitTicks: ticks(1_010_000),
    decidedUs: tsUs(START),
  }))
}

const measure = (size: number, rules: readonly RiskRule[]) => {
  const gate = gateOf(size, rules)
  const list = orders(CHECKS + 20_000, size)
  const times = new Float64Array(CHECKS)
  let approved = 0
  list.forEach((order, k) => {
    // Far enough apart that no order is the twin of a working one.
    gate.snapshot.nowUs += 200_000
    gate.snapshot.market.updatedUs.fill(gate.snapshot.nowUs)
    const before = process.hrtime.bigint()
    const outcome = gate.check(order)
    const elapsed = Number(process.hrtime.bigint() - before)
    if (k < 20_000) return
    times[k - 20_000] = elapsed
    if (outcome.kind === 'approved') approved++
  })
  times.sort()
  const at = (p: number) => (times[Math.floor(p * (CHECKS - 1))] as number) / 1000
  return {p50: at(0.5), p99: at(0.99), p999: at(0.999), approved: approved / CHECKS}
}

for (const size of [8, 50, 500]) {
  const all = measure(size, standardRules(limits))
  const one = measure(size, [maxOrder(limits)])
  process.stdout.write(
    `${size} instruments: all ${standardRules(limits).length} rules p50 ${all.p50.toFixed(2)} µs, p99 ${all.p99.toFixed(2)} µs, p99.9 ${all.p999.toFixed(2)} µs ` +
      `(${(100 * all.approved).toFixed(0)} % approved); one rule p50 ${one.p50.toFixed(2)} µs, p99 ${one.p99.toFixed(2)} µs; ratio p50 ${(all.p50 / one.p50).toFixed(1)}\n`,
  )
}
