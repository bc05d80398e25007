import fc from 'fast-check'
import {describe, expect, it} from 'vitest'
import {LevelDiffer} from '../../src/data/level-differ.ts'
import {Depth} from '../../src/data/tape.ts'

const LEVELS = 4
const side = fc.uniqueArray(fc.tuple(fc.integer({min: 1, max: 30}), fc.integer({min: 1, max: 5})), {
  maxLength: LEVELS,
  selector: ([price]) => price,
})
const picture = fc.record({bids: side, asks: side})
type Levels = readonly (readonly [number, number])[]

const columns = (levels: Levels, rising: boolean): [Float64Array, Float64Array] => {
  const sorted = [...levels].sort((a, b) => (rising ? a[0] - b[0] : b[0] - a[0]))
  const prices = new Float64Array(LEVELS)
  const sizes = new Float64Array(LEVELS)
  for (const [i, [price, size]] of sorted.entries()) {
    prices[i] = price
    sizes[i] = size
  }
  return [prices, sizes]
}

describe('changes between pictures of a book', () => {
  it('rebuild each picture exactly, end each update once, and clear once', () => {
    fc.assert(
      fc.property(fc.array(picture, {minLength: 1, maxLength: 12}), pictures => {
        const differ = new LevelDiffer(LEVELS)
        const book = [new Map<number, number>(), new Map<number, number>()] as const
        let clears = 0
        for (const {bids, asks} of pictures) {
          const flagsSeen: number[] = []
          differ.next(...columns(bids, false), ...columns(asks, true), (price, size, flags) => {
            flagsSeen.push(flags)
            if (flags & Depth.clear) clears++
            const levels = book[flags & Depth.ask ? 1 : 0]
            if (size === 0) levels.delete(price)
            else levels.set(price, size)
          })
          expect(flagsSeen.map(flags => (flags & Depth.last) !== 0)).toEqual(
            flagsSeen.map((_, i) => i === flagsSeen.length - 1),
          )
          expect([...book[0]].sort((a, b) => a[0] - b[0])).toEqual([...bids].sort((a, b) => a[0] - b[0]))
          expect([...book[1]].sort((a, b) => a[0] - b[0])).toEqual([...asks].sort((a, b) => a[0] - b[0]))
        }
        expect(clears).toBeLessThanOrEqual(1)
      }),
    )
  })

  it('say nothing where nothing changed', () => {
    const differ = new LevelDiffer(LEVELS)
    const levels = [...columns([[10, 1]], false), ...columns([[11, 2]], true)] as const
    let changes = 0
    const count = () => changes++
    differ.next(...levels, count)
    differ.next(...levels, count)
    expect(changes).toBe(2)
  })
})
