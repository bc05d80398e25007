import {z} from 'zod'

/**
 * Everything a user can set, with its default, in one strict schema: an unknown key is an error. Resolved once, at the
 * edge; inside, no field is optional in the sense of "use the default". Money is in dollars here because people write
 * it; `core` turns it into micros.
 */
const fraction = (value: number) => z.number().min(0).max(1).default(value)
const dollars = (value: number) => z.number().nonnegative().default(value)

export const STRATEGY_NAMES = [
  'option-sentiment',
  'market-making',
  'triangular-arbitrage',
  'statistical-arbitrage',
  'pattern-recognition',
] as const

export const ApiConfig = z.strictObject({
  broker: z.enum(['local', 'alpaca']).default('local').describe('where orders go: the local exchange or Alpaca'),
  paper: z.boolean().default(true).describe('Alpaca paper account; false also needs --live'),
  stockFeed: z.enum(['iex', 'sip', 'delayed_sip']).default('iex').describe('Alpaca stock feed of the subscription'),
  timeoutMs: z.int().positive().default(10_000).describe('time allowed to one request'),
  requestsPerMinute: z.int().positive().default(200).describe('request budget; cancels go first'),
})

export const ModelConfig = z.strictObject({
  directory: z.string().default('models').describe('where trained models are looked up by name'),
  architecture: z
    .enum(['transformer', 'lstm', 'cnn', 'hybrid', 'ensemble'])
    .default('transformer')
    .describe('signal model'),
  embeddingDimension: z.literal(256).default(256).describe('dimension of embeddings and patterns'),
  layers: z.int().min(1).max(48).default(6).describe('transformer layers'),
  heads: z.int().min(1).max(64).default(8).describe('attention heads'),
  modelDimension: z.int().min(8).max(4096).default(256).describe('width of the transformer'),
  useTensorRt: z.boolean().default(false).describe('prefer TensorRT where its provider is installed'),
  useReinforcementLearning: z.boolean().default(false).describe('let the trained policy set strategy weights'),
  useEnsembles: z.boolean().default(false).describe('combine the models of the ensemble'),
  device: z
    .enum(['auto', 'cpu', 'cuda', 'tensorrt', 'webgpu'])
    .default('auto')
    .describe('inference device; a name is a demand'),
})

export const MemoryConfig = z.strictObject({
  directory: z.string().default('memory').describe('pattern bank, relative to the home'),
  capacity: z.int().positive().default(10_000).describe('patterns kept hot'),
  coldCapacity: z.int().nonnegative().default(90_000).describe('patterns kept cold beyond that'),
  index: z.enum(['auto', 'exact', 'faiss', 'ivf', 'usearch']).default('auto').describe('vector index'),
  neighbours: z.int().min(1).max(1000).default(10).describe('patterns a query returns'),
  store: z.enum(['sqlite', 'mongodb']).default('sqlite').describe('document store of the patterns'),
  cache: z.enum(['lru', 'redis']).default('lru').describe('embedding cache in front of the store'),
})

export const StrategiesConfig = z.strictObject({
  weights: z
    .strictObject(
      Object.fromEntries(STRATEGY_NAMES.map(name => [name, z.number().min(0).max(1).default(0.2)])) as Record<
        (typeof STRATEGY_NAMES)[number],
        z.ZodDefault<z.ZodNumber>
      >,
    )
    .prefault({})
    .refine(weights => Math.abs(Object.values(weights).reduce((a, b) => a + b, 0) - 1) < 1e-9, {
      error: issue =>
        `strategy weights must sum to 1, were ${Object.values(issue.input as Record<string, number>).reduce((a, b) => a + b, 0)}`,
    })
    .describe('share of capital each strategy gets; must sum to 1'),
  allocation: z
    .enum(['auto', 'static', 'inverse-volatility', 'risk-parity', 'policy'])
    .default('auto')
    .describe('how weights move; auto is the policy where it knows all of several strategies, else static'),
  parameters: z
    .record(z.string(), z.record(z.string(), z.unknown()))
    .default({})
    .describe('parameters by strategy name'),
})

export const RiskConfig = z.strictObject({
  maxPortfolioRisk: fraction(0.02).describe(
    'largest loss of the portfolio at 99 % over a day, as a fraction of equity',
  ),
  maxPositionDollars: dollars(50_000).describe('largest position in dollars'),
  maxPositionFraction: fraction(0.1).describe('largest position as a fraction of equity'),
  maxDailyLossDollars: dollars(5_000).describe('loss in a day that halts trading'),
  maxDrawdown: fraction(0.05).describe('fall from the peak of equity that halts trading'),
  maxCorrelationExposure: fraction(0.6).describe(
    'largest gross exposure to one cluster of correlated instruments, fraction of equity',
  ),
  stressVarLimit: fraction(0.1).describe('largest stressed VaR as a fraction of equity'),
  cashReserve: fraction(0.2).describe('fraction of equity kept in cash'),
  minimumCapitalDollars: dollars(100_000).describe('least capital to start trading with'),
  priceCollar: fraction(0.05).describe('largest distance of an order price from the market'),
  maxOrderDollars: dollars(25_000).describe('largest single order in dollars'),
  maxOrdersPerSecond: z.int().positive().default(50).describe('order rate over which orders are refused'),
  staleQuoteMs: z
    .int()
    .positive()
    .default(5_000)
    .describe('market-clock age of a quote after which no opening order is sent'),
  stopLoss: fraction(0.02).describe('adverse move of a position that closes it'),
  takeProfit: fraction(0.05).describe('favourable move of a position that closes it'),
  maxHoldingMinutes: z
    .int()
    .positive()
    .default(43_200)
    .describe('age of a position that closes it; 30 days, so that daily bars can be held'),
  restricted: z.array(z.string()).default([]).describe('symbols never traded'),
  allowShort: z.boolean().default(true).describe('whether short positions may be opened'),
  borrowBpsAnnual: z
    .number()
    .nonnegative()
    .default(0)
    .describe('basis points a year for shares sold short in a back-test, where the data gives no rate'),
})

export const BacktestConfig = z.strictObject({
  impact: z
    .enum(['none', 'almgren', 'resilience', 'auto'])
    .default('none')
    .describe(
      'what our own orders do to the market: nothing, the 3/5 law, used-up books, or the one that the data allows',
    ),
  impactHalfLifeMs: z
    .int()
    .positive()
    .default(300_000)
    .describe('market time in which the temporary part of an impact halves'),
  impactInverseTurnover: z
    .number()
    .positive()
    .optional()
    .describe(
      'shares outstanding over a day’s volume, which almgren’s permanent part grows with; 200 where nothing is said',
    ),
  sharesOutstanding: z
    .record(z.string(), z.number().positive())
    .optional()
    .describe('of symbols, at the start of the data: almgren then reckons their inverse turnover itself'),
  exercise: z
    .enum(['expiry', 'optimal'])
    .default('expiry')
    .describe(
      'when own American options are exercised: at their end, or also once the market pays nothing for their time',
    ),
  latency: z
    .string()
    .regex(/^(constant|recorded:.+)$/, {error: 'latency is "constant" or "recorded:FILE"'})
    .default('constant')
    .describe('constant (--latency-us), or recorded:FILE with latencies that were measured'),
})

export const Config = z.strictObject({
  home: z.string().default('.gpi').describe('folder of journals, banks, runs and the kill latch'),
  seed: z.int().nonnegative().default(1).describe('seed of every random draw'),
  api: ApiConfig.prefault({}),
  model: ModelConfig.prefault({}),
  memory: MemoryConfig.prefault({}),
  strategies: StrategiesConfig.prefault({}),
  risk: RiskConfig.prefault({}),
  backtest: BacktestConfig.prefault({}),
})
export type Config = z.output<typeof Config>
export type RiskConfig = z.output<typeof RiskConfig>
