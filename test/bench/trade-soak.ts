import {mkdtempSync, readdirSync, readFileSync, rmSync} from 'node:fs'
import {tmpdir} from 'node:os'
import path from 'node:path'
import process from 'node:process'
import {startTrade} from '../support/bench-kit.ts'

/**
 * Resident memory of `gpi trade` through an accelerated stretch: the slope after its warm-up, in MB an hour of market
 * time, against the aim of 1. Its pattern bank is full from the start: what is learned, some 370 patterns a market hour of
 * 2.5 kB each until 100,000 are kept, is no leak; `GPI__MEMORY__CAPACITY=10000 GPI__MEMORY__COLDCAPACITY=90000` counts it
 * in. `node test/bench/trade-soak.ts [SECONDS] [SPEED] [ARGUMENTS OF TRADE…]`, after a build.
 */
const [seconds = '540', speed = '300', ...rest] = process.argv.slice(2)
const home = mkdtempSync(path.join(tmpdir(), 'gpi-bench-soak-'))
const SAMPLE_MS = 2_000
/** Code is compiled, heaps grow to their working size, buffers fill. */
const WARM_SHARE = 0.4
const AIM_MB_PER_HOUR = 1
process.env['GPI__MEMORY__CAPACITY'] ??= '300'
process.env['GPI__MEMORY__COLDCAPACITY'] ??= '300'

interface Sample {
  readonly marketUs: number
  readonly residentMb: number
}
const samples: Sample[] = []

const {child, summary} = startTrade(home, seconds, speed, rest)

const marketUs = (): number | undefined => {
  try {
    const [run] = readdirSync(path.join(home, 'runs'))
    const {tsUs} = JSON.parse(readFileSync(path.join(home, 'runs', run as string, 'state.json'), 'utf8'))
    return tsUs
  } catch {
    return undefined
  }
}
const timer = setInterval(() => {
  const atUs = marketUs()
  const kb = /VmRSS:\s+(\d+) kB/.exec(readFileSync(`/proc/${child.pid}/status`, 'utf8'))?.[1]
  if (atUs !== undefined && kb !== undefined) samples.push({marketUs: atUs, residentMb: Number(kb) / 1_024})
  if (samples.length % 15 === 1 && atUs !== undefined)
    process.stderr.write(`${((atUs - (samples[0] as Sample).marketUs) / 3.6e9).toFixed(1)} h: ${Number(kb) >> 10} MB\n`)
}, SAMPLE_MS)
const {events, orders, fills, ledgerErrorMicros, loopDelayMs, requests, stoppedBy, coalesced} = await summary
clearInterval(timer)
rmSync(home, {recursive: true, force: true})

const steady = samples.slice(Math.floor(samples.length * WARM_SHARE))
const hours = steady.map(({marketUs: us}) => us / 3.6e9)
const mean = (values: readonly number[]): number => values.reduce((sum, value) => sum + value, 0) / values.length
const [x, y] = [mean(hours), mean(steady.map(({residentMb}) => residentMb))]
const cov = steady.reduce((sum, {residentMb}, k) => sum + ((hours[k] as number) - x) * (residentMb - y), 0)
const slope = cov / hours.reduce((sum, hour) => sum + (hour - x) ** 2, 0)
const span = (hours.at(-1) as number) - (hours[0] as number)
process.stdout.write(
  [
    `${events} events, ${orders} orders, ${fills} fills in ${seconds} s at speed ${speed}, stopped by ${stoppedBy}; ledger error ${ledgerErrorMicros}`,
    `${span.toFixed(1)} market hours measured after the warm-up; resident ${steady[0]?.residentMb.toFixed(0)} to ${steady.at(-1)?.residentMb.toFixed(0)} MB`,
    `slope ${slope.toFixed(2)} MB per market hour; ${(slope / AIM_MB_PER_HOUR).toFixed(2)} of the aim`,
    `loop delay p99 ${loopDelayMs.p99.toFixed(1)} ms, max ${loopDelayMs.max.toFixed(0)} ms, own work at most ${loopDelayMs.work.toFixed(1)} ms; ${coalesced} quotes left out; requests ${JSON.stringify(requests)}`,
    '',
  ].join('\n'),
)
