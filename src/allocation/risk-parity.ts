// Indices run below the matrix's size, so `!` cannot miss here.

/**
 * Positive weights, summing to 1, whose contributions w_i (Σw)_i to variance are in proportion to `budgets`: the minimum
 * of ½ wᵀΣw − Σ b_i log w_i, by cyclical coordinate descent (Griveau-Billion, Richard and Roncalli 2013). Correlations are
 * shrunk by a tenth towards none, which keeps a nearly singular matrix from deciding.
 */
export const riskBudgetWeights = (
  covariance: readonly (readonly number[])[],
  budgets: readonly number[],
  {tolerance = 1e-10, maxSweeps = 1000}: {readonly tolerance?: number; readonly maxSweeps?: number} = {},
): Float64Array => {
  const n = budgets.length
  const c = (i: number, j: number): number => (i === j ? covariance[i]![i]! : 0.9 * covariance[i]![j]!)
  const total = budgets.reduce((a, b) => a + b, 0)
  const w = Float64Array.from(budgets, (b, i) => b / total / Math.sqrt(c(i, i)))
  for (let sweep = 0; sweep < maxSweeps; sweep++) {
    let change = 0
    for (let i = 0; i < n; i++) {
      let others = 0
      for (let j = 0; j < n; j++) if (j !== i) others += c(i, j) * w[j]!
      const b = budgets[i]! / total
      const next = (-others + Math.sqrt(others * others + 4 * c(i, i) * b)) / (2 * c(i, i))
      change = Math.max(change, Math.abs(next - w[i]!) / (w[i]! + 1e-300))
      w[i] = next
    }
    if (change < tolerance) break
  }
  const sum = w.reduce((a, b) => a + b, 0)
  return w.map(v => v / sum)
}
