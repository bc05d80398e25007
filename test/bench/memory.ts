/**
 * Pattern memory: `node test/bench/memory.ts [vectors=10000] [driver,driver…] [--set windows,bars,mixture,uniform] [--cache DIR]`.
 * Search latency and recall of every driver there is, without and with filters, against a plain TypeScript scan and against
 * the time this machine needs only to read the vectors; then the rate of durable additions. With `--cache`, true neighbours
 * and built indexes are kept in a folder, so that a second run only loads and measures. Sets: `windows` are what gpi stores
 * (recorded quotes), `bars` recorded bars (both need GPI_TEST_DATA), `mixture` 200 noisy directions, `uniform` the worst case.
 * Figures are of a shared machine: its load is printed with them.
 */
import {existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync} from 'node:fs'
import os from 'node:os'
import path from 'node:path'
import {performance} from 'node:perf_hooks'
import {parseArgs} from 'node:util'
import {loadFaissDriver} from '../../src/drivers/faiss/faiss-index.ts'
import {openSqlitePatternStore} from '../../src/drivers/sqlite/pattern-store.ts'
import {loadUsearchDriver} from '../../src/drivers/usearch/usearch-index.ts'
import {createExactIndex, exactIndexDriver} from '../../src/memory/exact-index.ts'
import {cellIndexDriver} from '../../src/memory/reranked-index.ts'
import {openSharedBank} from '../../src/memory/shared-bank.ts'
import type {Place, Scope, VectorIndex, VectorIndexDriver} from '../../src/memory/vector-index.ts'
import {barSet, mixtureSet, rowOf, uniformSet, type VectorSet, windowSet} from '../support/vector-sets.ts'

const DIMENSION = 256
const K = 10
const PARTITIONS = 1_000
const {values, positionals} = parseArgs({
  allowPositionals: true,
  options: {set: {type: 'string', default: 'mixture'}, cache: {type: 'string'}},
})
const count = Number(positionals[0] ?? 10_000)
const wanted = positionals[1]?.split(',')
const queries = count > 200_000 ? 1_000 : 2_000
const print = (line = ''): void => void process.stdout.write(`${line}\n`)

interface Timing {
  readonly p50: number
  readonly p90: number
  readonly p99: number
  /** Processor milliseconds a run. */
  readonly cpu: number
}

/** The 99th percentile of a busy machine is its scheduler's; the processor time is still the code's. */
const timed = (runs: number, run: (i: number) => void): Timing => {
  for (let i = 0; i < Math.min(runs, 300); i++) run(i)
  const times: number[] = []
  const before = process.cpuUsage()
  for (let i = 0; i < runs; i++) {
    const start = performance.now()
    run(i)
    times.push(performance.now() - start)
  }
  const {user, system} = process.cpuUsage(before)
  times.sort((a, b) => a - b)
  const at = (p: number): number => times[Math.min(times.length - 1, Math.floor(p * times.length))] as number
  return {p50: at(0.5), p90: at(0.9), p99: at(0.99), cpu: (user + system) / 1e3 / runs}
}

const kept = <T>(name: string, make: () => T): T => {
  if (values.cache === undefined) return make()
  mkdirSync(values.cache, {recursive: true})
  const file = path.join(values.cache, name)
  if (existsSync(file)) return JSON.parse(readFileSync(file, 'utf8')) as T
  const made = make()
  writeFileSync(file, JSON.stringify(made))
  return made
}

const makeSet = (name: string): VectorSet => {
  const make = {windows: windowSet, bars: barSet, mixture: mixtureSet, uniform: uniformSet}[name]
  if (make === undefined) throw new Error(`no such set: ${name}`)
  return make(count, queries)
}

const benchSet = async (name: string): Promise<void> => {
  const set = makeSet(name)
  const asked = Array.from({length: set.queries.length / DIMENSION}, (_, i) => rowOf(set.queries, i))
  const query = (i: number): Float32Array => asked[i % asked.length] as Float32Array
  print()
  print(`${name}: ${set.count} × ${DIMENSION} float32 (${(set.rows.byteLength / 1e6).toFixed(1)} MB), top ${K}`)

  /** The least that a scan of all float32 vectors can take: reading them once, as fast as a copy reads. */
  const target = new Float32Array(Math.min(set.rows.length, 2_560_000))
  const parts = Math.floor(set.rows.length / target.length)
  const limit = timed(Math.max(5, Math.floor(200 / parts)), () => {
    for (let part = 0; part < parts; part++) {
      target.set(set.rows.subarray(part * target.length, (part + 1) * target.length))
    }
  }).p50
  print(`reading them once: ${limit.toFixed(3)} ms (${(set.rows.byteLength / limit / 1e6).toFixed(1)} GB/s)`)
  const plain = timed(Math.max(3, Math.floor(1e6 / set.count)), i => plainScan(set, query(i)))
  print('driver                     build s  MB      p50 ms  p90 ms  p99 ms  CPU ms  recall@10  × plain  × limit')
  const line = (label: string, head: string, {p50, p90, p99, cpu}: Timing, recall: number): void => {
    const times = [p50, p90, p99, cpu].map(value => value.toFixed(3).padStart(7)).join(' ')
    const ratios = `${(plain.p50 / p50).toFixed(1).padStart(8)} ${(p50 / limit).toFixed(2).padStart(8)}`
    print(`${label.padEnd(26)} ${head.padEnd(15)} ${times} ${recall.toFixed(4).padStart(9)} ${ratios}`)
  }
  line('plain TypeScript', '', plain, 1)

  const place = (i: number): Place => ({partition: i % PARTITIONS, tsUs: set.tsUs[i] as number})
  const oldest = Float64Array.from(set.tsUs).sort()
  const everything = {fromUs: Number.NEGATIVE_INFINITY, beforeUs: Number.POSITIVE_INFINITY}
  const share = (few: number): Scope => ({
    ...everything,
    partitions: Uint8Array.from({length: PARTITIONS}, (_, p) => Number(p < few)),
  })
  const scopes: readonly (readonly [string, Scope | undefined])[] = [
    ['', undefined],
    ['  50 % by partition', share(500)],
    ['  10 % by partition', share(100)],
    ['  10 % by age', {...everything, fromUs: oldest[Math.floor(oldest.length * 0.9)] as number}],
    ['  1 % by partition', share(10)],
    ['  0.1 % by partition', share(1)],
  ]
  const exact = createExactIndex(DIMENSION)
  const filled = filling(set, place, exact)
  // Recall over every query without a filter, over the first two hundred with one.
  const truths = scopes.map(([label, scope]) => {
    const checked = scope === undefined ? asked.length : 200
    const slug = label.trim().replaceAll(/[ %]+/g, '-') || 'all'
    return kept(`${name}-${set.count}-${slug}-${checked}.json`, () =>
      asked.slice(0, checked).map(vector => exact.search(vector, K, undefined, scope).map(({key}) => key)),
    )
  })
  const measure = (driver: VectorIndexDriver, index: VectorIndex, build: string): void => {
    for (const [s, [label, scope]] of scopes.entries()) {
      const runs = driver.kind === 'exact' && set.count > 200_000 && s < 2 ? 50 : queries
      const found = timed(runs, i => index.search(query(i), K, undefined, scope))
      let [hits, possible] = [0, 0]
      for (const [i, truth] of (truths[s] ?? []).entries()) {
        const keys = new Set(index.search(query(i), K, undefined, scope).map(({key}) => key))
        hits += truth.filter(key => keys.has(key)).length
        possible += truth.length
      }
      const head = s === 0 ? `${build.padStart(7)} ${(index.bytes / 1e6).toFixed(1).padStart(7)}` : ''
      line(s === 0 ? driver.kind : label, head, found, hits / possible)
    }
  }
  measure(exactIndexDriver, exact, filled)
  exact[Symbol.dispose]()
  const others = [cellIndexDriver(), await loadUsearchDriver()]
  for (const kind of ['flat', 'ivf', 'hnsw', 'ivf-hnsw'] as const) others.push(await loadFaissDriver(kind))
  for (const driver of others) {
    if (driver === undefined || !(wanted === undefined || wanted.includes(driver.kind))) continue
    const [index, build] = built(driver, set, place)
    measure(driver, index, build)
    index[Symbol.dispose]()
  }
}

const filling = (set: VectorSet, place: (i: number) => Place, index: VectorIndex): string => {
  const start = performance.now()
  for (let i = 0; i < set.count; i++) index.add(i, rowOf(set.rows, i), place(i))
  index.search(rowOf(set.queries, 0), K)
  return ((performance.now() - start) / 1e3).toFixed(1)
}

/** Built, or brought back from the cache; and the seconds that building it took. */
const built = (driver: VectorIndexDriver, set: VectorSet, place: (i: number) => Place): [VectorIndex, string] => {
  const file =
    values.cache === undefined ? '' : path.join(values.cache, `${set.name}-${set.count}-${driver.kind}.index`)
  if (existsSync(file)) {
    const start = performance.now()
    const index = driver.restore(DIMENSION, readFileSync(file))
    for (let i = 0; i < set.count; i++) index.place(i, place(i))
    index.search(rowOf(set.queries, 0), K)
    print(`${driver.kind}: loaded in ${((performance.now() - start) / 1e3).toFixed(1)} s`)
    return [index, existsSync(`${file}.seconds`) ? readFileSync(`${file}.seconds`, 'utf8') : '']
  }
  const index = driver.open(DIMENSION)
  const seconds = filling(set, place, index)
  if (file !== '') {
    writeFileSync(file, index.snapshot())
    writeFileSync(`${file}.seconds`, seconds)
  }
  return [index, seconds]
}

const plainScan = ({rows}: VectorSet, query: Float32Array): number => {
  let best = Number.NEGATIVE_INFINITY
  for (let from = 0; from < rows.length; from += DIMENSION) {
    let [a, b, c, d] = [0, 0, 0, 0]
    for (let j = 0; j < DIMENSION; j += 4) {
      a += (rows[from + j] as number) * (query[j] as number)
      b += (rows[from + j + 1] as number) * (query[j + 1] as number)
      c += (rows[from + j + 2] as number) * (query[j + 2] as number)
      d += (rows[from + j + 3] as number) * (query[j + 3] as number)
    }
    best = Math.max(best, a + b + c + d)
  }
  return best
}

/** Durable additions, and what a search with everything around it costs. */
const benchBank = async (): Promise<void> => {
  const added = Math.min(count, 50_000)
  const set = mixtureSet(added, 1_000)
  const folder = mkdtempSync(path.join(os.tmpdir(), 'gpi-bench-'))
  try {
    await using shared = await openSharedBank(openSqlitePatternStore(path.join(folder, 'patterns.db')), {
      index: createExactIndex(DIMENSION),
      options: {capacity: 1e9},
    })
    const {bank} = shared
    const context = {symbol: 'SPY', strategy: 'bench', regime: 'calm'}
    const [start, cpu] = [performance.now(), process.cpuUsage()]
    for (let i = 0; i < added; i++) {
      const tsUs = 1_000 + i
      const observations = [{atUs: tsUs + 1, pnlBps: i % 7}]
      bank.add({...context, id: `p${i}`, tsUs, vector: rowOf(set.rows, i), observations})
      if (i % 1_000 === 999) await shared.flush()
    }
    await shared.flush()
    const seconds = (performance.now() - start) / 1e3
    const {user, system} = process.cpuUsage(cpu)
    const perCpu = Math.round((added * 1e6) / (user + system))
    print()
    print(
      `add, durable in batches of 1,000: ${Math.round(added / seconds)} patterns/s, ${perCpu}/s of processor time (asked: 20,000/s)`,
    )
    const single = timed(Math.min(200, added), i => bank.recordOutcome(`p${i}`, 1, 1e9 + i))
    print(`recordOutcome in memory: ${(single.p50 * 1e3).toFixed(1)} µs`)
    const answers = Array.from({length: 1_000}, (_, i) => bank.search(rowOf(set.queries, i), {asOfUs: 1e12}).usable)
    const use = timed(1_000, i => bank.recordUse(answers[i] ?? [], 1e12))
    const ids = answers.reduce((sum, {length}) => sum + length, 0) / answers.length
    print(`recordUse of an answer (${ids.toFixed(1)} patterns): p50 ${(use.p50 * 1e3).toFixed(1)} µs`)
    const filters = {symbol: 'SPY', regime: 'calm'}
    const search = timed(1_000, i => void bank.search(rowOf(set.queries, i), {asOfUs: 1e12, filters}))
    print(
      `MemoryBank.search with filters and evidence: p50 ${search.p50.toFixed(3)} ms, p99 ${search.p99.toFixed(3)} ms`,
    )
  } finally {
    rmSync(folder, {recursive: true})
  }
}

const load = os.loadavg()[0]?.toFixed(2)
print(
  `${os.cpus()[0]?.model} × ${os.cpus().length}, load ${load}, Node ${process.versions.node}, one thread, ${queries} queries`,
)
if (count <= 16_384) print('so few vectors are scanned whatever the driver: name more of them to compare drivers')
for (const name of values.set.split(',')) await benchSet(name)
if (count <= 200_000) await benchBank()
