import {expect, test} from 'vitest'
import {countPatterns} from '../../src/memory/bank-stats.ts'
import {aStoredPattern} from '../support/patterns.ts'

const vector = new Float32Array([1, 0])

test('counts by strategy, whatever the strategy is called', () => {
  const observed = [
    {atUs: 2, pnlBps: 10},
    {atUs: 3, pnlBps: 30},
  ]
  const counted = countPatterns([
    aStoredPattern({vector, id: 'a', strategy: '__proto__', observations: observed, uses: 2}),
    aStoredPattern({vector, id: 'b', strategy: '__proto__', observations: []}),
    aStoredPattern({vector, id: 'c', strategy: 'plain', observations: [{atUs: 2, pnlBps: -5}]}),
  ])
  expect(Object.entries(counted.byStrategy)).toEqual([
    ['__proto__', {count: 2, uses: 2, meanBps: 20}],
    ['plain', {count: 1, uses: 0, meanBps: -5}],
  ])
  expect(counted).toMatchObject({count: 3, pending: 1})
})
