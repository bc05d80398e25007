import fc from 'fast-check'
import {describe, expect, test} from 'vitest'
import {constantLatency} from '../../src/exchange/latency.ts'
import type {QueueModelName} from '../../src/exchange/venue.ts'
import type {Row} from '../support/rows.ts'
import {order, rig} from './matching-rig.ts'

const price = fc.integer({min: 95, max: 105})
const size = fc.integer({min: 1, max: 60})

const marketStep = fc.oneof(
  fc.record({
    kind: fc.constant('quote' as const),
    bid: price,
    spread: fc.integer({min: 1, max: 3}),
    bidLots: size,
    askLots: size,
  }),
  fc.record({
    kind: fc.constant('trade' as const),
    ticks: price,
    lots: size,
    by: fc.constantFrom('buy' as const, 'sell' as const),
  }),
)
const orderStep = fc.record({
  kind: fc.constant('order' as const),
  side: fc.constantFrom('buy' as const, 'sell' as const),
  lots: size,
  limitTicks: fc.option(price, {nil: undefined}),
  stopTicks: fc.option(price, {nil: undefined}),
  timeInForce: fc.constantFrom('gtc' as const, 'ioc' as const, 'fok' as const),
})
const cancelStep = fc.record({kind: fc.constant('cancel' as const), which: fc.nat({max: 20})})
const steps = fc.array(fc.oneof({weight: 4, arbitrary: marketStep}, {weight: 3, arbitrary: orderStep}, cancelStep), {
  maxLength: 80,
})
type Step = typeof steps extends fc.Arbitrary<(infer S)[]> ? S : never

const rowOf = (step: Step, at: number): Row | undefined => {
  if (step.kind === 'quote') return {at, quote: [step.bid, step.bid + step.spread, step.bidLots, step.askLots]}
  if (step.kind === 'trade') return {at, trade: [step.ticks, step.lots], by: step.by}
  return undefined
}

/** Plays the steps ten microseconds apart; order `n` is sent at its step's time. */
const play = (script: readonly Step[], queue: QueueModelName, latencyUs: number, partialFillProbability = 0) => {
  const r = rig({queue, latency: constantLatency(latencyUs), partialFillProbability})
  const sentUs = new Map<string, number>()
  const orders = new Map<string, {lots: number; limitTicks: number | undefined; side: string}>()
  for (const [n, step] of script.entries()) {
    const at = (n + 1) * 10
    r.advance(at)
    const row = rowOf(step, at)
    if (row !== undefined) r.play([row])
    else if (step.kind === 'order') {
      const {kind: _, limitTicks, stopTicks, ...rest} = step
      const id = `o${n}`
      sentUs.set(id, at)
      orders.set(id, {lots: step.lots, limitTicks, side: step.side})
      r.send(
        order(id, {
          ...rest,
          type:
            stopTicks === undefined
              ? limitTicks === undefined
                ? 'market'
                : 'limit'
              : limitTicks === undefined
                ? 'stop'
                : 'stop_limit',
          ...(limitTicks === undefined ? {} : {limitTicks}),
          ...(stopTicks === undefined ? {} : {stopTicks}),
        }),
      )
    } else if (step.kind === 'cancel') r.cancel(`o${step.which}`)
  }
  r.advance(script.length * 10 + 10_000)
  return {...r, sentUs, orders}
}

const anyQueue = fc.constantFrom<QueueModelName>('conservative', 'probabilistic', 'none')

describe('for every market and every sequence of orders', () => {
  test('no order fills more than its size, beyond its limit, or before it could have arrived', () => {
    fc.assert(
      fc.property(steps, anyQueue, fc.constantFrom(0, 7, 25), (script, queue, latencyUs) => {
        const r = play(script, queue, latencyUs, 0.3)
        const total = new Map<string, number>()
        for (const fill of r.fills()) {
          const sent = r.orders.get(fill.clientOrderId)
          total.set(fill.clientOrderId, (total.get(fill.clientOrderId) ?? 0) + fill.lots)
          expect(fill.tsUs).toBeGreaterThanOrEqual((r.sentUs.get(fill.clientOrderId) ?? Infinity) + latencyUs)
          if (sent?.limitTicks === undefined) continue
          if (fill.side === 'buy') expect(fill.priceTicks).toBeLessThanOrEqual(sent.limitTicks)
          else expect(fill.priceTicks).toBeGreaterThanOrEqual(sent.limitTicks)
        }
        for (const [id, lots] of total) expect(lots).toBeLessThanOrEqual(r.orders.get(id)?.lots ?? 0)
        expect(new Set(r.fills().map(fill => fill.fillId)).size).toBe(r.fills().length)
      }),
      {numRuns: 300},
    )
  })

  test('fills never exceed the liquidity that was there', () => {
    fc.assert(
      fc.property(steps, anyQueue, (script, queue) => {
        const r = play(script, queue, 0)
        // A side's liquidity: every lot that ever appeared at a price of the quote, plus every print against us.
        let bidLots = 0
        let askLots = 0
        let last = {bid: 0, ask: 0, bidLots: 0, askLots: 0}
        for (const step of script) {
          if (step.kind === 'trade') {
            if (step.by === 'sell') askLots += step.lots
            else bidLots += step.lots
            // A trade through a resting order reaches it whoever aggressed.
            if (step.by === 'sell') bidLots += step.lots
            else askLots += step.lots
          }
          if (step.kind !== 'quote') continue
          const ask = step.bid + step.spread
          bidLots += step.bid === last.bid ? Math.max(0, step.bidLots - last.bidLots) : step.bidLots
          askLots += ask === last.ask ? Math.max(0, step.askLots - last.askLots) : step.askLots
          last = {bid: step.bid, ask, bidLots: step.bidLots, askLots: step.askLots}
        }
        const filled = (side: string) => r.fills().reduce((sum, fill) => sum + (fill.side === side ? fill.lots : 0), 0)
        expect(filled('buy')).toBeLessThanOrEqual(askLots)
        expect(filled('sell')).toBeLessThanOrEqual(bidLots)
      }),
      {numRuns: 300},
    )
  })

  test('every order ends in one way at most, and what is open is exactly what has not ended', () => {
    fc.assert(
      fc.property(steps, anyQueue, (script, queue) => {
        const r = play(script, queue, 3)
        const open = new Set(r.venue.openOrders().map(o => o.order.clientOrderId))
        for (const [id, {lots}] of r.orders) {
          const kinds = r.kinds(id)
          const endings = kinds.filter(kind => kind === 'cancelled' || kind === 'expired' || kind === 'rejected').length
          const filled = r.fills(id).reduce((sum, fill) => sum + fill.lots, 0)
          expect(endings + (filled === lots ? 1 : 0)).toBe(open.has(id) ? 0 : 1)
        }
      }),
      {numRuns: 300},
    )
  })

  test('the future does not change the past', () => {
    fc.assert(
      fc.property(steps, steps, anyQueue, (script, future, queue) => {
        const endUs = (script.length + 1) * 10
        const told = (reports: readonly {tsUs: number}[]) =>
          JSON.stringify(reports.filter(report => report.tsUs < endUs))
        expect(told(play([...script, ...future], queue, 3).reports)).toBe(told(play(script, queue, 3).reports))
      }),
      {numRuns: 100},
    )
  })
})

test('the queue models are ordered: conservative fills least, none fills most', () => {
  fc.assert(
    fc.property(fc.array(marketStep, {maxLength: 60}), price, (script, limitTicks) => {
      const rest = {
        kind: 'order' as const,
        side: 'buy' as const,
        lots: 30,
        limitTicks,
        stopTicks: undefined,
        timeInForce: 'gtc' as const,
      }
      const filled = (queue: QueueModelName) =>
        play([{kind: 'quote', bid: 104, spread: 2, bidLots: 10, askLots: 10}, rest, ...script], queue, 0)
          .fills()
          .reduce((sum, fill) => sum + fill.lots, 0)
      const [least, middle, most] = [filled('conservative'), filled('probabilistic'), filled('none')] as const
      expect(least).toBeLessThanOrEqual(middle)
      expect(middle).toBeLessThanOrEqual(most)
    }),
  )
})
