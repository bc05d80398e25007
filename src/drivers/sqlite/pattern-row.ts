import type {SQLOutputValue} from 'node:sqlite'
import type {Observation, Pattern, StoredPattern} from '../../memory/pattern.ts'
import {patternChecksum, vectorOfBytes} from '../../memory/pattern-checksum.ts'

export type Row = Record<string, SQLOutputValue>

/** A row that is not what was written. */
export class CorruptRowError extends Error {
  override readonly name = 'CorruptRowError'
}

/** What never changes about the pattern of a row; undefined when it does not match its checksum. */
export const patternOfRow = (row: Row): Pattern | undefined => {
  const bytes = row['vector']
  if (!(bytes instanceof Uint8Array) || bytes.byteLength % 4 !== 0) return undefined
  const pattern = {
    id: String(row['id']),
    symbol: String(row['symbol']),
    strategy: String(row['strategy']),
    regime: String(row['regime']),
    tsUs: Number(row['ts_us']),
    vector: vectorOfBytes(bytes),
  }
  return patternChecksum(pattern) === Number(row['checksum']) ? pattern : undefined
}

export const observationOf = (row: Row): Observation => ({atUs: Number(row['at_us']), pnlBps: Number(row['pnl_bps'])})

/** The fields of a row that change over a pattern's life. */
export const stateOf = (row: Row): Pick<StoredPattern, 'tier' | 'lastUseUs' | 'uses'> => ({
  tier: row['tier'] === 'cold' ? 'cold' : 'hot',
  lastUseUs: Number(row['last_use_us']),
  uses: Number(row['uses']),
})
