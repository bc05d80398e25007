/** What the latch says now. */
export type LatchState = {readonly latched: false} | {readonly latched: true; readonly reason: string}

/**
 * The kill switch as the trading process reads it: before every order, synchronously. A latch that cannot be read is
 * latched: nothing that stops trading may fail open.
 */
export interface KillLatch {
  readonly check: () => LatchState
}

/** Never latched: for back-tests, where nobody can pull it. */
export const openLatch: KillLatch = {check: () => ({latched: false})}

/** Latched when any of them is. */
export const anyLatch = (latches: readonly KillLatch[]): KillLatch => ({
  check: () => {
    for (const latch of latches) {
      const state = latch.check()
      if (state.latched) return state
    }
    return {latched: false}
  },
})
