import {describe, expect, test} from 'vitest'
import {EventKind} from '../../src/data/tape.ts'
import {parseDay} from '../../src/domain/calendar.ts'
import {InstrumentTable, instrumentOf, lotsToSize, ticksToPrice} from '../../src/domain/instrument.ts'
import {blackPrice} from '../../src/options/black.ts'
import {createStrategy} from '../../src/strategies/registry.ts'
import {quote, type Rehearsal, type Row, rehearse, START, table} from './fixture.ts'

const DAY = 86_400e6
const AT = parseDay('2025-01-06') * DAY + 15 * 3600e6
const STRIKES = [90, 95, 100, 105, 110]
const YEARS = (parseDay('2025-02-21') * DAY + 21 * 3600e6 - AT) / (365 * DAY)

const setup = (root: string) => {
  const contract = (right: 'C' | 'P', strike: number) =>
    `${root}250221${right}${String(strike * 1000).padStart(8, '0')}`
  const instruments = InstrumentTable.of(
    [root, ...STRIKES.flatMap(k => [contract('C', k), contract('P', k)])].map(instrumentOf),
  )
  /** A fair chain at a forward of 100, no discount, five-cent quotes; some contracts' prices moved. */
  const chain = (at: number, moved: Readonly<Record<string, number>> = {}): Row[] =>
    STRIKES.flatMap(strike =>
      (['C', 'P'] as const).map((right): Row => {
        const fair = blackPrice(100, strike, 0.2 * Math.sqrt(YEARS), right === 'C') + (moved[`${right}${strike}`] ?? 0)
        const [bid, ask] = [fair - 0.02, fair + 0.03].map(p => Math.max(1, Math.round(p * 100)) * 100)
        return {
          tsUs: at,
          kind: EventKind.option,
          instrument: instruments.indexOf(contract(right, strike)) as number,
          values: [bid as number, ask as number, 10, 10, 5, 50],
        }
      }),
    )
  const run = (rows: Row[], params = {}, options = {}) => {
    const strategy = createStrategy('triangular-arbitrage', {capitalFraction: 0.5, legTimeoutMs: 2000, ...params})
    return {...rehearse(strategy, instruments, rows, options), report: strategy.report?.() ?? {}}
  }
  /** Dollars at expiry if the underlying ends at `price`: cash of the fills and what is held then. */
  const atExpiry = ({fills, positions}: Rehearsal, price: number): number => {
    let dollars = 0
    for (const {instrument: i, side, lots, priceTicks} of fills) {
      const one = instruments.at(i)
      dollars -= (side === 'buy' ? 1 : -1) * lotsToSize(one, lots) * one.multiplier * ticksToPrice(one, priceTicks)
    }
    for (const [i, lots] of positions.entries()) {
      const {option, multiplier} = instruments.at(i)
      const worth =
        option === undefined
          ? price
          : Math.max(0, option.right === 'call' ? price - option.strike : option.strike - price)
      dollars += lots * multiplier * worth
    }
    return dollars
  }
  return {instruments, chain, run, atExpiry}
}
const ENDS = [50, 80, 92.5, 97, 100, 101, 104, 110, 140]
/** Looks every ten seconds, and each snapshot twice more a second and a half apart, when buys and when sales have arrived. */
const minutes = (rows: (at: number) => Row[], count = 4): Row[] =>
  Array.from({length: count}, (_, k) => [0, 1.5e6, 3e6].flatMap(later => rows(AT + k * 11e6 + later))).flat()

describe('option bundles', () => {
  const index = setup('SPX')
  test('a fair chain holds none', () => {
    const {fills, report} = index.run(minutes(at => index.chain(at)))
    expect(fills).toEqual([])
    expect(report).toMatchObject({bundles: 0, chainsRead: 3})
  })
  test('an edge that fees eat is counted before costs and not after, and not traded', () => {
    const rows = minutes(at => index.chain(at, {C100: 0.6}))
    const cheap = index.run(rows, {feePerContract: 0.69}).report
    const dear = index.run(rows, {feePerContract: 500})
    const before = Object.entries(cheap).filter(([key]) => key.endsWith('BeforeCosts'))
    expect(before.length).toBeGreaterThan(0)
    for (const [key, count] of before) {
      expect(dear.report[key]).toBe(count)
      const seen = key.replace('BeforeCosts', 'Seen')
      expect(Number(cheap[seen])).toBeLessThanOrEqual(Number(count))
      expect(dear.report[seen]).toBe(0)
    }
    expect(before.some(([key]) => Number(cheap[key.replace('BeforeCosts', 'Seen')]) > 0)).toBe(true)
    expect(dear.fills).toEqual([])
  })
  test.each([
    ['C100', 0.6],
    ['C100', -0.6],
    ['P105', 0.6],
    ['P95', -0.6],
  ])('a European chain with %s off by %d dollars locks a profit in, wherever the index ends', (contract, by) => {
    const out = index.run(minutes(at => index.chain(at, {[contract]: by})))
    expect(out.report['bundlesComplete']).toBeGreaterThan(0)
    const ends = ENDS.map(price => index.atExpiry(out, price))
    const expected = Number(out.report['bundleEdgeMicros']) / 1e6
    expect(expected).toBeGreaterThan(0)
    // Worth the same wherever it ends, and at least what was expected (the fees of 0.69 a contract are not charged here).
    for (const dollars of ends) expect(dollars).toBeCloseTo(ends[0] as number, 6)
    expect(ends[0]).toBeGreaterThanOrEqual(expected)
  })
  test('a leg that is refused leaves no position once its time is over', () => {
    const rows = minutes(at => index.chain(at, {C100: 0.6}), 8)
    const free = index.run(rows)
    const leg = free.fills[0]?.instrument as number
    const {positions, report} = index.run(rows, {}, {refuse: leg})
    expect(report['bundlesMissed']).toBeGreaterThan(0)
    expect(report['bundlesComplete']).toBe(0)
    // What is open now was begun at the last look; everything else went back.
    const open = [...positions].filter(lots => lots !== 0).length
    expect(open).toBeLessThanOrEqual(3)
    expect([...positions].reduce((sum, lots) => sum + Math.abs(lots), 0)).toBeLessThanOrEqual(15)
  })
  test('American options make a conversion against the stock, and no reversal', () => {
    const stock = setup('SPY')
    const spot = (at: number, price: number) =>
      quote(at, 0, Math.round(price * 1e4) - 100, Math.round(price * 1e4) + 100, 1000, 1000)
    const dear = minutes(at => [spot(at, 100), ...stock.chain(at, {C100: 0.6})])
    const kinds = {optionKinds: ['conversion', 'reversal']}
    const out = stock.run(dear, kinds)
    expect(out.report['conversionSeen']).toBeGreaterThan(0)
    const ends = ENDS.map(price => stock.atExpiry(out, price))
    for (const dollars of ends) expect(dollars).toBeCloseTo(ends[0] as number, 6)
    expect(ends[0]).toBeGreaterThanOrEqual(Number(out.report['bundleEdgeMicros']) / 1e6)
    // A cheap call would need the reversal: short stock and a put that may be exercised against us.
    expect(
      stock.run(
        minutes(at => [spot(at, 100), ...stock.chain(at, {C100: -0.6})]),
        kinds,
      ).fills,
    ).toEqual([])
  })
  test('kinds not asked for are left alone', () => {
    expect(
      index.run(
        minutes(at => index.chain(at, {C100: 0.6})),
        {optionKinds: []},
      ).fills,
    ).toEqual([])
  })
})

describe('a fund against its basket', () => {
  const instruments = table('ETF', 'AAA', 'BBB')
  const [ETF, AAA, BBB] = [0, 1, 2]
  /** One share stands for half a share of AAA at 40, a quarter of BBB at 80 and a dollar of cash: 41. */
  const baskets = [{etf: 'ETF', members: {AAA: 0.5, BBB: 0.25}, cash: 1}]
  const market = (at: number, etf: number): Row[] => [
    quote(at, AAA, 39.99e4, 40.01e4, 500, 500),
    quote(at, BBB, 79.99e4, 80.01e4, 500, 500),
    quote(at, ETF, Math.round(etf * 1e4) - 100, Math.round(etf * 1e4) + 100, 1000, 1000),
  ]
  const run = (prices: number[], params = {}, options = {}) => {
    const rows = prices.flatMap((price, k) => market(START + k * 100_000, price))
    const strategy = createStrategy('triangular-arbitrage', {
      baskets,
      capitalFraction: 0.5,
      participation: 1,
      ...params,
    })
    return {...rehearse(strategy, instruments, rows, options), report: strategy.report?.() ?? {}}
  }
  test('a dear fund is sold against its members, by exact sizes, and bought back when the difference is gone', () => {
    const {fills, positions, profitMicros, report} = run([41, 41.2, 41.2, 41, 41, 41, 40.98, 40.98, 40.98])
    // 50,000 dollars and 500 shares of AAA shown hold ten sets of a hundred shares.
    expect(
      fills
        .slice(0, 3)
        .map(f => [f.instrument, f.side, f.lots])
        .sort(),
    ).toEqual([
      [ETF, 'sell', 1000],
      [AAA, 'buy', 500],
      [BBB, 'buy', 250],
    ])
    expect(report).toMatchObject({baskets: 1, bundlesComplete: 1, bundlesClosed: 1, bundlesOpen: 0})
    expect([...positions]).toEqual([0, 0, 0])
    // Sold 41.19 against 20.005 + 20.0025 + 1; bought back at 40.99 against 19.995 + 19.9975 + 1: 0.185 a share.
    expect(profitMicros).toBe(1000 * 185_000)
  })
  test('a difference that does not pay its costs is left alone', () => {
    expect(run([41, 41.03, 41.03]).fills).toEqual([])
  })
  test('a refused member takes the others back', () => {
    const {positions, report} = run([41, ...Array.from({length: 12}, () => 41.2)], {legTimeoutMs: 300}, {refuse: BBB})
    expect(report['bundlesMissed']).toBeGreaterThan(0)
    expect(positions[BBB]).toBe(0)
  })
  test('a basket with a member that is not in the data is none', () => {
    expect(run([41, 41.2], {baskets: [{etf: 'ETF', members: {AAA: 0.5, CCC: 1}}]}).report['baskets']).toBeUndefined()
  })
})
