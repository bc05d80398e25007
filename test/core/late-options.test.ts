import path from 'node:path'
import {expect, test} from 'vitest'
import {memoryJournal} from '../../src/broker/memory-journal.ts'
import {Config} from '../../src/config/schema.ts'
import {runBacktest} from '../../src/core/backtest.ts'
import {openRunServices} from '../../src/core/strategy-services.ts'
import {newYorkDayOf, sessionCloseUs} from '../../src/domain/calendar.ts'
import {LATE_CLOSE_US} from '../../src/domain/option-hours.ts'
import type {OrderIntent} from '../../src/domain/order.ts'
import {openCatalog} from '../../src/drivers/duckdb/catalog.ts'
import {createStrategy} from '../../src/strategies/registry.ts'
import {ingestFiles, temporaryFolder} from '../support/ingest.ts'
import {dataFile, noTestData} from '../support/test-data.ts'

test.skipIf(noTestData)('chains of an index that are stamped at the close of shares can still be traded', async () => {
  const out = path.join(temporaryFolder(), 'catalog')
  const files = ['04', '05', '06'].map(month => dataFile(`options/spx_chain_snapshots_2019-${month}.csv.gz`))
  await ingestFiles('spx', files, {out})
  const config = Config.parse({home: temporaryFolder()})
  await using run = await openRunServices({config, heads: false, models: [], bank: undefined, newBank: false})
  const intents: OrderIntent[] = []
  const name = 'option-sentiment'
  const summary = await runBacktest({
    source: await openCatalog(out, {kinds: ['option']}),
    config,
    configHash: 'late',
    seed: 1,
    strategies: [{name, weight: 1, params: {}, create: () => createStrategy(name, {}, run.services())}],
    capitalMicros: 1e11,
    latencyUs: 500,
    fees: 'us',
    queue: 'conservative',
    baselines: false,
    isBrief: true,
    journal: memoryJournal({
      keep: false,
      onEntry: entry => {
        if (entry.kind === 'intent') intents.push(entry.intent)
      },
    }),
  })
  const {entries, exits, refused} = summary.strategies[0]?.report ?? {}
  expect(entries).toBeGreaterThan(0)
  expect([exits, refused]).toEqual([entries, 0])
  expect(summary.rejected).toBe(0)
  expect(intents).toHaveLength(2 * Number(entries))
  for (const {decidedUs, legs} of intents) {
    expect(legs).toHaveLength(2)
    const closeUs = sessionCloseUs(newYorkDayOf(decidedUs))
    expect(decidedUs).toBeGreaterThanOrEqual(closeUs)
    expect(decidedUs).toBeLessThan(closeUs + LATE_CLOSE_US)
  }
})
