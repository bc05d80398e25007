// Numeric kernel: indices run below lengths read in the same function, so `!` cannot miss here.

export interface PricePath {
  /** Ascending. */
  readonly tsUs: ArrayLike<number>
  readonly price: ArrayLike<number>
}

/**
 * Log returns of an equal-weighted index over consecutive periods: the mean over instruments of the change of their last
 * price at or before each end. 0 for a period in which no instrument had a price before and at its end.
 */
export const indexReturns = (paths: readonly PricePath[], endUs: ArrayLike<number>): Float64Array => {
  const sums = new Float64Array(endUs.length)
  const counts = new Float64Array(endUs.length)
  for (const {tsUs, price} of paths) {
    let next = 0
    let last = 0
    for (let t = 0; t < endUs.length; t++) {
      const before = last
      while (next < tsUs.length && tsUs[next]! <= endUs[t]!) last = price[next++]!
      if (!(before > 0) || !(last > 0)) continue
      sums[t]! += Math.log(last / before)
      counts[t]!++
    }
  }
  return sums.map((sum, t) => (counts[t]! > 0 ? sum / counts[t]! : 0))
}
