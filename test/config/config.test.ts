import {readFileSync} from 'node:fs'
import {describe, expect, test} from 'vitest'
import {exampleConfig} from '../../src/config/example.ts'
import {canonicalJson, environmentLayers, resolveConfig} from '../../src/config/resolve.ts'
import {Config, STRATEGY_NAMES} from '../../src/config/schema.ts'
import {UserError} from '../../src/domain/errors.ts'

const failure = (run: () => unknown): UserError => {
  try {
    run()
  } catch (error) {
    if (error instanceof UserError) return error
    throw error
  }
  throw new Error('expected a UserError')
}

describe('defaults', () => {
  test('are the limits the product states', () => {
    const {risk, memory, model, strategies} = Config.parse({})
    expect(risk).toMatchObject({
      maxPortfolioRisk: 0.02,
      maxPositionDollars: 50_000,
      maxPositionFraction: 0.1,
      maxDailyLossDollars: 5_000,
      maxDrawdown: 0.05,
      maxCorrelationExposure: 0.6,
      stressVarLimit: 0.1,
      cashReserve: 0.2,
      minimumCapitalDollars: 100_000,
    })
    expect(memory.capacity).toBe(10_000)
    expect(model.embeddingDimension).toBe(256)
    expect(Object.keys(strategies.weights)).toEqual([...STRATEGY_NAMES])
  })
  test('config.example.json is what the schema says (gpi config example > config.example.json)', () => {
    expect(readFileSync('config.example.json', 'utf8')).toBe(exampleConfig())
  })
})

describe('layers', () => {
  test('the later one wins and says so', () => {
    const {config, sources} = resolveConfig([
      {source: 'a.json', values: {risk: {maxDrawdown: 0.1, cashReserve: 0.3}}},
      {source: 'b.json', values: {risk: {maxDrawdown: 0.2}}},
      ...environmentLayers({GPI__RISK__CASH_RESERVE: '0.4', OTHER: 'x'}),
    ])
    expect(config.risk).toMatchObject({maxDrawdown: 0.2, cashReserve: 0.4})
    expect(sources.get('risk.maxDrawdown')).toBe('b.json')
    expect(sources.get('risk.cashReserve')).toBe('$GPI__RISK__CASH_RESERVE')
    expect(sources.get('risk.stopLoss')).toBe('default')
  })
  test('the hash is of the resolved values, not of where they came from', () => {
    const file = resolveConfig([{source: 'f', values: {seed: 5}}])
    const variable = resolveConfig(environmentLayers({GPI__SEED: '5'}))
    expect(file.hash).toBe(variable.hash)
    expect(file.hash).not.toBe(resolveConfig([]).hash)
  })
  test('canonical JSON does not depend on key order', () => {
    expect(canonicalJson({b: 1, a: [{d: 1, c: undefined}]})).toBe('{"a":[{"d":1}],"b":1}')
  })
  test('a prototype key is data, never a prototype', () => {
    resolveConfig([{source: 'f', values: JSON.parse('{"__proto__": {"polluted": true}}')}])
    expect(({} as Record<string, unknown>)['polluted']).toBeUndefined()
  })
})

describe('refusals', () => {
  test.each([
    [{risk: {maxDrawdwn: 0.1}}, /risk\.maxDrawdwn.*did you mean "risk\.maxDrawdown"/],
    [{risk: {maxDrawdown: 1.5}}, /risk\.maxDrawdown.*from f\.json/],
    [{risk: {maxDrawdown: 'high'}}, /risk\.maxDrawdown/],
    [{strategies: {weights: {'market-making': 0.9}}}, /must sum to 1/],
    [{model: {embeddingDimension: 128}}, /embeddingDimension/],
    [[1], /must hold an object, was an array/],
  ])('%j', (values, message) => {
    const error = failure(() => resolveConfig([{source: 'f.json', values}]))
    expect(error.message).toMatch(message)
    expect(error.exitCode).toBe(2)
  })
  test('an environment variable that names no setting', () => {
    const error = failure(() => environmentLayers({GPI__RISK__MAXDRAWDWN: '1'}))
    expect([error.code, error.hints]).toEqual(['CONFIG_UNKNOWN_KEY', ['did you mean maxDrawdown?']])
  })
})
