import {mkdtempSync, rmSync} from 'node:fs'
import {tmpdir} from 'node:os'
import path from 'node:path'
import {afterAll, expect, test} from 'vitest'
import {marketRecords} from '../../examples/markets.ts'
import {memoryJournal} from '../../src/broker/memory-journal.ts'
import {Config} from '../../src/config/schema.ts'
import {runBacktest} from '../../src/core/backtest.ts'
import {openRunServices} from '../../src/core/strategy-services.ts'
import {type NumberedRecord, Rejects} from '../../src/data/ndjson.ts'
import {GpiRecord} from '../../src/data/records.ts'
import {recordsToTape} from '../../src/data/records-to-tape.ts'
import {createStrategy} from '../../src/strategies/registry.ts'

const home = mkdtempSync(path.join(tmpdir(), 'gpi-bank-'))
afterAll(() => rmSync(home, {recursive: true, force: true}))
const config = Config.parse({home})

async function* first(records: number): AsyncGenerator<NumberedRecord> {
  let line = 0
  for (const record of marketRecords('announced', 1)) {
    if (line === records) return
    yield {line: ++line, record: GpiRecord.parse(record)}
  }
}

const decisionsOf = async (records: number, options: {bank?: string; learn?: boolean}) => {
  await using source = await recordsToTape(first(records), {spoolDirectory: tmpdir(), rejects: new Rejects(() => {})})
  await using run = await openRunServices({
    config,
    heads: false,
    models: [],
    bank: options.bank,
    newBank: options.learn === true,
  })
  const decisions: unknown[] = []
  const name = 'pattern-recognition'
  // Trusted from the start: what the evidence says is what a bank could change.
  const params = {feedbackTrades: 0}
  await runBacktest({
    source,
    config,
    configHash: 'bank',
    seed: 1,
    strategies: [{name, weight: 1, params, create: () => createStrategy(name, params, run.services())}],
    capitalMicros: 1e11,
    latencyUs: 1000,
    fees: 'zero',
    queue: 'conservative',
    baselines: false,
    journal: memoryJournal({
      keep: false,
      onEntry: entry => {
        if (entry.kind === 'intent') decisions.push(entry.intent)
      },
    }),
  })
  return {decisions, learned: options.learn === true ? await run.remember() : undefined}
}

/** A bank that holds the whole future of a tape tells a run on it nothing that the run would not have known by then. */
test('a bank learned on this very tape, to its end, changes no decision', async () => {
  const bank = path.join(home, 'bank')
  const learning = await decisionsOf(12_000, {bank, learn: true})
  expect(learning.learned?.patterns).toBeGreaterThan(100)
  expect(learning.decisions.length).toBeGreaterThan(20)
  const knowing = await decisionsOf(6_000, {bank})
  const alone = await decisionsOf(6_000, {})
  expect(alone.decisions.length).toBeGreaterThan(5)
  expect(knowing.decisions).toEqual(alone.decisions)
})
