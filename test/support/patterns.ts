import type {Rng} from '../../src/domain/rng.ts'
import type {NewPattern} from '../../src/memory/memory.ts'
import {DIMENSION, type StoredPattern} from '../../src/memory/pattern.ts'

/** A direction drawn evenly from the sphere. */
export const unitSample = (rng: Rng, dimension = DIMENSION): Float32Array => {
  const vector = Float32Array.from({length: dimension}, () => rng.normal())
  const norm = Math.hypot(...vector)
  return vector.map(value => value / norm)
}

/** A direction close to `centre`; `spread` 0 is the centre itself. */
export const nearSample = (rng: Rng, centre: Float32Array, spread: number): Float32Array => {
  const noise = unitSample(rng, centre.length)
  const vector = centre.map((value, i) => value + spread * (noise[i] as number))
  const norm = Math.hypot(...vector)
  return vector.map(value => value / norm)
}

export const aPattern = (given: Partial<NewPattern> & {readonly vector: ArrayLike<number>}): NewPattern => ({
  id: 'p1',
  symbol: 'SPY',
  strategy: 'statistical-arbitrage',
  regime: 'calm',
  tsUs: 1_000,
  ...given,
})

export const aStoredPattern = (
  given: Partial<StoredPattern> & {readonly vector: Float32Array<ArrayBufferLike>},
): StoredPattern => ({
  id: 'p1',
  symbol: 'SPY',
  strategy: 'statistical-arbitrage',
  regime: 'calm',
  tsUs: 1_000,
  observations: [],
  tier: 'hot',
  lastUseUs: 0,
  uses: 0,
  ...given,
})
