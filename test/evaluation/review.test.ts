import {describe, expect, test} from 'vitest'
import {createRng} from '../../src/domain/rng.ts'
import {computeMetrics, type MetricsDetail} from '../../src/evaluation/metrics.ts'
import {type ReviewInput, review} from '../../src/evaluation/review.ts'
import {scorecard} from '../../src/evaluation/scorecard.ts'

const DAY = 86_400e6
const runOf = (returns: readonly number[], pnl: readonly number[]): ReviewInput & {metrics: MetricsDetail} => {
  const equityMicros = [1e11]
  for (const r of returns) equityMicros.push((equityMicros.at(-1) as number) * (1 + r))
  const tsUs = equityMicros.map((_, i) => i * DAY)
  const trips = pnl.map(p => ({
    instrument: 0,
    direction: 1 as const,
    lots: 1,
    entryTicks: 1,
    exitTicks: 1,
    openedUs: 0,
    closedUs: 1,
    pnlMicros: p,
    feesMicros: 0,
  }))
  const metrics = computeMetrics(
    {tsUs, equityMicros, trips, tradedMicros: 1e12, calendar: 'us-equity'},
    {rng: createRng(1), bootstrapDraws: 300},
  )
  return {metrics, tsUs, equityMicros, tripPnlMicros: pnl, feesMicros: 5e6, tradedMicros: 1e12, ledgerErrorMicros: 0}
}
const noise = (seed: number, n: number, drift: number) => {
  const rng = createRng(seed)
  return Array.from({length: n}, () => drift + 0.01 * rng.normal())
}
const codes = (input: ReviewInput) => review(input).map(r => r.code)

describe('review', () => {
  test('a long, ordinary, profitable run gets no remark', () => {
    expect(
      codes(
        runOf(
          noise(1, 500, 0.002),
          Array.from({length: 200}, (_, i) => (i % 3 === 0 ? -1e6 : 1e6)),
        ),
      ),
    ).toEqual([])
  })
  test('a gap in the data is named, and is no time in which money grew', () => {
    const whole = runOf(noise(1, 400, 0.002), [])
    const late = (tsUs: number) => (tsUs < 200 * DAY ? tsUs : tsUs + 700 * DAY)
    const tsUs = Array.from(whole.tsUs, late)
    const metrics = computeMetrics(
      {tsUs, equityMicros: whole.equityMicros, trips: [], tradedMicros: 1e12, calendar: 'us-equity'},
      {rng: createRng(1), bootstrapDraws: 100},
    )
    const said = review({...whole, tsUs, metrics}).find(({code}) => code === 'GAPS')
    expect(said?.text).toContain('from 1970-07-19 to 1972-06-19:')
    expect((metrics.annualReturn as number) / (whole.metrics.annualReturn as number)).toBeCloseTo(1, 1)
    expect(codes(whole)).not.toContain('GAPS')
    // Months are as far apart as monthly bars are.
    expect(codes({...whole, tsUs: Array.from(whole.tsUs, at => at * 30)})).not.toContain('GAPS')
  })
  test('ruin is named', () => {
    expect(codes(runOf([...noise(4, 30, 0), -1.2, 0.1], []))).toContain('RUINED')
  })
  test('limits that shaped a run are named with what they did, a few refusals among many orders are not', () => {
    const run = runOf(noise(1, 500, 0.002), new Array<number>(100).fill(1e6))
    const said = (resized: [string, number][], refused: [string, number][], closed: [string, number][]) =>
      review({
        ...run,
        orders: 200,
        limited: {resized: new Map(resized), refused: new Map(refused), closed: new Map(closed)},
      }).find(({code}) => code === 'LIMITED')?.text
    expect(said([], [['stale-quote', 5]], [['stop-loss', 2]])).toBeUndefined()
    const refused: [string, number][] = [
      ['a', 8],
      ['b', 30],
      ['c', 1],
    ]
    expect(
      said([['max-order', 20]], refused, [
        ['take-profit', 60],
        ['stop-loss', 9],
      ]),
    ).toMatch(
      /: 20 orders made smaller by max-order, 39 orders refused by b and 2 others, 69 positions closed by take-profit and stop-loss \(/,
    )
  })
  test('luck, shortness and missing costs are named', () => {
    const oneDay = runOf([...noise(2, 30, 0), 0.2], [1e9, 1e6, -1e6, 1e6, 1e6])
    expect(codes(oneDay)).toEqual(expect.arrayContaining(['ONE_LUCKY_DAY', 'FEW_TRADES']))
    expect(codes(runOf(noise(3, 5, 0.001), []))).toEqual(expect.arrayContaining(['SHORT_HISTORY', 'NO_TRADES']))
    expect(codes({...oneDay, feesMicros: 0})).toContain('NO_COSTS')
    expect(codes({...oneDay, ledgerErrorMicros: 3})[0]).toBe('LEDGER_ERROR')
    expect(codes({...oneDay, stopped: 'drawdown'})).toContain('STOPPED_EARLY')
  })
  test('kind execution, one instrument, a faded edge and a better holder are named', () => {
    const good = runOf(
      noise(1, 500, 0.002),
      Array.from({length: 200}, (_, i) => (i % 3 === 0 ? -1e6 : 1e6)),
    )
    expect(review({...good, idealised: ['no fees', 'no latency']})[0]?.text).toContain('no fees, no latency')
    const of = (...pnl: number[]) => pnl.map((pnlMicros, k) => ({symbol: `S${k}`, pnlMicros}))
    expect(codes({...good, instrumentPnlMicros: of(1, 1, 9, 0, -1)})).toEqual(['ONE_INSTRUMENT'])
    expect(codes({...good, instrumentPnlMicros: of(3, 2, 4, 3, -1)})).toEqual([])
    expect(codes({...good, holdReturn: 100})).toEqual(['BEATEN_BY_HOLDING'])
    expect(codes({...good, holdReturn: 0.01})).toEqual([])
    expect(codes(runOf([...noise(1, 200, 0.003), ...noise(9, 200, -0.001)], [1, 1]))).toContain('FADING')
  })
  test('noise without drift is told from skill', () => {
    expect(codes(runOf(noise(4, 300, 0), []))).toContain('SHARPE_NOT_ABOVE_ZERO')
  })
  test('what is too good is doubted', () => {
    expect(
      codes(
        runOf(
          Array.from({length: 60}, (_, i) => 0.01 + 0.001 * (i % 2)),
          [],
        ),
      ),
    ).toContain('TOO_GOOD')
  })
  test('the best of many trials is told so', () => {
    const input = runOf(noise(5, 300, 0.001), [])
    expect(codes({...input, deflation: {trials: 200, sharpeVariance: 0.01, deflatedSharpe: 0.3}})).toContain(
      'MANY_TRIALS',
    )
  })
})

describe('scorecard', () => {
  test('met only when the whole interval is beyond the target and there is enough data', () => {
    const verdicts = (m: MetricsDetail) => Object.fromEntries(scorecard(m).map(s => [s.target, s.verdict]))
    const trades = Array.from({length: 300}, (_, i) => (i % 4 === 0 ? -1e6 : 2e6))
    expect(verdicts(runOf(noise(6, 400, 0.004), trades).metrics)).toMatchObject({
      sharpe: 'met',
      winRate: 'met',
      avgWinLoss: 'met',
    })
    expect(
      verdicts(
        runOf(
          noise(7, 400, -0.002),
          trades.map(p => -p),
        ).metrics,
      ),
    ).toMatchObject({sharpe: 'missed', winRate: 'missed', maxDrawdown: 'missed'})
    const short = verdicts(
      runOf(
        Array.from({length: 10}, (_, i) => 0.01 + 0.002 * (i % 2)),
        trades.slice(0, 8),
      ).metrics,
    )
    expect(Object.values(short)).not.toContain('met')
    expect(verdicts(runOf(noise(8, 40, 0), []).metrics)['winRate']).toBe('undefined')
    // An account that nobody used meets no target.
    const idle = runOf(new Array<number>(40).fill(0), []).metrics
    expect(new Set(Object.values(verdicts(idle)))).toEqual(new Set(['undefined']))
  })
})
