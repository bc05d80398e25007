import {spawn} from 'node:child_process'
import {once} from 'node:events'
import {closeSync, fsyncSync, mkdtempSync, openSync, rmSync, writeSync} from 'node:fs'
import {tmpdir} from 'node:os'
import path from 'node:path'
import {performance} from 'node:perf_hooks'
import process from 'node:process'
import {fileURLToPath} from 'node:url'

/**
 * The whole node over the wire: event in hand to order handed over (synced journal included), against one bare fsync on
 * the same disk in the same run. Aim: p99 below 8 ms. `node test/bench/trade-latency.ts [SECONDS] [SPEED]`, after a build.
 */
const [seconds = '20', speed = '10'] = process.argv.slice(2)
const run = path.join(process.env['GPI_TEST_ROOT'] ?? fileURLToPath(new URL('../..', import.meta.url)), 'bin/run.js')
const home = mkdtempSync(path.join(tmpdir(), 'gpi-bench-trade-'))

const fsyncMs = (): number => {
  const file = openSync(path.join(home, 'fsync.tmp'), 'w')
  const times: number[] = []
  for (let k = 0; k < 200; k++) {
    writeSync(file, 'x'.repeat(4_096))
    const startedMs = performance.now()
    fsyncSync(file)
    times.push(performance.now() - startedMs)
  }
  closeSync(file)
  return times.sort((a, b) => a - b)[100] as number
}

const before = fsyncMs()
const child = spawn(
  process.execPath,
  [run, 'trade', '--paper', '--duration', `${seconds}s`, '--speed', speed, '--json', '--quiet', '--home', home],
  {stdio: ['ignore', 'pipe', 'inherit']},
)
let out = ''
child.stdout.on('data', chunk => {
  out += chunk
})
await once(child, 'close')
const disk = (before + fsyncMs()) / 2
rmSync(home, {recursive: true, force: true})
const {latencyUs, loopDelayMs, events, orders, fills} = JSON.parse(out) as {
  latencyUs: {decision: {p50: number; p99: number}; total: {p50: number; p99: number}}
  loopDelayMs: {p50: number; p99: number; max: number}
  events: number
  orders: number
  fills: number
}
const ms = (us: number): string => (us / 1_000).toFixed(2)
process.stdout.write(
  [
    `${events} events, ${orders} orders, ${fills} fills in ${seconds} s`,
    `decision p50 ${ms(latencyUs.decision.p50)} ms, p99 ${ms(latencyUs.decision.p99)} ms; bare fsync ${disk.toFixed(2)} ms; ratio ${(latencyUs.decision.p50 / 1_000 / disk).toFixed(2)}`,
    `accepted by the venue p50 ${ms(latencyUs.total.p50)} ms, p99 ${ms(latencyUs.total.p99)} ms`,
    `event loop delay p50 ${loopDelayMs.p50.toFixed(2)} ms, p99 ${loopDelayMs.p99.toFixed(2)} ms, max ${loopDelayMs.max.toFixed(1)} ms`,
    '',
  ].join('\n'),
)
