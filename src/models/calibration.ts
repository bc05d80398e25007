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
