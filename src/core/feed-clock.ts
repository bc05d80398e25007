import type {Clock} from '../domain/time.ts'
import {type TsUs, tsUs} from '../domain/units.ts'

export interface FeedClock extends Clock {
  /** A market event of this time has arrived. */
  readonly observe: (atUs: number) => void
}

/**
 * The market's clock as a client of an accelerated market sees it: the time of the latest event, carried on at the
 * market's speed until the next one arrives, never further than `horizonUs` beyond it and never back. So a feed that
 * falls behind does not make every quote look stale, and a feed that stops makes time stop soon after.
 */
export const feedClock = (base: Clock, startUs: TsUs, speed: number, horizonUs = 2_000_000 * speed): FeedClock => {
  let anchorUs: number = startUs
  let anchorBaseUs: number = base.nowUs()
  let lastUs: number = startUs
  return {
    observe(atUs) {
      anchorUs = atUs
      anchorBaseUs = base.nowUs()
    },
    nowUs() {
      const ahead = Math.min(horizonUs, Math.floor((base.nowUs() - anchorBaseUs) * speed))
      lastUs = Math.max(lastUs, anchorUs + ahead)
      return tsUs(lastUs)
    },
  }
}
