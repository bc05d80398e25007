/**
 * How the simulated market trades. Figures marked [m] were measured on the shared books and bars by
 * `test/bench/exchange-calibration.ts`, which recomputes them; [a] is an assumption, said so.
 *
 * Measured: lob/lean_{IBM,BAC}_tick_{quotes,trades}_2013-10 (2013-10-07, national best quote): IBM 1.31 quotes/s of which
 * 0.35 move a price, 0.78 orders/s, spread 2.0 ticks (mean), touch 300 shares (log deviation 0.84), order 100 (0.62), next
 * sign equal with correlation 0.38, a unit of imbalance announces 0.116 bp over the next second (correlation 0.11, one-second
 * volatility 0.47 bp); BAC 10 quotes/s, 2.0 orders/s, 1.0 tick, order 245 (1.33), sign 0.55. lob/binance_spot_{BTC,ETH}USDT_20240808:
 * 7.7 and 6.7 price moves/s, 16.1 and 8.3 orders/s, mean spread 0.050 and 0.078 bp, sign 0.62 and 0.66, imbalance 0.35 and
 * 0.60 bp (correlation 0.18 and 0.36). intraday/us_5m_{SPY,QQQ,AAPL,XLP}_2025 (from 12 May, inside days): annual volatility
 * 9.0, 11.7, 17.7, 9.4 %; correlation to SPY 0.95, 0.49, 0.18; daily volatility has log deviation 0.42, persistence 0.49;
 * five-minute kurtosis 10. daily/{KO,PEP}_1d_2010_2019 from 2013: volatility 14.5 and 14.1 %, hedge ratio 0.676, spread
 * 4.1 % with a half-life of 50 days. crypto/binance_{btcusdt,ethusdt,ethbtc}_1h_2021: correlation 0.72, ETH 1.55 times BTC,
 * ETH/BTC off its legs by 1.6 bp, uncorrelated an hour later. crypto/coinbase_btcusd_1m_2023-03: volatility 63 %.
 */
export interface Calibration {
  readonly symbol: string
  /** Price at 2025-06-02 09:30 New York: SPY, QQQ, AAPL from intraday/us_5m_*_2025 [m], the others by order of magnitude [a]. */
  readonly price: number
  /** Updates of the best quote a second, and orders that take. */
  readonly quotesPerSecond: number
  readonly ordersPerSecond: number
  /** Mean spread in price increments; at least one. */
  readonly spreadTicks: number
  /** Price increment in units of the quote currency. */
  readonly increment: number
  /** Median size at the touch and logarithmic deviation; shares are in whole units. */
  readonly touchSize: number
  readonly touchDeviation: number
  readonly orderSize: number
  readonly orderDeviation: number
  /** Correlation of one order's sign with the next. */
  readonly signPersistence: number
  /** Drift of the efficient price, basis points a second, at full imbalance of the touch. */
  readonly imbalanceBps: number
}

// Liquid ETFs and large caps of today quote and trade several times IBM's rate of 2013: rates of SPY, QQQ and AAPL are
// IBM's times three, two and two [a]; KO and PEP are at IBM's own. Sizes are scaled to hold dollars constant [a].
export const CALIBRATIONS: readonly Calibration[] = [
  {
    symbol: 'SPY',
    price: 584.3,
    quotesPerSecond: 3.9,
    ordersPerSecond: 2.3,
    spreadTicks: 1.1,
    increment: 0.01,
    touchSize: 600,
    touchDeviation: 0.84,
    orderSize: 100,
    orderDeviation: 1.0,
    signPersistence: 0.38,
    imbalanceBps: 0.1,
  },
  {
    symbol: 'QQQ',
    price: 520.1,
    quotesPerSecond: 2.6,
    ordersPerSecond: 1.6,
    spreadTicks: 1.4,
    increment: 0.01,
    touchSize: 400,
    touchDeviation: 0.84,
    orderSize: 100,
    orderDeviation: 1.0,
    signPersistence: 0.38,
    imbalanceBps: 0.116,
  },
  {
    symbol: 'AAPL',
    price: 201.11,
    quotesPerSecond: 2.6,
    ordersPerSecond: 1.6,
    spreadTicks: 1.3,
    increment: 0.01,
    touchSize: 300,
    touchDeviation: 0.84,
    orderSize: 100,
    orderDeviation: 0.8,
    signPersistence: 0.38,
    imbalanceBps: 0.15,
  },
  {
    symbol: 'KO',
    price: 71.6,
    quotesPerSecond: 1.3,
    ordersPerSecond: 0.8,
    spreadTicks: 1.05,
    increment: 0.01,
    touchSize: 1_200,
    touchDeviation: 0.75,
    orderSize: 200,
    orderDeviation: 1.1,
    signPersistence: 0.45,
    imbalanceBps: 0.116,
  },
  {
    symbol: 'PEP',
    price: 131.5,
    quotesPerSecond: 1.3,
    ordersPerSecond: 0.8,
    spreadTicks: 1.6,
    increment: 0.01,
    touchSize: 400,
    touchDeviation: 0.84,
    orderSize: 100,
    orderDeviation: 0.62,
    signPersistence: 0.38,
    imbalanceBps: 0.116,
  },
  // A US dollar venue is far quieter and wider than Binance: a fifth of the price moves, spreads of about one basis
  // point [a]; persistence and imbalance are Binance's own [m].
  {
    symbol: 'BTC/USD',
    price: 104_600,
    quotesPerSecond: 3.1,
    ordersPerSecond: 1.6,
    spreadTicks: 10,
    increment: 1,
    touchSize: 0.8,
    touchDeviation: 1.2,
    orderSize: 0.01,
    orderDeviation: 1.8,
    signPersistence: 0.62,
    imbalanceBps: 0.347,
  },
  {
    symbol: 'ETH/USD',
    price: 2_520,
    quotesPerSecond: 2.7,
    ordersPerSecond: 1.2,
    spreadTicks: 3,
    increment: 0.1,
    touchSize: 12,
    touchDeviation: 1.2,
    orderSize: 0.2,
    orderDeviation: 1.8,
    signPersistence: 0.66,
    imbalanceBps: 0.6,
  },
  {
    symbol: 'ETH/BTC',
    price: 2_520 / 104_600,
    quotesPerSecond: 1.5,
    ordersPerSecond: 0.4,
    spreadTicks: 3,
    increment: 0.000_001,
    touchSize: 8,
    touchDeviation: 1.2,
    orderSize: 0.2,
    orderDeviation: 1.8,
    signPersistence: 0.6,
    imbalanceBps: 0.3,
  },
]

/** Annual volatilities inside sessions, and how the movers share them. */
export const PROCESS = {
  marketVolatility: 0.0904,
  /** Loading on the market and volatility of what is left: QQQ correlates 0.949, AAPL 0.491 with SPY. */
  QQQ: {beta: 1.228, own: 0.0369},
  AAPL: {beta: 0.961, own: 0.1542},
  /** The consumer staples move with the market as XLP does. */
  PEP: {beta: 0.184, own: 0.1399},
  KO: {
    hedgeRatio: 0.6758,
    /** Slow part of the spread to PEP [m]. */
    slow: {deviation: 0.0411, halfLifeS: 50 * 23_400},
    /** Intraday part [a]: a few basis points that are gone in minutes. */
    fast: {deviation: 0.0005, halfLifeS: 480},
  },
  coinVolatility: 0.628,
  ETH: {beta: 1.12, own: 1.072 * 0.628},
  cross: {
    deviation: 0.000_157,
    halfLifeS: 60,
    /** Now and then the cross is left behind and catches up within seconds [a]. */
    dislocation: {deviation: 0.001, everyS: 300, halfLifeS: 15},
  },
  /** Any other symbol: one stock or one coin of its own. */
  otherStock: {beta: 1, own: 0.2},
  otherCoin: {beta: 1, own: 0.8},
  /** Logarithm of volatility: days, and the clustering within them. */
  slowVolatility: {deviation: 0.42, halfLifeS: 23_400},
  fastVolatility: {deviation: 0.45, halfLifeS: 600},
  /** Share of a day's variance that falls between close and open [a]. */
  overnightVariance: 0.35,
  /** Half-life of the imbalance of the touch, seconds [a]. */
  imbalanceHalfLifeS: 3,
  /** Half-life of the pressure that imbalance and trades leave on the price, seconds [a]. */
  pressureHalfLifeS: 15,
} as const

/** Variance over the session by half hours against its mean: the U shape of any intraday volume or volatility [a]. */
export const SESSION_SHAPE: readonly number[] = [3.2, 1.6, 1.2, 1.0, 0.85, 0.75, 0.65, 0.62, 0.65, 0.7, 0.8, 0.9, 1.3]

/** What implied volatility lies above the realised one over time, as a ratio [a]. */
const IMPLIED_OVER_REALISED = 1.2

/** Usual implied volatility a year of a share: sessions and the nights between them, with the premium that options carry. */
export const annualVolatilityOf = (symbol: string): number => {
  const {QQQ, AAPL, PEP, otherStock, marketVolatility, overnightVariance} = PROCESS
  const shares: Readonly<Record<string, {readonly beta: number; readonly own: number}>> = {
    SPY: {beta: 1, own: 0},
    QQQ,
    AAPL,
    PEP,
    KO: PEP,
  }
  const {beta, own} = shares[symbol] ?? otherStock
  return Math.hypot(beta * marketVolatility, own) * Math.sqrt(1 + overnightVariance) * IMPLIED_OVER_REALISED
}

/** Dollars, of a symbol that nothing is known of. */
export const MADE_UP_PRICE = 100

/** Whether the simulated market knows the symbol's price and ways; any other is made up. */
export const isCalibrated = (symbol: string): boolean => CALIBRATIONS.some(known => known.symbol === symbol)

export const calibrationOf = (symbol: string): Calibration => {
  const known = CALIBRATIONS.find(calibration => calibration.symbol === symbol)
  if (known !== undefined) return known
  const model = CALIBRATIONS[symbol.includes('/') ? 6 : 4] as Calibration
  return {...model, symbol, price: MADE_UP_PRICE}
}
