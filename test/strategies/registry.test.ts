import {describe, expect, test} from 'vitest'
import {UserError} from '../../src/domain/errors.ts'
import {createRng} from '../../src/domain/rng.ts'
import {createStrategy, describeParams, STRATEGIES} from '../../src/strategies/registry.ts'
import {bar, rehearse, START, table} from './fixture.ts'

const errorOf = (run: () => unknown): UserError => {
  try {
    run()
  } catch (error) {
    if (error instanceof UserError) return error
    throw error
  }
  throw new Error('nothing was thrown')
}

describe('createStrategy', () => {
  test.each(Object.keys(STRATEGIES))('%s can be made with its defaults and says its own name', name => {
    expect(createStrategy(name).name).toBe(name)
    for (const p of describeParams(name)) expect(p.description).not.toBe('')
  })
  test('an unknown name gets the nearest right one', () => {
    expect(errorOf(() => createStrategy('market-makin'))).toMatchObject({
      code: 'UNKNOWN_STRATEGY',
      hints: expect.arrayContaining(['did you mean market-making?']),
    })
    expect(errorOf(() => createStrategy('constructor')).code).toBe('UNKNOWN_STRATEGY')
  })
  test('an unknown parameter gets the nearest right one', () => {
    expect(errorOf(() => createStrategy('statistical-arbitrage', {entryz: 2}))).toMatchObject({
      code: 'UNKNOWN_PARAMETER',
      hints: expect.arrayContaining(['did you mean entryZ?']),
    })
  })
  test('a wrong value names the parameter', () => {
    const error = errorOf(() => createStrategy('market-making', {quoteFraction: -1}))
    expect(error.code).toBe('INVALID_PARAMETER')
    expect(error.hints[0]).toMatch(/^quoteFraction: /)
  })
})

describe('baselines', () => {
  const rows = Array.from({length: 400}, (_, k) => bar(START + k * 60e6, k % 2, 1_000_000 + 1000 * (k % 7)))
  test('buy-and-hold buys each instrument once and keeps it', () => {
    const {targets, positions} = rehearse(createStrategy('buy-and-hold'), table('SPY', 'KO'), rows)
    expect(targets).toHaveLength(2)
    expect(Array.from(positions)).toEqual([475, 474])
  })
  test('random-entry opens and closes, the same for the same seed', () => {
    const run = (seed: number) =>
      rehearse(createStrategy('random-entry'), table('SPY', 'KO'), rows, {rng: createRng(seed)}).targets
    expect(run(1)).toEqual(run(1))
    expect(run(1)).not.toEqual(run(2))
    expect(run(1).some(t => t.lots < 0)).toBe(true)
    expect(run(1).some(t => t.lots === 0)).toBe(true)
  })
  test('do-nothing says nothing', () => {
    expect(rehearse(createStrategy('do-nothing'), table('SPY', 'KO'), rows).targets).toEqual([])
  })
})
