import {ingest} from '../../src/core/ingest.ts'
import {ingestRequest} from './ingest.ts'

export const BENCH_SYMBOLS = ['SPY', 'QQQ', 'IWM', 'AAPL', 'MSFT', 'AMZN', 'GOOG', 'NVDA']
const SESSION_US = 6.5 * 3_600_000_000

/**
 * Seeded quotes and trades of eight symbols as a Parquet catalog, as `gpi ingest synthetic` writes it: as dense as it makes
 * them, or spread over so many trading days.
 */
export const writeSyntheticCatalog = async (out: string, events: number, days?: number): Promise<void> => {
  const gap = days === undefined ? {} : {meanGapUs: Math.round((days * SESSION_US * BENCH_SYMBOLS.length) / events)}
  await ingest(ingestRequest('synthetic', [], {out, synthetic: {events, symbols: BENCH_SYMBOLS, seed: 7, ...gap}}))
}
