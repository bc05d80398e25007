import {describe, expect, test} from 'vitest'
import {createRng} from '../../src/domain/rng.ts'
import {RunningCalibration} from '../../src/memory/running-calibration.ts'

const random = (rng: ReturnType<typeof createRng>, offset = 0): Float32Array =>
  Float32Array.from({length: 256}, () => offset + rng.normal())

const prepare = (calibration: RunningCalibration, rng: ReturnType<typeof createRng>): void => {
  for (let k = 0; k < 100; k++) {
    calibration.onVector(random(rng))
    calibration.onNearest(0.1)
  }
}

describe('calibration while a run goes on', () => {
  test('says nothing until enough patterns, searches and outcomes were seen', () => {
    const rng = createRng(1)
    const calibration = new RunningCalibration()
    for (let k = 0; k < 100; k++) calibration.onVector(random(rng))
    expect(calibration.minSimilarity(random(rng))).toBeUndefined()
    for (let k = 0; k < 100; k++) calibration.onNearest(0.1)
    expect(calibration.minSimilarity(random(rng))).toBeLessThan(1)
    expect(calibration.evidenceOptions(random(rng))).toBeUndefined()
  })
  test('nearness begins at the 95 % point of what is unrelated to the query, whatever all vectors have in common', () => {
    for (const offset of [0, 1]) {
      const rng = createRng(2)
      const calibration = new RunningCalibration()
      for (let k = 0; k < 2000; k++) calibration.onVector(random(rng, offset))
      for (let k = 0; k < 100; k++) calibration.onNearest(-1)
      let beyond = 0
      for (let q = 0; q < 60; q++) {
        const query = random(rng, offset)
        const level = calibration.minSimilarity(query) as number
        for (let k = 0; k < 50; k++) {
          const other = random(rng, offset)
          if (dot(query, other) / Math.sqrt(dot(query, query) * dot(other, other)) >= level) beyond++
        }
      }
      expect(beyond / 3000).toBeGreaterThan(0.03)
      expect(beyond / 3000).toBeLessThan(0.09)
    }
  })
  test('a query whose nearest is farther than 98 % of the nearest before has no neighbours', () => {
    const rng = createRng(5)
    const calibration = new RunningCalibration()
    for (let k = 0; k < 100; k++) calibration.onVector(random(rng))
    for (let k = 0; k < 1000; k++) calibration.onNearest(0.5 + 0.4 * rng.uniform())
    // Unrelated directions are alike by some hundredths; what counts is that usually something lies nearer than a half.
    expect(calibration.minSimilarity(random(rng))).toBeGreaterThan(0.5)
    expect(calibration.minSimilarity(random(rng))).toBeLessThan(0.52)
  })
  test('outcomes of two symbols over the same time: their correlation, and the spread of one', () => {
    const rng = createRng(3)
    const calibration = new RunningCalibration()
    prepare(calibration, rng)
    expect(calibration.crossSymbol).toBe(0.5)
    for (let k = 0; k < 3000; k++) {
      const common = rng.normal()
      for (const symbol of ['A', 'B'])
        calibration.onOutcome(
          symbol,
          20 * (Math.sqrt(0.6) * common + Math.sqrt(0.4) * rng.normal()),
          k * 100,
          k * 100 + 100,
        )
    }
    expect(calibration.crossSymbol).toBeGreaterThan(0.53)
    expect(calibration.crossSymbol).toBeLessThan(0.67)
    const priorSdBps = calibration.evidenceOptions(random(rng))?.priorSdBps
    expect(priorSdBps).toBeGreaterThan(18.5)
    expect(priorSdBps).toBeLessThan(21.5)
  })
  test('one wild outcome does not set the spread', () => {
    const rng = createRng(4)
    const calibration = new RunningCalibration()
    prepare(calibration, rng)
    for (let k = 0; k < 500; k++) calibration.onOutcome('A', k === 400 ? 1e6 : 10 * rng.normal(), k, k + 1)
    expect(calibration.evidenceOptions(random(rng))?.priorSdBps).toBeLessThan(13)
  })
})

const dot = (a: Float32Array, b: Float32Array): number => a.reduce((sum, value, i) => sum + value * (b[i] as number), 0)
