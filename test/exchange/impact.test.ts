import fc from 'fast-check'
import {describe, expect, test} from 'vitest'
import {applyRow, createMarketState} from '../../src/data/market-state.ts'
import {InstrumentTable} from '../../src/domain/instrument.ts'
import {
  almgrenImpact,
  bookResilience,
  DEFAULT_HALF_LIFE_US,
  type ImpactModelName,
  type ImpactOptions,
  INVERSE_TURNOVER,
  impactModel,
  permanentImpact,
  temporaryImpact,
} from '../../src/exchange/impact.ts'
import {MarketActivity} from '../../src/exchange/market-activity.ts'
import {chunkOf, type Row} from '../support/rows.ts'
import {order, rig} from './matching-rig.ts'

const MINUTE = 60_000_000
const HALF_LIFE = 60_000_000

/** A quiet hour: a print of `lots` a minute at alternating mids. */
const quietHour = (lots: number): Row[] =>
  Array.from({length: 60}, (_, k): Row[] => [
    {at: (k + 1) * MINUTE, quote: [99_990 + (k % 2) * 20, 100_010 + (k % 2) * 20, 1_000_000, 1_000_000]},
    {at: (k + 1) * MINUTE + 1, trade: [100_000, lots]},
  ]).flat()

const book: Row[] = [
  {at: 1, depth: ['ask', 101, 50], clear: true, last: false},
  {at: 1, depth: ['ask', 102, 50], last: false},
  {at: 1, depth: ['ask', 103, 100], last: false},
  {at: 1, depth: ['bid', 99, 50], last: false},
  {at: 1, depth: ['bid', 98, 150]},
]

const activityAfter = (rows: readonly Row[], symbol = 'SPY') => {
  const instruments = InstrumentTable.of([symbol])
  const market = createMarketState(1)
  const activity = new MarketActivity(instruments, market)
  const chunk = chunkOf(rows)
  for (let r = 0; r < chunk.count; r++) {
    applyRow(market, chunk, r)
    activity.onRow(chunk, r)
  }
  return activity
}

describe('the coefficients', () => {
  // Almgren, Thum, Hauptmann & Li (2005), table of examples: trading a tenth of a day's volume of IBM and DRI.
  test.each([
    {name: 'IBM', volatility: 0.0157, turnover: 263, permanentBp: 20, temporaryBp: [22, 15, 8]},
    {name: 'DRI', volatility: 0.0226, turnover: 87, permanentBp: 22, temporaryBp: [32, 21, 12]},
  ])('give the paper’s figures for $name', ({volatility, turnover, permanentBp, temporaryBp}) => {
    expect(1e4 * permanentImpact(0.1, volatility, turnover)).toBeCloseTo(permanentBp, -0.3)
    for (const [k, days] of [0.1, 0.2, 0.5].entries())
      expect(Math.abs(1e4 * temporaryImpact(0.1 / days, volatility) - (temporaryBp[k] as number))).toBeLessThan(0.6)
  })
})

describe('what the tape says of volume and volatility', () => {
  test('nothing is known of volume before the first print', () => {
    expect(activityAfter([{at: 1, quote: [99, 101]}]).dailyLots(0)).toBe(0)
  })
  test('prints by the minute make a day of 390 minutes, of a coin 1,440', () => {
    expect(activityAfter(quietHour(100)).dailyLots(0)).toBeCloseTo(39_000, -3)
    expect(activityAfter(quietHour(100), 'BTC/USD').dailyLots(0)).toBeCloseTo(144_000, -3)
  })
  test('a daily bar is a day', () => {
    const days = Array.from({length: 20}, (_, k): Row => {
      const close = 100 * 1.01 ** (k % 2)
      return {at: (k + 1) * 86_400_000_000, bar: [close, close, close, close, 5_000], periodUs: 86_400_000_000}
    })
    const activity = activityAfter(days)
    expect(activity.dailyLots(0)).toBeCloseTo(5_000, 6)
    expect(activity.dailyVolatility(0)).toBeGreaterThan(0.009)
    expect(activity.dailyVolatility(0)).toBeLessThan(0.011)
  })
  test('a night is a return and no time', () => {
    const before = activityAfter(quietHour(100)).dailyLots(0)
    const rows: Row[] = [...quietHour(100), ...quietHour(100).map(row => ({...row, at: row.at + 20 * 60 * MINUTE}))]
    expect(activityAfter(rows).dailyLots(0)).toBeCloseTo(before, -3)
  })
})

describe('the 3/5 law', () => {
  const modelAfter = (
    rows: readonly Row[],
    terms: Pick<ImpactOptions, 'inverseTurnover' | 'sharesOutstanding'> = {},
  ) => {
    const instruments = InstrumentTable.of(['SPY'])
    const market = createMarketState(1)
    const model = almgrenImpact({instruments, market, halfLifeUs: HALF_LIFE, ...terms})
    const chunk = chunkOf(rows)
    for (let r = 0; r < chunk.count; r++) {
      applyRow(market, chunk, r)
      model.onRow?.(chunk, r)
    }
    return model
  }
  const nowUs = 61 * MINUTE
  const take = (lots: number, atUs = nowUs, isBuy = true) => ({
    instrument: 0,
    isBuy,
    lots,
    shownLots: 0,
    priceTicks: 1_000_000,
    atUs,
  })
  const size = fc.integer({min: 1, max: 20_000})

  test('no size costs nothing, and neither does a market without volume', () => {
    expect(modelAfter(quietHour(100)).ticks(take(0))).toBe(0)
    expect(modelAfter([{at: 1, quote: [99, 101]}]).ticks(take(100))).toBe(0)
  })

  test('permanent impact goes by the fourth root of inverse turnover, given or reckoned from shares outstanding', () => {
    const costs = (terms: Parameters<typeof modelAfter>[1]) => modelAfter(quietHour(100), terms).ticks(take(100))
    const temporaryOnly = costs({inverseTurnover: Number.MIN_VALUE})
    const permanent = (terms: Parameters<typeof modelAfter>[1]) => costs(terms) - temporaryOnly
    expect(permanent({})).toBe(permanent({inverseTurnover: INVERSE_TURNOVER}))
    expect(permanent({inverseTurnover: 16 * 200}) / permanent({})).toBeCloseTo(2, 9)
    const dailyLots = activityAfter(quietHour(100)).dailyLots(0)
    const shares = Math.round(50 * dailyLots)
    expect(permanent({sharesOutstanding: {SPY: shares}})).toBeCloseTo(
      permanent({inverseTurnover: shares / dailyLots}),
      9,
    )
    // What is said of another symbol, or of an object's own keys, is not of this one.
    expect(permanent({sharesOutstanding: {QQQ: shares}})).toBe(permanent({}))
    expect(() => modelAfter([], {inverseTurnover: 0})).toThrow(RangeError)
    // A split changes the shares with everything else: the same order, twice as many lots, costs the same share of the price.
    const model = modelAfter(quietHour(100), {sharesOutstanding: {SPY: shares}})
    const before = model.ticks(take(100))
    model.onSplit?.(0, 2, 1)
    expect(model.ticks(take(200))).toBeCloseTo(before, 6)
  })

  test('a larger order pays more a lot', () => {
    fc.assert(
      fc.property(size, size, (a, b) => {
        const model = modelAfter(quietHour(100))
        const [small, large] = [Math.min(a, b), Math.max(a, b)]
        expect(model.ticks(take(large))).toBeGreaterThanOrEqual(model.ticks(take(small)))
      }),
    )
  })

  test('cutting an order in two at one instant changes nothing', () => {
    fc.assert(
      fc.property(size, size, fc.boolean(), (first, second, isBuy) => {
        const whole = modelAfter(quietHour(100)).ticks(take(first + second, nowUs, isBuy)) * (first + second)
        const model = modelAfter(quietHour(100))
        let parts = model.ticks(take(first, nowUs, isBuy)) * first
        model.onTaken?.(0, isBuy, first, nowUs)
        parts += model.ticks(take(second, nowUs, isBuy)) * second
        expect(parts).toBeCloseTo(whole, 3 - Math.ceil(Math.log10(whole + 1)) + 6)
      }),
    )
  })

  test('the temporary part halves with each half-life and only the permanent part stays', () => {
    const fresh = modelAfter(quietHour(100)).ticks(take(1))
    const model = modelAfter(quietHour(100))
    model.onTaken?.(0, true, 5_000, nowUs)
    const costs = [0, 1, 3, 10, 40].map(k => model.ticks(take(1, nowUs + k * HALF_LIFE)))
    expect(costs).toEqual(costs.toSorted((a, b) => b - a))
    // What stays is 5,000 lots of permanent impact.
    const known = 1_000_000 * permanentImpact(5_000.5 / 39_000, 0.0175)
    expect((costs.at(-1) as number) - fresh).toBeGreaterThan(0.5 * known)
    expect((costs.at(-1) as number) - fresh).toBeLessThan(2 * known)
  })

  test('selling what was bought takes the permanent part back, and nobody gets a better price', () => {
    const model = modelAfter(quietHour(100))
    const fresh = model.ticks(take(100, nowUs, false))
    model.onTaken?.(0, true, 5_000, nowUs)
    const sell = model.ticks(take(100, nowUs, false))
    expect(sell).toBeGreaterThanOrEqual(0)
    expect(sell).toBeLessThanOrEqual(fresh)
    model.onTaken?.(0, false, 5_000, nowUs)
    const later = nowUs + 60 * HALF_LIFE
    expect(model.ticks(take(100, later))).toBeCloseTo(modelAfter(quietHour(100)).ticks(take(100, later)), 6)
  })

  test('a split leaves the cost of the same value', () => {
    const model = modelAfter(quietHour(100))
    model.onTaken?.(0, true, 1_000, nowUs)
    const before = model.ticks(take(500, nowUs + HALF_LIFE))
    model.onSplit?.(0, 2, 1)
    expect(model.ticks(take(1_000, nowUs + HALF_LIFE))).toBeCloseTo(before, 6)
  })
})

describe('in the matching core', () => {
  test('a second order starts where the first left the book, wherever its levels have moved', () => {
    const r = rig({impactOf: parts => bookResilience({...parts, halfLifeUs: HALF_LIFE})})
    r.play(book)
    r.send(order('a', {lots: 60}))
    expect(r.tape('a')).toEqual(['50@101t', '10@102t'])
    // The whole side moves up by ten: fresh levels to a recorded book, the same used-up market to us.
    r.play([
      {at: 2, depth: ['ask', 111, 50], clear: true, last: false},
      {at: 2, depth: ['ask', 112, 50], last: false},
      {at: 2, depth: ['bid', 109, 50]},
    ])
    r.send(order('b', {lots: 30, timeInForce: 'ioc'}))
    expect(r.tape('b')).toEqual(['30@112t'])
    expect(r.fills('b')[0]?.impactTicks).toBe(1)
    expect(r.fills('a')[0]?.impactTicks).toBeUndefined()
  })

  test('what was taken comes back with time', () => {
    const r = rig({impactOf: parts => bookResilience({...parts, halfLifeUs: HALF_LIFE})})
    r.play(book)
    r.send(order('a', {lots: 50}))
    const moved: Row[] = [
      {at: 1 + HALF_LIFE, depth: ['ask', 111, 50], clear: true, last: false},
      {at: 1 + HALF_LIFE, depth: ['ask', 112, 50], last: false},
      {at: 1 + HALF_LIFE, depth: ['bid', 109, 50]},
    ]
    r.play(moved)
    r.send(order('b', {lots: 50, timeInForce: 'ioc'}))
    expect(r.tape('b')).toEqual(['25@111t', '25@112t'])
    expect(r.fills('b').map(fill => fill.impactTicks)).toEqual([undefined, 1])
  })

  test('fill or kill counts what is missing', () => {
    const r = rig({impactOf: parts => bookResilience({...parts, halfLifeUs: HALF_LIFE})})
    r.play(book)
    r.send(order('a', {lots: 100}))
    r.play([
      {at: 2, depth: ['ask', 111, 120], clear: true, last: false},
      {at: 2, depth: ['bid', 109, 50]},
    ])
    r.send(order('b', {lots: 21, timeInForce: 'fok'}), order('c', {lots: 20, timeInForce: 'fok'}))
    expect([r.tape('b'), r.tape('c')]).toEqual([[], ['20@111t']])
  })

  test('a bar makes a market order pay for its weight', () => {
    const bars = Array.from({length: 50}, (_, k): Row => {
      const close = 1_000_000 + (k % 2) * 1_000
      return {at: (k + 1) * MINUTE, bar: [close, close, close, close, 10_000], periodUs: MINUTE}
    })
    const paid = (lots: number, name: ImpactModelName) => {
      const r = rig({
        bars: {participation: 1, halfSpreadBps: 0},
        impactOf: parts => impactModel(name, {...parts, halfLifeUs: DEFAULT_HALF_LIFE_US}),
      })
      r.play(bars.slice(0, -1))
      r.send(order('a', {lots}))
      r.play(bars.slice(-1))
      return r.fills('a')[0]
    }
    const free = paid(5_000, 'none')?.priceTicks as number
    const small = paid(500, 'almgren')
    const large = paid(5_000, 'almgren')
    expect(small?.priceTicks).toBeGreaterThan(free)
    expect(large?.priceTicks).toBeGreaterThan(small?.priceTicks as number)
    expect(large?.impactTicks).toBe((large?.priceTicks as number) - free)
    expect(paid(5_000, 'auto')).toEqual(large)
    expect(paid(5_000, 'resilience')?.priceTicks).toBe(free)
  })

  const anyBook = fc.array(
    fc.record({level: fc.integer({min: 0, max: 4}), lots: fc.integer({min: 0, max: 80}), ask: fc.boolean()}),
    {minLength: 6, maxLength: 40},
  )
  const anyOrders = fc.array(
    fc.record({
      at: fc.nat({max: 39}),
      lots: fc.integer({min: 1, max: 120}),
      isBuy: fc.boolean(),
      limit: fc.option(fc.integer({min: 95, max: 106}), {nil: undefined}),
    }),
    {maxLength: 12},
  )
  type Changes = typeof anyBook extends fc.Arbitrary<infer T> ? T : never
  type Orders = typeof anyOrders extends fc.Arbitrary<infer T> ? T : never

  const replay = (changes: Changes, orders: Orders, name: ImpactModelName) => {
    const r = rig({impactOf: parts => impactModel(name, {...parts, halfLifeUs: 200})})
    r.play([
      {at: 1, depth: ['ask', 101, 60], clear: true, last: false},
      {at: 1, depth: ['bid', 99, 60]},
    ])
    for (const [k, {level, lots, ask}] of changes.entries()) {
      r.play([
        {at: 10 * (k + 1), depth: [ask ? 'ask' : 'bid', ask ? 101 + level : 99 - level, lots]},
        {at: 10 * (k + 1), trade: [100, 1 + lots]},
      ])
      for (const [n, one] of orders.entries())
        if (one.at === k)
          r.send(
            order(`o${n}`, {
              lots: one.lots,
              side: one.isBuy ? 'buy' : 'sell',
              timeInForce: 'ioc',
              ...(one.limit === undefined ? {} : {limitTicks: one.limit}),
            }),
          )
    }
    return r
  }

  test.each(['almgren', 'resilience', 'auto'] as const)('%s never makes a price better or a limit worse', name => {
    fc.assert(
      fc.property(anyBook, anyOrders, (changes, orders) => {
        const [free, moved] = [replay(changes, orders, 'none'), replay(changes, orders, name)]
        // The first order meets an untouched market: it gets as much at no better a price.
        const first = orders.findIndex(one => one.at === Math.min(...orders.map(({at}) => at)))
        const [a, b] = [free.fills(`o${first}`), moved.fills(`o${first}`)]
        expect(b.map(({lots}) => lots)).toEqual(a.map(({lots}) => lots))
        for (const [k, fill] of b.entries()) {
          const sign = fill.side === 'buy' ? 1 : -1
          expect(sign * fill.priceTicks).toBeGreaterThanOrEqual(sign * (a[k]?.priceTicks as number))
        }
        for (const fill of moved.fills()) {
          expect(fill.impactTicks ?? 0).toBeGreaterThanOrEqual(0)
          const limit = orders[Number(fill.clientOrderId.slice(1))]?.limit
          if (limit === undefined) continue
          const sign = fill.side === 'buy' ? 1 : -1
          expect(sign * fill.priceTicks).toBeLessThanOrEqual(sign * limit)
        }
      }),
      {numRuns: 150},
    )
  })

  test('resilience never fills more of a book that stands still than is in it', () => {
    fc.assert(
      fc.property(
        fc.array(fc.integer({min: 1, max: 90}), {maxLength: 10}),
        fc.integer({min: 1, max: 5_000}),
        (sizes, gapUs) => {
          const r = rig({impactOf: parts => bookResilience({...parts, halfLifeUs: 1_000})})
          r.play(book)
          for (const [n, lots] of sizes.entries()) {
            r.advance(1 + (n + 1) * gapUs)
            r.send(order(`o${n}`, {lots, timeInForce: 'ioc'}))
          }
          const byLevel = Map.groupBy(r.fills(), fill => fill.priceTicks)
          const shown: Readonly<Record<number, number>> = {101: 50, 102: 50, 103: 100}
          for (const [ticks, fills] of byLevel)
            expect(fills.reduce((sum, {lots}) => sum + lots, 0)).toBeLessThanOrEqual(shown[ticks] ?? 0)
        },
      ),
    )
  })
})
