import {describe, expect, test} from 'vitest'
import {ownServices} from '../../src/core/strategy-services.ts'
import {createRng} from '../../src/domain/rng.ts'
import {createStrategy} from '../../src/strategies/registry.ts'
import {quote, type Row, rehearse, START, table} from '../strategies/fixture.ts'

/** Every two minutes: an imbalanced book announces a rise or a fall that follows within the next minute. */
const announced = (seed: number, minutes: number): Row[] => {
  const rng = createRng(seed)
  const rows: Row[] = []
  let price = 1_000_000
  for (let m = 0; m < minutes; m += 2) {
    const direction = rng.uniform() < 0.5 ? 1 : -1
    for (let s = 0; s < 120; s++) {
      if (s >= 60 && s < 80) price += direction * 100
      const heavy = s < 60 ? 900 : 500
      const [bid, ask] = direction > 0 ? [heavy, 1000 - heavy] : [1000 - heavy, heavy]
      rows.push(
        quote(START + (60 * m + s) * 1e6, 0, price - 50 + 10 * rng.below(3), price + 50 + 10 * rng.below(3), bid, ask),
      )
    }
  }
  return rows
}

describe('pattern-recognition on a real pattern bank', () => {
  const run = (rows: Row[]) => {
    const strategy = createStrategy('pattern-recognition', {everySeconds: 30, horizonSeconds: 60}, ownServices())
    return {...rehearse(strategy, table('SPY'), rows), report: strategy.report?.() ?? {}}
  }
  test('learns a repeated pattern and calls it right far more often than wrong', () => {
    const {report} = run(announced(1, 240))
    expect(report['signals']).toBeGreaterThan(20)
    expect(report['rightOfJudged']).toBeGreaterThan(0.7)
  })
  test('two runs of one tape say the same', () => {
    const rows = announced(2, 60)
    expect(run(rows).signals).toEqual(run(rows).signals)
  })
})
