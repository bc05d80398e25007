import path from 'node:path'
import type {Broker} from '../broker/broker.ts'
import type {Journal} from '../broker/journal.ts'
import {ExitCode, UserError} from '../domain/errors.ts'
import {tsUs} from '../domain/units.ts'
import {readWhole, writeWhole} from './run-folder.ts'

/** What a restart must know that the journal does not say: written before the journal's first entry. */
export interface AccountMeta {
  readonly runId: string
  readonly cashMicros: number
}

export const accountFolder = (home: string, key: string): string => path.join(home, 'accounts', key)

/**
 * The run that an account is in: the one its folder names, or a new one. A new run needs an account that holds nothing,
 * or no profit it reports could be exact; throws UserError ACCOUNT_NOT_FLAT otherwise.
 */
export const openAccountRun = async (
  folder: string,
  broker: Broker,
  newRunId: () => string,
): Promise<AccountMeta & {readonly resumed: boolean}> => {
  const file = path.join(folder, 'run.json')
  const known = readWhole(file) as AccountMeta | undefined
  if (known !== undefined) return {...known, resumed: true}
  const held = (await broker.positions()).filter(({lots}) => lots !== 0)
  const open = await broker.openOrders()
  if (held.length > 0 || open.length > 0) {
    const what = [
      ...held.map(({symbol, lots}) => `${lots} lots of ${symbol}`),
      ...open.map(({symbol, side}) => `an open ${side} of ${symbol}`),
    ]
    throw new UserError(
      'ACCOUNT_NOT_FLAT',
      `the account holds what gpi did not trade: ${what.slice(0, 5).join(', ')}`,
      {
        hints: [
          'close it first, for example with gpi kill --flatten and then gpi kill --release',
          'or trade with the --home that it was traded from',
        ],
        exitCode: ExitCode.refused,
      },
    )
  }
  const meta = {runId: newRunId(), cashMicros: (await broker.account()).cashMicros}
  writeWhole(file, meta)
  return {...meta, resumed: false}
}

/**
 * Fills that somebody else made in the account since the journal ended (a kill that closed positions, a person at the
 * broker's site) become entries of it, so that the restored ledger holds what the broker holds. Returns how many.
 */
export const adoptForeignFills = async (journal: Journal, broker: Broker, runId: string): Promise<number> => {
  let lastUs: number | undefined
  const seen = new Set<string>()
  for (const {entry} of journal.entries()) {
    lastUs = Math.max(lastUs ?? 0, entry.tsUs)
    if (entry.kind === 'report' && entry.report.kind === 'fill') seen.add(entry.report.fill.fillId)
  }
  if (lastUs === undefined) return 0
  let adopted = 0
  // An hour before the last entry: the broker's clock and ours may differ, and fills carry ids.
  for (const report of await broker.fillsSince(tsUs(Math.max(0, lastUs - 3_600_000_000)))) {
    if (report.fill.clientOrderId.startsWith(`${runId}-`) || seen.has(report.fill.fillId)) continue
    journal.append({kind: 'report', tsUs: tsUs(Math.max(lastUs, report.tsUs)), report})
    adopted++
  }
  return adopted
}
