import {createHash} from 'node:crypto'
import {describe, expect, test} from 'vitest'
import {EventKind, type TapeChunk} from '../../src/data/tape.ts'
import {ticksToPrice} from '../../src/domain/instrument.ts'
import {CALM, type Condition, conditionAt, type Phase} from '../../src/exchange/scenarios/scenario.ts'
import {ScenarioMarket} from '../../src/exchange/scenarios/scenario-market.ts'
import {SCENARIOS, scenariosNamed} from '../../src/exchange/scenarios/scenarios.ts'

const START_US = 1_759_671_000_000_000
const scenario = (name: string) => scenariosNamed(name)[0] as (typeof SCENARIOS)[number]

interface Row {
  readonly atS: number
  readonly kind: number
  readonly symbol: string
  readonly bid: number
  readonly ask: number
  readonly bidLots: number
}
const rows = (name: string, {seed = 1, calm = false} = {}): Row[] => {
  const market = new ScenarioMarket({scenario: scenario(name), seed, calm, startUs: START_US})
  const out: Row[] = []
  for (const chunk of market.chunks())
    for (let i = 0; i < chunk.count; i++) {
      const instrument = market.instruments.at(chunk.instrument[i] as number)
      out.push({
        atS: ((chunk.tsUs[i] as number) - START_US) / 1e6,
        kind: chunk.kind[i] as number,
        symbol: instrument.symbol,
        bid: ticksToPrice(instrument, chunk.v0[i] as number),
        ask: ticksToPrice(instrument, chunk.v1[i] as number),
        bidLots: chunk.v2[i] as number,
      })
    }
  return out
}
const quotes = (all: readonly Row[], symbol: string) =>
  all.filter(row => row.symbol === symbol && row.kind === EventKind.quote)
const midAt = (all: readonly Row[], symbol: string, atS: number): number => {
  const last = quotes(all, symbol).findLast(row => row.atS <= atS && row.bidLots > 0 && row.ask < 50_000_000)
  return last === undefined ? Number.NaN : (last.bid + last.ask) / 2
}
const digest = (chunks: Iterable<TapeChunk>): string => {
  const hash = createHash('sha256')
  for (const {count, tsUs, v0, v2} of chunks) for (const column of [tsUs, v0, v2]) hash.update(column.slice(0, count))
  return hash.digest('hex')
}

describe('every scenario', () => {
  test.each(SCENARIOS.map(({name}) => name))(
    '%s is in time order, never crossed, and the same for the same seed',
    name => {
      const all = rows(name)
      expect(all.every((row, i) => i === 0 || row.atS >= (all[i - 1] as Row).atS)).toBe(true)
      expect(all.filter(row => row.kind === EventKind.quote && row.bidLots > 0 && row.ask <= row.bid)).toEqual([])
      const again = () => digest(new ScenarioMarket({scenario: scenario(name), seed: 3, startUs: START_US}).chunks())
      expect(again()).toBe(again())
    },
  )

  test('the calm twin sees the same path until the trouble starts', () => {
    const [stressed, calm] = [rows('flash-crash'), rows('flash-crash', {calm: true})]
    const calmPart = (all: readonly Row[]) => all.filter(row => row.atS < 600)
    expect(calmPart(stressed)).toEqual(calmPart(calm))
  })
})

describe('what the scripts do', () => {
  test('flash-crash falls about 9 % in five minutes, comes most of the way back, and shows stub quotes on stocks only', () => {
    const falls: number[] = []
    for (let seed = 1; seed <= 8; seed++) {
      const all = rows('flash-crash', {seed})
      falls.push(midAt(all, 'SPY', 899) / midAt(all, 'SPY', 599) - 1)
      if (seed > 1) continue
      expect(midAt(all, 'SPY', 1_600) / midAt(all, 'SPY', 899)).toBeGreaterThan(1.05)
      const stubs = new Set(
        all.filter(row => row.kind === EventKind.quote && row.ask === 99_999).map(row => row.symbol),
      )
      expect([...stubs].sort()).toEqual(['AAPL', 'KO', 'PEP'])
    }
    const mean = falls.reduce((a, b) => a + b, 0) / falls.length
    expect(mean).toBeGreaterThan(-0.1)
    expect(mean).toBeLessThan(-0.08)
  })

  test('exchange-halt empties the quote once, is silent, and reopens lower', () => {
    const spy = quotes(rows('exchange-halt'), 'SPY')
    const halt = spy.filter(row => row.atS >= 600 && row.atS < 899)
    expect(halt).toHaveLength(1)
    expect(halt[0]).toMatchObject({bid: 0, ask: 0, bidLots: 0})
    expect(spy.some(row => row.atS > 900)).toBe(true)
  })

  test('dead-feed says nothing of stocks while coins go on', () => {
    const during = rows('dead-feed').filter(row => row.atS > 600 && row.atS < 899)
    expect(new Set(during.map(row => row.symbol))).toEqual(new Set(['BTC/USD', 'ETH/USD', 'ETH/BTC']))
  })

  test('depeg takes the cross 8 % away from its legs, which calm markets keep within a few hundredths', () => {
    const gap = (all: readonly Row[]) =>
      midAt(all, 'ETH/BTC', 2_000) / (midAt(all, 'ETH/USD', 2_000) / midAt(all, 'BTC/USD', 2_000)) - 1
    expect(gap(rows('depeg'))).toBeCloseTo(-0.08, 2)
    expect(Math.abs(gap(rows('depeg', {calm: true})))).toBeLessThan(0.002)
  })

  test('quote-stuffing multiplies the quotes and not the trades', () => {
    const during = (all: readonly Row[], kind: number) =>
      all.filter(row => row.kind === kind && row.atS > 600 && row.atS < 900).length
    const [stuffed, calm] = [rows('quote-stuffing'), rows('quote-stuffing', {calm: true})]
    expect(during(stuffed, EventKind.quote)).toBeGreaterThan(15 * during(calm, EventKind.quote))
    expect(during(stuffed, EventKind.trade)).toBe(during(calm, EventKind.trade))
  })
})

test('conditions of phases that overlap multiply, moves add, and none outlasts its phase but a detachment', () => {
  const phases: Phase[] = [
    {fromS: 0, toS: 10, targets: ['all'], spread: 2, move: Math.expm1(1)},
    {fromS: 5, toS: 10, targets: ['all'], spread: 3, move: Math.expm1(1), detach: -0.5},
  ]
  const out: Condition = {...CALM}
  conditionAt(phases, 7.5, out)
  expect(out).toMatchObject({spread: 6, detached: -0.25})
  expect(out.drift).toBeCloseTo(0.1 + 0.2, 12)
  conditionAt(phases, 11, out)
  expect(out).toEqual({...CALM, detached: -0.5})
})

test('an unknown scenario names the nearest', () => {
  expect(() => scenariosNamed('flash-crsh')).toThrow(
    expect.objectContaining({hints: expect.arrayContaining(['did you mean flash-crash?'])}),
  )
})
