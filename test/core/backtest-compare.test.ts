import {mkdirSync, writeFileSync} from 'node:fs'
import path from 'node:path'
import {describe, expect, test} from 'vitest'
import type {JournalEntry} from '../../src/broker/journal.ts'
import {compareJournals} from '../../src/core/backtest-compare.ts'
import {openComparedJournal} from '../../src/core/compared-journal.ts'
import {openSqliteJournal} from '../../src/drivers/sqlite/journal.ts'
import {temporaryFolder} from '../support/run-gpi.ts'

const order = (
  id: string,
  decidedUs: number,
  priceTicks: number,
  filledUs: number,
  {side = 'buy', symbol = 'X', strategy = 's'} = {},
): {entry: JournalEntry}[] =>
  [
    {kind: 'intent', tsUs: decidedUs, symbol, intent: {clientOrderId: id, strategy, side, decidedUs, lots: 10}},
    {
      kind: 'report',
      tsUs: filledUs,
      report: {kind: 'fill', fill: {fillId: `f${id}`, clientOrderId: id, lots: 10, priceTicks, tsUs: filledUs}},
    },
  ].map(entry => ({entry: entry as unknown as JournalEntry}))
const S = 1_000_000

describe('compareJournals', () => {
  test('pairs orders by decision and says what differs', () => {
    const comparison = compareJournals(
      [
        ...order('b1', S, 10_000, S + 500),
        ...order('b2', 50 * S, 10_000, 50 * S + 500),
        ...order('b3', 90 * S, 10_000, 90 * S + 500, {side: 'sell'}),
      ],
      [
        ...order('l1', S + 100, 10_010, S + 9_100),
        ...order('l3', 90 * S, 10_010, 90 * S + 500, {side: 'sell'}),
        ...order('l4', 200 * S, 1, 200 * S + 1),
      ],
    )
    expect(comparison).toMatchObject({
      matched: 2,
      missed: [{decidedUs: 50 * S}],
      extra: [{decidedUs: 200 * S}],
      notes: [],
    })
    expect(comparison.trades.map(t => [Math.round(t.slippageBps), t.latencyUs, t.decidedLaterUs])).toEqual([
      [10, 8500, 100],
      [-10, 0, 0],
    ])
    expect(comparison.trades.map(t => [t.backtestLots, t.liveLots])).toEqual([
      [10, 10],
      [10, 10],
    ])
    // Of two, the middle.
    expect([comparison.medianLatencyUs, comparison.medianDecidedLaterUs]).toEqual([4250, 50])
  })

  test('counts only what was decided while both ran', () => {
    const backtest = [100, 200, 300, 400, 500].flatMap(s => order(`b${s}`, s * S, 100, s * S + 1))
    const live = [200, 300].flatMap(s => order(`l${s}`, s * S, 100, s * S + 1))
    const early = order('l20', 20 * S, 100, 20 * S + 1)
    const {matched, missed, extra, outside} = compareJournals(backtest, [...early, ...live], {
      fromUs: 90 * S,
      toUs: 600 * S,
    })
    expect([matched, missed.length, extra.length, outside]).toEqual([2, 1, 0, {backtest: 2, live: 1}])
  })

  test('knows a decision that the live node makes a bar later, and no decision twice', () => {
    const hours = [1, 2, 3, 4]
    const backtest = hours.flatMap(h => order(`b${h}`, 3600 * h * S, 100, 3600 * h * S + 1))
    const started = {entry: {kind: 'run', tsUs: S} as unknown as JournalEntry}
    const filled = hours.flatMap(h => order(`l${h}`, (3600 * h + 60) * S, 100, (3600 * h + 60) * S + 1))
    const live = [started, ...filled]
    const found = compareJournals(backtest, live)
    expect([found.matched, found.medianDecidedLaterUs]).toEqual([4, 60 * S])
    const twice = compareJournals(backtest, [...live, ...order('x', 3605 * S, 100, 3606 * S)])
    expect(twice.matched).toBe(4)
    expect(twice.extra.map(({decidedUs}) => decidedUs)).toEqual([3660 * S])
  })

  test('does not take a neighbour for the same decision where decisions are close together', () => {
    const backtest = [0, 10, 20, 30].flatMap(s => order(`b${s}`, s * S, 100, s * S + 1))
    const live = [6, 16, 26, 36].flatMap(s => order(`l${s}`, s * S, 100, s * S + 1))
    // Six seconds late of ten is four seconds early of the next.
    expect(compareJournals(backtest, live).trades.map(t => t.decidedLaterUs)).toEqual([-4 * S, -4 * S, -4 * S])
  })

  test.each([
    ['no order that filled', []],
    ['no market time in common', order('l', 10_000 * S, 1, 10_000 * S)],
    ['instruments Y, the back-test of X', order('l', 2 * S, 1, 2 * S, {symbol: 'Y'})],
    ['strategies t, the back-test of s', order('l', 2 * S, 1, 2 * S, {strategy: 't'})],
  ])('says why nothing compares: %s', (note, live) => {
    const found = compareJournals(order('b', S, 1, S), live, {fromUs: 0, toUs: 10 * S})
    expect(found.matched).toBe(0)
    expect(found.notes.join()).toContain(note)
  })
})

describe('openComparedJournal', () => {
  const entry = order('a', S, 1, S)[0]?.entry as JournalEntry
  const written = (file: string): void => {
    mkdirSync(path.dirname(file), {recursive: true})
    using journal = openSqliteJournal(file)
    journal.append(entry)
  }
  test('finds a run by file, folder, id and as the last', () => {
    using home = temporaryFolder()
    written(home.join('runs/20250101-000000-aaaa/journal.sqlite'))
    mkdirSync(home.join('runs/20250102-000000-back'), {recursive: true})
    const place = home.join('runs/20250101-000000-aaaa')
    for (const name of [path.join(place, 'journal.sqlite'), place, '20250101-000000-aaaa', 'last']) {
      using journal = openComparedJournal(home.join('.'), name)
      expect(journal.count()).toBe(1)
    }
  })
  test('says what is wrong with others', () => {
    using home = temporaryFolder()
    writeFileSync(home.join('words'), 'these are words, and no database at all')
    writeFileSync(home.join('empty'), '')
    mkdirSync(home.join('folder'))
    const refusal = (name: string) => {
      try {
        openComparedJournal(home.join('.'), name)[Symbol.dispose]()
      } catch (error) {
        return (error as {code: string}).code
      }
      return 'opened'
    }
    expect(['words', 'empty'].map(name => refusal(home.join(name)))).toEqual(Array(2).fill('JOURNAL_UNREADABLE'))
    expect([home.join('folder'), 'last', 'no-such-run'].map(refusal)).toEqual(Array(3).fill('NO_JOURNAL'))
    expect(refusal('/dev/null')).toBe('JOURNAL_UNREADABLE')
  })
})
