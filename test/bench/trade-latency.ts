import {closeSync, fdatasyncSync, fsyncSync, mkdtempSync, openSync, rmSync, writeSync} from 'node:fs'
import {tmpdir} from 'node:os'
import path from 'node:path'
import {performance} from 'node:perf_hooks'
import process from 'node:process'
import type {Quantiles} from '../../src/core/latency-stages.ts'
import {startTrade} from '../support/bench-kit.ts'

/**
 * The whole node over the wire: market message off the socket to the order's bytes with the system, synced journal included,
 * by stage, against a bare fdatasync of 4 KiB on the same disk all through the run. Aims: p99 below 8 ms, and below 1 ms
 * without a model. `node test/bench/trade-latency.ts [SECONDS] [SPEED] [ARGUMENTS OF TRADE…]`, after a build.
 */
const [seconds = '20', speed = '10', ...rest] = process.argv.slice(2)
const home = mkdtempSync(path.join(tmpdir(), 'gpi-bench-trade-'))

/** What the disk asks of anybody: one write inside a file that need not grow, synced. */
const probe = openSync(path.join(home, 'probe.tmp'), 'w')
writeSync(probe, Buffer.alloc(1 << 20))
fsyncSync(probe)
const block = Buffer.alloc(4_096, 120)
const disk: number[] = []
const probing = setInterval(() => {
  const startedMs = performance.now()
  writeSync(probe, block, 0, block.length, 4_096 * (disk.length % 256))
  fdatasyncSync(probe)
  disk.push(performance.now() - startedMs)
}, 50)

const {latencyUs, loopDelayMs, events, orders, fills} = await startTrade(home, seconds, speed, rest).summary
clearInterval(probing)
closeSync(probe)
rmSync(home, {recursive: true, force: true})
const ms = (us: number): string => (us / 1_000).toFixed(2)
const line = ({p50, p99}: Quantiles): string => `p50 ${ms(p50)} ms, p99 ${ms(p99)} ms`
const sorted = disk.toSorted((a, b) => a - b)
const disks: Quantiles = {
  p50: 1e3 * (sorted[Math.floor(0.5 * sorted.length)] ?? 0),
  p99: 1e3 * (sorted[Math.floor(0.99 * sorted.length)] ?? 0),
}
const ratio = (of: Quantiles): string =>
  `${(of.p50 / disks.p50).toFixed(1)} and ${(of.p99 / disks.p99).toFixed(1)} of the disk’s`
process.stdout.write(
  [
    `${events} events, ${orders} orders, ${fills} fills in ${seconds} s at speed ${speed}`,
    `bare fdatasync ${line(disks)} (${disk.length} times)`,
    `message to order on the wire ${line(latencyUs.wire)}; ${ratio(latencyUs.wire)}; ${latencyUs.waited} more waited for the request limit`,
    ...Object.entries(latencyUs.stages).map(([stage, of]) => `  ${stage.padEnd(9)} ${line(of)}`),
    `decision (event in hand to order handed over) ${line(latencyUs.decision)}; ${ratio(latencyUs.decision)}`,
    `accepted by the venue ${line(latencyUs.total)}`,
    `event loop delay p50 ${loopDelayMs.p50.toFixed(2)} ms, p99 ${loopDelayMs.p99.toFixed(2)} ms, max ${loopDelayMs.max.toFixed(1)} ms; own work between two turns at most ${loopDelayMs.work.toFixed(1)} ms; while starting ${loopDelayMs.start.toFixed(1)} ms`,
    '',
  ].join('\n'),
)
