import {describe, expect, test} from 'vitest'
import {EventKind} from '../../src/data/tape.ts'
import {parseDay} from '../../src/domain/calendar.ts'
import {InstrumentTable, instrumentOf} from '../../src/domain/instrument.ts'
import {blackPrice} from '../../src/options/black.ts'
import {impliedEventMoves} from '../../src/strategies/option-sentiment/event-move.ts'
import {predictiveScore} from '../../src/strategies/option-sentiment/sentiment-score.ts'
import {createStrategy} from '../../src/strategies/registry.ts'
import type {Answer, HeadsService, SentimentHeads} from '../../src/strategies/services.ts'
import {quote, type Row, rehearse} from './fixture.ts'

const DAY = 86_400e6
const START = parseDay('2025-01-06') * DAY + 15 * 3600e6
const EXPIRY = '250221'
const STRIKES = Array.from({length: 21}, (_, k) => 90 + k)
const contract = (right: 'C' | 'P', strike: number) => `SPY${EXPIRY}${right}${String(strike * 1000).padStart(8, '0')}`
const symbols = ['SPY', ...STRIKES.flatMap(k => [contract('C', k), contract('P', k)])]
const instruments = InstrumentTable.of(symbols.map(instrumentOf))
const T = (parseDay('2025-02-21') * DAY + 21 * 3600e6 - START) / (365 * DAY)

/** The whole chain at one time: smile with a put skew, and put and call volumes. */
const chain = (at: number, skew: number, putVolume = 100, spot = 100): Row[] => [
  quote(at, 0, spot * 1e4 - 50, spot * 1e4 + 50),
  ...STRIKES.flatMap((strike): Row[] =>
    (['C', 'P'] as const).map((right): Row => {
      const volatility = 0.2 - (skew * (strike - spot)) / spot
      const price = blackPrice(spot, strike, volatility * Math.sqrt(T), right === 'C')
      const [bid, ask] = [Math.max(0, price - 0.02), price + 0.02].map(p => Math.round(p * 100) * 100) as [
        number,
        number,
      ]
      const index = instruments.indexOf(contract(right, strike)) as number
      return {
        tsUs: at,
        kind: EventKind.option,
        instrument: index,
        values: [bid, ask, 50, 50, right === 'P' ? putVolume : 100, 1000],
      }
    }),
  ),
]
/** Thirty quiet readings that wiggle a little, then `last`. */
const history = (last: (at: number) => Row[]): Row[] => [
  ...Array.from({length: 30}, (_, k) => chain(START + k * 300e6, 0.5 + 0.01 * (k % 3), 100 + (k % 4))).flat(),
  ...Array.from({length: 3}, (_, k) => last(START + (30 + k) * 300e6)).flat(),
]
const run = (rows: Row[], params = {}, services = {}, options = {}) => {
  const strategy = createStrategy('option-sentiment', params, services)
  return {...rehearse(strategy, instruments, rows, options), report: strategy.report?.() ?? {}}
}

const headsSaying = (answer: Answer<SentimentHeads | null>, seenUntilUs = 0): HeadsService => ({
  model: 'fake',
  seenUntilUs,
  ask: () => answer,
})

describe('option-sentiment', () => {
  test('a quiet chain opens nothing', () => {
    const {signals, report} = run(history(at => chain(at, 0.51, 102)))
    expect(report['readings']).toBeGreaterThan(25)
    expect(signals).toEqual([])
  })
  test('puts suddenly dear and bought: short the underlying; suddenly cheap: long', () => {
    expect(run(history(at => chain(at, 0.9, 300))).signals[0]).toMatchObject({instrument: 0, direction: -1})
    expect(run(history(at => chain(at, 0.1, 30))).signals[0]).toMatchObject({instrument: 0, direction: 1})
  })
  test('the head of the embedding counts when it is there', () => {
    const heads = headsSaying(() => ({sentiment: 1, arbitrageScore: 0}))
    const {signals, report} = run(
      history(at => chain(at, 0.51, 102)),
      {headWeight: 10},
      {heads},
    )
    expect(signals[0]).toMatchObject({direction: 1})
    expect(report['withHeads']).toBe(report['readings'])
  })
  test('heads are not asked where the embedder was trained', () => {
    const asked = {count: 0}
    const heads: HeadsService = {
      ...headsSaying(() => undefined, START + 1e15),
      ask: () => {
        asked.count++
        return () => ({sentiment: 1, arbitrageScore: 0})
      },
    }
    const rows = history(at => chain(at, 0.51, 102))
    expect(run(rows, {}, {heads}).report).toMatchObject({withHeads: 0, seenInTraining: 33 - 1})
    expect(asked.count).toBe(0)
    expect(run(rows, {allowSeenHeads: true}, {heads}).report['withHeads']).toBe(asked.count)
  })
  test('a chain that the embedder cannot use is scored at once, without heads', () => {
    const rows = history(at => chain(at, 0.9, 300))
    const none = run(rows, {}, {heads: headsSaying(() => null)})
    expect(none.report).toMatchObject({withHeads: 0, lateHeads: 0, withoutHeads: none.report['readings']})
    expect(none.signals).toEqual(run(rows).signals)
  })
  test('late heads hold nothing up: readings are scored in order, without them', () => {
    const late = headsSaying(() => undefined)
    const rows = history(at => chain(at, 0.9, 300))
    const {signals, report} = run(rows, {}, {heads: late})
    expect(report['lateHeads']).toBeGreaterThan(25)
    expect(report['withHeads']).toBe(0)
    // The same entry as without a service; it comes when the answer is waited for no longer.
    expect(signals[0]).toMatchObject({instrument: 0, direction: -1})
  })
  describe('started again', () => {
    const quiet = history(at => chain(at, 0.51, 102))
    const turned = history(at => chain(at, 0.9, 300))
    const [call, further] = [contract('C', 100), contract('C', 101)].map(c => instruments.indexOf(c) as number) as [
      number,
      number,
    ]
    test('closes the shares it held when the chain turns against them, and not while it is learning', () => {
      const {targets, signals} = run(turned, {}, {}, {held: {0: 500}})
      expect(targets[0]).toMatchObject({instrument: 0, lots: 0})
      expect(targets[0]?.tsUs).toBeGreaterThan(START + 10 * 300e6)
      // Held, they are not bought again.
      expect(signals.filter(({direction}) => direction === 1)).toEqual([])
    })
    test('keeps them while nothing speaks against them, for the longest holding time', () => {
      const learning = quiet.filter(({tsUs}) => tsUs < START + 9 * 300e6)
      expect(run(learning, {}, {}, {held: {0: 500}}).targets).toEqual([])
      const {targets} = run(learning, {holdingSeconds: 1200}, {}, {held: {0: 500}})
      expect(targets[0]).toMatchObject({instrument: 0, lots: 0})
    })
    test('sells a spread it held as one order', () => {
      const learning = quiet.filter(({tsUs}) => tsUs < START + 9 * 300e6)
      const params = {vehicle: 'spread', holdingSeconds: 1200}
      const {multiLegs, targets} = run(learning, params, {}, {held: {[call]: 3, [further]: -3}})
      expect(multiLegs[0]).toMatchObject({
        units: 3,
        legs: [
          {instrument: call, side: 'sell'},
          {instrument: further, side: 'buy'},
        ],
      })
      expect(targets).toEqual([])
    })
    test('closes a leg without its partner at once', () => {
      const {targets} = run(quiet.slice(0, 5 * 43), {}, {}, {held: {[further]: -2}})
      expect(targets).toMatchObject([{instrument: further, lots: 0}])
    })
  })
  test('nothing is opened while the near expiries price a jump in', () => {
    const {report} = run(
      history(at => chain(at, 0.9, 300)),
      {eventGuardMoves: 1e-9},
    )
    // One expiry prices no event.
    expect(report['eventsPriced']).toBe(0)
    // σ² = 0.04 of diffusion and a jump of 6 % before both expiries: 0.06 over a daily deviation of 0.2/√252.
    const expiries = [10 / 365, 40 / 365].map(ttmYears => ({ttmYears, atTheMoney: Math.sqrt(0.04 + 0.0036 / ttmYears)}))
    expect(impliedEventMoves(expiries)).toBeCloseTo(0.06 / (0.2 / Math.sqrt(252)), 9)
    expect(impliedEventMoves(expiries.toReversed())).toBeCloseTo(0.06 / (0.2 / Math.sqrt(252)), 9)
    expect(
      impliedEventMoves([
        {ttmYears: 0.02, atTheMoney: 0.2},
        {ttmYears: 0.1, atTheMoney: 0.25},
      ]),
    ).toBe(0)
    expect(impliedEventMoves([])).toBe(0)
  })
  test('says why it was silent', () => {
    expect(run([quote(START, 0, 1_000_000, 1_000_100)]).report['silent']).toMatch(/no chain has been there for 300 s/)
    expect(run(history(at => chain(at, 0.5)).slice(0, 3 * 43)).report['silent']).toMatch(
      /usual level: \d of 10 readings/,
    )
    expect(run(history(at => chain(at, 0.51, 102))).report['silent']).toMatch(/no chain was unusual enough/)
    expect(run(history(at => chain(at, 0.9, 300))).report['silent']).toBeUndefined()
    const gone = run([
      ...history(at => chain(at, 0.51)),
      ...[1, 2, 3].map(d => quote(START + 3 * d * DAY, 0, 1e6, 1e6 + 100)),
    ])
    expect(gone.report).toMatchObject({absentChains: 3, thinChains: 0})
  })
  test('a score after few readings says how unusual the deviation is by Student’s t', () => {
    // P(t₉ > 2.262) = 0.025 = P(z > 1.960); the mean square is 9/10 of the sample variance, the next value adds 1/10.
    const variance = 0.9
    expect(predictiveScore(2.262157 * Math.sqrt(1.1), variance, 10)).toBeCloseTo(1.96, 2)
    expect(predictiveScore(-4.780913 * Math.sqrt(1.1), variance, 10)).toBeCloseTo(-3.291, 1)
    expect(predictiveScore(1.5, 1, 1e6)).toBeCloseTo(1.5, 4)
  })
  test('a spread is one order of two legs: both or neither, its debit within the risk allowed', () => {
    const {multiLegs, fills, positions} = run(
      history(at => chain(at, 0.1, 30)),
      {vehicle: 'spread'},
    )
    expect(multiLegs).toHaveLength(1)
    const [order] = multiLegs
    const legs = order?.legs.map(({instrument, side, ratio}) => ({...instruments.at(instrument).option, side, ratio}))
    expect(legs).toMatchObject([
      {right: 'call', side: 'buy', ratio: 1},
      {right: 'call', side: 'sell', ratio: 1},
    ])
    expect(legs?.[1]?.strike).toBe((legs?.[0]?.strike ?? 0) + 1)
    // One per cent of 100,000 dollars bounds the debit.
    expect((order?.units ?? 0) * 100 * ((order?.limitTicks ?? 0) / 1e4)).toBeLessThanOrEqual(1000)
    expect(fills).toHaveLength(2)
    expect(positions.filter(p => p !== 0)).toEqual(Float64Array.of(order?.units ?? 0, -(order?.units ?? 0)))
  })
  test('a spread is closed by one order too', () => {
    const rows = [
      ...history(at => chain(at, 0.1, 30)),
      ...Array.from({length: 4}, (_, k) => chain(START + (33 + k) * 300e6, 0.5, 100)).flat(),
    ]
    const {multiLegs, positions, report} = run(rows, {vehicle: 'spread'})
    expect(multiLegs).toHaveLength(2)
    expect(multiLegs[1]?.legs.map(({side}) => side)).toEqual(['sell', 'buy'])
    expect(multiLegs[1]?.units).toBe(multiLegs[0]?.units)
    expect([...positions].every(p => p === 0)).toBe(true)
    expect(report).toMatchObject({exits: 1, open: 0})
  })
  test('a spread that nobody sells is given up, one that risk refuses is not legged into', () => {
    const rows = history(at => chain(at, 0.1, 30))
    const leg = run(rows, {vehicle: 'spread'}).multiLegs[0]?.legs[0]?.instrument ?? -1
    const unfilled = run(rows, {vehicle: 'spread'}, {}, {refuse: leg})
    expect(unfilled.fills).toEqual([])
    expect(unfilled.report['unfilled']).toBeGreaterThan(0)
    const refused = run(rows, {vehicle: 'spread'}, {}, {refuseMultiLeg: true})
    expect([refused.fills, refused.targets]).toEqual([[], []])
    expect(refused.report['refused']).toBeGreaterThan(0)
  })
  test('no position near earnings', () => {
    const {signals, report} = run(
      history(at => chain(at, 0.9, 300)),
      {earnings: {SPY: ['2025-01-07']}},
    )
    expect(signals).toEqual([])
    expect(report['guarded']).toBeGreaterThan(0)
  })
  test('closes when the score is gone', () => {
    const rows = [
      ...history(at => chain(at, 0.9, 300)),
      ...Array.from({length: 4}, (_, k) => chain(START + (33 + k) * 300e6, 0.5, 100)).flat(),
    ]
    const {targets, report} = run(rows)
    expect(report['exits']).toBe(1)
    expect(targets.at(-1)).toMatchObject({instrument: 0, lots: 0})
  })
})
