import {describe, expect, it} from 'vitest'
import {syntheticTape} from '../../src/data/synthetic.ts'
import {EventKind} from '../../src/data/tape.ts'
import {isSessionOpen} from '../../src/domain/calendar.ts'

describe('the synthetic market', () => {
  it('is the same for the same seed and another for another', async () => {
    const hash = (seed: number) => syntheticTape({events: 20_000, symbols: ['SPY', 'QQQ'], seed}).dataHash()
    expect(await hash(1)).toBe(await hash(1))
    expect(await hash(1)).not.toBe(await hash(2))
  })

  it('has uncrossed quotes on the price grid, trades at the touch, sessions and rising times', async () => {
    const tape = syntheticTape({events: 50_000, symbols: ['SPY', 'QQQ'], seed: 5, meanGapUs: 2_000_000})
    const touch = [
      [0, 0],
      [0, 0],
    ] as [number, number][]
    let lastUs = 0
    let rows = 0
    for await (const {count, tsUs, kind, instrument, v0, v1, v2} of tape.chunks()) {
      for (let row = 0; row < count; row++, rows++) {
        const i = instrument[row] as number
        if ((tsUs[row] as number) <= lastUs) throw new Error(`time stands still at row ${rows}`)
        lastUs = tsUs[row] as number
        if (kind[row] === EventKind.quote) {
          touch[i] = [v0[row] as number, v1[row] as number]
          if (
            !((v0[row] as number) < (v1[row] as number) && (v0[row] as number) % 100 === 0 && (v2[row] as number) > 0)
          )
            throw new Error(`bad quote at row ${rows}`)
        } else if (!(touch[i] as number[]).includes(v0[row] as number))
          throw new Error(`trade away from the touch at row ${rows}`)
        if (rows % 1000 === 0) expect(isSessionOpen(tsUs[row] as number)).toBe(true)
      }
    }
    expect(rows).toBe(50_000)
  })
})
