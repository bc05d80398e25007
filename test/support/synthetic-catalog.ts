import {ingest} from '../../src/core/ingest.ts'
import {ingestRequest} from './ingest.ts'

export const BENCH_SYMBOLS = ['SPY', 'QQQ', 'IWM', 'AAPL', 'MSFT', 'AMZN', 'GOOG', 'NVDA']

/** Seeded quotes and trades of eight symbols as a Parquet catalog, as `gpi ingest synthetic` writes it. */
export const writeSyntheticCatalog = async (out: string, events: number): Promise<void> => {
  await ingest(ingestRequest('synthetic', [], {out, synthetic: {events, symbols: BENCH_SYMBOLS, seed: 7}}))
}
