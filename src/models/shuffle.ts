// Keys are indexed inside their bounds, hence the `!`.
import type {Rng} from '../domain/rng.ts'

const ROUNDS = 6

/**
 * A permutation of 0 … length - 1 that is computed, not stored: a balanced Feistel network over the next power of four,
 * walked until it lands inside (Black and Rogaway 2002). A pure function of the generator's first draws, so an epoch's
 * order costs the same few words for a thousand rows and for a billion.
 */
export const permutation = (length: number, rng: Pick<Rng, 'u32'>): ((n: number) => number) => {
  const half = Math.max(1, Math.ceil(Math.log2(Math.max(2, length)) / 2))
  const side = 2 ** half
  const mask = side - 1
  const keys = Uint32Array.from({length: ROUNDS}, () => rng.u32())
  const turn = (n: number): number => {
    let [left, right] = [Math.floor(n / side), n % side]
    for (let round = 0; round < ROUNDS; round++) {
      ;[left, right] = [right, (left ^ (scramble(right, keys[round]!) & mask)) >>> 0]
    }
    return left * side + right
  }
  return n => {
    let at = turn(n)
    while (at >= length) at = turn(at)
    return at
  }
}

/** The finaliser of MurmurHash3 over a keyed word. */
const scramble = (value: number, key: number): number => {
  let h = Math.imul(value ^ key, 0x9e3779b1) ^ key
  h = Math.imul(h ^ (h >>> 16), 0x85ebca6b)
  h = Math.imul(h ^ (h >>> 13), 0xc2b2ae35)
  return (h ^ (h >>> 16)) >>> 0
}
