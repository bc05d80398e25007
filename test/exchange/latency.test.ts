import fc from 'fast-check'
import {describe, expect, test} from 'vitest'
import {createRng} from '../../src/domain/rng.ts'
import {constantLatency, recordedLatency} from '../../src/exchange/latency.ts'
import {order, rig} from './matching-rig.ts'

const delays = (delayUs: readonly number[], tsUs?: readonly number[]) => ({
  delayUs: Float64Array.from(delayUs),
  ...(tsUs === undefined ? {} : {tsUs: Float64Array.from(tsUs)}),
})
const rng = () => createRng(1, 'latency')

describe('recorded latencies', () => {
  test('between two measurements lies the line between them, at each the measurement itself', () => {
    const model = recordedLatency({order: delays([100, 300], [1_000, 2_000]), report: delays([10])})
    expect([1_000, 1_250, 1_500, 2_000].map(at => model.orderUs(rng(), at))).toEqual([100, 150, 200, 300])
    expect(model.reportUs(rng(), 1_500)).toBe(10)
  })

  test('outside of what was measured, and without times, every delay is one that was measured', () => {
    const timed = recordedLatency({order: delays([100, 300, 700], [1, 2, 3]), report: delays([10, 20])})
    const draws = createRng(7, 'draws')
    const seen = new Set(Array.from({length: 200}, (_, k) => timed.orderUs(draws, 1_000 + k)))
    expect([...seen].sort((a, b) => a - b)).toEqual([100, 300, 700])
    expect(new Set(Array.from({length: 200}, () => timed.reportUs(draws, 2)))).toEqual(new Set([10, 20]))
  })

  test('a late feed is added to the way there and taken off the way back, never below nothing', () => {
    const model = recordedLatency({order: delays([100]), report: delays([250]), feed: delays([200])})
    expect([model.orderUs(rng(), 0), model.reportUs(rng(), 0)]).toEqual([300, 50])
    const slow = recordedLatency({order: delays([100]), report: delays([50]), feed: delays([200])})
    expect(slow.reportUs(rng(), 0)).toBe(0)
  })

  test('one measurement is a constant latency', () => {
    const play = (latency: ReturnType<typeof constantLatency>) => {
      const r = rig({latency})
      r.play([{at: 1_000, quote: [99, 101]}])
      r.send(order('a', {lots: 5}), order('b', {lots: 5, limitTicks: 99}))
      r.advance(10_000)
      return r.reports
    }
    expect(play(recordedLatency({order: delays([70]), report: delays([30])}))).toEqual(play(constantLatency(70, 30)))
  })

  test('no order arrives before one that was sent earlier, and none before its own delay could have passed', () => {
    const delay = fc.integer({min: 0, max: 500})
    fc.assert(
      fc.property(
        fc.array(delay, {minLength: 1, maxLength: 20}),
        fc.array(delay, {minLength: 1, maxLength: 20}),
        (there, back) => {
          const r = rig({latency: recordedLatency({order: delays(there), report: delays(back)})})
          r.play([{at: 1, quote: [99, 101]}])
          const sentUs = new Map<string, number>()
          for (let n = 0; n < 10; n++) {
            r.advance(1 + n * 50)
            sentUs.set(`o${n}`, 1 + n * 50)
            r.send(order(`o${n}`, {lots: 1, limitTicks: 90}))
          }
          r.advance(100_000)
          const accepted = r.reports.filter(({kind}) => kind === 'accepted')
          expect(accepted.map(report => (report as {clientOrderId: string}).clientOrderId)).toEqual([...sentUs.keys()])
          for (const report of accepted) {
            const sent = sentUs.get((report as {clientOrderId: string}).clientOrderId) as number
            expect(report.tsUs - sent).toBeGreaterThanOrEqual(Math.min(...there))
            expect(report.heardUs - report.tsUs).toBeGreaterThanOrEqual(Math.min(...back))
          }
        },
      ),
    )
  })

  test('nothing measured is a bug of the caller', () => {
    expect(() => recordedLatency({order: delays([]), report: delays([1])})).toThrow('order')
  })
})
