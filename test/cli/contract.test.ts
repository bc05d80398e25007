import {mkdtempSync, readFileSync, rmSync, writeFileSync} from 'node:fs'
import {tmpdir} from 'node:os'
import path from 'node:path'
import {afterAll, beforeAll, describe, expect, test} from 'vitest'
import {syntheticQuotes} from '../options/synthetic-chain.ts'
import {type GpiOptions, runGpi} from '../support/run-gpi.ts'

/** The keys that other people's scripts rely on, by the real commands on tiny data, each in a process of its own. */

type Type =
  | 'count'
  | 'integer'
  | 'number'
  | 'number?'
  | 'integer?'
  | 'text'
  | 'text?'
  | 'flag'
  | 'flag?'
  | 'list'
  | 'hash'
type Shape = {readonly [key: string]: Type | Shape}

const CHECKS: Readonly<Record<Type, (value: unknown) => boolean>> = {
  count: value => Number.isSafeInteger(value) && (value as number) >= 0,
  integer: Number.isSafeInteger,
  number: Number.isFinite,
  'number?': value => value === null || Number.isFinite(value),
  'integer?': value => value === null || Number.isSafeInteger(value),
  text: value => typeof value === 'string' && value !== '',
  'text?': value => value === null || typeof value === 'string',
  flag: value => typeof value === 'boolean',
  'flag?': value => value === null || typeof value === 'boolean',
  list: Array.isArray,
  hash: value => typeof value === 'string' && /^[0-9a-f]{64}$/.test(value),
}

/** Every key of `shape` that a document lacks or holds as something else. */
const wrong = (document: unknown, shape: Shape, at = ''): string[] =>
  Object.entries(shape).flatMap(([key, type]) => {
    const value = (document as Record<string, unknown> | undefined)?.[key]
    if (typeof type !== 'string') return wrong(value, type, `${at}${key}.`)
    return CHECKS[type](value) ? [] : [`${at}${key} should be ${type}, was ${JSON.stringify(value)}`]
  })

const LATENCY: Shape = {p50: 'number', p99: 'number'}
const LATENCY_MS: Shape = {p50Ms: 'number', p99Ms: 'number', bytes: 'count'}
const SCORES: Shape = {macroF1: 'number', mcc: 'number', accuracy: 'number'}

/** Whole commands, on a machine that may be busy. */
const PATIENT_MS = 300_000

let home: string
beforeAll(() => {
  home = mkdtempSync(path.join(tmpdir(), 'gpi-contract-'))
})
afterAll(() => rmSync(home, {recursive: true, force: true}))

const gpi = (args: readonly string[], options: GpiOptions = {}) =>
  runGpi(args, {cwd: home, env: {HOME: home, GPI__HOME: path.join(home, '.gpi')}, ...options})

/** What a command prints with `--json`: the whole of stdout is one document. */
const documentOf = async (args: readonly string[], expectedCode = 0): Promise<Record<string, unknown>> => {
  const {code, stdout, stderr} = await gpi([...args, '--json'])
  expect(code, stderr).toBe(expectedCode)
  return JSON.parse(stdout)
}

const recordsOf = (ndjson: string): Record<string, unknown>[] =>
  ndjson
    .trimEnd()
    .split('\n')
    .map(line => JSON.parse(line))

const vectorOf = (record: Record<string, unknown> | undefined): number[] => (record?.['vector'] ?? []) as number[]

const chain = syntheticQuotes({
  spot: 4300,
  rate: 0.05,
  yieldRate: 0.015,
  expiries: ['2023-07-21', '2023-08-18', '2023-09-15', '2023-12-15'],
  strikes: Array.from({length: 41}, (_, i) => 3800 + 25 * i),
  halfSpread: 0.2,
  volatility: (strike, _t, forward) => 0.2 - 0.2 * Math.log(strike / forward),
})
/** A call worth less than one struck higher: bought and sold at once it pays for nothing. */
const mispriced = chain.map(quote =>
  quote.right === 'call' && quote.strike === 4300 && quote.expiry === '2023-09-15'
    ? {...quote, bid: 1, ask: 1.2}
    : quote,
)
const quotes = (of: typeof chain): string =>
  of.map(quote => `${JSON.stringify({kind: 'option-quote', ...quote})}\n`).join('')

const minuteBars = (): string => {
  const rows = ['datetime_utc,open,high,low,close,volume']
  let close = 100
  for (let day = 2; day <= 26; day++) {
    for (let minute = 0; minute < 120; minute++) {
      const open = close
      close =
        Math.round((open * (1 + 0.002 * Math.sin(day * 7.3 + minute * minute * 0.37)) + Number.EPSILON) * 100) / 100
      const at = new Date(Date.UTC(2024, 0, day, 15, minute)).toISOString().slice(0, 19).replace('T', ' ')
      rows.push([at, open, Math.max(open, close) + 0.02, Math.min(open, close) - 0.02, close, 100 + minute].join(','))
    }
  }
  return `${rows.join('\n')}\n`
}

describe('what other programs read from gpi', () => {
  test('ingest', async () => {
    const document = await documentOf([
      'ingest',
      'synthetic',
      '--events',
      '30000',
      '--symbols',
      'SPY,QQQ',
      '--seed',
      '3',
      '--out',
      'ticks',
    ])
    expect(
      wrong(document, {
        source: 'text',
        files: 'count',
        rows: 'count',
        rejected: 'count',
        defects: {},
        from: 'text',
        to: 'text',
        sha256: 'hash',
        out: 'text',
      }),
    ).toEqual([])
    expect(document).toMatchObject({rows: 30_000, out: 'ticks', defects: {}})
    expect(new Date(document['from'] as string).toISOString()).toBe(document['from'])
  })

  test(
    'backtest',
    async () => {
      const args = ['backtest', '--data', 'ticks', '--strategy', 'random-entry', '--no-baselines']
      const document = await documentOf(args)
      expect(
        wrong(document, {
          runId: 'text',
          seed: 'count',
          dataHash: 'hash',
          configHash: 'hash',
          journalHash: 'hash',
          events: 'count',
          eventsPerSecond: 'count',
          orders: 'count',
          fills: 'count',
          rejected: 'count',
          equityMicros: 'integer',
          ledgerErrorMicros: 'integer',
          metrics: {
            totalReturn: 'number',
            sharpe: 'number?',
            sortino: 'number?',
            calmar: 'number?',
            maxDrawdown: 'number',
            winRate: 'number?',
            profitFactor: 'number?',
            avgWinLoss: 'number?',
            exposure: 'number',
            turnover: 'number',
          },
          costs: {feesMicros: 'integer', spreadMicros: 'integer', slippageMicros: 'integer'},
          strategies: 'list',
        }),
      ).toEqual([])
      expect(document).toMatchObject({events: 30_000, ledgerErrorMicros: 0})
      expect((await documentOf(args))['journalHash']).toBe(document['journalHash'])
    },
    PATIENT_MS,
  )

  test('chain and violation records', async () => {
    const {code, stdout, stderr} = await gpi(['chain', '--from', '-', '--out', '-', '--violations'], {
      input: quotes(mispriced),
    })
    expect(code, stderr).toBe(0)
    const records = recordsOf(stdout)
    const greeks = records.filter(record => record['kind'] === 'greeks')
    expect(greeks).toHaveLength(chain.length)
    const shape: Shape = {
      kind: 'text',
      symbol: 'text',
      contract: 'text',
      right: 'text',
      strike: 'number',
      expiry: 'text',
      tsUs: 'count',
      bid: 'number',
      ask: 'number',
      mid: 'number?',
      forward: 'number',
      discount: 'number',
      ttmYears: 'number',
      impliedVolatility: 'number?',
      delta: 'number?',
      gamma: 'number?',
      vega: 'number?',
      theta: 'number?',
      rho: 'number?',
      status: 'text',
    }
    expect(greeks.flatMap(record => wrong(record, shape))).toEqual([])
    const statuses = ['ok', 'below-intrinsic', 'above-bound', 'no-quote', 'crossed']
    expect(greeks.filter(({status}) => !statuses.includes(status as string))).toEqual([])
    for (const record of greeks.filter(({status}) => status === 'ok')) {
      expect(Math.abs(record['delta'] as number)).toBeLessThanOrEqual(1)
      expect(record['impliedVolatility']).toBeGreaterThan(0)
    }
    const violations = records.filter(record => record['kind'] === 'violation')
    expect(violations.length).toBeGreaterThan(0)
    expect(
      violations.flatMap(record =>
        wrong(record, {type: 'text', legs: 'list', edge: 'number', edgeAfterCosts: 'number'}),
      ),
    ).toEqual([])
  })

  test('embedding records', async () => {
    const {code, stdout, stderr} = await gpi(['embed', '--from', '-', '--out', '-'], {input: quotes(chain)})
    expect(code, stderr).toBe(0)
    const [record] = recordsOf(stdout)
    expect(
      wrong(record, {
        kind: 'text',
        symbol: 'text',
        tsUs: 'count',
        vector: 'list',
        heads: {sentiment: 'number', volatilityRegime: 'number', arbitrage: 'number'},
        modelHash: 'hash',
        cached: 'flag',
      }),
    ).toEqual([])
    expect(record).toMatchObject({kind: 'embedding', cached: false})
    expect(vectorOf(record).filter(Number.isFinite)).toHaveLength(256)
    writeFileSync(path.join(home, 'embedding.ndjson'), stdout)
    const again = await gpi(['embed', '--from', '-', '--out', '-'], {input: quotes(chain)})
    expect(recordsOf(again.stdout)[0]).toMatchObject({cached: true, vector: record?.['vector']})
  })

  test('memory search and stats', async () => {
    const [embedding] = recordsOf(readFileSync(path.join(home, 'embedding.ndjson'), 'utf8'))
    const patterns = Array.from({length: 12}, (_, i) => ({
      ...{kind: 'pattern', id: `p${i}`, symbol: 'SPX', strategy: 'contract', regime: 'calm', tsUs: 1e15 + i * 1e6},
      vector: vectorOf(embedding).map((x, k) => x + 0.01 * Math.sin(i * 31 + k)),
      outcome: {pnlBps: i - 4},
    }))
    const input = patterns.map(pattern => `${JSON.stringify(pattern)}\n`).join('')
    expect((await gpi(['memory', 'add', '--json'], {input})).code).toBe(0)
    const {code, stdout, stderr} = await gpi(['memory', 'search', '--vector', 'embedding.ndjson', '--k', '5', '--json'])
    expect(code, stderr).toBe(0)
    const found = JSON.parse(stdout) as {matches: unknown[]}
    expect(
      wrong(found, {
        matches: 'list',
        evidence: {
          n: 'count',
          effectiveN: 'number',
          mean: 'number?',
          low: 'number?',
          high: 'number?',
          abstain: 'flag',
        },
        tookUs: 'number',
      }),
    ).toEqual([])
    expect(found.matches).toHaveLength(5)
    const match: Shape = {id: 'text', similarity: 'number', symbol: 'text', tsUs: 'count', outcome: {}}
    expect(found.matches.flatMap(each => wrong(each, match))).toEqual([])
    const stats = await documentOf(['memory', 'stats'])
    const shape: Shape = {
      count: 'count',
      capacity: 'count',
      dimension: 'count',
      index: 'text',
      bytes: 'count',
      byStrategy: {contract: {count: 'count'}},
      hitRate: 'number',
    }
    expect(wrong(stats, shape)).toEqual([])
    expect(stats).toMatchObject({count: 12, capacity: 10_000, dimension: 256})
  })

  test(
    'train, evaluate and optimize-trt',
    async () => {
      writeFileSync(path.join(home, 'XYZ_1m.csv'), minuteBars())
      await documentOf(['ingest', 'csv', 'XYZ_1m.csv', '--out', 'bars'])
      const small = [
        '--window',
        '8',
        '--max-steps',
        '12',
        '--validate-every',
        '6',
        '--baseline-steps',
        '20',
        '--batch',
        '32',
      ]
      const trained = await documentOf(['train', 'lstm', '--data', 'bars', '--out', 'models', ...small])
      const tables: Shape = {test: SCORES, baselines: {majority: SCORES, persistence: SCORES, linear: SCORES}}
      expect(
        wrong(trained, {
          model: 'text',
          size: 'text',
          parameters: 'count',
          steps: 'count',
          epochs: 'number',
          seed: 'count',
          dataHash: 'hash',
          trainLoss: 'number',
          valid: {},
          ...tables,
          modelPath: 'text',
          cardPath: 'text',
          stepMs: 'number',
        }),
      ).toEqual([])
      expect(trained).toMatchObject({model: 'lstm', size: 'small', steps: 12})
      const model = path.resolve(home, trained['modelPath'] as string)
      const measured = await documentOf(['evaluate', model, '--data', 'bars', '--baseline-steps', '20'])
      expect(wrong(measured, tables)).toEqual([])
      const args = ['optimize-trt', model, '--data', 'bars', '--out', 'small', '--runs', '20', '--windows', '50']
      const {code, stdout, stderr} = await gpi([...args, '--json'])
      expect([0, 1], stderr).toContain(code)
      const optimised = JSON.parse(stdout) as Record<string, unknown>
      expect(
        wrong(optimised, {
          provider: 'text',
          precision: 'text',
          before: LATENCY_MS,
          after: LATENCY_MS,
          reduction: 'number',
          drift: {maxAbs: 'number', cosineMin: 'number', decisionFlips: 'number'},
          accepted: 'flag',
          output: 'text?',
        }),
      ).toEqual([])
      // A refused result is a failure, and nothing is written.
      expect(code).toBe(optimised['accepted'] === true ? 0 : 1)
    },
    PATIENT_MS,
  )

  test(
    'stress',
    async () => {
      const document = await documentOf([
        'stress',
        '--scenario',
        'flash-crash',
        '--paths',
        '1',
        '--book',
        'none',
        '--strategy',
        'buy-and-hold',
      ])
      expect(
        wrong(document, {
          scenario: 'text',
          seed: 'count',
          paths: 'count',
          var99: 'number',
          cvar99: 'number',
          stressedVar99: 'number',
          maxDrawdown: 'number',
          latchedAtUs: 'integer?',
          ordersAfterLatch: 'count',
          passed: 'flag',
          breaches: 'list',
        }),
      ).toEqual([])
      expect(document).toMatchObject({scenario: 'flash-crash', paths: 1, ordersAfterLatch: 0})
    },
    PATIENT_MS,
  )

  test(
    'trade and kill',
    async () => {
      const document = await documentOf(['trade', '--paper', '--duration', '3s', '--speed', '30', '--port', '0'])
      expect(
        wrong(document, {
          runId: 'text',
          broker: 'text',
          feed: 'text',
          events: 'count',
          signals: 'count',
          orders: 'count',
          fills: 'count',
          rejected: 'count',
          equityMicros: 'integer',
          ledgerErrorMicros: 'integer',
          latencyUs: {decision: LATENCY, total: LATENCY},
          journalHash: 'hash',
          stoppedBy: 'text',
        }),
      ).toEqual([])
      expect(document).toMatchObject({ledgerErrorMicros: 0})
      const {stdout} = await gpi(['kill', '--json'])
      expect(
        wrong(JSON.parse(stdout), {
          latched: 'flag',
          cancelled: 'count',
          openOrders: 'count',
          flat: 'flag?',
          firstCancelMs: 'number?',
          elapsedMs: 'number',
        }),
      ).toEqual([])
      const refused = await gpi(['trade', '--paper', '--duration', '1s', '--json'])
      expect(refused.code).toBe(3)
      expect(JSON.parse(refused.stdout)).toMatchObject({error: {code: expect.any(String), hints: expect.any(Array)}})
      const released = await documentOf(['kill', '--release'])
      expect(released).toMatchObject({released: true, latched: false, remoteLatch: 'not configured'})
      expect(Object.keys(JSON.parse(stdout)).filter(key => !(key in (released as object)))).toEqual([])
      expect(
        wrong(released, {
          cancelled: 'count',
          openOrders: 'integer?',
          flat: 'flag?',
          firstCancelMs: 'number?',
          elapsedMs: 'number',
        }),
      ).toEqual([])
    },
    PATIENT_MS,
  )
})
