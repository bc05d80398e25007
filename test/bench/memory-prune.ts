/**
 * Pruning a bank of one scope: `node test/bench/memory-prune.ts [vectors=100000] [--set windows,bars,mixture,uniform]`.
 * Processor time of the whole plan against that of comparing all with all: 1,000 of the vectors are compared with all by the
 * SIMD kernel of the exact index, and half of all such comparisons are reckoned by it.
 */
import process from 'node:process'
import {parseArgs} from 'node:util'
import {Centroids} from '../../src/memory/centroids.ts'
import {defaultMemoryOptions} from '../../src/memory/memory.ts'
import {DIMENSION} from '../../src/memory/pattern.ts'
import {defaultPruneOptions, planPrune} from '../../src/memory/prune.ts'
import {aStoredPattern} from '../support/patterns.ts'
import {barSet, mixtureSet, rowOf, uniformSet, windowSet} from '../support/vector-sets.ts'

const {values, positionals} = parseArgs({
  allowPositionals: true,
  options: {set: {type: 'string', default: 'windows,bars,uniform'}},
})
const count = Number(positionals[0] ?? 100_000)
const sets: Readonly<Record<string, typeof windowSet>> = {
  ...{windows: windowSet, bars: barSet, mixture: mixtureSet, uniform: uniformSet},
}

const cpuSeconds = <T>(run: () => T): readonly [number, T] => {
  const before = process.cpuUsage()
  const result = run()
  const {user, system} = process.cpuUsage(before)
  return [(user + system) / 1e6, result]
}

for (const name of values.set.split(',')) {
  const make = sets[name]
  if (make === undefined) throw new Error(`no such set: ${name}`)
  const set = make(count, 1)
  const patterns = Array.from({length: set.count}, (_, i) =>
    aStoredPattern({id: `p${i}`, tsUs: set.tsUs[i] as number, vector: rowOf(set.rows, i)}),
  )
  const nowUs = (set.tsUs.at(-1) as number) + 1
  const options = {...defaultMemoryOptions, ...defaultPruneOptions, maxAgeUs: Number.MAX_SAFE_INTEGER, nowUs}
  const [cpu, {decisions}] = cpuSeconds(() => planPrune(patterns, options))
  const redundant = decisions.filter(({reason}) => reason === 'redundant').length
  const all = new Centroids(DIMENSION, set.rows)
  const [sample] = cpuSeconds(() => {
    for (let i = 0; i < 1_000; i++) all.scores(rowOf(set.rows, Math.floor((i * set.count) / 1_000)))
  })
  const reckoned = (sample * set.count) / 1_000 / 2
  process.stdout.write(
    `${name.padEnd(8)} ${set.count} patterns, ${redundant} near copies: ${cpu.toFixed(2)} s of CPU; all with all ${reckoned.toFixed(0)} s, ${(reckoned / cpu).toFixed(0)} times as much\n`,
  )
}
