import fc from 'fast-check'
import {describe, expect, test} from 'vitest'
import {defaultMemoryOptions} from '../../src/memory/memory.ts'
import {
  confidence,
  lowerBoundBps,
  noOutcome,
  outcomeAsOf,
  standardError,
  withObservation,
} from '../../src/memory/outcome.ts'
import type {Observation} from '../../src/memory/pattern.ts'

const halfLifeUs = 100
const at = (atUs: number, pnlBps: number): Observation => ({atUs, pnlBps})
const prior = {...defaultMemoryOptions, priorSdBps: 50, priorCount: 3}

describe('outcomeAsOf', () => {
  test('describes the observations known by then', () => {
    const observations = [at(100, 10), at(200, -20), at(300, 40)]
    expect(outcomeAsOf(observations, 99, halfLifeUs)).toEqual(noOutcome)
    expect(outcomeAsOf(observations, 250, halfLifeUs)).toEqual({
      ...{count: 2, mean: -5, variance: 450, worst: -20, lastAtUs: 200},
      // Weights 1/2 and 1: (10/2 - 20) / 1.5.
      decayedPnlBps: -10,
    })
    expect(outcomeAsOf(observations, 300, halfLifeUs)).toMatchObject({count: 3, mean: 10, variance: 900, worst: -20})
  })

  test('agrees with the plain formulas, whatever the numbers', () => {
    const any = fc.uniqueArray(
      fc.record({atUs: fc.integer({min: 1, max: 500}), pnlBps: fc.integer({min: -900, max: 900})}),
      {
        selector: ({atUs}) => atUs,
        minLength: 2,
      },
    )
    fc.assert(
      fc.property(any, list => {
        const sorted = list.toSorted((a, b) => a.atUs - b.atUs)
        const values = sorted.map(({pnlBps}) => pnlBps)
        const mean = values.reduce((a, b) => a + b) / values.length
        const weights = sorted.map(({atUs}) => 2 ** ((atUs - (sorted.at(-1)?.atUs ?? 0)) / halfLifeUs))
        const outcome = outcomeAsOf(sorted, 500, halfLifeUs)
        expect(outcome.mean).toBeCloseTo(mean, 9)
        expect(outcome.variance).toBeCloseTo(values.reduce((a, b) => a + (b - mean) ** 2, 0) / (values.length - 1), 6)
        expect(outcome.worst).toBe(Math.min(...values))
        const weighted = values.reduce((a, b, i) => a + b * (weights[i] as number), 0)
        expect(outcome.decayedPnlBps).toBeCloseTo(weighted / weights.reduce((a, b) => a + b), 9)
      }),
    )
  })
})

test('withObservation keeps the order of time and one of each time', () => {
  const anyTimes = fc.array(fc.integer({min: 1, max: 20}))
  fc.assert(
    fc.property(anyTimes, times => {
      const list = times.reduce<readonly Observation[]>((all, t, i) => withObservation(all, at(t, i)).observations, [])
      expect(list.map(({atUs}) => atUs)).toEqual([...new Set(times)].sort((a, b) => a - b))
      for (const {atUs, pnlBps} of list) expect(pnlBps).toBe(times.indexOf(atUs))
    }),
  )
})

describe('the lower bound of profit', () => {
  const twice = outcomeAsOf([at(1, 30), at(2, 30)], 9, 1e9)
  const often = outcomeAsOf(
    Array.from({length: 50}, (_, i) => at(i + 1, 30)),
    99,
    1e9,
  )

  test('one lucky use is not certain: the prior spread counts', () => {
    const once = outcomeAsOf([at(1, 30)], 9, 1e9)
    expect(standardError(once, prior)).toBe(50)
    expect(lowerBoundBps(once, prior, 1)).toBe(-20)
  })

  test('the same profit seen more often has the higher bound and confidence', () => {
    expect(lowerBoundBps(often, prior, 1)).toBeGreaterThan(lowerBoundBps(twice, prior, 1))
    expect(confidence(often, prior)).toBeGreaterThan(confidence(twice, prior))
    expect(confidence(noOutcome, prior)).toBe(0.5)
  })

  test('nothing known has no bound at all', () => {
    expect(lowerBoundBps(noOutcome, prior, 1)).toBe(Number.NEGATIVE_INFINITY)
  })
})
