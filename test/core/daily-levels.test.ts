import {expect, test} from 'vitest'
import {DailyLevels} from '../../src/core/daily-levels.ts'
import {newYork} from '../support/option-chains.ts'

const day = (d: number): number => newYork(`2023-06-${String(d).padStart(2, '0')}`, 16)

test('realised volatility of one percent a day, from the last level of each day', () => {
  const levels = new DailyLevels()
  for (let d = 1; d <= 10; d++) levels.add('SPX', day(d), 100 * 1.01 ** d)
  expect(levels.realised('SPX')).toBeNaN()
  levels.add('SPX', day(11) - 3_600e6, 1)
  levels.add('SPX', day(11), 100 * 1.01 ** 11)
  expect(levels.realised('SPX')).toBeCloseTo(Math.log(1.01) * Math.sqrt(252), 12)
  expect(levels.realised('NDX')).toBeNaN()
})

test('a gap of over a week says nothing', () => {
  const levels = new DailyLevels()
  for (let d = 1; d <= 11; d++) levels.add('SPX', day(d), 100)
  levels.add('SPX', day(20), 101)
  expect(levels.realised('SPX')).toBeNaN()
})
