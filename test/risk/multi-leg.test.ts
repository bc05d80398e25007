import fc from 'fast-check'
import {describe, expect, test} from 'vitest'
import {Config} from '../../src/config/schema.ts'
import {createMarketState} from '../../src/data/market-state.ts'
import {InstrumentTable} from '../../src/domain/instrument.ts'
import type {OrderIntent, OrderLeg} from '../../src/domain/order.ts'
import type {Lots, Ticks, TsUs} from '../../src/domain/units.ts'
import {createRiskGate} from '../../src/risk/gate.ts'
import {riskLimits} from '../../src/risk/limits.ts'
import {maximumLossTicks} from '../../src/risk/multi-leg.ts'

const STRIKES = [190, 200, 210, 220]
const symbol = (expiry: string, right: 'C' | 'P', strike: number): string =>
  `AAPL${expiry}${right}${String(strike * 1000).padStart(8, '0')}`
const near = STRIKES.flatMap(strike => [symbol('240621', 'C', strike), symbol('240621', 'P', strike)])
const instruments = InstrumentTable.of([...near, symbol('240920', 'C', 200), symbol('240920', 'P', 200)])
const leg = (side: 'buy' | 'sell', name: string, ratio = 1): OrderLeg => ({
  side,
  ratio,
  instrument: instruments.indexOf(name) as number,
})
const call = (strike: number) => symbol('240621', 'C', strike)
const put = (strike: number) => symbol('240621', 'P', strike)
const D = 10_000
const loss = (paid: number, ...legs: OrderLeg[]) => maximumLossTicks(legs, instruments, paid * D) / D

describe('the most that legs can lose at expiry', () => {
  test('a debit spread loses what it cost', () => {
    expect(loss(3, leg('buy', call(200)), leg('sell', call(210)))).toBe(3)
  })
  test('a credit spread loses its width less the credit', () => {
    expect(loss(-4, leg('sell', call(200)), leg('buy', call(210)))).toBe(6)
    expect(loss(-4, leg('sell', put(210)), leg('buy', put(200)))).toBe(6)
  })
  test('an iron condor loses one of its widths less the credit', () => {
    const legs = [leg('buy', put(190)), leg('sell', put(200)), leg('sell', call(210)), leg('buy', call(220))]
    expect(loss(-3, ...legs)).toBe(7)
  })
  test('a butterfly loses what it cost, a box costs its width for nothing', () => {
    expect(loss(1.5, leg('buy', call(200)), leg('sell', call(210), 2), leg('buy', call(220)))).toBe(1.5)
    const box = [leg('buy', call(200)), leg('sell', call(210)), leg('buy', put(210)), leg('sell', put(200))]
    expect(loss(9.8, ...box)).toBe(0)
    expect(loss(10.25, ...box)).toBeCloseTo(0.25)
  })
  test('a ratio spread with a naked call can lose without limit, a naked put its strike', () => {
    expect(loss(0, leg('buy', call(200)), leg('sell', call(210), 2))).toBe(Infinity)
    expect(loss(-5, leg('sell', put(200)), leg('buy', call(220)))).toBe(195)
  })
  test('a calendar spread loses what it cost; turned around its short leg is alone', () => {
    const far = symbol('240920', 'C', 200)
    expect(loss(2, leg('sell', call(200)), leg('buy', far))).toBe(2)
    expect(loss(-2, leg('buy', call(200)), leg('sell', far))).toBe(Infinity)
  })
  test('no price at expiry loses more, and some price loses as much', () => {
    const legs = fc.array(
      fc.record({
        side: fc.constantFrom('buy' as const, 'sell' as const),
        at: fc.nat({max: 7}),
        ratio: fc.integer({min: 1, max: 3}),
      }),
      {minLength: 2, maxLength: 4},
    )
    fc.assert(
      fc.property(legs, fc.integer({min: -20, max: 20}), (shapes, paid) => {
        const made = shapes.map(({side, at, ratio}) => leg(side, near[at] as string, ratio))
        const most = loss(paid, ...made)
        const profit = (spot: number) =>
          made.reduce((sum, {side, ratio, instrument}) => {
            const {right, strike} = instruments.at(instrument).option as {right: string; strike: number}
            const value = Math.max(0, right === 'call' ? spot - strike : strike - spot)
            return sum + (side === 'buy' ? 1 : -1) * ratio * value
          }, -paid)
        const profits = Array.from({length: 500}, (_, spot) => profit(spot))
        if (most === Infinity) expect(profit(1e9)).toBeLessThan(-1e6)
        else expect(Math.max(0, -Math.min(...profits))).toBe(most)
      }),
    )
  })
})

describe('the gate', () => {
  const open = (extra = {}) => {
    const market = createMarketState(instruments.size)
    for (let i = 0; i < instruments.size; i++) {
      market.bidTicks[i] = 4 * D
      market.askTicks[i] = 5 * D
      market.bidLots[i] = market.askLots[i] = 100
      market.updatedUs[i] = 1
    }
    const limits = riskLimits(Config.parse({}).risk, {maxOrderMicros: 5_000e6, ...extra})
    const gate = createRiskGate({limits, instruments, market, equityMicros: 1e11})
    gate.snapshot.nowUs = 1
    return {gate, market}
  }
  const intent = (legs: readonly OrderLeg[], units: number, limit: number): OrderIntent => ({
    clientOrderId: `o${units}`,
    strategy: 's',
    instrument: legs[0]?.instrument as number,
    side: legs[0]?.side as 'buy',
    type: 'limit',
    timeInForce: 'day',
    lots: units as Lots,
    limitTicks: (limit * D) as Ticks,
    legs,
    decidedUs: 1 as TsUs,
  })
  const credit = [leg('sell', call(200)), leg('buy', call(210))]

  test('counts an order of several legs by its most possible loss', () => {
    // 600 dollars a unit: eight of them are 4,800.
    expect(open().gate.check(intent(credit, 8, -4))).toMatchObject({kind: 'approved', notes: []})
    expect(open().gate.check(intent(credit, 9, -4))).toMatchObject({
      kind: 'approved',
      order: {lots: 8},
      notes: [{rule: 'max-order', lots: 8}],
    })
  })
  test('refuses legs that can lose without limit, closed or halted markets, and prices that are not there', () => {
    const naked = [leg('buy', call(200)), leg('sell', call(210), 2)]
    const rule = (outcome: ReturnType<ReturnType<typeof open>['gate']['check']>) =>
      outcome.kind === 'refused' ? outcome.by.rule : outcome.kind
    expect(rule(open().gate.check(intent(naked, 1, 0)))).toBe('undefined-risk')
    const closed = open()
    closed.gate.snapshot.session[credit[1]?.instrument as number] = 0
    expect(rule(closed.gate.check(intent(credit, 1, -4)))).toBe('market-closed')
    const blind = open()
    blind.market.askLots.fill(0)
    blind.market.bidLots.fill(0)
    expect(rule(blind.gate.check(intent(credit, 1, -4)))).toBe('no-market')
    const reducing = open()
    reducing.gate.snapshot.state = 'reducing'
    expect(rule(reducing.gate.check(intent(credit, 1, -4)))).toBe('reducing')
  })
  test('takes a quote that has not moved while its chain is heard, for a minute; not when all is silent', () => {
    const minute = 60_000_000
    const check = (ownUs: number, othersUs: number) => {
      const {gate, market} = open()
      gate.snapshot.nowUs = 10 * minute
      market.updatedUs.fill(gate.snapshot.nowUs - othersUs)
      for (const {instrument} of credit) market.updatedUs[instrument] = gate.snapshot.nowUs - ownUs
      const outcome = gate.check(intent(credit, 1, -4))
      return outcome.kind === 'refused' ? outcome.by.rule : outcome.kind
    }
    expect(check(5_000_000, minute)).toBe('approved')
    expect(check(minute, 5_000_000)).toBe('approved')
    expect(check(minute, 5_000_001)).toBe('stale-quote')
    expect(check(minute + 1, 0)).toBe('stale-quote')
  })
  test('lets legs through that all bring their positions nearer to zero', () => {
    const {gate} = open()
    gate.snapshot.state = 'reducing'
    gate.snapshot.positionLots[credit[0]?.instrument as number] = 9
    gate.snapshot.positionLots[credit[1]?.instrument as number] = -9
    expect(gate.check(intent(credit, 9, -4)).kind).toBe('approved')
    expect(gate.check(intent(credit, 10, -4)).kind).toBe('refused')
  })
})
