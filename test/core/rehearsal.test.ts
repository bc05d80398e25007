import {expect, test} from 'vitest'
import {resolveConfig} from '../../src/config/resolve.ts'
import {rehearse} from '../../src/core/rehearsal.ts'

test('a rehearsal decides, sends and fills at nobody’s expense, and ends by itself', async () => {
  const {config} = resolveConfig([{source: 'test', values: {home: '/nonexistent/gpi'}}])
  const {rows, orders, fills} = await rehearse({config, strategies: ['market-making'], mostMs: 60_000, mostRows: 6_000})
  expect(rows).toBeGreaterThanOrEqual(6_000)
  expect(orders).toBeGreaterThan(20)
  expect(fills).toBeGreaterThan(5)
})

test('strategies of the configuration rehearse together, with chains where the market has them', async () => {
  const {config} = resolveConfig([])
  const {rows} = await rehearse({config, strategies: [], hasOptions: true, mostMs: 60_000, mostRows: 3_000})
  expect(rows).toBeGreaterThanOrEqual(3_000)
})
