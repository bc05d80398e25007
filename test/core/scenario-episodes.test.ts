import {describe, expect, test} from 'vitest'
import {scenarioEpisodes, seenScenarios, UNSEEN_SCENARIOS} from '../../src/core/scenario-episodes.ts'
import {SCENARIOS, scenariosNamed} from '../../src/exchange/scenarios/scenarios.ts'
import {featuresOf} from '../models/support.ts'

const common = {
  rows: 'bar',
  session: 'us-equity',
  periodUs: 300_000_000,
  window: 8,
  horizon: 4,
  barrier: 0.6,
  costBps: 1,
} as const
const crash = scenariosNamed('flash-crash')

describe('scenario episodes', () => {
  test('are a function of their seed, and another seed is another path', async () => {
    const [a, b, c] = [
      await scenarioEpisodes({...common, scenarios: crash, seeds: [1]}),
      await scenarioEpisodes({...common, scenarios: crash, seeds: [1]}),
      await scenarioEpisodes({...common, scenarios: crash, seeds: [2]}),
    ]
    expect(featuresOf(a.dataset)).toEqual(featuresOf(b.dataset))
    expect(a.dataset.dataHash).toBe(b.dataset.dataHash)
    expect(featuresOf(a.dataset)).not.toEqual(featuresOf(c.dataset))
    expect(c.dataset.dataHash).not.toBe(a.dataset.dataHash)
  }, 30_000)

  test('keep the size of what happens: a crash of single names by a fifth, of funds by a tenth', async () => {
    const {dataset} = await scenarioEpisodes({...common, scenarios: crash, seeds: [1, 2]})
    const column = dataset.schema.names.indexOf('returnSinceOpen')
    const all = featuresOf(dataset)
    const lowest = new Map<string, number>()
    for (let row = 0; row < dataset.rows.length; row++) {
      const name = dataset.symbols[dataset.rows.field(row, 'symbol')] as string
      lowest.set(name, Math.min(lowest.get(name) ?? 0, (all[row * dataset.rows.width + column] as number) / 100))
    }
    for (const [name, low] of lowest) {
      const isFund = /SPY|QQQ/.test(name)
      expect(Math.exp(low) - 1, name).toBeLessThan(isFund ? -0.05 : -0.13)
      expect(Math.exp(low) - 1, name).toBeGreaterThan(isFund ? -0.16 : -0.3)
    }
  }, 30_000)

  test('carry quotes where rows are multi-modal, and no information that is not there', async () => {
    const {dataset, ends} = await scenarioEpisodes({...common, rows: 'multi', scenarios: crash, seeds: [1]})
    const all = featuresOf(dataset)
    const share = (name: string): number => {
      const column = dataset.schema.names.indexOf(name)
      return [...ends].reduce((sum, row) => sum + (all[row * dataset.rows.width + column] as number), 0) / ends.length
    }
    expect(share('hasMicrostructure')).toBeGreaterThan(0.9)
    expect(share('hasOptions')).toBe(0)
  }, 30_000)

  test('scenarios held out of training are scenarios, and none of them is trained on', () => {
    const names = SCENARIOS.map(({name}) => name)
    expect(names).toEqual(expect.arrayContaining([...UNSEEN_SCENARIOS]))
    expect(seenScenarios().length).toBe(names.length - UNSEEN_SCENARIOS.length)
    expect(seenScenarios().filter(({name}) => UNSEEN_SCENARIOS.includes(name))).toEqual([])
  })

  test('of bars too long for a window are refused', async () => {
    const hourly = scenarioEpisodes({...common, periodUs: 3_600_000_000, scenarios: crash, seeds: [1]})
    await expect(hourly).rejects.toMatchObject({code: 'NO_EPISODES'})
  })
})
