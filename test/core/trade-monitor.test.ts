import {performance} from 'node:perf_hooks'
import {setTimeout as wait} from 'node:timers/promises'
import {expect, test} from 'vitest'
import {TradeMonitor} from '../../src/core/trade-monitor.ts'

const computeFor = (ms: number): void => {
  const endMs = performance.now() + ms
  while (performance.now() < endMs);
}

test('a long computation is the loop’s own work, a wait for another thread is not', async () => {
  using monitor = new TradeMonitor()
  monitor.restart()
  await wait(20)
  Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 60)
  await wait(20)
  const waited = monitor.loopDelay()
  expect(waited.max).toBeGreaterThan(50)
  expect(waited.work).toBeLessThan(40)
  computeFor(60)
  await wait(20)
  expect(monitor.loopDelay().work).toBeGreaterThan(waited.work)
  monitor.restart()
  expect(monitor.loopDelay()).toMatchObject({max: 0, work: 0})
})
