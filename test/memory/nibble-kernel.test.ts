import fc from 'fast-check'
import {expect, test} from 'vitest'
import {createRng} from '../../src/domain/rng.ts'
import {BLOCK_ROWS, compileScanNibbles, nibbleOf} from '../../src/memory/nibble-kernel.ts'
import {ProductQuantiser, TABLE_MAX, trainQuantiser} from '../../src/memory/product-quantiser.ts'
import {Wasm} from '../../src/memory/web-assembly.ts'
import {nearSample, unitSample} from '../support/patterns.ts'

test('sums the table entries of every row, and lists the rows above a limit', () => {
  fc.assert(
    fc.property(fc.integer({min: 1, max: 8}), fc.integer({min: 0, max: 5}), fc.nat(), (quarters, blocks, seed) => {
      const parts = 4 * quarters
      const rng = createRng(seed)
      const memory = new Wasm.Memory({initial: 1, maximum: 1})
      const bytes = new Uint8Array(memory.buffer)
      const [blocksAt, outAt, listAt] = [1_024, 32_768, 40_960]
      const table = Uint8Array.from({length: parts * 16}, () => rng.below(TABLE_MAX + 1))
      bytes.set(table)
      const codes = Array.from({length: blocks * BLOCK_ROWS}, () => Array.from({length: parts}, () => rng.below(16)))
      for (const [row, ofRow] of codes.entries()) {
        const {byte, shift} = nibbleOf(row % BLOCK_ROWS)
        for (const [part, code] of ofRow.entries()) {
          const at = blocksAt + (Math.floor(row / BLOCK_ROWS) * parts + part) * 16 + byte
          bytes[at] = (bytes[at] as number) | (code << shift)
        }
      }
      const truth = codes.map(ofRow => ofRow.reduce((sum, code, part) => sum + (table[part * 16 + code] as number), 0))
      const scan = compileScanNibbles(memory, parts)
      for (const above of [-1, truth[0] ?? 0, 32 * parts, 32_767]) {
        const passing = scan(0, blocksAt, blocks, outAt, above, listAt)
        expect([...new Uint16Array(memory.buffer, outAt, codes.length)]).toEqual(truth)
        const passed = [...truth.keys()].filter(row => (truth[row] as number) > above)
        expect([...new Int32Array(memory.buffer, listAt, passing)]).toEqual(passed)
      }
    }),
    {numRuns: 40},
  )
})

test('a coded dot product is near the true one, and ranks the near before the far', () => {
  const rng = createRng(3)
  const centres = Array.from({length: 8}, () => unitSample(rng))
  const samples = Array.from({length: 2_000}, (_, i) => nearSample(rng, centres[i % 8] as Float32Array, 0.9))
  const quantiser = trainQuantiser(samples)
  expect(quantiser.parts).toBe(64)
  expect(new ProductQuantiser(quantiser.codebooks).parts).toBe(64)
  const query = nearSample(rng, centres[0] as Float32Array, 0.9)
  const {entries, offset, scale} = quantiser.table(query)
  const out = new Uint8Array(64)
  let squares = 0
  for (const sample of samples.slice(0, 500)) {
    quantiser.encode(sample, out)
    const estimate = offset + scale * out.reduce((sum, code, part) => sum + (entries[part * 16 + code] as number), 0)
    const truth = sample.reduce((sum, value, i) => sum + value * (query[i] as number), 0)
    squares += (estimate - truth) ** 2
  }
  // Unrelated vectors have similarities that spread by 0.0625; a code must tell much less than that apart.
  expect(Math.sqrt(squares / 500)).toBeLessThan(0.045)
})
