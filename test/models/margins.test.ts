import {expect, test} from 'vitest'
import {createRng} from '../../src/domain/rng.ts'
import {verdictOf} from '../../src/models/card.ts'
import {marginsOf, marginText, relationOf} from '../../src/models/margins.ts'
import {classMetrics} from '../../src/models/metrics.ts'

/** Three classes, right by this share beyond chance, in blocks of 200 rows whose luck is common to them. */
const drawn = (rows: number, skill: number, seed: number) => {
  const rng = createRng(seed)
  const truth = Int8Array.from({length: rows}, () => (rng.uniform() < 0.6 ? 1 : 2 * rng.below(2)))
  const block = Float64Array.from({length: rows}, (_, i) => Math.floor(i / 200))
  const decided = truth.map(label => (rng.uniform() < skill ? label : rng.below(3)))
  return {truth, block, decided, majority: new Int8Array(rows).fill(1)}
}

test('the differences are those of the metrics, and every interval holds them', () => {
  const {truth, block, decided, majority} = drawn(4000, 0.2, 1)
  const margins = marginsOf(truth, decided, majority, block)
  const [own, other] = [classMetrics(truth, decided), classMetrics(truth, majority)]
  expect(margins.blocks).toBe(20)
  expect(margins.macroF1.difference).toBeCloseTo(own.macroF1 - other.macroF1, 12)
  expect(margins.mcc.difference).toBeCloseTo(own.mcc - other.mcc, 12)
  for (const {difference, low, high} of [margins.macroF1, margins.mcc]) {
    expect(low).toBeLessThan(difference)
    expect(high).toBeGreaterThan(difference)
  }
  expect(marginsOf(truth, decided, majority, block)).toEqual(margins)
  expect(relationOf(margins)).toBe('beats')
  expect(relationOf(marginsOf(truth, majority, decided, block))).toBe('does NOT beat')
})

test('classes named at random do not beat the majority, though their macro-F1 is higher', () => {
  const relations = Array.from({length: 40}, (_, seed) => {
    const {truth, block, decided, majority} = drawn(4000, 0, seed)
    const margins = marginsOf(truth, decided, majority, block)
    expect(margins.macroF1.low).toBeGreaterThan(0)
    return relationOf(margins)
  })
  // A 95 % interval is wrong on one side one time in forty; three in forty would be bad luck of one in a thousand.
  expect(relations.filter(relation => relation === 'beats').length).toBeLessThan(4)
})

test('over few blocks of time a lead is not told from luck', () => {
  const {truth, block, decided, majority} = drawn(800, 0.3, 2)
  expect(relationOf(marginsOf(truth, decided, majority, block))).toMatch(/too few blocks of time \(4\)/)
  const margin = {difference: 0.01234, low: -0.1, high: 0.2}
  expect(marginText(margin, 4)).toBe('+0.0123')
  expect(marginText(margin, 5)).toBe('+0.0123 (95 % -0.1000 to 0.2000)')
})

test('a direction better than a coin over few blocks is neither evidence nor said to be unknown', () => {
  const {truth, block, decided, majority} = drawn(800, 0.3, 2)
  const over = (baseline: Int8Array) => marginsOf(truth, decided, baseline, block)
  const margins = {majority: over(majority), persistence: over(majority), linear: over(majority)}
  const metrics = classMetrics(truth, decided)
  const test = {...metrics, logLoss: 1, brier: 1, calibrationError: 0, directionAccuracy: 0.67}
  const baselines = {majority: metrics, persistence: metrics, linear: test}
  const said = (blocks: number, accuracy: number) =>
    verdictOf(test, baselines, margins, {accuracy, standardError: 0.02, blocks}).at(-1)
  expect(said(4, 0.67)).toMatch(/too few blocks of time \(4\)/)
  expect(said(8, 0.67)).toMatch(/better than by a coin on this test stretch/)
  expect(said(8, 0.53)).toMatch(/NOT evidence/)
})
