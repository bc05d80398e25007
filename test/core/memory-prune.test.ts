import {describe, expect, test} from 'vitest'
import {planInTurns} from '../../src/core/memory-prune.ts'
import {createRng} from '../../src/domain/rng.ts'
import {defaultMemoryOptions} from '../../src/memory/memory.ts'
import {defaultPruneOptions, type PruneProgress, planPrune, planPruneInSteps} from '../../src/memory/prune.ts'
import {aStoredPattern, unitSample} from '../support/patterns.ts'

const rng = createRng(1)
const patterns = Array.from({length: 600}, (_, i) => aStoredPattern({id: `p${i}`, tsUs: i, vector: unitSample(rng)}))
const options = {...defaultMemoryOptions, ...defaultPruneOptions, nowUs: 1_000, capacity: 500, coldCapacity: 50}

describe('planInTurns', () => {
  test('ends with the plan, and tells how far it is', async () => {
    const told: PruneProgress[] = []
    const {signal} = new AbortController()
    const plan = await planInTurns(planPruneInSteps(patterns, options), {signal, onProgress: item => told.push(item)})
    expect(plan).toEqual(planPrune(patterns, options))
    expect(told.map(({compared}) => compared)).toEqual([0, 256, 512])
    expect(told.every(({total}) => total === 600)).toBe(true)
  })

  test('hears between two steps that it shall stop', async () => {
    const stop = new AbortController()
    let told = 0
    const onProgress = (): void => {
      told++
      // As a signal does: from outside, while the plan is being made.
      setImmediate(() => stop.abort('SIGINT'))
    }
    await expect(planInTurns(planPruneInSteps(patterns, options), {signal: stop.signal, onProgress})).rejects.toBe(
      'SIGINT',
    )
    expect(told).toBeLessThan(3)
  })
})
