import fc from 'fast-check'
import {describe, expect, test} from 'vitest'
import {lots} from '../../src/domain/units.ts'
import {denialCode, denialTable, RULES, type RuleName} from '../../src/risk/denials.ts'
import {accept, checkRisk, type RiskRule, Session} from '../../src/risk/risk.ts'
import {gateWith, NOW, order} from './fixture.ts'

const ruleOf = (outcome: ReturnType<ReturnType<typeof gateWith>['gate']['check']>) =>
  outcome.kind === 'refused' ? outcome.by.rule : outcome.notes.map(n => `${n.rule}:${n.lots}`).join(',') || 'accepted'

describe('checkRisk', () => {
  const resizeTo =
    (n: number): RiskRule =>
    intent =>
      intent.lots <= n ? accept : {kind: 'resize', lots: lots(n), rule: 'max-order', detail: ''}
  const reject: RiskRule = () => ({kind: 'reject', rule: 'halted', detail: ''})

  test('a resize narrows the order that later rules see', () => {
    const seen: number[] = []
    const outcome = checkRisk(order({lots: 100}), gateWith().gate.snapshot, [
      resizeTo(50),
      o => {
        seen.push(o.lots)
        return accept
      },
      resizeTo(20),
    ])
    expect(seen).toEqual([50])
    expect(outcome).toMatchObject({kind: 'approved', order: {lots: 20}, notes: [{lots: 50}, {lots: 20}]})
  })
  test('the first rejection wins and later rules are not asked', () => {
    const outcome = checkRisk(order(), gateWith().gate.snapshot, [
      reject,
      () => {
        throw new Error('must not be asked')
      },
    ])
    expect(outcome).toMatchObject({kind: 'refused', by: {rule: 'halted'}})
  })
  test('a rule that would enlarge an order is a bug', () => {
    const enlarge: RiskRule = () => ({kind: 'resize', lots: lots(11), rule: 'max-order', detail: ''})
    expect(() => checkRisk(order({lots: 10}), gateWith().gate.snapshot, [enlarge])).toThrow(RangeError)
  })
})

describe('the standard rules', () => {
  test('an ordinary order passes unchanged', () => {
    expect(ruleOf(gateWith().gate.check(order()))).toBe('accepted')
  })

  type Fixture = ReturnType<typeof gateWith>
  const set =
    (change: (f: Fixture) => void) =>
    (f: Fixture): Change => {
      change(f)
      return {}
    }
  type Change = Parameters<typeof order>[0]
  const cases: [RuleName, (f: Fixture) => Change][] = [
    ['halted', set(f => Object.assign(f.gate.snapshot, {state: 'halted'}))],
    ['reducing', set(f => Object.assign(f.gate.snapshot, {state: 'reducing'}))],
    ['market-closed', set(f => f.gate.snapshot.session.fill(Session.closed))],
    ['market-closed', set(f => f.gate.snapshot.session.fill(Session.extended))],
    ['instrument-halted', set(f => f.gate.snapshot.session.fill(Session.halted))],
    ['order-size', () => ({lots: 0})],
    ['order-size', () => ({lots: Number.NaN})],
    ['price-increment', () => ({limitTicks: 4_000_050})],
    ['price-increment', () => ({limitTicks: -4_000_000})],
    ['price-increment', () => ({limitTicks: undefined})],
    ['no-market', set(f => f.quote(0, 0, 0, 0))],
    ['stale-quote', set(f => f.market.updatedUs.fill(NOW - 5_000_001))],
    ['price-collar', () => ({limitTicks: 4_400_000})],
    ['price-collar', () => ({limitTicks: 3_600_000})],
    [
      'price-collar',
      f => {
        f.quote(0, 3_000_000, 4_900_000, 5)
        return {type: 'market', limitTicks: undefined}
      },
    ],
    ['notional-as-size', () => ({lots: 20_000})],
    ['minimum-capital', set(f => Object.assign(f.gate.snapshot, {startEquityMicros: 99_999e6}))],
    ['daily-loss', set(f => Object.assign(f.gate.snapshot, {dayStartEquityMicros: 1_005_000e6}))],
    ['drawdown', set(f => Object.assign(f.gate.snapshot, {peakEquityMicros: 1_052_632e6}))],
    ['max-position', set(f => f.gate.snapshot.positionLots.fill(125, 0, 1))],
    ['short-sale', () => ({instrument: 2, side: 'sell', lots: 1e6, limitTicks: 500_000_000})],
  ]
  test.each(cases)('%s refuses', (rule, prepare) => {
    const f = gateWith()
    expect(ruleOf(f.gate.check(order(prepare(f))))).toBe(rule)
  })

  test('restricted symbols are refused, and options on them too', () => {
    const f = gateWith({restricted: ['SPY']})
    expect(ruleOf(f.gate.check(order()))).toBe('restricted')
    expect(ruleOf(f.gate.check(order({instrument: 1, limitTicks: 600_000})))).toBe('accepted')
  })
  test('max-order, max-position and max-position-fraction cut the order to what fits', () => {
    expect(ruleOf(gateWith().gate.check(order({lots: 100})))).toBe('max-order:62')
    const held = gateWith()
    held.gate.snapshot.positionLots[0] = 100
    expect(ruleOf(held.gate.check(order({lots: 50})))).toBe('max-position:25')
    const small = gateWith({}, 150_000)
    small.gate.snapshot.workingBuyLots[0] = 7
    expect(ruleOf(small.gate.check(order({lots: 50})))).toBe('max-position-fraction:30')
  })
  test('a position in another currency is valued through its bridge', () => {
    // 0.05 BTC/ETH × 50,000 USD/BTC × 20 ETH = 50,000 USD; one order may be 25,000 = 10 ETH.
    const f = gateWith()
    expect(ruleOf(f.gate.check(order({instrument: 3, lots: 20e8, limitTicks: 5_000_000})))).toBe('max-order:1000000000')
  })
  test('the cash reserve counts working orders at their worse side', () => {
    const f = gateWith({maxPositionMicros: 1e15, maxPositionFraction: 1, maxPortfolioRisk: 1, stressVarLimit: 1})
    f.gate.snapshot.workingSellLots[1] = 13_000
    expect(ruleOf(f.gate.check(order({lots: 60})))).toBe('cash-reserve:50')
  })
  test('a cluster of correlated instruments shares one limit', () => {
    const open = {
      maxPositionMicros: 1e15,
      maxPositionFraction: 1,
      maxPortfolioRisk: 1,
      stressVarLimit: 1,
      cashReserve: 0,
    }
    const f = gateWith({...open, clusterCorrelation: 0.15})
    f.gate.snapshot.positionLots[1] = -9_900
    expect(ruleOf(f.gate.check(order({lots: 60})))).toBe('correlation-exposure:15')
    const apart = gateWith({...open, clusterCorrelation: 0.9})
    apart.gate.snapshot.positionLots[1] = -9_900
    expect(ruleOf(apart.gate.check(order({lots: 60})))).toBe('accepted')
  })
  test('portfolio risk refuses what raises the one-day loss above the limit and admits a hedge', () => {
    const open = {
      maxPositionMicros: 1e15,
      maxPositionFraction: 1,
      cashReserve: 0,
      stressVarLimit: 1,
      maxCorrelationExposure: 1,
    }
    const f = gateWith({...open, maxPortfolioRisk: 0.01})
    f.gate.snapshot.positionLots[0] = 900
    expect(ruleOf(f.gate.check(order({lots: 20})))).toBe('portfolio-risk')
    expect(ruleOf(f.gate.check(order({lots: 20, side: 'sell'})))).toBe('accepted')
  })
  test('stressed value at risk ignores diversification', () => {
    const f = gateWith({
      maxPositionMicros: 1e15,
      maxPositionFraction: 1,
      cashReserve: 0,
      maxPortfolioRisk: 1,
      stressVarLimit: 0.02,
    })
    f.gate.snapshot.positionLots[1] = -3_000
    expect(ruleOf(f.gate.check(order()))).toBe('stressed-var')
  })
  test('identical working orders are duplicates until the first is done', () => {
    const f = gateWith()
    const first = order()
    f.gate.check(first)
    expect(ruleOf(f.gate.check(first))).toBe('duplicate-id')
    expect(ruleOf(f.gate.check(order()))).toBe('duplicate-order')
    f.gate.orderDone(first.clientOrderId)
    expect(ruleOf(f.gate.check(order()))).toBe('accepted')
    f.gate.snapshot.nowUs += 100_001
    expect(ruleOf(f.gate.check(order()))).toBe('accepted')
  })
  test('the rate is a sliding second of approved orders', () => {
    const f = gateWith({maxOrdersPerSecond: 3, maxOrderMicros: 1e12})
    const verdicts = [1, 2, 3, 4].map(n => ruleOf(f.gate.check(order({lots: n}))))
    expect(verdicts).toEqual(['accepted', 'accepted', 'accepted', 'order-rate'])
    f.gate.snapshot.nowUs += 1_000_000
    expect(ruleOf(f.gate.check(order({lots: 5})))).toBe('accepted')
  })
  test('a way out is open where nothing may be opened: loss, drawdown, capital, stale quote', () => {
    const f = gateWith()
    f.gate.snapshot.positionLots[0] = 10
    f.gate.snapshot.dayStartEquityMicros = 90_000e6
    f.gate.snapshot.peakEquityMicros = 2_000_000e6
    f.market.updatedUs[0] = NOW - 60e6
    expect(ruleOf(f.gate.check(order({side: 'sell', lots: 10})))).toBe('accepted')
    expect(ruleOf(f.gate.check(order({side: 'sell', lots: 15})))).toBe('stale-quote')
  })
  test('breach names the limit that ends opening risk', () => {
    const f = gateWith()
    expect(f.gate.breach()).toBeUndefined()
    f.gate.snapshot.equityMicros = 995_000e6
    expect(f.gate.breach()?.rule).toBe('daily-loss')
    f.gate.snapshot.dayStartEquityMicros = 995_000e6
    f.gate.snapshot.peakEquityMicros = 1_050_000e6
    expect(f.gate.breach()?.rule).toBe('drawdown')
  })
})

describe('denial codes', () => {
  test('are stable, unique and all in the table', () => {
    const codes = Object.keys(RULES).map(rule => denialCode(rule as RuleName))
    expect(new Set(codes).size).toBe(codes.length)
    for (const code of codes) expect(denialTable()).toContain(`\`${code}\``)
    expect(codes).toContain('MAX_POSITION')
  })
})

describe('properties', () => {
  const side = fc.constantFrom('buy' as const, 'sell' as const)

  test('in REDUCING no accepted orders, filled in any part and order, ever enlarge or flip the position', () => {
    const plan = fc.record({
      held: fc.integer({min: -200, max: 200}),
      orders: fc.array(fc.record({side, lots: fc.integer({min: 1, max: 150})}), {minLength: 1, maxLength: 8}),
      fills: fc.array(fc.record({pick: fc.nat(), share: fc.double({min: 0, max: 1, noNaN: true})}), {maxLength: 20}),
    })
    fc.assert(
      fc.property(plan, ({held, orders, fills}) => {
        const {gate} = gateWith()
        const s = gate.snapshot
        s.state = 'reducing'
        s.positionLots[0] = held
        const working: {sign: number; leaves: number}[] = []
        for (const o of orders) {
          const outcome = gate.check(order({...o, limitTicks: 4_000_000}))
          if (outcome.kind === 'refused') continue
          expect(outcome.order.lots).toBeLessThanOrEqual(o.lots)
          working.push({sign: o.side === 'buy' ? 1 : -1, leaves: outcome.order.lots})
          if (o.side === 'buy') s.workingBuyLots[0]! += outcome.order.lots
          else s.workingSellLots[0]! += outcome.order.lots
        }
        let position = held
        for (const {pick, share} of fills) {
          const target = working[pick % Math.max(1, working.length)]
          if (target === undefined) continue
          const filled = Math.ceil(target.leaves * share)
          target.leaves -= filled
          const after = position + target.sign * filled
          expect(Math.abs(after)).toBeLessThanOrEqual(Math.abs(position))
          expect(after === 0 || Math.sign(after) === Math.sign(held)).toBe(true)
          position = after
        }
      }),
      {numRuns: 500},
    )
  })

  test('an order that passes still passes when it is smaller, and none exceeds its position limit', () => {
    const plan = fc.record({
      held: fc.integer({min: -130, max: 130}),
      side,
      lots: fc.integer({min: 1, max: 200}),
      less: fc.double({min: 0.01, max: 1, noNaN: true}),
    })
    fc.assert(
      fc.property(plan, ({held, side: s, lots: n, less}) => {
        const f = gateWith()
        f.gate.snapshot.positionLots[0] = held
        const outcome = f.gate.check(order({side: s, lots: n}))
        if (outcome.kind === 'refused') return
        const after = held + (s === 'buy' ? 1 : -1) * outcome.order.lots
        expect(Math.abs(after) * 400).toBeLessThanOrEqual(Math.max(50_000, Math.abs(held) * 400))
        const smaller = f.gate.check(order({side: s, lots: Math.ceil(outcome.order.lots * less), strategy: 'other'}))
        expect(smaller.kind).toBe('approved')
      }),
      {numRuns: 300},
    )
  })
})

describe('portfolio risk', () => {
  test('the cached deviation is that of the full sum, as positions and prices move', () => {
    const step = fc.record({
      instrument: fc.integer({min: 0, max: 2}),
      lots: fc.integer({min: -500, max: 500}),
      move: fc.double({min: 0.9, max: 1.1, noNaN: true}),
      isSample: fc.boolean(),
    })
    fc.assert(
      fc.property(fc.array(step, {minLength: 1, maxLength: 12}), steps => {
        const f = gateWith()
        const s = f.gate.snapshot
        const price = [4_000_000, 600_000, 500_000_000]
        const size = [1, 1, 1e8]
        for (const [k, {instrument: i, lots: n, move, isSample}] of steps.entries()) {
          s.positionLots[i] = n * (size[i] as number) * (i === 2 ? 0.001 : 1)
          const mid = Math.round((price[i] as number) * move)
          f.quote(i, mid - 100, mid + 100, 500)
          if (isSample) f.gate.onTime(NOW + (k + 1) * 60e6)
        }
        const exposure = [0, 1, 2].map(
          i =>
            (s.positionLots[i] as number) *
            (((f.market.bidTicks[i] as number) + (f.market.askTicks[i] as number)) / 2) *
            (s.microsPerTickLot[i] as number),
        )
        const covariance = (a: number, b: number) =>
          s.portfolio.correlation(a, b) * s.portfolio.dailyVolatility(a) * s.portfolio.dailyVolatility(b)
        let variance = 0
        for (let a = 0; a < 3; a++)
          for (let b = 0; b < 3; b++) variance += (exposure[a] as number) * (exposure[b] as number) * covariance(a, b)
        const gross = exposure.reduce((sum, e, i) => sum + Math.abs(e) * s.portfolio.dailyVolatility(i), 0)
        expect(
          Math.abs(s.portfolio.deviationWith(0, exposure[0] as number) - Math.sqrt(Math.max(0, variance))),
        ).toBeLessThanOrEqual(0.05 * gross + 1)
      }),
      {numRuns: 200},
    )
  })
})
