// Probabilities are indexed inside their bounds, hence the `!`.

/**
 * The temperature that minimises the log loss of the softened probabilities on held-out rows (Guo et al. 2017), by golden
 * section over [0.25, 4]. Probabilities are enough: softmax(log p / T) equals softmax(logits / T).
 */
export const fitTemperature = (truth: ArrayLike<number>, probabilities: Float32Array): number => {
  const loss = (logT: number): number => {
    const power = Math.exp(-logT)
    let total = 0
    for (let i = 0; i < truth.length; i++) {
      let sum = 0
      for (let c = 0; c < 3; c++) sum += Math.max(1e-9, probabilities[3 * i + c]!) ** power
      total += Math.log(sum) - power * Math.log(Math.max(1e-9, probabilities[3 * i + truth[i]!]!))
    }
    return total
  }
  if (truth.length === 0) return 1
  const golden = (Math.sqrt(5) - 1) / 2
  let [low, high] = [Math.log(0.25), Math.log(4)]
  let [left, right] = [high - golden * (high - low), low + golden * (high - low)]
  let [atLeft, atRight] = [loss(left), loss(right)]
  while (high - low > 1e-3) {
    if (atLeft < atRight) {
      ;[high, right, atRight] = [right, left, atLeft]
      left = high - golden * (high - low)
      atLeft = loss(left)
    } else {
      ;[low, left, atLeft] = [left, right, atRight]
      right = low + golden * (high - low)
      atRight = loss(right)
    }
  }
  return Math.exp((low + high) / 2)
}

export interface Platt {
  readonly slope: number
  readonly offset: number
}

/**
 * Slope and offset on the logit of a probability that minimise its log loss against what was right (Platt 1999), by
 * Newton's method with a small ridge towards the identity. Probabilities that know nothing come out as the base rate.
 */
export const fitPlatt = (right: ArrayLike<number>, probabilities: ArrayLike<number>): Platt => {
  const logits = Float64Array.from(probabilities, p => {
    const inside = Math.max(1e-6, Math.min(1 - 1e-6, p))
    return Math.log(inside / (1 - inside))
  })
  let [slope, offset] = [1, 0]
  for (let turn = 0; turn < 50; turn++) {
    let [gradientSlope, gradientOffset, hessian11, hessian12, hessian22] = [1e-3 * (slope - 1), 0, 1e-3, 0, 1e-9]
    for (let i = 0; i < logits.length; i++) {
      const z = logits[i]!
      const p = 1 / (1 + Math.exp(-(slope * z + offset)))
      const [error, spread] = [p - right[i]!, p * (1 - p)]
      gradientSlope += error * z
      gradientOffset += error
      hessian11 += spread * z * z
      hessian12 += spread * z
      hessian22 += spread
    }
    const determinant = hessian11 * hessian22 - hessian12 * hessian12
    if (!(determinant > 1e-12)) break
    const moveSlope = (hessian22 * gradientSlope - hessian12 * gradientOffset) / determinant
    const moveOffset = (hessian11 * gradientOffset - hessian12 * gradientSlope) / determinant
    slope -= Math.max(-1, Math.min(1, moveSlope))
    offset -= Math.max(-1, Math.min(1, moveOffset))
    if (Math.abs(moveSlope) + Math.abs(moveOffset) < 1e-8) break
  }
  return {slope, offset}
}
