import type {JournalEntry} from '../broker/journal.ts'
import {memoryJournal} from '../broker/memory-journal.ts'
import {emptyChunk, type TapeChunk} from '../data/tape.ts'
import type {TapeSource} from '../data/tape-source.ts'
import {ExitCode, UserError} from '../domain/errors.ts'
import type {OrderIntent} from '../domain/order.ts'
import {createRng} from '../domain/rng.ts'
import {type AheadRead, columnWords, watchingReads} from './ahead-reads.ts'
import {type BacktestOptions, runBacktest} from './backtest.ts'

export interface LookaheadResult {
  readonly decisions: number
  readonly replays: number
}

/** Random places where the tape is cut off, besides the replay that hides the future row by row. */
const CUTS = 4

/**
 * Finds strategies that use what they could not know. The tape is replayed as it is; then with every row alone in its
 * chunk and garbage behind it, so that reading ahead reads garbage; then cut off at random rows. The decisions up to any
 * moment must be the same each time. Throws UserError LOOK_AHEAD naming the first that is not.
 */
export const checkLookahead = async (options: BacktestOptions): Promise<LookaheadResult> => {
  const whole = await decisionsOf(options, options.source)
  const hidden = await decisionsOf(options, withRows(options.source, Infinity))
  try {
    compare(
      whole.decisions,
      hidden.decisions,
      hidden.decisions.length >= whole.decisions.length,
      options,
      'the next rows were hidden',
    )
  } catch (error) {
    throw error instanceof UserError ? await explained(error, options, whole.decisions) : error
  }
  const rng = createRng(options.seed, 'look-ahead')
  for (let cut = 0; cut < CUTS; cut++) {
    const rows = 1 + rng.below(Math.max(1, whole.rows - 1))
    const {decisions} = await decisionsOf(options, withRows(options.source, rows))
    compare(whole.decisions, decisions, true, options, `the tape ended after ${rows} of ${whole.rows} rows`)
  }
  return {decisions: whole.decisions.length, replays: 1 + CUTS}
}

/** The same refusal, with the column that was read ahead of its time, or that the strategy is no function of its tape. */
const explained = async (
  error: UserError,
  options: BacktestOptions,
  decisions: readonly OrderIntent[],
): Promise<UserError> => {
  const reads: AheadRead[] = []
  const watched = options.strategies.map(strategy => ({
    ...strategy,
    create: () => watchingReads(strategy.create(), read => void reads.push(read)),
  }))
  const again = await decisionsOf({...options, strategies: watched}, options.source)
  const [first] = reads.sort((a, b) => a.tsUs - b.tsUs)
  const same = JSON.stringify(again.decisions) === JSON.stringify(decisions)
  if (first === undefined && !same)
    return new UserError(
      error.code,
      `${error.message}; a second replay of the same tape gave other decisions, too: it remembers an earlier one, or is not a function of its tape`,
      {
        exitCode: ExitCode.failure,
        hints: [...error.hints, 'context.rng and context.nowUs are the same in every replay'],
        cause: error,
      },
    )
  if (first === undefined) return error
  const symbol = options.source.instruments.at(first.instrument).symbol
  const at = new Date(first.tsUs / 1000).toISOString()
  const words = `the first feature that differs is ${columnWords(first)}, read ${first.rows} row${first.rows === 1 ? '' : 's'} ahead at ${at} (${symbol})`
  return new UserError(error.code, `${error.message}; ${words}`, {
    exitCode: ExitCode.failure,
    hints: error.hints,
    cause: error,
  })
}

const decisionsOf = async (options: BacktestOptions, source: TapeSource) => {
  const decisions: OrderIntent[] = []
  const onEntry = (entry: JournalEntry): void => {
    if (entry.kind === 'intent') decisions.push(entry.intent)
  }
  const journal = memoryJournal({keep: false, onEntry})
  const {onEvents: _, ...quiet} = options
  const {events} = await runBacktest({...quiet, source, journal, baselines: false, isBrief: true})
  return {decisions, rows: events}
}

const compare = (
  expected: readonly OrderIntent[],
  found: readonly OrderIntent[],
  prefixOnly: boolean,
  {source}: BacktestOptions,
  when: string,
): void => {
  const length = prefixOnly ? found.length : Math.max(found.length, expected.length)
  for (let k = 0; k < length; k++) {
    const [a, b] = [expected[k], found[k]]
    if (a !== undefined && b !== undefined && JSON.stringify(a) === JSON.stringify(b)) continue
    const first = a === undefined || (b !== undefined && b.decidedUs < a.decidedUs) ? b : a
    const symbol = source.instruments.at(first?.instrument ?? 0).symbol
    const at = new Date((first?.decidedUs ?? 0) / 1000).toISOString()
    throw new UserError(
      'LOOK_AHEAD',
      `${first?.strategy} uses the future: decision ${k + 1} (${symbol} at ${at}) changed when ${when}: ${differenceOf(a, b)}`,
      {
        exitCode: ExitCode.failure,
        hints: [
          'onEvent may read the chunk at its own row only; everything else comes from context.market',
          'state that is shared between runs of a strategy looks the same: make it inside the factory',
        ],
      },
    )
  }
}

const differenceOf = (a: OrderIntent | undefined, b: OrderIntent | undefined): string => {
  if (a === undefined || b === undefined) return a === undefined ? 'it was not made before' : 'it was not made any more'
  const keys = ['side', 'lots', 'limitTicks', 'type', 'timeInForce', 'decidedUs', 'instrument'] as const
  const key = keys.find(name => a[name] !== b[name]) ?? 'clientOrderId'
  return `${key} ${String(a[key])} became ${String(b[key])}`
}

/** The first `limit` rows, each alone in its chunk with garbage around it. */
const withRows = (source: TapeSource, limit: number): TapeSource => ({
  instruments: source.instruments,
  dataHash: source.dataHash,
  chunks: async function* () {
    const alone = emptyChunk(8)
    let left = limit
    for await (const chunk of source.chunks()) {
      for (let row = 0; row < chunk.count && left > 0; row++, left--) yield isolate(chunk, row, alone)
      if (left <= 0) return
    }
  },
})

const COLUMNS = ['tsUs', 'kind', 'instrument', 'flags', 'v0', 'v1', 'v2', 'v3', 'v4', 'v5'] as const

const isolate = (chunk: TapeChunk, row: number, alone: TapeChunk & {count: number}): TapeChunk => {
  for (const name of COLUMNS) {
    alone[name].fill(name.startsWith('v') ? Number.NaN : 0)
    alone[name][0] = chunk[name][row] as number
  }
  alone.count = 1
  return alone
}
