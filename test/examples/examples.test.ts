import {existsSync, readdirSync, readFileSync, writeFileSync} from 'node:fs'
import {tmpdir} from 'node:os'
import path from 'node:path'
import process from 'node:process'
import {describe, expect, test} from 'vitest'
import {marketRecords} from '../../examples/markets.ts'
import {Config} from '../../src/config/schema.ts'
import {runBacktest} from '../../src/core/backtest.ts'
import {loadStrategyModule} from '../../src/core/strategy-module.ts'
import {openRunServices} from '../../src/core/strategy-services.ts'
import {type NumberedRecord, Rejects} from '../../src/data/ndjson.ts'
import {GpiRecord} from '../../src/data/records.ts'
import {recordsToTape} from '../../src/data/records-to-tape.ts'
import {createStrategy} from '../../src/strategies/registry.ts'

/**
 * Every example against its expected statistics, trades to the last micro. After a change that is meant to change them:
 * GPI_UPDATE_EXAMPLES=1 npx vitest run test/examples
 */
interface Example {
  readonly summary: string
  readonly market: string
  readonly strategy: string
  readonly params: Readonly<Record<string, unknown>>
  readonly fees: 'us' | 'zero'
  readonly latencyUs: number
  readonly seed: number
  readonly capitalDollars: number
}

const folder = new URL('../../examples/', import.meta.url).pathname
const names = readdirSync(folder).filter(name => existsSync(path.join(folder, name, 'example.json')))

async function* numbered(market: string, seed: number): AsyncGenerator<NumberedRecord> {
  let line = 0
  for (const record of marketRecords(market, seed)) yield {line: ++line, record: GpiRecord.parse(record)}
}

const runExample = async (name: string) => {
  const example: Example = JSON.parse(readFileSync(path.join(folder, name, 'example.json'), 'utf8'))
  await using source = await recordsToTape(numbered(example.market, example.seed), {
    spoolDirectory: tmpdir(),
    rejects: new Rejects(() => {}),
  })
  const model = example.params['model']
  await using run = await openRunServices({
    config: Config.parse({}),
    heads: false,
    models: typeof model === 'string' ? [model] : [],
  })
  const factory = example.strategy.startsWith('.')
    ? await loadStrategyModule(path.join(folder, name, example.strategy))
    : (params: Readonly<Record<string, unknown>>) => createStrategy(example.strategy, params, run.services())
  const summary = await runBacktest({
    source,
    config: Config.parse({}),
    configHash: 'example',
    seed: example.seed,
    strategies: [{name: example.strategy, weight: 1, params: example.params, create: () => factory(example.params)}],
    capitalMicros: example.capitalDollars * 1e6,
    latencyUs: example.latencyUs,
    fees: example.fees,
    queue: 'conservative',
    baselines: false,
  })
  const {
    metrics,
    costs,
    orders,
    fills,
    rejected,
    equityMicros,
    ledgerErrorMicros,
    events,
    journalHash,
    strategies,
    stopped,
  } = summary
  return {
    events,
    orders,
    fills,
    rejected,
    equityMicros,
    ledgerErrorMicros,
    metrics,
    costs,
    profitMicros: strategies[0]?.profitMicros,
    report: strategies[0]?.report,
    stopped,
    journalHash,
    ...(typeof model === 'string' ? {inputs: run.inputs()} : {}),
  }
}

describe('examples', () => {
  test.for(names)('%s gives its expected statistics', async (name, {skip}) => {
    const result = JSON.parse(JSON.stringify(await runExample(name)))
    const file = path.join(folder, name, 'expected.json')
    if (process.env['GPI_UPDATE_EXAMPLES'] === '1') writeFileSync(file, `${JSON.stringify(result, undefined, 2)}\n`)
    const expected = JSON.parse(readFileSync(file, 'utf8'))
    expect(result.ledgerErrorMicros).toBe(0)
    if (result.inputs !== undefined && JSON.stringify(result.inputs) !== JSON.stringify(expected.inputs))
      skip(`${name} was recorded with another model: GPI_UPDATE_EXAMPLES=1 records it anew`)
    expect(result).toEqual(expected)
    // A shipped model may abstain throughout; then it must have been asked.
    if (result.inputs === undefined) expect(result.fills).toBeGreaterThan(0)
    else expect(result.report.asked).toBeGreaterThan(1000)
    // A maker's four parts are the ledger's profit, to the micro.
    if (name === 'market-making') expect(result.report.netMicros).toBe(result.profitMicros)
  })
})
