import fc from 'fast-check'
import {describe, expect, test} from 'vitest'
import type {JournalEntry} from '../../src/broker/journal.ts'
import {memoryJournal} from '../../src/broker/memory-journal.ts'
import {anyEntry} from './any-entry.ts'

const hashOf = (entries: readonly JournalEntry[]): string => {
  const journal = memoryJournal({keep: false})
  for (const entry of entries) journal.append(entry)
  return journal.hash()
}

describe('the journal hash', () => {
  test('is the same for the same entries, and may be asked for at any time', () => {
    fc.assert(
      fc.property(fc.array(anyEntry, {maxLength: 40}), entries => {
        const asked = memoryJournal()
        for (const entry of entries) {
          asked.hash()
          asked.append(entry)
        }
        expect(asked.hash()).toBe(hashOf(entries))
        expect([...asked.entries()].map(({entry}) => entry)).toEqual(entries)
      }),
    )
  })

  test('changes when any entry changes or is missing', () => {
    fc.assert(
      fc.property(fc.array(anyEntry, {minLength: 1, maxLength: 20}), fc.nat(), anyEntry, (entries, at, other) => {
        const k = at % entries.length
        const changed = entries.with(k, other)
        if (JSON.stringify(changed) !== JSON.stringify(entries)) expect(hashOf(changed)).not.toBe(hashOf(entries))
        expect(hashOf(entries.slice(0, -1))).not.toBe(hashOf(entries))
      }),
    )
  })

  test('is a fixed value for a fixed journal: a change of the encoding is a decision', () => {
    const tsUs = 1_700_000_000_000_000 as never
    expect(
      hashOf([
        {kind: 'run', tsUs, runId: 'r', seed: 7, configHash: 'c'},
        {
          kind: 'intent',
          tsUs,
          symbol: 'AAPL',
          intent: {
            clientOrderId: 'r-0-1',
            strategy: 's',
            instrument: 0,
            side: 'buy',
            type: 'limit',
            timeInForce: 'day',
            lots: 10 as never,
            limitTicks: 1_000_000 as never,
            decidedUs: tsUs,
          },
        },
      ]),
    ).toMatchInlineSnapshot(`"da36d3f489a6d56b3f0e7410e7c241e24e7a97d2ccf26210b509d73862dace1f"`)
  })
})
