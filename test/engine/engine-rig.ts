import {expect} from 'vitest'
import {memoryJournal} from '../../src/broker/memory-journal.ts'
import {Config} from '../../src/config/schema.ts'
import {Simulation, type SimulationOptions} from '../../src/core/simulation.ts'
import type {TapeChunk} from '../../src/data/tape.ts'
import {InstrumentTable} from '../../src/domain/instrument.ts'
import {staticAllocator} from '../../src/engine/ports.ts'
import {zeroFees} from '../../src/exchange/fees.ts'
import {noLatency} from '../../src/exchange/latency.ts'
import {riskLimits} from '../../src/risk/limits.ts'
import type {RiskRule} from '../../src/risk/risk.ts'
import type {Strategy, StrategyContext} from '../../src/strategies/strategy.ts'
import {chunkOf, type Row} from '../support/rows.ts'

/** Does what the script says at each row, by row number. */
export const scripted = (
  name: string,
  script: (row: number, context: StrategyContext, chunk: TapeChunk) => void,
): Strategy => {
  let n = 0
  return {name, onEvent: (context, chunk) => script(n++, context, chunk)}
}

export const limits = riskLimits(Config.parse({}).risk)
const everything: readonly RiskRule[] = []

/**
 * A simulation over coins with no limits, fees or latency, unless said otherwise, its books checked to the micro; `equity` is
 * what it was worth after each row.
 */
export const simulate = (
  strategies: readonly Strategy[],
  rows: readonly Row[],
  options: Partial<SimulationOptions> & {symbols?: string[]} = {},
) => {
  const {symbols = ['BTC/USD', 'ETH/USD'], ...rest} = options
  const journal = rest.journal ?? memoryJournal()
  const simulation = new Simulation({
    runId: 'test',
    seed: 1,
    configHash: '',
    instruments: InstrumentTable.of(symbols),
    strategies,
    allocator: staticAllocator(strategies.map(() => 1 / strategies.length)),
    limits,
    rules: everything,
    cashMicros: 1e12,
    latency: noLatency,
    fees: zeroFees,
    queue: 'conservative',
    ...rest,
    journal,
  })
  const chunk = chunkOf(rows)
  const equity = rows.map((_, r) => {
    simulation.play(chunk, r, r + 1)
    return simulation.engine.equityMicros()
  })
  simulation.finish()
  const {engine} = simulation
  expect(engine.ledger.errorMicros()).toBe(0)
  const entries = [...journal.entries()].map(({entry}) => entry)
  return {simulation, engine, ledger: engine.ledger, equity, journal, entries}
}
