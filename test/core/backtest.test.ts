import {execFile} from 'node:child_process'
import {mkdtempSync, readFileSync, writeFileSync} from 'node:fs'
import {tmpdir} from 'node:os'
import path from 'node:path'
import process from 'node:process'
import {promisify} from 'node:util'
import {beforeAll, describe, expect, test} from 'vitest'
import {resolveConfig} from '../../src/config/resolve.ts'
import {type BacktestSummary, runBacktest} from '../../src/core/backtest.ts'
import {checkLookahead} from '../../src/core/backtest-lookahead.ts'
import {type BacktestRequest, backtestSetup} from '../../src/core/backtest-setup.ts'
import {openSource} from '../../src/core/backtest-source.ts'
import {openSqliteJournal} from '../../src/drivers/sqlite/journal.ts'
import {quoteTape} from '../support/engine-tapes.ts'
import {memoryTape} from '../support/memory-tape.ts'

const root = path.resolve(import.meta.dirname, '../..')
let folder: string
let records: string

/** A few thousand quotes and trades of two stocks through one morning, a pure function of nothing. */
const makeRecords = (): string => {
  const lines: string[] = []
  const start = Date.UTC(2024, 5, 3, 13, 30) * 1000
  let state = 12345
  const random = () => {
    state = (state * 1_103_515_245 + 12_345) % 2_147_483_648
    return state / 2_147_483_648
  }
  const mids = [100, 50]
  for (let n = 0; n < 6000; n++) {
    const i = n % 2
    mids[i] = (mids[i] as number) + Math.round((random() - 0.5) * 6) / 100
    const mid = mids[i] as number
    const tsUs = start + n * 500_000
    const symbol = i === 0 ? 'AAPL' : 'KO'
    const price = (value: number) => Number(value.toFixed(2))
    lines.push(
      random() < 0.3
        ? JSON.stringify({
            kind: 'trade',
            symbol,
            tsUs,
            price: price(mid + 0.02),
            size: 100,
            aggressor: random() < 0.5 ? 'buy' : 'sell',
          })
        : JSON.stringify({
            kind: 'quote',
            symbol,
            tsUs,
            bid: price(mid - 0.02),
            ask: price(mid + 0.02),
            bidSize: 300,
            askSize: 300,
          }),
    )
  }
  return `${lines.join('\n')}\n`
}

beforeAll(() => {
  folder = mkdtempSync(path.join(tmpdir(), 'gpi-backtest-'))
  records = path.join(folder, 'records.ndjson')
  writeFileSync(records, makeRecords())
})

const request = (
  over: Partial<BacktestRequest> & {seed?: number; execution?: Readonly<Record<string, unknown>>} = {},
): Omit<BacktestRequest, 'instruments'> => {
  const {seed = 1, execution = {}, ...rest} = over
  return {
    resolved: resolveConfig([{source: 'test', values: {seed, backtest: execution}}]),
    names: ['random-entry'],
    params: ['meanWaitSeconds=20', 'holdSeconds=30'],
    capitalDollars: 200_000,
    latencyUs: 500,
    fees: 'us',
    queue: 'conservative',
    ...rest,
  }
}

const backtest = async (
  over: Parameters<typeof request>[0] = {},
  options: {journal?: string; baselines?: boolean} = {},
): Promise<BacktestSummary> => {
  await using opened = await openSource({from: records, symbols: [], skipInvalid: false})
  const setup = await backtestSetup({...request(over), instruments: opened.source.instruments})
  using journal = options.journal === undefined ? undefined : openSqliteJournal(options.journal, {durable: 'end'})
  return await runBacktest({
    ...setup,
    source: opened.source,
    baselines: options.baselines ?? false,
    ...(journal === undefined ? {} : {journal}),
  })
}

describe('runBacktest', () => {
  test('the same tape, configuration and seed give the same journal, and another seed another', async () => {
    const [one, two, other] = [await backtest(), await backtest(), await backtest({seed: 2})]
    expect(one.fills).toBeGreaterThan(10)
    expect(two.journalHash).toBe(one.journalHash)
    expect({...two, eventsPerSecond: 0}).toEqual({...one, eventsPerSecond: 0})
    expect(other.journalHash).not.toBe(one.journalHash)
    expect(other.dataHash).toBe(one.dataHash)
  })

  test('another process gives the same journal', async () => {
    const script = `
      const {default: Backtest} = await import(${JSON.stringify(path.join(root, 'src/commands/backtest.ts'))})
      await Backtest.run(${JSON.stringify(['--from', records, '--strategy', 'random-entry', '--param', 'meanWaitSeconds=20', '--param', 'holdSeconds=30', '--capital', '200000', '--seed', '1', '--no-baselines', '--json'])}, {root: ${JSON.stringify(root)}})`
    const {stdout} = await promisify(execFile)(process.execPath, ['--input-type=module', '-e', script], {cwd: folder})
    expect(JSON.parse(stdout).journalHash).toBe((await backtest()).journalHash)
  })

  test('the books are exact and add up', async () => {
    const summary = await backtest()
    expect(summary.ledgerErrorMicros).toBe(0)
    const profit = summary.strategies.reduce((sum, {profitMicros}) => sum + profitMicros, 0)
    expect(summary.equityMicros - 200_000e6).toBe(profit)
    expect(summary.metrics.totalReturn).toBeCloseTo(profit / 200_000e6, 12)
  })

  test('keeps whatever a strategy says of itself as a document can', async () => {
    const file = path.join(folder, 'talker.mjs')
    writeFileSync(
      file,
      `export default () => ({name: 'talker', onEvent() {}, report: () => ({mean: 0 / 0, most: -1 / 0, n: 3, none: undefined, all: true, big: 5n, list: [1, NaN]})})`,
    )
    const {strategies} = await backtest({names: [file], params: []})
    expect(strategies[0]?.report).toEqual({
      mean: 'NaN',
      most: '-Infinity',
      n: 3,
      all: 'true',
      big: '5',
      list: '[1,null]',
    })
  })

  test('says which limits shaped it', async () => {
    const file = path.join(folder, 'all-in.mjs')
    writeFileSync(
      file,
      `export default () => ({name: 'all-in', onEvent(context, chunk, row) {
        if (chunk.instrument[row] === 0) context.target(0, Math.floor(context.nowUs / 60e6) % 2 === 0 ? 1900 : 0)
      }})`,
    )
    const {remarks} = await backtest({names: [file], params: []})
    const limited = remarks.find(({code}) => code === 'LIMITED')
    expect(limited?.text).toMatch(/orders made smaller by (max-order|max-position-fraction)/)
    expect((await backtest()).remarks.map(({code}) => code)).not.toContain('LIMITED')
  })

  test('costs are what the fills say: spread and slippage add up to the distance from the mid', async () => {
    const {costs} = await backtest({latencyUs: 0})
    expect(costs.spreadMicros).toBeGreaterThan(0)
    expect(costs.slippageMicros).toBe(0)
    const late = await backtest({latencyUs: 2_000_000})
    expect(late.costs.slippageMicros).not.toBe(0)
  })

  test('impact costs what it says, beside the slippage, and is none by default', async () => {
    const [free, moved] = [await backtest(), await backtest({execution: {impact: 'almgren'}})]
    expect(free.costs.impactMicros).toBe(0)
    expect(moved.costs.impactMicros).toBeGreaterThan(0)
    expect(moved.ledgerErrorMicros).toBe(0)
    expect(moved.equityMicros).toBeLessThan(free.equityMicros)
    expect(moved.configHash).not.toBe(free.configHash)
    expect(moved.analysis?.capacity).toMatchObject({impactMicros: moved.costs.impactMicros, isCharged: true})
    expect(free.analysis?.capacity?.isCharged).toBe(false)
    const again = await backtest({execution: {impact: 'almgren'}})
    expect(again.journalHash).toBe(moved.journalHash)
    const closelyHeld = await backtest({execution: {impact: 'almgren', impactInverseTurnover: 2_000}})
    expect(closelyHeld.costs.impactMicros).toBeGreaterThan(moved.costs.impactMicros)
    expect(closelyHeld.configHash).not.toBe(moved.configHash)
    expect((await backtest({execution: {impactInverseTurnover: 2_000}})).journalHash).toBe(free.journalHash)
    // A half-life is no part of a run that has no impact.
    expect((await backtest({execution: {impactHalfLifeMs: 7}})).journalHash).toBe(free.journalHash)
  })

  test('latencies recorded by one back-test give the fills of that back-test', async () => {
    const file = path.join(folder, 'latencies.sqlite')
    const fillsOf = (journal: string) => {
      using opened = openSqliteJournal(journal, {readOnly: true})
      return [...opened.entries()].flatMap(({entry}) =>
        entry.kind === 'report' && entry.report.kind === 'fill'
          ? [[entry.tsUs, entry.report.fill.tsUs, entry.report.fill.lots, entry.report.fill.priceTicks]]
          : [],
      )
    }
    const constant = await backtest({latencyUs: 700_000}, {journal: file})
    const replayed = path.join(folder, 'recorded.sqlite')
    const recorded = await backtest({execution: {latency: `recorded:${file}`}}, {journal: replayed})
    expect(fillsOf(replayed)).toEqual(fillsOf(file))
    expect(recorded.latency).toMatchObject({file, orderP50Us: 700_000, orderP99Us: 700_000, reportP99Us: 700_000})
    expect(constant.latency).toBeUndefined()
    expect(recorded.configHash).not.toBe(constant.configHash)
  })

  test('a latency of a wrong form and a missing recording are told', async () => {
    expect(() => resolveConfig([{source: 'test', values: {backtest: {latency: 'fast'}}}])).toThrow('recorded:FILE')
    await expect(backtest({execution: {latency: 'recorded:/nowhere.csv'}})).rejects.toMatchObject({
      code: 'LATENCY_FILE',
    })
  })

  test('a journal that was kept has the hash of one that was not', async () => {
    const file = path.join(folder, 'journal.sqlite')
    const kept = await backtest({}, {journal: file})
    using journal = openSqliteJournal(file, {readOnly: true})
    expect(journal.hash()).toBe(kept.journalHash)
    expect(kept.journalHash).toBe((await backtest()).journalHash)
  })

  test('has every key that scripts rely on', async () => {
    const summary = await backtest({}, {baselines: true})
    expect(Object.keys(summary)).toEqual(
      expect.arrayContaining(
        'runId seed dataHash configHash journalHash events eventsPerSecond orders fills rejected equityMicros ledgerErrorMicros metrics costs strategies'.split(
          ' ',
        ),
      ),
    )
    expect(Object.keys(summary.metrics)).toEqual(
      'totalReturn sharpe sortino calmar maxDrawdown winRate profitFactor avgWinLoss exposure turnover'.split(' '),
    )
    expect(summary.baselines.map(({name}) => name)).toEqual(['buy-and-hold', 'random-entry', 'do-nothing'])
    expect(summary.baselines[2]).toMatchObject({equityMicros: 200_000e6, fills: 0, metrics: {totalReturn: 0}})
  })

  test('how the tape is cut into chunks changes nothing', async () => {
    const tape = quoteTape(20_000, 3)
    const run = async (size: number) => {
      const source = memoryTape(['BTC/USD', 'ETH/USD', 'SOL/USD'], tape, size)
      const setup = await backtestSetup({
        ...request({params: ['meanWaitSeconds=0.2', 'holdSeconds=0.3', 'longOnly=true']}),
        instruments: source.instruments,
      })
      const {journalHash, dataHash, fills} = await runBacktest({...setup, source, baselines: false})
      expect(fills).toBeGreaterThan(2)
      return [journalHash, dataHash]
    }
    expect(await run(1)).toEqual(await run(65_536))
    expect(await run(777)).toEqual(await run(65_536))
  })
})

describe('--check-lookahead', () => {
  const check = async (source: string) => {
    const file = path.join(folder, `strategy-${source.length}.mjs`)
    writeFileSync(file, source)
    await using opened = await openSource({from: records, symbols: [], skipInvalid: false})
    const setup = await backtestSetup({...request({names: [file], params: []}), instruments: opened.source.instruments})
    return await checkLookahead({...setup, source: opened.source})
  }

  test('passes a strategy that reads its own row', async () => {
    const result = await check(`export default () => ({name: 'honest', onEvent(context, chunk, row) {
      const i = chunk.instrument[row]
      context.target(i, (context.market.bidTicks[i] / 100) % 2 < 1 ? 10 : 0)
    }})`)
    expect(result.decisions).toBeGreaterThan(50)
  })

  test.each([
    ['the next row of the chunk', 'chunk.v0[row + 1] > chunk.v0[row] ? 10 : 0', 'chunk.v0 (bid), read 1 row ahead'],
    [
      'the end of the chunk',
      'chunk.v1[chunk.count - 1] > 600000 ? 10 : (row % 100 < 50 ? 10 : 0)',
      'the first feature that differs is chunk.v1 (ask), read ',
    ],
  ])('catches one that reads %s, and names what it read', async (_, rule, words) => {
    const found = check(`export default () => ({name: 'peeker', onEvent(context, chunk, row) {
      context.target(chunk.instrument[row], ${rule})
    }})`)
    await expect(found).rejects.toMatchObject({
      code: 'LOOK_AHEAD',
      message: expect.stringMatching(/^peeker uses the future: /),
    })
    await expect(found).rejects.toThrow(words)
  })

  test('catches one that remembers the future from an earlier replay', async () => {
    await expect(
      check(`let seen = 0, runs = 0
      export default () => { runs++; let rows = 0; return {name: 'memory', onEvent(context, chunk, row) {
        rows++
        if (runs <= 2) seen = Math.max(seen, rows)
        context.target(chunk.instrument[row], seen - rows > 3000 || runs < 2 ? (rows % 100 < 50 ? 10 : 0) : 7)
      }}}`),
    ).rejects.toMatchObject({code: 'LOOK_AHEAD'})
  })
})

describe('what a user gets wrong is named', () => {
  test.each([
    [{names: ['market-makin']}, 'UNKNOWN_STRATEGY', 'did you mean market-making?'],
    [{params: ['meanWaitSecond=3']}, 'UNKNOWN_PARAMETER', 'did you mean meanWaitSeconds?'],
    [{params: ['meanWaitSeconds=-3']}, 'INVALID_PARAMETER', 'meanWaitSeconds'],
    [{params: ['nonsense']}, 'BAD_PARAMETER', '--param riskAversion=0.2'],
    [{names: ['./missing.ts'], params: []}, 'STRATEGY_FILE', 'backtest --help'],
    [{names: ['all', 'market-making']}, 'STRATEGY_CHOICE', ''],
    [{names: ['market-making', 'random-entry'], params: ['fraction=1']}, 'BAD_PARAMETER', 'market-making.fraction'],
  ] as const)('%o gives %s', async (over, code, hint) => {
    const error = await backtest(over as never).catch((e: unknown) => e)
    expect(error).toMatchObject({code})
    expect((error as {hints: string[]}).hints.join('\n')).toContain(hint)
  })

  test.each([
    [{}, 'NO_INPUT'],
    [{from: 'a', data: 'b'}, 'NO_INPUT'],
    [{from: '/nowhere/at.all'}, 'INPUT_NOT_FOUND'],
    [{from: tmpdir()}, 'INPUT_NOT_FOUND'],
    [{data: '/nowhere'}, 'NO_CATALOG'],
  ])('the source %o gives %s', async (source, code) => {
    await expect(openSource({symbols: [], skipInvalid: false, ...source})).rejects.toMatchObject({code})
  })

  test('an invalid record names its line, and exit code 6', async () => {
    const file = path.join(folder, 'bad.ndjson')
    writeFileSync(
      file,
      `${readFileSync(records, 'utf8').split('\n').slice(0, 5).join('\n')}\n{"kind":"quote","symbol":"X"}\n`,
    )
    await expect(openSource({from: file, symbols: [], skipInvalid: false})).rejects.toMatchObject({
      code: 'INVALID_RECORDS',
      exitCode: 6,
      message: expect.stringContaining('bad.ndjson:6:'),
    })
    await using opened = await openSource({from: file, symbols: [], skipInvalid: true})
    expect(opened.rejected).toBe(1)
  })

  test('an empty file, and one where nothing is left, give exit code 6', async () => {
    const file = path.join(folder, 'empty.ndjson')
    writeFileSync(file, '')
    await expect(openSource({from: file, symbols: [], skipInvalid: false})).rejects.toMatchObject({
      code: 'NO_ROWS',
      exitCode: 6,
    })
    await expect(openSource({from: records, symbols: ['MSFT'], skipInvalid: false})).rejects.toMatchObject({
      code: 'NO_ROWS',
    })
  })
})
