import fc from 'fast-check'
import {describe, expect, test} from 'vitest'
import {createStrategy, modelsAskedFor} from '../../src/strategies/registry.ts'
import type {Answer, ModelOpinion, SignalModelRequest, StrategyServices} from '../../src/strategies/services.ts'
import {bar, quote, type Row, rehearse, START, table} from './fixture.ts'

const MINUTE = 60e6
const opinion: ModelOpinion = {
  direction: 1,
  confidence: 0.6,
  flatProbability: 0.2,
  strength: 0.4,
  holdingPeriodUs: 30 * MINUTE,
  size: 0.2,
  moveBps: 20,
  edgeBps: 15,
}
/** A model whose row closes at every bar and that says the same each time. */
const saying = (
  say: Answer<ModelOpinion> | undefined,
  seenUntilUs = 0,
): StrategyServices & {asked: number; requests: SignalModelRequest[]} => {
  const services = {
    asked: 0,
    requests: [] as SignalModelRequest[],
    model: (request: SignalModelRequest) => {
      services.requests.push(request)
      return {
        name: 'fake',
        rows: 'bar' as const,
        seenUntilUs: () => seenUntilUs,
        onEvent: (
          chunk: {kind: ArrayLike<number>; instrument: ArrayLike<number>; tsUs: ArrayLike<number>},
          row: number,
        ) => {
          if (chunk.kind[row] === 2) request.onRow(chunk.instrument[row] as number, chunk.tsUs[row] as number)
        },
        ask: () => {
          services.asked++
          return say
        },
      }
    },
  }
  return services
}
/** Spread of 2 bps around 100 dollars, then a bar that closes. */
const rows: Row[] = [quote(START, 0, 999_900, 1_000_100), bar(START + MINUTE, 0, 1_000_000)]
const run = (services: StrategyServices, params = {}, tape = rows, symbols = ['SPY']) => {
  const strategy = createStrategy('model-signal', params, services)
  return {...rehearse(strategy, table(...symbols), tape), report: strategy.report?.() ?? {}}
}

describe('model-signal', () => {
  test('says what the model says, with its holding time and Kelly’s fraction of the largest position', () => {
    const {signals} = run(saying(() => opinion))
    expect(signals).toEqual([
      {
        instrument: 0,
        direction: 1,
        strength: 0.4,
        holdingPeriodUs: 30 * MINUTE,
        size: 0.05 * 0.4,
        confidence: 0.6,
      },
    ])
  })
  test.each([
    ['flat', {direction: 0 as const}],
    ['flat', {flatProbability: 0.61}],
    ['unsure', {confidence: 0.39, flatProbability: 0.3}],
    ['headsDisagree', {moveBps: -1}],
    ['headsDisagree', {edgeBps: -1}],
    // Two points of spread and two of other costs.
    ['belowCosts', {moveBps: 3.99}],
    ['belowCosts', {edgeBps: 3.99}],
  ])('abstains: %s %j', (reason, change) => {
    const {signals, report} = run(saying(() => ({...opinion, ...change})))
    expect(signals).toEqual([])
    expect(report[reason]).toBe(1)
  })
  test('just above the costs it trades', () => {
    expect(run(saying(() => ({...opinion, moveBps: 4.01}))).signals).toHaveLength(1)
  })
  test('is silent where the model was trained, and asks nothing there', () => {
    const services = saying(() => opinion, START + 2 * MINUTE)
    const {signals, report} = run(services)
    expect([signals.length, services.asked, report['seenInTraining']]).toEqual([0, 0, 1])
    const allowed = run(
      saying(() => opinion, START + 2 * MINUTE),
      {allowSeen: true},
    )
    expect(allowed.signals).toHaveLength(1)
    expect(allowed.report['warning']).toMatch(/not a result/)
  })
  test('never sells a coin short', () => {
    const tape = [quote(START, 0, 999_900, 1_000_100), bar(START + MINUTE, 0, 1_000_000)]
    const short = {...opinion, direction: -1 as const, moveBps: -20, edgeBps: -15}
    expect(
      run(
        saying(() => short),
        {},
        tape,
        ['BTC/USD'],
      ).report['shortNotAllowed'],
    ).toBe(1)
    expect(run(saying(() => short)).signals[0]).toMatchObject({direction: -1})
  })
  test('an answer may come later, but not too late', () => {
    let polls = 0
    const late: Answer<ModelOpinion> = () => (++polls > 2 ? opinion : undefined)
    const later = (seconds: number) => [...rows, quote(START + MINUTE + seconds * 1e6, 0, 999_900, 1_000_100)]
    expect(
      run(saying(late), {}, [...later(0.1), quote(START + MINUTE + 0.2e6, 0, 999_900, 1_000_100)]).signals,
    ).toHaveLength(1)
    polls = Number.NEGATIVE_INFINITY
    const {signals, report} = run(saying(late), {}, later(3))
    expect([signals.length, report['late']]).toEqual([0, 1])
  })
  test('without a model it is silent and says so', () => {
    expect(run({}).report['silent']).toBe('no signal model is plugged in')
  })
  test('never larger than its limit, never against either head', () => {
    fc.assert(
      fc.property(
        fc.record({
          direction: fc.constantFrom(-1 as const, 0 as const, 1 as const),
          confidence: fc.double({min: 0, max: 1, noNaN: true}),
          flatProbability: fc.double({min: 0, max: 1, noNaN: true}),
          strength: fc.double({min: 0, max: 1, noNaN: true}),
          holdingPeriodUs: fc.nat(1e9),
          size: fc.double({min: 0, max: 0.5, noNaN: true}),
          moveBps: fc.double({min: -100, max: 100, noNaN: true}),
          edgeBps: fc.double({min: -100, max: 100, noNaN: true}),
        }),
        said => {
          for (const {direction, size, holdingPeriodUs} of run(saying(() => said)).signals) {
            expect(size).toBeLessThanOrEqual(0.05)
            expect(direction * said.moveBps).toBeGreaterThan(4)
            expect(direction * said.edgeBps).toBeGreaterThan(4)
            expect(holdingPeriodUs).toBeGreaterThanOrEqual(30e6)
          }
        },
      ),
    )
  })
  test('the models a strategy will ask for are known from its parameters', () => {
    expect(modelsAskedFor('model-signal')).toEqual(['transformer'])
    expect(modelsAskedFor('model-signal', {model: './mine.onnx'})).toEqual(['./mine.onnx'])
    expect(modelsAskedFor('buy-and-hold')).toEqual([])
    expect(modelsAskedFor('model-signal', {nonsense: 1})).toEqual([])
  })
})
