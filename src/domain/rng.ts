/** One seeded stream of random numbers. Every component takes its own, by label, so draws of one never shift another's. */
export interface Rng {
  /** Unsigned 32-bit integer. */
  readonly u32: () => number
  /** Uniform in [0, 1), 53 bits. */
  readonly uniform: () => number
  /** Standard normal. */
  readonly normal: () => number
  /** Uniform integer in [0, bound). */
  readonly below: (bound: number) => number
  /** Exponential with mean 1. */
  readonly exponential: () => number
  /** An independent stream, a pure function of this stream's seed and the label. */
  readonly fork: (label: string) => Rng
  /** The four words of state, to save in a checkpoint. */
  readonly state: () => readonly [number, number, number, number]
}

/** SplitMix32, used only to spread a seed over the generator's state. */
const splitMix = (seed: number) => {
  let a = seed | 0
  return (): number => {
    a = (a + 0x9e3779b9) | 0
    let t = a ^ (a >>> 16)
    t = Math.imul(t, 0x21f0aaad)
    t ^= t >>> 15
    t = Math.imul(t, 0x735a2d97)
    return (t ^ (t >>> 15)) >>> 0
  }
}

/** FNV-1a over UTF-16 code units. */
const hashLabel = (label: string): number => {
  let h = 0x811c9dc5
  for (let i = 0; i < label.length; i++) h = Math.imul(h ^ label.charCodeAt(i), 0x01000193)
  return h >>> 0
}

/** xoshiro128** 1.1 (Blackman and Vigna, prng.di.unimi.it), from a seed and a label or from saved state. */
export const createRng = (seed: number, label = '', state?: readonly [number, number, number, number]): Rng => {
  const low = seed >>> 0
  const high = Math.floor(seed / 2 ** 32) >>> 0
  const mix = splitMix((low ^ Math.imul(high, 0x85ebca6b) ^ hashLabel(label)) >>> 0)
  let [s0, s1, s2, s3] = state ?? [mix() | 0, mix() | 0, mix() | 0, mix() | 0 || 1]
  let spare = Number.NaN

  const u32 = (): number => {
    const m = Math.imul(s1, 5)
    const result = Math.imul((m << 7) | (m >>> 25), 9) >>> 0
    const t = s1 << 9
    s2 ^= s0
    s3 ^= s1
    s1 ^= s2
    s0 ^= s3
    s2 ^= t
    s3 = (s3 << 11) | (s3 >>> 21)
    return result
  }
  const uniform = (): number => ((u32() >>> 5) * 67_108_864 + (u32() >>> 6)) / 9_007_199_254_740_992
  /** Marsaglia's polar method; the second variate is kept for the next call. */
  const normal = (): number => {
    if (!Number.isNaN(spare)) {
      const value = spare
      spare = Number.NaN
      return value
    }
    for (;;) {
      const u = 2 * uniform() - 1
      const v = 2 * uniform() - 1
      const q = u * u + v * v
      if (q >= 1 || q === 0) continue
      const scale = Math.sqrt((-2 * Math.log(q)) / q)
      spare = v * scale
      return u * scale
    }
  }
  return {
    u32,
    uniform,
    normal,
    below: bound => Math.floor(uniform() * bound),
    exponential: () => -Math.log(1 - uniform()),
    fork: child => createRng(seed, `${label}/${child}`),
    state: () => [s0, s1, s2, s3],
  }
}
