import {spawn, spawnSync} from 'node:child_process'
import {once} from 'node:events'
import {mkdtempSync, rmSync} from 'node:fs'
import http from 'node:http'
import type {AddressInfo} from 'node:net'
import {tmpdir} from 'node:os'
import path from 'node:path'
import {performance} from 'node:perf_hooks'
import process from 'node:process'
import {fileURLToPath} from 'node:url'

/**
 * From `spawn` to the first cancel as the venue's socket sees it, against a bare Node start in the same run. Aim: 300 ms.
 * `node test/bench/kill-first-cancel.ts [RUNS]`, after a build.
 */
const runs = Number(process.argv[2] ?? 15)
const run = path.join(process.env['GPI_TEST_ROOT'] ?? fileURLToPath(new URL('../..', import.meta.url)), 'bin/run.js')
const home = mkdtempSync(path.join(tmpdir(), 'gpi-bench-kill-'))

let onCancel = (): void => {}
const server = http.createServer((request, response) => {
  if (request.method === 'DELETE') onCancel()
  response.writeHead(200, {'content-type': 'application/json'})
  response.end('[]')
})
server.listen(0, '127.0.0.1')
await once(server, 'listening')
const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`

const once1 = async (): Promise<number> => {
  const startedMs = performance.now()
  const cancelled = new Promise<number>(resolve => {
    onCancel = () => resolve(performance.now() - startedMs)
  })
  const child = spawn(process.execPath, [run, 'kill', '--exchange', url, '--home', home], {stdio: 'ignore'})
  const ms = await cancelled
  await once(child, 'exit')
  return ms
}
const bare = (): number => {
  const startedMs = performance.now()
  spawnSync(process.execPath, ['-e', '0'])
  return performance.now() - startedMs
}
const quantile = (values: readonly number[], p: number): number =>
  values.toSorted((a, b) => a - b)[Math.min(values.length - 1, Math.floor(p * values.length))] ?? Number.NaN

const kills: number[] = []
const bares: number[] = []
await once1() // fills the compile cache, as any earlier gpi command has
for (let k = 0; k < runs; k++) {
  kills.push(await once1())
  bares.push(bare())
}
server.closeAllConnections()
server.close()
rmSync(home, {recursive: true, force: true})
const [p50, p99, node] = [quantile(kills, 0.5), quantile(kills, 0.99), quantile(bares, 0.5)]
process.stdout.write(
  `kill: spawn to first cancel at the venue p50 ${p50.toFixed(0)} ms, p99 ${p99.toFixed(0)} ms; bare node ${node.toFixed(0)} ms; ratio ${(p50 / node).toFixed(2)}\n`,
)
