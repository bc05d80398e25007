import {mkdtempSync, readFileSync, rmSync} from 'node:fs'
import {tmpdir} from 'node:os'
import path from 'node:path'
import {afterAll, describe, expect, test} from 'vitest'
import {Config} from '../../src/config/schema.ts'
import {RunBars} from '../../src/core/run-bars.ts'
import {seenUntil} from '../../src/core/signal-service.ts'
import {openRunServices} from '../../src/core/strategy-services.ts'
import {openTradeHeads, openTradeModels} from '../../src/core/trade-services.ts'
import {applyRow, createMarketState} from '../../src/data/market-state.ts'
import {createRng} from '../../src/domain/rng.ts'
import {blackPrice} from '../../src/options/black.ts'
import type {OptionQuote} from '../../src/options/option-quote.ts'
import type {Answer, ModelOpinion} from '../../src/strategies/services.ts'
import {bar, chunkOf, quote, type Row, START, table, trade} from '../strategies/fixture.ts'

const home = mkdtempSync(path.join(tmpdir(), 'gpi-services-'))
afterAll(() => rmSync(home, {recursive: true, force: true}))
const config = Config.parse({home})
const MINUTE = 60e6
/** A five-minute boundary. */
const AT = Math.ceil(START / (5 * MINUTE)) * 5 * MINUTE

const barsOf = (rows: readonly Row[], symbols = ['SPY']) => {
  const found: {i: number; knownAt: number; tsUs: number; close: number; volume: number; high: number}[] = []
  const chunk = chunkOf(rows)
  let nowUs = 0
  const bars = new RunBars(table(...symbols), 5 * MINUTE, (i, {tsUs, close, volume, high}) =>
    found.push({i, knownAt: nowUs, tsUs, close, volume, high}),
  )
  for (let row = 0; row < chunk.count; row++) {
    nowUs = chunk.tsUs[row] as number
    bars.onRow(chunk, row)
  }
  return found
}

describe('bars of a run', () => {
  test('bars of the period pass as they are', () => {
    expect(barsOf([bar(AT, 0, 1_000_000, 5 * MINUTE)])).toMatchObject([{tsUs: AT, close: 100, volume: 1000}])
  })
  test('shorter bars are put together and known when the last of them closes', () => {
    const minutes = [1, 2, 3, 4, 5, 6].map(k => bar(AT + k * MINUTE, 0, 1_000_000 + k * 100))
    expect(barsOf(minutes)).toMatchObject([
      {tsUs: AT + 5 * MINUTE, knownAt: AT + 5 * MINUTE, close: 100.05, volume: 5000},
    ])
  })
  test('a bar whose last part never came is handed out at the first later event, never before', () => {
    const rows = [bar(AT + MINUTE, 0, 1_000_000), bar(AT + 7 * MINUTE, 1, 500_000)]
    expect(barsOf(rows, ['SPY', 'QQQ'])).toMatchObject([{i: 0, tsUs: AT + 5 * MINUTE, knownAt: AT + 7 * MINUTE}])
  })
  test('without bars, quotes and trades make them; from its first bar on an instrument’s quotes make none', () => {
    const ticks = [trade(AT + MINUTE, 0, 1_000_000, 5, 1), quote(AT + 6 * MINUTE, 0, 999_900, 1_000_100)]
    expect(barsOf(ticks)).toMatchObject([{tsUs: AT + 5 * MINUTE, knownAt: AT + 6 * MINUTE, close: 100, volume: 5}])
    expect(barsOf([bar(AT + MINUTE, 0, 1_000_000), ...ticks.slice(1), quote(AT + 12 * MINUTE, 0, 1, 2)])).toHaveLength(
      1,
    )
  })
  test('a bar is never known before its end', () => {
    const rng = createRng(7)
    const rows: Row[] = []
    for (let at = AT; rows.length < 400; at += 1 + rng.below(90e6))
      rows.push(
        rng.uniform() < 0.5
          ? bar(Math.ceil(at / MINUTE) * MINUTE, rng.below(2), 1_000_000 + rng.below(1000))
          : quote(Math.ceil(at / MINUTE) * MINUTE, rng.below(2), 999_900, 1_000_100),
      )
    const found = barsOf(rows, ['SPY', 'QQQ'])
    expect(found.length).toBeGreaterThan(20)
    for (const {knownAt, tsUs} of found) expect(knownAt).toBeGreaterThanOrEqual(tsUs)
  })
})

/** Five-minute bars of one day, enough for the shipped model's window. */
const day = (seed: number): Row[] => {
  const rng = createRng(seed)
  let price = 1_000_000
  return Array.from({length: 40}, (_, k): Row => {
    price += Math.round(1500 * rng.normal())
    return {
      ...bar(AT + k * 5 * MINUTE, 0, price, 5 * MINUTE),
      values: [price - 300, price + 900, price - 1200, price, 1000 + rng.below(500), 5 * MINUTE],
    }
  })
}
const settled = async (answer: Answer<unknown>): Promise<void> => {
  for (let k = 0; k < 500 && answer() === undefined; k++) await new Promise(resolve => setTimeout(resolve, 10))
}

describe('models of a run', () => {
  test('an opinion is bit for bit the same in a back-test and from a trading node’s thread', async () => {
    await using stack = new AsyncDisposableStack()
    const run = stack.use(await openRunServices({config, heads: false, models: ['transformer']}))
    const inPlace = run.services().model
    const inThread = await openTradeModels({config, onFailure: text => expect.fail(text)}, ['transformer'], stack)
    const instruments = table('SPY')
    const chunk = chunkOf(day(3))
    const opinionsOf = async (open: NonNullable<typeof inPlace>): Promise<(ModelOpinion | undefined)[]> => {
      const market = createMarketState(1)
      const answers: Answer<ModelOpinion>[] = []
      const model = open({
        name: 'transformer',
        market,
        instruments,
        onRow: i => {
          const answer = model?.ask(i)
          if (answer !== undefined) answers.push(answer)
        },
      })
      for (let row = 0; row < chunk.count; row++) {
        applyRow(market, chunk, row)
        model?.onEvent(chunk, row)
      }
      for (const answer of answers) await settled(answer)
      return answers.map(answer => answer())
    }
    const [here, there] = [await opinionsOf(inPlace as NonNullable<typeof inPlace>), await opinionsOf(inThread)]
    expect(here.length).toBeGreaterThan(5)
    expect(here[0]?.confidence).toBeGreaterThan(0)
    expect(there).toEqual(here)
    expect(Object.keys(run.inputs())).toEqual(['model transformer'])
  })
  test('what a model has seen ends where its test part begins; a stranger counts from the latest', () => {
    const group = (symbols: string[], test: string) => ({symbols, valid: '2020-01-01T00:00:00Z', test})
    const until = seenUntil({
      data: {split: {boundaries: [group(['A'], '2021-01-01T00:00:00Z'), group(['B'], '2023-01-01T00:00:00Z')]}},
    } as never)
    expect([until('A'), until('B'), until('C')].map(us => new Date(us / 1000).getUTCFullYear())).toEqual([
      2021, 2023, 2023,
    ])
    expect(seenUntil(undefined)('A')).toBe(0)
  })
})

const chainAt = (tsUs: number, skew: number): OptionQuote[] =>
  ['2025-02-21', '2025-03-21'].flatMap((expiry, e) =>
    Array.from({length: 15}, (_, k) => 93 + k).flatMap(strike =>
      (['call', 'put'] as const).map((right): OptionQuote => {
        const deviation = (0.2 - (skew * (strike - 100)) / 100) * Math.sqrt((46 + 28 * e) / 365)
        const price = blackPrice(100, strike, deviation, right === 'call')
        return {
          symbol: 'SPY',
          contract: `SPY${expiry}${right}${strike}`,
          right,
          strike,
          expiry,
          tsUs,
          bid: Math.max(0.01, price - 0.02),
          ask: price + 0.02,
          volume: 10,
          openInterest: 100,
          underlying: 100,
        }
      }),
    ),
  )

describe('heads of the chain embedding', () => {
  test('are the same in place and from a thread, and asked once for a chain', async () => {
    await using stack = new AsyncDisposableStack()
    const run = stack.use(await openRunServices({config, heads: true, models: []}))
    const here = run.services().heads
    const there = await openTradeHeads({config, onFailure: text => expect.fail(text)}, stack)
    const at = Date.UTC(2025, 0, 6, 15) * 1000
    const asked = [0.2, 0.9].map(skew => [here?.ask(chainAt(at, skew)), there.ask(chainAt(at, skew))] as const)
    for (const [a, b] of asked) {
      await settled(b)
      expect(a?.()?.sentiment).toBeTypeOf('number')
      expect(b()).toEqual(a?.())
    }
    expect(asked[0]?.[0]?.()).not.toEqual(asked[1]?.[0]?.())
    expect(here?.ask(chainAt(at, 0.2))()).toBe(asked[0]?.[0]?.())
    // The end of what trained and selected the shipped model, as its card says.
    const card = JSON.parse(readFileSync(new URL('../../models/embedder.card.json', import.meta.url), 'utf8'))
    expect(there.seenUntilUs).toBe(Date.parse(card.data.chains.valid.to) * 1000)
    expect(here?.seenUntilUs).toBe(there.seenUntilUs)
  })
})

describe('a shared pattern bank', () => {
  const vectorOf = (k: number) => Float32Array.from({length: 256}, (_, j) => Math.cos(k + j / 7))
  const memory = async (bank: string, newBank = false) => {
    const run = await openRunServices({config, heads: false, models: [], bank, newBank})
    const instruments = table('SPY')
    const patterns = run.services().patterns?.({market: createMarketState(1), instruments})
    if (patterns === undefined) throw new Error('no patterns')
    return {run, patterns}
  }
  const known = (id: string, tsUs: number) => ({
    id,
    symbol: 'SPY',
    strategy: 's',
    regime: 'calm',
    tsUs,
    vector: vectorOf(0),
  })

  test('is read as of event time, is not written by a run, and learns once when asked', async () => {
    const bank = path.join(home, 'bank')
    {
      const {run, patterns} = await memory(bank, true)
      await using _ = run
      for (const k of [1, 2, 3]) {
        patterns.remember(known(`a${k}`, START + k * 1e9))
        patterns.learn(`a${k}`, 10, START + k * 1e9 + 5e8)
      }
      expect(await run.remember()).toEqual({patterns: 3, outcomes: 3})
      expect(await run.remember()).toEqual({patterns: 0, outcomes: 0})
    }
    const {run, patterns} = await memory(bank)
    await using _ = run
    const seen = (asOfUs: number) => patterns.search(vectorOf(0), asOfUs, {strategy: 's'})
    expect(seen(START).n).toBe(0)
    // The first outcome is known half a thousand seconds after its pattern, not before.
    expect(seen(START + 1.49e9).n).toBe(0)
    expect(seen(START + 1.5e9)).toMatchObject({n: 1, neighbours: ['a1']})
    expect(seen(START + 1e10).neighbours).toHaveLength(3)
    patterns.remember(known('mine', START + 4e9))
    patterns.learn('mine', -5, START + 4.1e9)
    const hash = run.inputs()['bank']
    const other = await memory(bank)
    await using __ = other.run
    expect(other.run.inputs()['bank']).toBe(hash)
    expect(other.patterns.search(vectorOf(0), START + 1e10, {strategy: 's'}).n).toBe(3)
  })
  test('a bank that is not there is an error that says how to begin one', async () => {
    await expect(memory(path.join(home, 'none'))).rejects.toThrow(/no pattern bank/)
  })
})
