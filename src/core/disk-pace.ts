/** A commit slower than this is better waited for by a thread: the loop must not be held. */
const SLOW_MS = 0.5
/** The disk counts as quick again below this, so that it does not go back and forth. */
const QUICK_MS = 0.35
/** A single commit that slow sends the next ones to the thread at once. */
const STALL_MS = 4
/** Weight of the latest commit. */
const WEIGHT = 0.2
/** The loop gives at most a tenth of its time to commits. */
const REST = 9

/**
 * Says whether a commit is better made in the loop than asked of a thread: the disk has answered quickly of late, and the
 * loop has rested long enough since the last one.
 */
export class DiskPace {
  /** Starts as quick: the first commit tells. */
  #averageMs = 0
  #isSlow = false
  #endedMs = -Infinity
  #lastMs = 0

  isQuick(nowMs: number): boolean {
    return !this.#isSlow && nowMs - this.#endedMs >= REST * this.#lastMs
  }

  onCommit(startedMs: number, endedMs: number): void {
    this.#endedMs = endedMs
    this.#lastMs = endedMs - startedMs
    this.#learn(this.#lastMs)
  }
  onThread(ms: number): void {
    this.#learn(ms)
  }

  #learn(ms: number): void {
    if (ms >= STALL_MS) {
      this.#averageMs = ms
      this.#isSlow = true
      return
    }
    this.#averageMs += WEIGHT * (ms - this.#averageMs)
    this.#isSlow = this.#averageMs > (this.#isSlow ? QUICK_MS : SLOW_MS)
  }
}
