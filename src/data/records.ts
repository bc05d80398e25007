import {z} from 'zod'

/**
 * The one vocabulary of gpi's pipes: NDJSON, one record a line, `kind` first. Each schema lets further fields through
 * untouched, so a script may annotate records and still pipe them on. Prices are decimals in the quote currency, sizes
 * in units; `tsUs` is epoch microseconds UTC.
 */
const time = z.int().nonnegative()
const price = z.number()
const positive = z.number().positive()
const size = z.number().nonnegative()
const symbol = z.string().min(1)
const isoDate = z.string().regex(/^\d{4}-\d{2}-\d{2}$/, 'must be YYYY-MM-DD')
const vector = z.array(z.number()).length(256)

export const Quote = z.looseObject({
  kind: z.literal('quote'),
  symbol,
  tsUs: time,
  bid: price,
  ask: price,
  bidSize: size,
  askSize: size,
})
export const Trade = z.looseObject({
  kind: z.literal('trade'),
  symbol,
  tsUs: time,
  price,
  size,
  aggressor: z.enum(['buy', 'sell']).optional(),
})
/** Stamped at its close: a bar is known at `tsUs`, not before. */
export const Bar = z.looseObject({
  kind: z.literal('bar'),
  symbol,
  tsUs: time,
  open: price,
  high: price,
  low: price,
  close: price,
  volume: size,
  periodUs: z.int().positive(),
})
const level = z.tuple([price, size])
/** The whole visible book: levels from the touch outwards as [price, size]. */
export const BookSnapshot = z.looseObject({
  kind: z.literal('book-snapshot'),
  symbol,
  tsUs: time,
  bids: z.array(level),
  asks: z.array(level),
})
/** New total size at a price; 0 removes the level. `last` marks the end of one atomic update. */
export const BookDelta = z.looseObject({
  kind: z.literal('book-delta'),
  symbol,
  tsUs: time,
  side: z.enum(['bid', 'ask']),
  price,
  size,
  last: z.boolean().optional(),
})
/** One event of one resting order (level 3). */
export const BookOrder = z.looseObject({
  kind: z.literal('book-order'),
  symbol,
  tsUs: time,
  orderId: z.union([z.string(), z.number()]),
  action: z.enum(['add', 'reduce', 'delete', 'execute', 'hidden-execute', 'halt']),
  side: z.enum(['bid', 'ask']),
  price,
  size,
})
export const OptionQuote = z.looseObject({
  kind: z.literal('option-quote'),
  symbol,
  contract: z.string().min(1),
  right: z.enum(['call', 'put']),
  strike: positive,
  expiry: isoDate,
  tsUs: time,
  bid: price,
  ask: price,
  bidSize: size.optional(),
  askSize: size.optional(),
  underlying: price.optional(),
  volume: size.optional(),
  openInterest: size.optional(),
})
/** From `tsUs` (the open of the ex-date) on, `ratio` new shares stand for one old: 4 for a four-for-one, 0.1 for a one-for-ten. */
export const Split = z.looseObject({kind: z.literal('split'), symbol, tsUs: time, ratio: positive})
/** Whoever holds the share before `tsUs` (the open of the ex-date) is paid at `payUs`, at once without it; a short pays. */
export const Dividend = z.looseObject({
  kind: z.literal('dividend'),
  symbol,
  tsUs: time,
  cashPerShare: positive,
  payUs: time.optional(),
})
/** What a short sale costs from now on, and what can be borrowed: all or nothing, or so many shares. */
export const Borrow = z.looseObject({
  kind: z.literal('borrow'),
  symbol,
  tsUs: time,
  rateBpsAnnual: size,
  available: z.union([z.boolean(), size]),
})
/** Trading of one instrument stops or goes on. */
export const Status = z.looseObject({
  kind: z.literal('status'),
  symbol,
  tsUs: time,
  status: z.enum(['halted', 'trading']),
})
/** No execution below or above (limit up, limit down; daily limits); a missing side is not limited. */
export const Band = z.looseObject({
  kind: z.literal('band'),
  symbol,
  tsUs: time,
  lower: price.optional(),
  upper: price.optional(),
})
/** Quoted or published volatilities of a contract where the source gives no prices; fractions a year. */
export const OptionVolatility = z.looseObject({
  kind: z.literal('option-volatility'),
  symbol,
  contract: z.string().min(1),
  right: z.enum(['call', 'put']),
  strike: positive,
  expiry: isoDate,
  tsUs: time,
  bidVolatility: z.number().optional(),
  askVolatility: z.number().optional(),
  markVolatility: z.number().optional(),
  mark: price.optional(),
  forward: price.optional(),
  underlying: price.optional(),
  delta: z.number().optional(),
  volume: size.optional(),
  openInterest: size.optional(),
})
/** A named daily or intraday number that is not a price of a bar: VIX close, realised variance, adjustment factor. */
export const Observation = z.looseObject({
  kind: z.literal('observation'),
  symbol,
  tsUs: time,
  name: z.string().min(1),
  value: z.number(),
})
export const Greeks = z.looseObject({
  kind: z.literal('greeks'),
  symbol,
  contract: z.string(),
  right: z.enum(['call', 'put']),
  strike: positive,
  expiry: isoDate,
  tsUs: time,
  bid: price,
  ask: price,
  mid: price.nullable(),
  forward: price,
  discount: z.number(),
  ttmYears: z.number(),
  impliedVolatility: z.number().nullable(),
  delta: z.number().nullable(),
  gamma: z.number().nullable(),
  vega: z.number().nullable(),
  theta: z.number().nullable(),
  rho: z.number().nullable(),
  vanna: z.number().nullable().optional(),
  volga: z.number().nullable().optional(),
  charm: z.number().nullable().optional(),
  status: z.enum(['ok', 'below-intrinsic', 'above-bound', 'no-quote', 'crossed']),
})
/** Fitted smile of one expiry: raw SVI of total variance in ln(strike/forward). Error in volatility points (1 = 0.01). */
export const Smile = z.looseObject({
  kind: z.literal('smile'),
  symbol,
  tsUs: time,
  root: z.string(),
  expiry: isoDate,
  ttmYears: z.number(),
  forward: price,
  discount: z.number(),
  svi: z.looseObject({a: z.number(), b: z.number(), rho: z.number(), m: z.number(), sigma: z.number()}),
  butterflyFree: z.boolean(),
  calendarFree: z.boolean(),
  points: z.int().nonnegative(),
  rmseVolPoints: z.number(),
  coverage: z.number(),
})
/** Numbers of a whole chain: the SSVI surface and the chain's features. */
export const Surface = z.looseObject({
  kind: z.literal('surface'),
  symbol,
  tsUs: time,
  ssvi: z.looseObject({rho: z.number(), eta: z.number(), gamma: z.number()}).nullable(),
  features: z.record(z.string(), z.number().nullable()),
})
export const Violation = z.looseObject({
  kind: z.literal('violation'),
  type: z.enum(['parity', 'vertical', 'butterfly', 'calendar', 'box']),
  legs: z.array(z.looseObject({contract: z.string(), side: z.enum(['buy', 'sell']), quantity: z.number()})),
  edge: z.number(),
  edgeAfterCosts: z.number(),
})
export const Embedding = z.looseObject({
  kind: z.literal('embedding'),
  symbol,
  tsUs: time,
  vector,
  heads: z.record(z.string(), z.number()).optional(),
})
export const Pattern = z.looseObject({
  kind: z.literal('pattern'),
  id: z.string().min(1),
  symbol,
  strategy: z.string().min(1),
  regime: z.string(),
  tsUs: time,
  vector,
  /** `pnlBps` after all costs; null while nothing is known yet. */
  outcome: z.looseObject({pnlBps: z.number().nullable()}),
})
export const SignalRecord = z.looseObject({
  kind: z.literal('signal'),
  strategy: z.string().min(1),
  symbol,
  tsUs: time,
  direction: z.union([z.literal(-1), z.literal(0), z.literal(1)]),
  strength: z.number().min(0).max(1),
  holdingPeriodUs: z.number().nonnegative(),
  size: z.number().min(0).max(1),
  confidence: z.number().min(0).max(1),
})
const side = z.enum(['buy', 'sell'])
export const OrderRecord = z.looseObject({
  kind: z.literal('order'),
  clientOrderId: z.string().min(1),
  symbol,
  tsUs: time,
  side,
  type: z.enum(['market', 'limit', 'stop', 'stop_limit', 'trailing_stop']),
  timeInForce: z.enum(['day', 'gtc', 'ioc', 'fok', 'opg', 'cls']),
  size: positive,
  limit: price.optional(),
  stop: price.optional(),
  strategy: z.string().optional(),
  status: z.string().optional(),
})
export const FillRecord = z.looseObject({
  kind: z.literal('fill'),
  fillId: z.string().min(1),
  clientOrderId: z.string().min(1),
  symbol,
  tsUs: time,
  side,
  size: positive,
  price,
  feeMicros: z.int(),
  liquidity: z.enum(['maker', 'taker']),
})
export const VerdictRecord = z.looseObject({
  kind: z.literal('verdict'),
  clientOrderId: z.string().min(1),
  symbol,
  tsUs: time,
  verdict: z.enum(['accept', 'resize', 'reject']),
  rule: z.string().optional(),
  detail: z.string().optional(),
})
export const PositionRecord = z.looseObject({
  kind: z.literal('position'),
  symbol,
  tsUs: time,
  size: z.number(),
  averageEntry: price,
})
export const RiskRecord = z.looseObject({kind: z.literal('risk'), tsUs: time})
export const LatencyRecord = z.looseObject({kind: z.literal('latency'), tsUs: time})
export const RequestsRecord = z.looseObject({kind: z.literal('requests'), tsUs: time})
export const LogRecord = z.looseObject({
  kind: z.literal('log'),
  tsUs: time,
  level: z.enum(['info', 'warn', 'error']),
  text: z.string(),
})
export const RunRecord = z.looseObject({kind: z.literal('run'), runId: z.string().min(1)})

export const MarketRecord = z.discriminatedUnion('kind', [
  Quote,
  Trade,
  Bar,
  BookSnapshot,
  BookDelta,
  BookOrder,
  OptionQuote,
  OptionVolatility,
  Observation,
  Split,
  Dividend,
  Borrow,
  Status,
  Band,
])
export const GpiRecord = z.discriminatedUnion('kind', [
  Quote,
  Trade,
  Bar,
  BookSnapshot,
  BookDelta,
  BookOrder,
  OptionQuote,
  OptionVolatility,
  Observation,
  Split,
  Dividend,
  Borrow,
  Status,
  Band,
  Greeks,
  Smile,
  Surface,
  Violation,
  Embedding,
  Pattern,
  SignalRecord,
  OrderRecord,
  FillRecord,
  VerdictRecord,
  PositionRecord,
  RiskRecord,
  RunRecord,
  LatencyRecord,
  RequestsRecord,
  LogRecord,
])
export type MarketRecord = z.output<typeof MarketRecord>
export type GpiRecord = z.output<typeof GpiRecord>
export type RecordKind = GpiRecord['kind']
