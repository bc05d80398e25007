import {existsSync, readdirSync, readFileSync} from 'node:fs'
import {tmpdir} from 'node:os'
import path from 'node:path'
import {describe, expect, test} from 'vitest'
import {marketRecords} from '../../examples/markets.ts'
import {Config} from '../../src/config/schema.ts'
import {checkLookahead} from '../../src/core/backtest-lookahead.ts'
import {openRunServices} from '../../src/core/strategy-services.ts'
import {type NumberedRecord, Rejects} from '../../src/data/ndjson.ts'
import {GpiRecord} from '../../src/data/records.ts'
import {recordsToTape} from '../../src/data/records-to-tape.ts'
import {createStrategy, modelsAskedFor, STRATEGIES} from '../../src/strategies/registry.ts'

const folder = new URL('../../examples/', import.meta.url).pathname
const examples = readdirSync(folder)
  .filter(name => existsSync(path.join(folder, name, 'example.json')))
  .map(name => ({name, ...JSON.parse(readFileSync(path.join(folder, name, 'example.json'), 'utf8'))}))

/** Enough of each market for its strategy to decide something; every row is replayed six times. */
const RECORDS = 4_000

async function* first(market: string, seed: number): AsyncGenerator<NumberedRecord> {
  let line = 0
  for (const record of marketRecords(market, seed)) {
    if (line === RECORDS) return
    yield {line: ++line, record: GpiRecord.parse(record)}
  }
}

describe('no built-in strategy decides by what it could not know', () => {
  const runs = Object.keys(STRATEGIES).flatMap(strategy => {
    const own = examples.filter(example => example.strategy === strategy)
    return own.length > 0 ? own : [{name: strategy, strategy, market: 'book', params: {}, seed: 1, fees: 'us'}]
  })
  test.each(runs)('$name', async ({strategy, market, params, seed, fees}) => {
    await using source = await recordsToTape(first(market, seed), {
      spoolDirectory: tmpdir(),
      rejects: new Rejects(() => {}),
    })
    await using run = await openRunServices({
      config: Config.parse({}),
      heads: strategy === 'option-sentiment',
      models: modelsAskedFor(strategy, params),
    })
    const {decisions} = await checkLookahead({
      source,
      config: Config.parse({}),
      configHash: 'look-ahead',
      seed,
      strategies: [{name: strategy, weight: 1, params, create: () => createStrategy(strategy, params, run.services())}],
      capitalMicros: 1e12,
      latencyUs: 1000,
      fees,
      queue: 'conservative',
      baselines: false,
    })
    expect(decisions).toBeGreaterThanOrEqual(0)
  })
})
