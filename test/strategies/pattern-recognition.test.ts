import {describe, expect, test} from 'vitest'
import {createRng} from '../../src/domain/rng.ts'
import {TrackRecord} from '../../src/strategies/pattern-recognition/track-record.ts'
import {createStrategy} from '../../src/strategies/registry.ts'
import type {PatternEvidence, PatternMemory} from '../../src/strategies/services.ts'
import {bar, quote, type Row, rehearse, START, table} from './fixture.ts'

const quotes = (n: number, price: (k: number) => number): Row[] =>
  Array.from({length: n}, (_, k) => quote(START + k * 10e6, 0, price(k) - 50, price(k) + 50))

/** A memory that answers what it is told and writes down what it hears. */
const scripted = (answer: Partial<PatternEvidence>, heard: {id: string; bps: number; atUs: number}[] = []) => {
  const searches: number[] = []
  const used: {ids: readonly string[]; atUs: number}[] = []
  const memory: PatternMemory = {
    onEvent: () => {},
    clock: () => ({barUs: 0, staysInSession: () => true}),
    vector: () => [1],
    regime: () => 'calm',
    search: (_v, asOfUs) => {
      searches.push(asOfUs)
      return {n: 10, effectiveN: 8, mean: 0, low: -5, high: 5, abstain: false, neighbours: ['a', 'b'], ...answer}
    },
    remember: ({id, tsUs}) => void heard.push({id, bps: Number.NaN, atUs: tsUs}),
    learn: (id, bps, atUs) => void heard.push({id, bps, atUs}),
    use: (ids, atUs) => void used.push({ids, atUs}),
  }
  return {memory, searches, heard, used}
}
/** Trusted from the start unless the parameters say otherwise: what is asked of a record has its own tests. */
const run = (memory: PatternMemory | undefined, rows: Row[], given = {}, symbol = 'SPY') => {
  const params = {feedbackTrades: 0, ...given}
  const strategy = createStrategy('pattern-recognition', params, memory === undefined ? {} : {patterns: () => memory})
  return {...rehearse(strategy, table(symbol), rows), report: strategy.report?.() ?? {}}
}

describe('pattern-recognition', () => {
  const flat = quotes(60, () => 1_000_000)
  test('goes the way of the evidence when its whole interval lies beyond the costs', () => {
    const {signals} = run(scripted({mean: 20, low: 12, high: 28}).memory, flat)
    expect(signals.length).toBeGreaterThan(5)
    expect(signals[0]).toMatchObject({direction: 1, holdingPeriodUs: 120e6})
    expect(signals[0]?.confidence).toBeGreaterThan(0.99)
    expect(run(scripted({mean: -20, low: -28, high: -12}).memory, flat).signals[0]?.direction).toBe(-1)
  })
  test('is silent when the interval reaches the spread and the edge asked for', () => {
    // Spread 1 bp, edge 2 bp: 2.9 is not enough, 3.1 is.
    expect(run(scripted({mean: 20, low: 2.9, high: 40}).memory, flat).signals).toEqual([])
    expect(run(scripted({mean: 20, low: 3.1, high: 40}).memory, flat).signals.length).toBeGreaterThan(0)
  })
  test('abstains when the memory does', () => {
    const {signals, report} = run(scripted({mean: 99, low: 90, high: 99, abstain: true}).memory, flat)
    expect(signals).toEqual([])
    expect(report['abstained']).toBe(report['looks'])
  })
  test('without a memory says so and nothing else', () => {
    expect(run(undefined, flat)).toMatchObject({signals: [], report: {silent: expect.any(String)}})
  })
  test('coins are not sold short', () => {
    expect(run(scripted({mean: -20, low: -28, high: -12}).memory, flat, {}, 'BTC/USD').signals).toEqual([])
  })
  test('learns the true forward move of every look, after its horizon, once', () => {
    const {memory, heard} = scripted({abstain: true})
    run(
      memory,
      quotes(40, k => 1_000_000 + 1000 * k),
    )
    const learned = heard.filter(h => !Number.isNaN(h.bps))
    const remembered = new Map(heard.filter(h => Number.isNaN(h.bps)).map(h => [h.id, h.atUs]))
    expect(learned.length).toBeGreaterThan(3)
    expect(new Set(learned.map(h => h.id)).size).toBe(learned.length)
    for (const h of learned) {
      const k = ((remembered.get(h.id) as number) - START) / 10e6
      expect(h.atUs).toBe((remembered.get(h.id) as number) + 120e6)
      expect(h.bps).toBeCloseTo((12_000 / (1_000_000 + 1000 * k)) * 1e4, 6)
    }
  })
  test('the patterns a signal rests on are marked as used, and only those', () => {
    const traded = scripted({mean: 20, low: 12, high: 28})
    const {signals} = run(traded.memory, flat)
    expect(traded.used).toHaveLength(signals.length)
    expect(traded.used[0]).toEqual({ids: ['a', 'b'], atUs: START})
    const quiet = scripted({mean: 99, low: 90, high: 99, abstain: true})
    run(quiet.memory, flat)
    expect(quiet.used).toEqual([])
  })
  test('trades only once its own forecasts were good beyond chance, and no longer when they are bad', () => {
    // The memory says up. The market rises for three hours with small setbacks, then falls.
    const wobble = (k: number) => 300 * Math.sin(k / 7)
    const price = (k: number) => Math.round((k < 1200 ? 1_000_000 + 300 * k : 1_360_000 - 900 * (k - 1200)) + wobble(k))
    const up = {mean: 20, low: 12, high: 28}
    const {signals, report} = run(scripted(up).memory, quotes(1800, price), {feedbackTrades: 20})
    // Twenty stretches of two horizons (four minutes) pass unheard.
    const first = (signals as unknown as {tsUs?: number}[]).length
    expect(first).toBeGreaterThan(50)
    expect(report['distrusted']).toBeGreaterThan(20 * 8)
    const {signals: falling, report: watched} = run(
      scripted(up).memory,
      quotes(1800, k => Math.round(2_000_000 - 500 * k + wobble(k))),
      {feedbackTrades: 20},
    )
    expect(falling).toEqual([])
    expect(watched['silentBecause']).toBe('forecasts after costs were not good beyond chance')
    expect(watched['distrusted']).toBe(watched['forecasts'])
  })
  test('a record is bad when the upper 95 % bound of its mean is below zero', () => {
    const record = new TrackRecord(4)
    for (const bps of [-10, -12, -8]) record.onOutcome(bps, false)
    expect(record.isBad).toBe(false)
    record.onOutcome(-10, false)
    // Mean −10, sample deviation √(8/3), four outcomes: the bound is −10 + 1.645·0.816.
    expect(record.effectiveN).toBeCloseTo(4, 9)
    expect(record.isBad).toBe(true)
    const noisy = new TrackRecord(4)
    for (const bps of [-30, 25, -20, 22]) noisy.onOutcome(bps, bps > 0)
    expect(noisy.isBad).toBe(false)
  })
  test('asks only as of the present', () => {
    const {memory, searches} = scripted({})
    run(memory, flat)
    expect(searches).toEqual(Array.from({length: 20}, (_, k) => START + k * 30e6))
  })
  test('the same tape gives the same ids', () => {
    const ids = () => {
      const {memory, heard} = scripted({})
      run(
        memory,
        quotes(20, () => 1_000_000 + createRng(1).below(5)),
      )
      return heard.map(h => h.id)
    }
    expect(ids()).toEqual(ids())
  })
  test('bars are looked at, judged and held by their own length', () => {
    const heard: {id: string; bps: number; atUs: number}[] = []
    const {memory} = scripted({mean: 40, low: 22, high: 58}, heard)
    const bars = Array.from({length: 40}, (_, k) => bar(START + k * 300e6, 0, 1_000_000 + 1000 * k, 300e6))
    const {signals} = run(
      {...memory, clock: () => ({barUs: 300e6, staysInSession: (_now, until) => until <= START + 30 * 300e6})},
      bars,
      {everyBars: 3, horizonBars: 4},
    )
    // The last look whose four bars end inside the session is that of bar 24.
    expect(signals).toHaveLength(9)
    expect(signals[0]).toMatchObject({direction: 1, holdingPeriodUs: 4 * 300e6})
    const learned = heard.filter(h => !Number.isNaN(h.bps))
    expect(learned).toHaveLength(9)
    expect(learned[0]).toMatchObject({bps: 40, atUs: START + 4 * 300e6})
  })
  test('where bars show no spread one is assumed, and coins pay fees both ways', () => {
    const bars = Array.from({length: 4}, (_, k) => bar(START + k * 300e6, 0, 1_000_000, 300e6))
    const heard = (low: number, symbol: string) => {
      const {memory} = scripted({mean: 90, low, high: 120})
      return run({...memory, clock: () => ({barUs: 300e6, staysInSession: () => true})}, bars, {}, symbol).signals
        .length
    }
    expect([heard(4.9, 'SPY'), heard(5.1, 'SPY')]).toEqual([0, 2])
    expect([heard(54.9, 'BTC/USD'), heard(55.1, 'BTC/USD')]).toEqual([0, 2])
  })
})
