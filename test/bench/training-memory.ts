import {spawnSync} from 'node:child_process'
import {performance} from 'node:perf_hooks'
import {fileURLToPath} from 'node:url'

/**
 * What streaming costs: the same rows through store, split, scaler and 100 shuffled batches of 128 windows, held in memory
 * and held in a file, in processes of their own. Argument: rows (1,000,000 by default).
 */
const rows = Number(process.argv[2] ?? 1_000_000)
const script = fileURLToPath(new URL('../support/stream-rows.ts', import.meta.url))
const MIB = 2 ** 20

const run = (budgetMiB: number) => {
  const started = performance.now()
  const {stdout, status} = spawnSync(process.execPath, ['--expose-gc', script, String(rows), String(budgetMiB * MIB)], {
    encoding: 'utf8',
  })
  if (status !== 0) throw new Error(`the run of ${rows} rows ended with ${status}`)
  const {rowBytes, arrayBuffers, heapUsed, rss} = JSON.parse(stdout) as Record<string, number>
  return {
    seconds: (performance.now() - started) / 1000,
    rowsMiB: (rows * (rowBytes as number)) / MIB,
    heldMiB: ((arrayBuffers as number) + (heapUsed as number)) / MIB,
    rssMiB: (rss as number) / MIB,
  }
}

const [held, streamed] = [run(1e6), run(16)]
const figures = ({seconds, heldMiB, rssMiB}: typeof held): string =>
  `${heldMiB.toFixed(0)} MiB on and off the heap, ${rssMiB.toFixed(0)} MiB resident, ${seconds.toFixed(1)} s`
process.stdout.write(`${rows} rows of ${held.rowsMiB.toFixed(0)} MiB
in memory: ${figures(held)}
in a file: ${figures(streamed)}; ${((100 * streamed.heldMiB) / held.heldMiB).toFixed(0)} % of the memory, ${(streamed.seconds / held.seconds).toFixed(2)} × the time
`)
