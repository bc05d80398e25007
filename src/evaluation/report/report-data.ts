import {z} from 'zod'

/**
 * Everything a report shows, as one JSON document that a run leaves behind: `gpi report` draws it again at any time. Money
 * in micros, prices decimal, times in epoch microseconds.
 */
const numbers = z.array(z.number())
const nullable = z.number().nullable()
const interval = z.object({low: z.number(), high: z.number()}).nullable()

export const ReportMetrics = z.looseObject({
  totalReturn: z.number(),
  sharpe: nullable,
  sortino: nullable,
  calmar: nullable,
  maxDrawdown: z.number(),
  winRate: nullable,
  profitFactor: nullable,
  avgWinLoss: nullable,
  exposure: z.number(),
  turnover: z.number(),
  period: z.string(),
  periods: z.number(),
  days: z.number(),
  psr: nullable,
  trades: z.number(),
  intervals: z.object({sharpe: interval, winRate: interval, avgWinLoss: interval}),
})

/** Trials that ended in an error. */
const failures = z.array(z.looseObject({params: z.array(z.string()), message: z.string()})).default([])
const micros = z.number()
const sums = z.array(
  z.looseObject({
    key: z.string(),
    trades: z.number(),
    wins: z.number(),
    losses: z.number().optional(),
    pnlMicros: micros,
  }),
)
const quantiles = z.object({p5: z.number(), p50: z.number(), p95: z.number()}).nullable()

const Analysis = z.looseObject({
  bySymbol: sums,
  byHour: sums,
  regimes: z.array(
    z.looseObject({
      dimension: z.string(),
      regime: z.string(),
      periods: z.number(),
      totalReturn: z.number(),
      marketReturn: z.number(),
      sharpe: nullable,
    }),
  ),
  crises: z.array(
    z.looseObject({
      name: z.string(),
      from: z.string(),
      to: z.string(),
      totalReturn: z.number(),
      maxDrawdown: z.number(),
      marketReturn: nullable,
    }),
  ),
  tradeOrder: z
    .looseObject({draws: z.number(), drawdown: z.number(), median: z.number(), high: z.number(), rank: z.number()})
    .nullable(),
  capacity: z
    .looseObject({
      sizes: z.array(z.object({multiple: z.number(), profitMicros: micros})),
      impactMicros: micros,
      isCharged: z.boolean().optional(),
      bestMultiple: nullable,
      breakEvenMultiple: nullable,
      participation: z.number(),
      uncovered: z.number(),
    })
    .nullable(),
})

const scorecardLines = z.array(
  z.object({
    target: z.string(),
    wanted: z.number(),
    value: nullable,
    interval,
    verdict: z.enum(['met', 'missed', 'uncertain', 'undefined']),
  }),
)

const span = z.looseObject({from: z.string(), to: z.string()})
const WalkForward = z.looseObject({
  windows: z.array(
    z.looseObject({
      test: span,
      params: z.array(z.string()),
      trainSharpe: nullable,
      validateSharpe: nullable,
      result: z.looseObject({
        fills: z.number(),
        metrics: z.looseObject({totalReturn: z.number(), sharpe: nullable, maxDrawdown: z.number()}),
      }),
    }),
  ),
  totalReturn: z.number(),
  failed: failures,
  outOfSample: z
    .looseObject({
      from: z.string(),
      to: z.string(),
      fills: z.number(),
      metrics: ReportMetrics,
      scorecard: scorecardLines,
      baselines: z.array(
        z.looseObject({name: z.string(), fills: z.number(), metrics: z.looseObject({totalReturn: z.number()})}),
      ),
      equity: z.object({tsUs: numbers, equityMicros: numbers}),
    })
    .nullable(),
})

const Sweep = z.looseObject({
  candidates: z.number().optional(),
  deflatedTrials: z.number().optional(),
  failed: failures,
  trials: z.array(
    z.looseObject({
      params: z.array(z.string()),
      fills: z.number(),
      metrics: z.looseObject({totalReturn: z.number(), sharpe: nullable, maxDrawdown: z.number()}),
    }),
  ),
  deflatedSharpe: nullable,
  overfitting: nullable,
  plateau: nullable,
  surfaces: z.array(
    z.object({
      x: z.string(),
      y: z.string(),
      xValues: z.array(z.string()),
      yValues: z.array(z.string()),
      sharpe: z.array(z.array(nullable)),
    }),
  ),
  complete: z.boolean(),
})

const MonteCarlo = z.looseObject({
  paths: z.number(),
  totalReturn: quantiles,
  maxDrawdown: quantiles,
  sharpe: quantiles,
  lossProbability: nullable,
  rank: nullable,
})

const Comparison = z.looseObject({
  matched: z.number(),
  missed: z.array(z.looseObject({})),
  extra: z.array(z.looseObject({})),
  meanSlippageBps: nullable,
  medianLatencyUs: nullable,
  notes: z.array(z.string()).optional(),
})

export const ReportData = z.looseObject({
  kind: z.literal('report'),
  title: z.string(),
  runId: z.string(),
  seed: z.number(),
  dataHash: z.string(),
  configHash: z.string(),
  journalHash: z.string(),
  from: z.string(),
  to: z.string(),
  events: z.number(),
  orders: z.number(),
  fills: z.number(),
  rejected: z.number(),
  equityMicros: z.number(),
  ledgerErrorMicros: z.number(),
  metrics: ReportMetrics,
  /** Further costs, such as borrowing, are named alike: `borrowMicros`. */
  costs: z.looseObject({feesMicros: z.number(), spreadMicros: z.number(), slippageMicros: z.number()}),
  scorecard: scorecardLines,
  remarks: z.array(z.object({code: z.string(), text: z.string()})),
  equity: z.object({tsUs: numbers, equityMicros: numbers, grossMicros: numbers}),
  drawdowns: z.array(
    z.object({peakUs: z.number(), troughUs: z.number(), recoveredUs: z.number().optional(), depth: z.number()}),
  ),
  strategies: z.array(
    z.looseObject({
      name: z.string(),
      weight: z.number(),
      profitMicros: z.number(),
      feesMicros: z.number(),
      trades: z.number(),
      winRate: nullable,
      curveMicros: numbers,
      report: z.record(z.string(), z.union([z.number(), z.string()])),
    }),
  ),
  baselines: z.array(
    z.looseObject({name: z.string(), equityMicros: z.number(), fills: z.number(), metrics: z.looseObject({})}),
  ),
  /** One entry an instrument that was traded, the most traded first. */
  instruments: z.array(
    z.object({
      symbol: z.string(),
      tsUs: numbers,
      price: numbers,
      profitMicros: z.number(),
      fills: z.array(z.object({tsUs: z.number(), side: z.enum(['buy', 'sell']), price: z.number(), size: z.number()})),
    }),
  ),
  /** Closed trades: time of closing and profit after fees. */
  trades: z.array(z.object({symbol: z.string(), closedUs: z.number(), holdingUs: z.number(), pnlMicros: z.number()})),
  stopped: z.string().optional(),
  analysis: Analysis.optional(),
  walkForward: WalkForward.optional(),
  sweep: Sweep.optional(),
  monteCarlo: MonteCarlo.optional(),
  comparison: Comparison.optional(),
})
export type ReportData = z.output<typeof ReportData>
