/** Rules that close a position whatever its strategy thinks; absent ones are off. Fractions of the average entry price. */
export interface ExitRules {
  readonly stopLoss?: number
  readonly takeProfit?: number
  /** Fall from the best price since the position was opened. */
  readonly trailingStop?: number
  readonly maxHoldingUs?: number
}

export interface HeldPosition {
  /** Signed. */
  readonly lots: number
  readonly averageEntryTicks: number
  /** When the position last left zero. */
  readonly openedUs: number
  /** Highest (long) or lowest (short) exit price since then. */
  readonly bestTicks: number
}

export type ExitReason = 'stop-loss' | 'take-profit' | 'trailing-stop' | 'time-out'

/**
 * Why the position must be closed now, if it must. `exitTicks` is the price it could be closed at (the bid of a long, the
 * ask of a short), so a wide spread counts as the loss it is. Losses win over profits in one and the same instant.
 */
export const exitReason = (
  position: HeldPosition,
  exitTicks: number,
  nowUs: number,
  rules: ExitRules,
): ExitReason | undefined => {
  if (position.lots === 0) return undefined
  const direction = Math.sign(position.lots)
  if (exitTicks > 0 && position.averageEntryTicks > 0) {
    const gain = (direction * (exitTicks - position.averageEntryTicks)) / position.averageEntryTicks
    if (rules.stopLoss !== undefined && gain <= -rules.stopLoss) return 'stop-loss'
    const best = bestPrice(position, exitTicks)
    if (rules.trailingStop !== undefined && (direction * (best - exitTicks)) / best >= rules.trailingStop)
      return 'trailing-stop'
    if (rules.takeProfit !== undefined && gain >= rules.takeProfit) return 'take-profit'
  }
  if (rules.maxHoldingUs !== undefined && nowUs - position.openedUs >= rules.maxHoldingUs) return 'time-out'
  return undefined
}

/** The position's best exit price after it could have been closed at `exitTicks`. */
export const bestPrice = (position: HeldPosition, exitTicks: number): number =>
  position.lots >= 0 ? Math.max(position.bestTicks, exitTicks) : Math.min(position.bestTicks, exitTicks)
