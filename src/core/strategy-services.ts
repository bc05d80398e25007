import type {MarketState} from '../data/market-state.ts'
import type {InstrumentTable} from '../domain/instrument.ts'
import {createExactIndex} from '../memory/exact-index.ts'
import {MemoryBank} from '../memory/memory.ts'
import {DIMENSION} from '../memory/pattern.ts'
import type {PatternMemory, StrategyServices} from '../strategies/services.ts'
import {MarketWindow} from './market-window.ts'

/** The pattern bank as `pattern-recognition` needs it, over the market of one run. */
export const patternMemoryOf = (bank: MemoryBank, market: MarketState, instruments: InstrumentTable): PatternMemory => {
  const window = new MarketWindow(market, instruments.size)
  return {
    onTime: nowUs => window.onTime(nowUs),
    vector: instrument => window.vector(instrument),
    regime: instrument => window.regime(instrument),
    search: (vector, asOfUs, filters) => bank.search(vector, {asOfUs, filters}).evidence,
    remember: pattern => void bank.add(pattern),
    learn: (id, pnlBps, atUs) => void bank.recordOutcome(id, pnlBps, atUs),
  }
}

/** For a run that shares no bank: an empty one of its own, so that the run depends on its tape and seed alone. */
export const ownServices = (): StrategyServices => ({
  patterns: ({market, instruments}) =>
    patternMemoryOf(new MemoryBank({index: createExactIndex(DIMENSION)}), market, instruments),
})
