import {EventKind} from '../../src/data/tape.ts'
import {createRng} from '../../src/domain/rng.ts'
import type {Row} from './fixture.ts'

/** 2024-01-02, 9:30 in New York. */
const OPEN_US = Date.UTC(2024, 0, 2, 14, 30) * 1000
const FIVE_MINUTES_US = 300e6
const BARS_A_DAY = 78

/**
 * Five-minute bars of several instruments that share half of their variance. With `plantBps`, a drop on six times the usual
 * volume is followed by a rise of so much over six bars; without, nothing follows anything.
 */
export const barMarket = (
  seed: number,
  {days, instruments, plantBps = 0}: {days: number; instruments: number; plantBps?: number},
): Row[] => {
  const rng = createRng(seed, 'bar-market')
  const rows: Row[] = []
  const price = new Float64Array(instruments).fill(1_000_000)
  const rising = new Int32Array(instruments)
  for (let day = 0; day < days; day++)
    for (let b = 1; b <= BARS_A_DAY; b++) {
      const common = rng.normal()
      for (let i = 0; i < instruments; i++) {
        let bps = 10 * Math.SQRT1_2 * (common + rng.normal())
        let volume = 1000 * Math.exp(0.3 * rng.normal())
        if ((rising[i] as number) > 0) {
          bps += plantBps / 6
          rising[i] = (rising[i] as number) - 1
        } else if (plantBps > 0 && rng.uniform() < 0.03 && b < BARS_A_DAY - 8) {
          bps -= 25
          volume *= 6
          rising[i] = 6
        }
        const open = price[i] as number
        const close = Math.round(open * Math.exp(bps / 1e4))
        price[i] = close
        const wick = 3e-4 * open
        const high = Math.round(Math.max(open, close) + wick * Math.abs(rng.normal()))
        const low = Math.round(Math.min(open, close) - wick * Math.abs(rng.normal()))
        rows.push({
          tsUs: OPEN_US + day * 86_400e6 + b * FIVE_MINUTES_US,
          kind: EventKind.bar,
          instrument: i,
          values: [open, high, low, close, Math.round(volume), FIVE_MINUTES_US],
        })
      }
    }
  return rows
}
