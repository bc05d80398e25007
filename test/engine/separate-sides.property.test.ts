import fc from 'fast-check'
import {expect, test} from 'vitest'
import type {JournalEntry} from '../../src/broker/journal.ts'
import type {Row} from '../support/rows.ts'
import {scripted, simulate} from './engine-rig.ts'

const DOLLAR = 10_000

/** What Alpaca would refuse: opening against an open order of the other side, or closing more than is held. */
const refusals = (entries: readonly JournalEntry[]): string[] => {
  const wrong: string[] = []
  const open = new Map<string, {buy: boolean; leaves: number}>()
  let held = 0
  const working = (buy: boolean) => [...open.values()].filter(o => o.buy === buy).reduce((sum, o) => sum + o.leaves, 0)
  for (const entry of entries) {
    if (entry.kind === 'intent') {
      const {clientOrderId, side, lots} = entry.intent
      const buy = side === 'buy'
      const closable = buy ? -held : held
      if (closable > 0 ? lots > closable - working(buy) : working(!buy) > 0) {
        wrong.push(`${side} ${lots} holding ${held}, working ${working(true)} to buy and ${working(false)} to sell`)
      }
      open.set(clientOrderId, {buy, leaves: lots})
    } else if (entry.kind === 'report') {
      const {report} = entry
      if (report.kind === 'fill') {
        const {clientOrderId, side, lots} = report.fill
        held += side === 'buy' ? lots : -lots
        const order = open.get(clientOrderId)
        if (order !== undefined) order.leaves -= lots
        if (order?.leaves === 0) open.delete(clientOrderId)
      } else if (report.kind === 'cancelled' || report.kind === 'rejected' || report.kind === 'expired') {
        open.delete(report.clientOrderId)
      }
    }
  }
  return wrong
}

const step = fc.record({
  mid: fc.integer({min: 95, max: 105}),
  spread: fc.integer({min: 1, max: 3}),
  lots: fc.integer({min: 0, max: 9}),
})
const run = (steps: readonly {mid: number; spread: number; lots: number}[], separatesSides: boolean) => {
  const rows: Row[] = steps.map(({mid}, at) => ({
    at: 1_700_000_000_000_000 + at * 10_000,
    quote: [(mid - 1) * DOLLAR, (mid + 1) * DOLLAR, 50, 50],
  }))
  const maker = scripted('mm', (row, context) => {
    const {mid, spread, lots} = steps[row] as (typeof steps)[number]
    context.quote(0, (mid - spread) * DOLLAR, lots, (mid + spread) * DOLLAR, lots)
  })
  return simulate([maker], rows, {symbols: ['AAPL'], separatesSides, sessions: false})
}

test('where a venue keeps the sides apart, no quote is one it would refuse', () => {
  fc.assert(
    fc.property(fc.array(step, {minLength: 20, maxLength: 120}), steps => {
      expect(refusals(run(steps, true).entries)).toEqual([])
    }),
    {numRuns: 150},
  )
})

test('elsewhere both sides rest from the start', () => {
  const {entries} = run([{mid: 100, spread: 1, lots: 5}], false)
  expect(entries.filter(({kind}) => kind === 'intent')).toHaveLength(2)
  expect(refusals(entries)).toHaveLength(1)
})
