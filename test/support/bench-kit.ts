import {type ChildProcess, spawn} from 'node:child_process'
import {once} from 'node:events'
import path from 'node:path'
import process from 'node:process'
import {fileURLToPath} from 'node:url'
import type {TradeSummary} from '../../src/core/trade.ts'
import type {Strategy} from '../../src/strategies/strategy.ts'

// Columns are sized from the number of instruments that a bench replays.

/** Two moving averages of the mid a symbol; long these lots while the fast one is above. */
export const emaCross = (symbols: number, lots: number): Strategy => {
  const fast = new Float64Array(symbols)
  const slow = new Float64Array(symbols)
  return {
    name: 'ema-cross',
    onEvent(context, chunk, row) {
      const i = chunk.instrument[row] as number
      const mid = ((context.market.bidTicks[i] as number) + (context.market.askTicks[i] as number)) / 2
      fast[i] = fast[i] === 0 ? mid : (fast[i] as number) + ((mid - (fast[i] as number)) * 2) / 2001
      slow[i] = slow[i] === 0 ? mid : (slow[i] as number) + ((mid - (slow[i] as number)) * 2) / 20_001
      context.target(i, (fast[i] as number) > (slow[i] as number) ? lots : 0)
    },
  }
}

export const median = (values: readonly number[]): number =>
  values.toSorted((a, b) => a - b)[values.length >> 1] as number

/** Milliseconds of processor time since a reading of `process.cpuUsage` or `process.threadCpuUsage`. */
export const cpuMsOf = ({user, system}: {readonly user: number; readonly system: number}): number =>
  (user + system) / 1000

/** Milliseconds of this thread's processor time that a piece of work took. */
export const threadMs = (work: () => void): number => {
  const before = process.threadCpuUsage()
  work()
  return cpuMsOf(process.threadCpuUsage(before))
}

/** `gpi trade --paper --json` of the built tree (or of GPI_TEST_ROOT) in a process of its own; its summary when it ends. */
export const startTrade = (
  home: string,
  seconds: string,
  speed: string,
  rest: readonly string[],
): {readonly child: ChildProcess; readonly summary: Promise<TradeSummary>} => {
  const root = process.env['GPI_TEST_ROOT'] ?? fileURLToPath(new URL('../..', import.meta.url))
  const flags = ['--paper', '--duration', `${seconds}s`, '--speed', speed, '--json', '--quiet', '--home', home]
  const child = spawn(process.execPath, [path.join(root, 'bin/run.js'), 'trade', ...flags, ...rest], {
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  let out = ''
  child.stdout.on('data', chunk => {
    out += chunk
  })
  return {child, summary: once(child, 'close').then(() => JSON.parse(out) as TradeSummary)}
}
