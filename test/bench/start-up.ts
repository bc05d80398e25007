/**
 * How long a command takes to start, beside a bare `node -e 0` in the same run, interleaved. Aim: `gpi --version` within
 * 1.6 × bare + 120 ms. Run: node test/bench/start-up.ts [rounds]
 */
import {spawnSync} from 'node:child_process'
import path from 'node:path'

const rounds = Number(process.argv[2] ?? 15)
const bin = path.resolve('bin/run.js')
const cases: Record<string, readonly string[]> = {
  'node -e 0': ['-e', '0'],
  'gpi --version': [bin, '--version'],
  'gpi --help': [bin, '--help'],
  'gpi config check': [bin, 'config', 'check'],
}
const times = new Map(Object.keys(cases).map(name => [name, [] as number[]]))
for (let round = 0; round < rounds; round++) {
  for (const [name, args] of Object.entries(cases)) {
    const start = process.hrtime.bigint()
    const {status} = spawnSync(process.execPath, args, {stdio: 'ignore'})
    if (status !== 0) throw new Error(`${name} left with ${status}`)
    times.get(name)?.push(Number(process.hrtime.bigint() - start) / 1e6)
  }
}
const median = (values: readonly number[]): number =>
  [...values].sort((a, b) => a - b)[Math.floor(values.length / 2)] as number
const bare = median(times.get('node -e 0') ?? [])
for (const [name, values] of times) {
  const ms = median(values)
  process.stdout.write(`${name.padEnd(18)} ${ms.toFixed(0).padStart(5)} ms  ${(ms / bare).toFixed(2)} × bare\n`)
}
