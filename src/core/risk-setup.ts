import type {Config} from '../config/schema.ts'
import {US_PER_MINUTE} from '../domain/units.ts'
import {type Allocator, staticAllocator} from '../engine/ports.ts'
import type {ExitRules} from '../risk/position-exit.ts'

/** The exits of positions that trade, stress and back-test share. */
export const exitRulesOf = ({risk}: Config): ExitRules => ({
  stopLoss: risk.stopLoss,
  takeProfit: risk.takeProfit,
  maxHoldingUs: risk.maxHoldingMinutes * US_PER_MINUTE,
})

/**
 * Configured weights of the strategies that run, in their order; one that the configuration does not list (a baseline) is
 * asked for by name and gets an equal share. What idle strategies would have had stays in cash: a missing strategy must
 * not make the others bolder than the configuration says.
 */
export const allocatorOf = ({strategies}: Config, running: readonly string[]): Allocator => {
  const configured: Readonly<Record<string, number>> = strategies.weights
  const weights = running.map(name => configured[name] ?? 1 / running.length)
  const total = weights.reduce((sum, weight) => sum + weight, 0)
  return staticAllocator(total > 1 ? weights.map(weight => weight / total) : weights)
}
