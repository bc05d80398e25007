import type {CatalogKind} from '../../data/catalog.ts'

/**
 * What a kind's rows are while they are being normalised (decimal prices, one temporary table) and at rest (integer
 * ticks and lots in Parquet).
 */
export interface KindTable {
  /** Optional columns of a layout's SELECT, as typed NULLs. */
  readonly defaults: Readonly<Record<string, string>>
  /** Prices that decide the tick size, and sizes that decide the lot size. */
  readonly prices: readonly string[]
  readonly sizes: readonly string[]
  /** [condition, words]: rows that make no sense, rejected and named by line. */
  readonly invalid: readonly (readonly [string, string])[]
  /** [condition, defect name]: rows left out and counted. */
  readonly dropped: readonly (readonly [string, string])[]
  /** [condition, defect name]: rows kept and counted. */
  readonly noted: readonly (readonly [string, string])[]
  /** Columns that make two rows of a symbol the same row; the first is kept. Empty where repeats are legitimate. */
  readonly unique: readonly string[]
  /** Stored columns: name → SQL, where P(x) and S(x) stand for x in ticks and lots. */
  readonly stored: Readonly<Record<string, string>>
}

const badPrice = (name: string): readonly [string, string] => [
  // Beyond this a tick is no longer an integer that a double holds.
  `NOT isfinite(${name}) OR ${name} < 0 OR ${name} > 9e15`,
  `${name} must be a finite number not below 0 and not above 9e15`,
]
const badSize = badPrice
/** A missing side is a price or size of nothing. */
const side = (price: string, size: string) => `coalesce(${price}, 0) = 0 OR coalesce(${size}, 0) = 0`
const bidAbsent = side('bid', 'bid_size')
const askAbsent = side('ask', 'ask_size')
const twoSided = `bid > 0 AND ask > 0 AND bid_size > 0 AND ask_size > 0`

const QUOTE: KindTable = {
  defaults: {venue_ts_us: 'NULL::BIGINT'},
  prices: ['bid', 'ask'],
  sizes: ['bid_size', 'ask_size'],
  invalid: [badPrice('bid'), badPrice('ask'), badSize('bid_size'), badSize('ask_size')],
  dropped: [
    [`(${bidAbsent}) AND (${askAbsent})`, 'emptyQuotes'],
    [`${twoSided} AND bid > ask`, 'crossedQuotes'],
  ],
  noted: [
    [`${twoSided} AND bid = ask`, 'lockedQuotes'],
    [`(${bidAbsent}) != (${askAbsent})`, 'oneSidedQuotes'],
  ],
  unique: [],
  stored: {
    bid_ticks: `CASE WHEN ${bidAbsent} THEN 0 ELSE P(bid) END`,
    ask_ticks: `CASE WHEN ${askAbsent} THEN 0 ELSE P(ask) END`,
    bid_lots: `CASE WHEN ${bidAbsent} THEN 0 ELSE S(bid_size) END`,
    ask_lots: `CASE WHEN ${askAbsent} THEN 0 ELSE S(ask_size) END`,
    venue_ts_us: 'venue_ts_us',
  },
}

const TRADE: KindTable = {
  defaults: {aggressor: 'NULL::INTEGER', venue_ts_us: 'NULL::BIGINT'},
  prices: ['price'],
  sizes: ['size'],
  invalid: [badPrice('price'), badSize('size')],
  dropped: [
    ['price IS NULL OR size IS NULL', 'blankTrades'],
    ['price = 0', 'zeroPrices'],
    ['size = 0', 'zeroSizes'],
  ],
  noted: [],
  unique: [],
  stored: {
    price_ticks: 'P(price)',
    size_lots: 'S(size)',
    aggressor: 'coalesce(aggressor, 0)::TINYINT',
    venue_ts_us: 'venue_ts_us',
  },
}

const BAR: KindTable = {
  defaults: {},
  prices: ['open', 'high', 'low', 'close'],
  sizes: ['volume'],
  invalid: [badPrice('open'), badPrice('high'), badPrice('low'), badPrice('close'), badSize('volume')],
  dropped: [
    ['open IS NULL OR high IS NULL OR low IS NULL OR close IS NULL', 'blankBars'],
    ['open = 0 OR high = 0 OR low = 0 OR close = 0', 'zeroPrices'],
  ],
  noted: [
    ['high < greatest(open, close, low) OR low > least(open, close, high)', 'inconsistentBars'],
    ['volume IS NULL', 'blankVolumes'],
  ],
  unique: ['ts_us', 'period_us'],
  stored: {
    open_ticks: 'P(open)',
    high_ticks: 'P(greatest(open, high, low, close))',
    low_ticks: 'P(least(open, high, low, close))',
    close_ticks: 'P(close)',
    volume_lots: 'S(coalesce(volume, 0))',
    period_us: 'period_us',
  },
}

const DEPTH: KindTable = {
  defaults: {venue_ts_us: 'NULL::BIGINT'},
  prices: ['price'],
  sizes: ['size'],
  invalid: [badPrice('price'), badSize('size')],
  dropped: [['price IS NULL OR size IS NULL', 'blankLevels']],
  noted: [],
  unique: [],
  stored: {price_ticks: 'P(price)', total_lots: 'S(size)', flags: 'flags::UTINYINT', venue_ts_us: 'venue_ts_us'},
}

const ORDER: KindTable = {
  defaults: {venue_ts_us: 'NULL::BIGINT'},
  prices: ['price'],
  sizes: ['size'],
  invalid: [badPrice('price'), badSize('size')],
  dropped: [['price IS NULL OR size IS NULL', 'blankOrders']],
  noted: [],
  unique: [],
  stored: {
    price_ticks: 'P(price)',
    size_lots: 'S(size)',
    order_id: 'order_id::BIGINT',
    flags: 'flags::UTINYINT',
    venue_ts_us: 'venue_ts_us',
  },
}

const OPTION: KindTable = {
  defaults: {
    contract: 'NULL::VARCHAR',
    bid_size: 'NULL::DOUBLE',
    ask_size: 'NULL::DOUBLE',
    underlying: 'NULL::DOUBLE',
    volume: 'NULL::DOUBLE',
    open_interest: 'NULL::DOUBLE',
    implied_volatility: 'NULL::DOUBLE',
    delta: 'NULL::DOUBLE',
    gamma: 'NULL::DOUBLE',
  },
  prices: ['bid', 'ask'],
  sizes: ['bid_size', 'ask_size', 'volume', 'open_interest'],
  invalid: [
    badPrice('bid'),
    badPrice('ask'),
    ['strike IS NULL OR NOT isfinite(strike) OR strike <= 0', 'strike must be a positive number'],
    ['expiry IS NULL', 'expiry must be a date'],
    ["\"right\" NOT IN ('call', 'put')", 'right must be call or put'],
  ],
  dropped: [
    ['bid IS NULL AND ask IS NULL', 'blankQuotes'],
    ['bid > ask AND ask > 0', 'crossedQuotes'],
  ],
  noted: [
    ['coalesce(ask, 0) = 0', 'noAsk'],
    ['coalesce(bid, 0) = 0', 'noBid'],
    ['bid = ask AND bid > 0', 'lockedQuotes'],
  ],
  unique: ['ts_us', 'contract'],
  stored: {
    contract: 'contract',
    right: '"right"',
    strike: 'strike',
    expiry: 'expiry',
    bid_ticks: 'P(coalesce(bid, 0))',
    ask_ticks: 'P(coalesce(ask, 0))',
    // NULL where the source gives no sizes.
    bid_lots: 'S(bid_size)',
    ask_lots: 'S(ask_size)',
    // Written as 0 where it is not known.
    underlying: 'nullif(underlying, 0)',
    volume_lots: 'S(coalesce(volume, 0))',
    open_interest_lots: 'S(coalesce(open_interest, 0))',
    implied_volatility: 'implied_volatility',
    delta: 'delta',
    gamma: 'gamma',
  },
}

const OPTION_VOLATILITY: KindTable = {
  defaults: {
    contract: 'NULL::VARCHAR',
    right: 'NULL::VARCHAR',
    bid_volatility: 'NULL::DOUBLE',
    ask_volatility: 'NULL::DOUBLE',
    mark_volatility: 'NULL::DOUBLE',
    mark: 'NULL::DOUBLE',
    forward: 'NULL::DOUBLE',
    underlying: 'NULL::DOUBLE',
    delta: 'NULL::DOUBLE',
    volume: 'NULL::DOUBLE',
    open_interest: 'NULL::DOUBLE',
  },
  prices: [],
  sizes: [],
  invalid: [
    ['strike IS NULL OR NOT isfinite(strike) OR strike <= 0', 'strike must be a positive number'],
    ['expiry IS NULL', 'expiry must be a date'],
    ['bid_volatility < 0 OR ask_volatility < 0 OR mark_volatility < 0', 'a volatility must not be negative'],
  ],
  dropped: [['bid_volatility IS NULL AND ask_volatility IS NULL AND mark_volatility IS NULL', 'blankVolatilities']],
  noted: [['bid_volatility > ask_volatility', 'crossedQuotes']],
  unique: ['ts_us', 'contract'],
  stored: Object.fromEntries(
    [
      'contract',
      'right',
      'strike',
      'expiry',
      'bid_volatility',
      'ask_volatility',
      'mark_volatility',
      'mark',
      'forward',
      'underlying',
      'delta',
      'volume',
      'open_interest',
    ].map(name => [name, `"${name}"`]),
  ),
}

const OBSERVATION: KindTable = {
  defaults: {},
  prices: [],
  sizes: [],
  invalid: [['NOT isfinite(value)', 'value must be a finite number']],
  dropped: [['value IS NULL', 'blankValues']],
  noted: [],
  unique: ['ts_us', 'name'],
  stored: {name: 'name', value: 'value'},
}

/** Splits, dividends, borrow, halts and limits: what a tape's notice rows say. `lower` of a dividend is its cash. */
const NOTICE: KindTable = {
  defaults: {first: '0::DOUBLE', second: '0::DOUBLE', lower: '0::DOUBLE', upper: '0::DOUBLE'},
  prices: ['lower', 'upper'],
  sizes: [],
  invalid: [
    ['code IS NULL OR code < 0 OR code > 4', 'the action is not known'],
    [
      'code = 0 AND NOT coalesce(first >= 1 AND second >= 1 AND first = floor(first) AND second = floor(second), false)',
      'a split must be of whole numbers',
    ],
    ['code = 1 AND NOT coalesce(lower > 0, false)', 'a dividend must be positive'],
    badPrice('lower'),
    badPrice('upper'),
  ],
  dropped: [],
  noted: [],
  unique: ['ts_us', 'code'],
  stored: {
    code: 'code::UTINYINT',
    first: 'coalesce(first, 0)::DOUBLE',
    second: 'coalesce(second, 0)::DOUBLE',
    lower_ticks: 'P(coalesce(lower, 0))',
    upper_ticks: 'P(coalesce(upper, 0))',
  },
}

export const KIND_TABLES: Readonly<Record<CatalogKind, KindTable>> = {
  quote: QUOTE,
  trade: TRADE,
  bar: BAR,
  depth: DEPTH,
  order: ORDER,
  option: OPTION,
  'option-volatility': OPTION_VOLATILITY,
  observation: OBSERVATION,
  notice: NOTICE,
}
