import {describe, expect, test} from 'vitest'
import {createRng} from '../../src/domain/rng.ts'
import {calibrateAbstention} from '../../src/memory/calibrate.ts'
import type {StoredPattern} from '../../src/memory/pattern.ts'
import {aStoredPattern, nearSample, unitSample} from '../support/patterns.ts'

const options = {asOfUs: Number.MAX_SAFE_INTEGER, halfLifeUs: 1e12, k: 10}

/** Patterns around twenty centres; each centre's mean outcome is `signalBps` times a standard normal. */
const history = (count: number, signalBps: number, noiseBps: number, seed = 1): StoredPattern[] => {
  const rng = createRng(seed)
  const centres = Array.from({length: 20}, () => ({vector: unitSample(rng), meanBps: signalBps * rng.normal()}))
  return Array.from({length: count}, (_, i) => {
    const {vector, meanBps} = centres[rng.below(20)] as (typeof centres)[number]
    const tsUs = 1_000 * (i + 1)
    const observations = [{atUs: tsUs + 5_000, pnlBps: meanBps + noiseBps * rng.normal()}]
    return aStoredPattern({id: `p${i}`, vector: nearSample(rng, vector, 0.6), tsUs, observations})
  })
}

describe('calibrateAbstention', () => {
  test('finds the level from which neighbours inform', () => {
    const found = calibrateAbstention(history(1_200, 30, 20), options)
    expect(found.method).toBe('skill')
    expect(found.minSimilarity).toBeLessThan(1)
    expect(found.curve.find(({minSimilarity}) => minSimilarity === found.minSimilarity)?.skill).toBeGreaterThan(0.2)
  })

  test('abstains always when outcomes have nothing to do with likeness', () => {
    for (const seed of [1, 2, 3, 4, 5]) {
      const found = calibrateAbstention(history(1_200, 0, 30, seed), options)
      expect(found).toMatchObject({method: 'no-skill', minSimilarity: 1.01})
    }
  })

  test('with little history it asks for more likeness than unrelated patterns have', () => {
    const found = calibrateAbstention(history(60, 30, 20), options)
    expect(found).toMatchObject({method: 'chance', samples: 0, curve: []})
    expect(found.minSimilarity).toBeGreaterThan(0.2)
    expect(calibrateAbstention([], options)).toMatchObject({method: 'chance', minSimilarity: 0.5})
  })

  test('finds how much symbols move together, and how widely', () => {
    const rng = createRng(11)
    const together = (share: number): StoredPattern[] =>
      Array.from({length: 800}, (_, i) => i).flatMap(i => {
        const common = rng.normal()
        return ['SPY', 'QQQ', 'IWM'].map(symbol => {
          const pnlBps = 40 * (Math.sqrt(share) * common + Math.sqrt(1 - share) * rng.normal())
          const tsUs = 10_000 * (i + 1)
          const observations = [{atUs: tsUs + 9_000, pnlBps}]
          return aStoredPattern({id: `${symbol}${i}`, symbol, tsUs, observations, vector: unitSample(rng)})
        })
      })
    for (const share of [0, 0.3, 0.7]) {
      const {crossSymbol, outcomeSdBps} = calibrateAbstention(together(share), options)
      expect(Math.abs(crossSymbol - share)).toBeLessThan(0.06)
      expect(Math.abs((outcomeSdBps ?? 0) - 40)).toBeLessThan(2.5)
    }
    expect(calibrateAbstention(history(900, 30, 20), options).crossSymbol).toBe(0)
  })

  test('what is known later changes nothing', () => {
    const all = history(900, 30, 20)
    const asOfUs = 600_000
    const known = all
      .filter(({tsUs}) => tsUs < asOfUs)
      .map(pattern => ({...pattern, observations: pattern.observations.filter(({atUs}) => atUs <= asOfUs)}))
    const twisted = all.map(pattern => ({
      ...pattern,
      observations: pattern.observations.map(({atUs, pnlBps}) => ({
        atUs,
        pnlBps: atUs <= asOfUs ? pnlBps : -pnlBps * 9,
      })),
    }))
    expect(calibrateAbstention(twisted, {...options, asOfUs})).toEqual(calibrateAbstention(known, {...options, asOfUs}))
  })
})
