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
  costs: z.object({feesMicros: z.number(), spreadMicros: z.number(), slippageMicros: z.number()}),
  scorecard: z.array(
    z.object({
      target: z.string(),
      wanted: z.number(),
      value: nullable,
      interval,
      verdict: z.enum(['met', 'missed', 'uncertain', 'undefined']),
    }),
  ),
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
})
export type ReportData = z.output<typeof ReportData>
