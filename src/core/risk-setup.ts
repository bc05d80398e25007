import {inverseVolatility, riskParity, staticAllocation} from '../allocation/allocation.ts'
import type {Config} from '../config/schema.ts'
import {UserError} from '../domain/errors.ts'
import {US_PER_MINUTE} from '../domain/units.ts'
import type {Allocator} from '../engine/ports.ts'
import type {ExitRules} from '../risk/position-exit.ts'

/** The exits of positions that trade, stress and back-test share. */
export const exitRulesOf = ({risk}: Config): ExitRules => ({
  stopLoss: risk.stopLoss,
  takeProfit: risk.takeProfit,
  maxHoldingUs: risk.maxHoldingMinutes * US_PER_MINUTE,
})

/**
 * The configured allocation over the strategies that run, in their order. One that the configuration does not list (a
 * baseline) is asked for by name and gets an equal share. What idle strategies would have had stays in cash: a missing
 * strategy must not make the others bolder than the configuration says.
 */
export const allocatorOf = ({strategies}: Config, running: readonly string[], capitalMicros: number): Allocator => {
  const configured: Readonly<Record<string, number>> = strategies.weights
  const weights = running.map(name => configured[name] ?? 1 / running.length)
  const total = weights.reduce((sum, weight) => sum + weight, 0)
  const options = {base: total > 1 ? weights.map(weight => weight / total) : weights, capitalMicros}
  switch (strategies.allocation) {
    case 'static':
      return staticAllocation(options)
    case 'inverse-volatility':
      return inverseVolatility(options)
    case 'risk-parity':
      return riskParity(options)
    case 'policy':
      throw new UserError('NO_POLICY', 'allocation "policy" needs a trained policy, and there is none to load here', {
        hints: ['set strategies.allocation to static, inverse-volatility or risk-parity'],
      })
    default:
      return strategies.allocation satisfies never
  }
}
