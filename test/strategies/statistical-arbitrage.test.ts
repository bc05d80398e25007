import {describe, expect, test} from 'vitest'
import {EventKind, Notice} from '../../src/data/tape.ts'
import {createRng} from '../../src/domain/rng.ts'
import {createStrategy} from '../../src/strategies/registry.ts'
import {borrowCostBps, dividendCostBps, expectedHoldingUs} from '../../src/strategies/statistical-arbitrage/carry.ts'
import {Pair} from '../../src/strategies/statistical-arbitrage/pair.ts'
import {PriceGrid} from '../../src/strategies/statistical-arbitrage/price-grid.ts'
import {screenPairs} from '../../src/strategies/statistical-arbitrage/screen.ts'
import {bar, quote, type Row, rehearse, START, table} from './fixture.ts'

/** Two stocks whose log prices keep a mean-reverting distance, and independent ones beside them. */
const pairMarket = (seed: number, rows: number, others = 0, breakAt = Number.POSITIVE_INFINITY): Row[] => {
  const rng = createRng(seed)
  const logs = Array.from({length: 2 + others}, () => Math.log(100))
  let spread = 0
  const out: Row[] = []
  for (let k = 0; k < rows; k++) {
    for (let i = 1; i < logs.length; i++) logs[i] = (logs[i] as number) + 0.002 * rng.normal()
    spread = k < breakAt ? 0.9 * spread + 0.003 * rng.normal() : spread + 0.004 * rng.normal() + 0.001
    logs[0] = 0.8 * ((logs[1] as number) - Math.log(100)) + Math.log(100) + spread
    for (const [i, log] of logs.entries()) out.push(bar(START + k * 60e6, i, Math.round(Math.exp(log) * 10_000)))
  }
  return out
}

const run = (rows: Row[], symbols: string[], params = {}, options = {}) => {
  const strategy = createStrategy('statistical-arbitrage', params)
  return {...rehearse(strategy, table(...symbols), rows, options), report: strategy.report?.() ?? {}}
}

describe('PriceGrid', () => {
  test('closes a row when all who took part before have reported, or when time moves on', () => {
    const grid = new PriceGrid(2, 4)
    expect([grid.onPrice(0, 1, 10), grid.onPrice(1, 2, 10)]).toEqual([0, 0])
    expect([grid.onPrice(0, 3, 20), grid.onPrice(1, 4, 20)]).toEqual([1, 1])
    expect(grid.rows).toBe(2)
    expect(Array.from(grid.window(0, 2) ?? [])).toEqual([Math.log(1), Math.log(3)])
    grid.onPrice(0, 5, 30)
    expect(grid.onPrice(0, 6, 40)).toBe(2)
    expect(grid.at(1, 0)).toBe(Math.log(4))
    expect(grid.window(0, 9)).toBeUndefined()
  })
  test('a latecomer joins the row of its time, and rows stay one a time whoever comes and goes', () => {
    const grid = new PriceGrid(3, 8)
    const present = [[0, 1], [0, 1, 2], [0, 1, 2], [1], [0, 1, 2], [0, 1, 2], [0, 2]]
    for (const [t, who] of present.entries()) for (const i of who) grid.onPrice(i, 100 * (t + 1) + i, 10 * (t + 1))
    grid.onPrice(0, 1, 1000)
    expect(grid.rows).toBeGreaterThanOrEqual(present.length)
    expect(grid.rows).toBeLessThanOrEqual(present.length + 1)
    const back = grid.rows - 2
    expect(grid.at(2, back)).toBe(Math.log(202))
  })
})

describe('screenPairs', () => {
  const options = {
    falseDiscoveryRate: 0.1,
    maxPairs: 5,
    minHalfLife: 1,
    maxHalfLife: 50,
    minBeta: 0.1,
    maxBeta: 10,
    confirmWithJohansen: false,
  }
  const walks = (seed: number, count: number) => {
    const rng = createRng(seed)
    return new Map(
      Array.from({length: count}, (_, id) => {
        const s = new Float64Array(250)
        for (let i = 1; i < s.length; i++) s[i] = (s[i - 1] as number) + 0.01 * rng.normal()
        return [id, s] as const
      }),
    )
  }
  test('among independent walks it mostly finds nothing, although plain testing would', () => {
    let screensWithDiscovery = 0
    for (let seed = 1; seed <= 20; seed++)
      if (screenPairs(walks(seed, 12), options).discoveries > 0) screensWithDiscovery++
    expect(screensWithDiscovery).toBeLessThanOrEqual(6)
  })
  test('finds the one true pair among them, with its hedge ratio', () => {
    const windows = walks(3, 10)
    const rng = createRng(99)
    const x = windows.get(4) as Float64Array
    let spread = 0
    windows.set(
      10,
      x.map(v => {
        spread = 0.8 * spread + 0.004 * rng.normal()
        return 1.5 * v + spread
      }),
    )
    const [pair, ...rest] = screenPairs(windows, options).pairs
    expect(rest).toEqual([])
    expect([pair?.y, pair?.x].sort()).toEqual([10, 4])
    expect(pair?.y === 10 ? pair.beta : 1 / (pair?.beta ?? 1)).toBeCloseTo(1.5, 1)
  })
  test('a copied series or a frozen one is no pair', () => {
    const windows = walks(1, 1)
    windows.set(1, Float64Array.from(windows.get(0) as Float64Array))
    windows.set(2, new Float64Array(250).fill(1))
    expect(screenPairs(windows, options).pairs).toEqual([])
  })
})

describe('Pair', () => {
  const rules = {
    entryZ: 2,
    exitZ: 0.5,
    stopZ: 4,
    maxHalfLives: 3,
    breakPValue: 1,
    breakEvery: 1e9,
    breakWindow: 60,
    breakRunLength: 1e12,
    hedgeMemoryRows: 1e9,
    minEdgeBps: 0,
  }
  const candidate = {
    y: 0,
    x: 1,
    pValue: 0,
    beta: 1,
    alpha: 0,
    halfLife: 4,
    deviation: 0.01,
    centre: 0,
    scale: 1,
    rows: 1e9,
  }
  test.each([
    ['opens short above, closes on return', [0.005, 0.022, 0.015, 0.004], [0, -1, -1, 0], 'reverted'],
    ['opens long below, closes on return', [-0.021, -0.01, 0.001], [1, 1, 0], 'reverted'],
    ['stops out when it runs on', [0.022, 0.03, 0.041], [-1, -1, 0], 'stopped'],
    [
      'times out',
      [0.022, ...Array.from({length: 12}, () => 0.02)],
      [-1, ...Array.from({length: 11}, () => -1), 0],
      'timed-out',
    ],
  ])('%s', (_name, spreads, directions, reason) => {
    const pair = new Pair(candidate, rules)
    let last: string | undefined
    const seen = spreads.map(s => {
      last = pair.onRow(s, 0) ?? last
      return pair.direction
    })
    expect(seen).toEqual(directions)
    expect(last).toBe(reason)
  })
  test('a mean that has moved breaks the relation long before the unit-root test could', () => {
    const rng = createRng(6)
    const watch = (shiftAt: number): number => {
      const pair = new Pair(candidate, {...rules, breakRunLength: 2000})
      const phi = 0.5 ** (1 / candidate.halfLife)
      let spread = 0
      for (let k = 1; k <= 400; k++) {
        const mean = k > shiftAt ? 0.04 : 0
        spread = mean + phi * (spread - mean) + 0.01 * Math.sqrt(1 - phi * phi) * rng.normal()
        pair.onRow(spread, 0)
        if (pair.isBroken) return k
      }
      return Number.POSITIVE_INFINITY
    }
    const whole = Array.from({length: 40}, () => watch(Number.POSITIVE_INFINITY))
    const moved = Array.from({length: 40}, () => watch(50))
    // Two thousand rows to a false alarm: some 18 % of four hundred rows have one.
    expect(whole.filter(Number.isFinite).length).toBeLessThan(15)
    const found = moved.filter(k => k > 50).sort((a, b) => a - b)
    expect(found.length).toBeGreaterThan(30)
    expect(found[Math.floor(found.length / 2)]).toBeLessThan(50 + 40)
  })
  test('enters only when the way back to the exit pays what the position costs', () => {
    // At 0.025 the way back to half a deviation is 200 basis points.
    const opened = (bps: number) => {
      const pair = new Pair(candidate, rules)
      pair.onRow(0.025, 0, () => bps)
      return [pair.direction, pair.belowCosts]
    }
    expect(opened(199.9)).toEqual([-1, 0])
    expect(opened(200.1)).toEqual([0, 1])
    const asked: unknown[] = []
    new Pair(candidate, rules).onRow(-0.03, 0, (direction, z) => asked.push([direction, z]))
    expect(asked).toEqual([[1, expect.closeTo(-3, 6)]])
  })
  test('after a stop it waits for the mean before it opens again', () => {
    const pair = new Pair(candidate, rules)
    const directions = [0.022, 0.041, 0.03, 0.025, 0.002, 0.022].map(s => {
      pair.onRow(s, 0)
      return pair.direction
    })
    expect(directions).toEqual([-1, 0, 0, 0, 0, -1])
  })
})

describe('statistical-arbitrage', () => {
  test('finds and trades a true pair at a profit before costs, both legs against each other', () => {
    const {report, fills, profitMicros, positions} = run(pairMarket(1, 1500), ['KO', 'PEP'])
    expect(report['pairs']).toBeGreaterThan(0)
    expect(report['entries']).toBeGreaterThan(3)
    expect(profitMicros).toBeGreaterThan(0)
    const first = fills.slice(0, 2)
    expect(new Set(first.map(f => f.instrument)).size).toBe(2)
    expect(new Set(first.map(f => f.side)).size).toBe(2)
    expect(Math.abs(positions[0] as number)).toBeLessThan(200)
  })
  test('works on quotes by sampling them', () => {
    const rows = pairMarket(1, 900).map(r => {
      const close = r.values[3] as number
      return quote(r.tsUs + r.instrument, r.instrument, close - 50, close + 50)
    })
    expect(run(rows, ['KO', 'PEP'], {sampleSeconds: 60}).report['entries']).toBeGreaterThan(0)
  })
  test('drops a pair whose relation breaks, and loses a bounded sum on it', () => {
    const {report, profitMicros} = run(pairMarket(2, 1500, 0, 700), ['KO', 'PEP'])
    const {stopped = 0, broken = 0} = report as Record<string, number>
    expect(stopped + broken).toBeGreaterThan(0)
    expect(profitMicros).toBeGreaterThan(-2_000e6)
  })
  test('gives a position up when one leg was refused', () => {
    const {report, positions} = run(pairMarket(1, 1500), ['KO', 'PEP'], {}, {refuse: 1})
    expect(report['unhedged']).toBeGreaterThan(0)
    expect(positions[1]).toBe(0)
  })
  test('a split or a dividend on its ex-date is no break and no signal', () => {
    const rows = pairMarket(1, 1500)
    const plain = run(rows, ['KO', 'PEP'])
    // While nothing is held PEP splits, and later KO pays a dollar.
    const flats = plain.targets.filter(t => t.instrument === 1 && t.lots === 0).map(t => t.tsUs + 60e6 - 1)
    const [splitUs, exUs] = [flats[0], flats[2]] as [number, number]
    const last = rows.filter(r => r.instrument === 0 && r.tsUs < exUs).at(-1)?.values[3] as number
    const keep = 1 - 1 / (last / 1e4)
    const notice = (tsUs: number, instrument: number, flags: number, values: number[]): Row => ({
      tsUs,
      kind: EventKind.notice,
      instrument,
      flags,
      values,
    })
    const adjusted = rows.flatMap((row): Row[] => {
      const factor =
        (row.instrument === 1 && row.tsUs > splitUs ? 0.5 : 1) * (row.instrument === 0 && row.tsUs > exUs ? keep : 1)
      const values = row.values.map((v, k) => (k < 4 ? Math.round(v * factor) : v))
      const before =
        row.instrument === 0 && row.tsUs - 60e6 < splitUs && row.tsUs > splitUs
          ? [notice(splitUs, 1, Notice.split, [2, 1])]
          : row.instrument === 0 && row.tsUs - 60e6 < exUs && row.tsUs > exUs
            ? [notice(exUs, 0, Notice.dividend, [1e6, 0])]
            : []
      return [...before, {...row, values}]
    })
    const told = run(adjusted, ['KO', 'PEP'])
    expect(told.report).toMatchObject({splits: 1, dividends: 1, entries: plain.report['entries'] as number})
    expect(told.targets.map(t => [t.tsUs, t.instrument, Math.sign(t.lots)])).toEqual(
      plain.targets.map(t => [t.tsUs, t.instrument, Math.sign(t.lots)]),
    )
    const silent = run(
      adjusted.filter(r => r.kind !== EventKind.notice),
      ['KO', 'PEP'],
    )
    expect(silent.report['entries']).not.toBe(plain.report['entries'])
  })
  test('no more value in legs than the portfolio may hold', () => {
    const rows = pairMarket(1, 1500)
    expect(run(rows, ['KO', 'PEP'], {maxGross: 0.01}).report).toMatchObject({entries: 0})
    expect(run(rows, ['KO', 'PEP'], {maxGross: 0.01}).report['atGrossLimit']).toBeGreaterThan(0)
    expect(run(rows, ['KO', 'PEP']).report['atGrossLimit']).toBe(0)
  })
  test('costs forbid what they would eat: fees, a dear loan, a dividend that the short leg pays', () => {
    const rows = pairMarket(1, 1500)
    const entries = (params: object, extra: Row[] = []) =>
      Number(run([...extra, ...rows], ['KO', 'PEP'], params).report['entries'])
    const free = entries({})
    expect(entries({costBps: 500})).toBe(0)
    // Holding times are minutes: only an absurd loan fee matters, and the data's own goes before the assumed one.
    expect(entries({borrowBpsPerYear: 1e9})).toBe(0)
    const told = [0, 1].map(
      (instrument): Row => ({
        tsUs: START - 1,
        kind: EventKind.notice,
        instrument,
        flags: Notice.borrow,
        values: [0, -1],
      }),
    )
    expect(entries({borrowBpsPerYear: 1e9}, told)).toBe(free)
  })
  test('needs two symbols when they are named', () => {
    expect(() => run(pairMarket(1, 5), ['KO', 'PEP'], {symbols: ['KO', 'XOM']})).toThrow(/two instruments/)
  })
  test('coins that cannot be shorted are left alone', () => {
    expect(run(pairMarket(1, 600), ['BTC/USD', 'ETH/USD']).report['rows']).toBe(0)
  })
  test('the past never changes when the future does', () => {
    const rows = pairMarket(4, 1000)
    const whole = run(rows, ['KO', 'PEP']).targets
    const cut = run(rows.slice(0, 1400), ['KO', 'PEP']).targets
    expect(cut.length).toBeGreaterThan(0)
    expect(whole.slice(0, cut.length)).toEqual(cut)
  })
})

describe('carry', () => {
  const DAY = 86_400e6
  test('a deviation of four is at a half after three half-lives', () => {
    expect(expectedHoldingUs(4, 0.5, DAY)).toBeCloseTo(3 * DAY, 3)
    expect(expectedHoldingUs(-2, 0.5, DAY)).toBeCloseTo(2 * DAY, 3)
    expect(expectedHoldingUs(0.3, 0.5, DAY)).toBe(0)
  })
  test('a year of a loan costs its yearly fee', () => {
    expect(borrowCostBps(30, 365 * DAY)).toBe(30)
    expect(borrowCostBps(365, DAY)).toBe(1)
  })
  test('a short leg pays the dividends whose ex-date lies in the holding time', () => {
    const now = Date.UTC(2025, 0, 10) * 1000
    const dividends = [
      {exDate: '2025-01-09', dollars: 1},
      {exDate: '2025-01-15', dollars: 0.5},
      {exDate: '2025-02-15', dollars: 9},
    ]
    expect(dividendCostBps(dividends, 100, now, 10 * DAY)).toBe(50)
    expect(dividendCostBps(dividends, 100, now, 2 * DAY)).toBe(0)
    expect(dividendCostBps(dividends, 0, now, 10 * DAY)).toBe(0)
  })
})
