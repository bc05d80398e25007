import {readFileSync} from 'node:fs'
import {performance} from 'node:perf_hooks'
import {catalogQuotes, chainsOf} from '../../src/core/chain-stream.ts'
import {openEmbedder} from '../../src/core/embed.ts'
import {createRng} from '../../src/domain/rng.ts'
import {openOrtSession} from '../../src/drivers/onnx/ort-session.ts'
import {openSyncPredictor} from '../../src/drivers/onnx/sync-predictor.ts'
import {openWorkerPredictor} from '../../src/drivers/onnx/worker-predictor.ts'
import {readModel} from '../../src/models/model-file.ts'
import {Graph} from '../../src/nn/graph.ts'
import {lower} from '../../src/nn/lower.ts'
import {writeOnnx} from '../../src/nn/onnx-writer.ts'
import {add} from '../../src/nn/ops.ts'

/**
 * Latency of the shipped models, window by window, beside the floor of the runtime (one addition of 256 numbers).
 * With a catalog of option chains as argument, also quotes → embedding for its chains, by number of contracts.
 */
const say = (line: string): void => void process.stdout.write(`${line}\n`)
const spread = (times: number[]): {p50: number; p99: number} => {
  const sorted = times.toSorted((a, b) => a - b)
  return {p50: sorted[sorted.length >> 1] as number, p99: sorted[Math.floor(sorted.length * 0.99)] as number}
}
const clocked = (runs: number, run: () => void): {p50: number; p99: number} => {
  for (let i = 0; i < 50; i++) run()
  return spread(
    Array.from({length: runs}, () => {
      const start = performance.now()
      run()
      return performance.now() - start
    }),
  )
}

const floor = (() => {
  const graph = new Graph()
  graph.output('y', add(graph.input('x', [256]), 1))
  const session = openOrtSession(writeOnnx(lower(graph)), {threads: 1})
  const x = {type: 'float32' as const, dims: [256], data: new Float32Array(256)}
  return clocked(5000, () => void session.run({x}))
})()
say(`floor of the runtime: p50 ${(1000 * floor.p50).toFixed(1)} µs, p99 ${(1000 * floor.p99).toFixed(1)} µs`)

for (const name of ['signal', 'transformer', 'book']) {
  const bytes = new Uint8Array(readFileSync(new URL(`../../models/${name}.onnx`, import.meta.url)))
  const {description} = readModel(bytes, name)
  const rng = createRng(1)
  const {mean, deviation} = description.scaler
  const size = description.window * description.width
  const window = Float32Array.from(
    {length: size},
    (_, i) => (mean[i % mean.length] as number) + (deviation[i % mean.length] as number) * rng.normal(),
  )
  using inPlace = openSyncPredictor(bytes, description)
  const sync = clocked(3000, () => void inPlace.predict(window, 1))
  await using served = await openWorkerPredictor(bytes, description)
  const times: number[] = []
  for (let i = 0; i < 1000; i++) {
    const start = performance.now()
    await served.predict(window, 1)
    times.push(performance.now() - start)
  }
  const worker = spread(times)
  say(
    `${name} (${description.parameters} parameters): in place p50 ${sync.p50.toFixed(3)} ms p99 ${sync.p99.toFixed(3)} ms (${(sync.p50 / floor.p50).toFixed(0)} × the floor); by worker p50 ${worker.p50.toFixed(3)} ms p99 ${worker.p99.toFixed(3)} ms`,
  )
}

const [, , catalog] = process.argv
if (catalog !== undefined) {
  const file = new URL('../../models/embedder.onnx', import.meta.url)
  using embedder = openEmbedder(new Uint8Array(readFileSync(file)), 'embedder')
  for await (const chain of chainsOf(catalogQuotes(catalog))) {
    const near = chain.slice(0, 1000)
    if (near.length < 1000) continue
    const {p50, p99} = clocked(200, () => void embedder.embed(near))
    say(
      `1,000 contracts of ${chain[0]?.symbol} → embedding: p50 ${p50.toFixed(2)} ms, p99 ${p99.toFixed(2)} ms (asked < 5 ms)`,
    )
    break
  }
}
