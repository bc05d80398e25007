import {expect, test} from 'vitest'
import {EquityCurve} from '../../src/engine/run-record.ts'
import {maxDrawdown} from '../../src/evaluation/drawdowns.ts'

/** A year of minutes at 100, with a crash of `depth` for one minute at each of `minutes`. */
const curveOf = (minutes: readonly number[], depth: number): EquityCurve => {
  const curve = new EquityCurve(1e6, 1)
  for (let minute = 0; minute < 98_280; minute++) {
    const equity = 1e8 + minute - (minutes.includes(minute) ? depth * 1e8 : 0)
    curve.look(minute * 60e6, equity)
    if (curve.isDue(minute * 60e6)) curve.add(minute * 60e6, [equity, 7, minute])
  }
  curve.keepDeepestFall()
  return curve
}

test.each([[[20_000]], [[50_001, 20_003]], [[98_277]]])(
  'a minute’s crash is in the drawdown of a year of minutes: %j',
  minutes => {
    const curve = curveOf(minutes, 0.3)
    const equity = curve.values[0]?.subarray(0, curve.count) ?? []
    expect(maxDrawdown(equity)).toBeCloseTo(0.3, 2)
    expect(curve.count).toBeLessThanOrEqual(16_386)
    const times = Array.from(curve.tsUs.subarray(0, curve.count))
    expect(times.every((at, k) => k === 0 || at > (times[k - 1] as number))).toBe(true)
    expect(new Set(curve.values[1]?.subarray(0, curve.count))).toEqual(new Set([7]))
    // Windows are cut at these: they must not move with what the account lost.
    const untouched = curveOf([], 0)
    expect(curve.dueUs()).toEqual(untouched.tsUs.slice(0, untouched.count))
    const {count} = curve
    curve.keepDeepestFall()
    expect(curve.count).toBe(count)
  },
)
test('samples that lost nothing gain none', () => {
  const curve = new EquityCurve(1e6, 0)
  for (const [k, equity] of [100, 90, 110, 105].entries()) curve.add(k * 1e6, [equity, 0])
  curve.keepDeepestFall()
  expect(curve.count).toBe(4)
})
