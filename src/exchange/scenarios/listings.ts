import {CALIBRATIONS, calibrationOf, PROCESS} from '../calibration.ts'

/** How one instrument trades when nothing is wrong. */
export interface Listing {
  readonly symbol: string
  readonly price: number
  readonly annualVolatility: number
  /** Share of the variance that comes from the common factor of its kind. */
  readonly commonShare: number
  /** Instruments of one group share a second factor and revert to each other. */
  readonly group?: string
  readonly halfSpreadBps: number
  /** Dollars shown at each side of the touch. */
  readonly touchDollars: number
  readonly quotesPerSecond: number
  readonly tradesPerSecond: number
  /** Symbols whose ratio this price is: a cross. */
  readonly cross?: readonly [numerator: string, denominator: string]
  /** Dollars of one unit where the price is in another coin. */
  readonly baseDollars?: number
}

/** How the movers of `PROCESS` share the variance of each instrument: its volatility, and the market's part of it. */
const movesOf = (symbol: string): {readonly annualVolatility: number; readonly commonShare: number} => {
  const {marketVolatility, coinVolatility, QQQ, AAPL, PEP, ETH, cross} = PROCESS
  const share = (beta: number, own: number, factor: number) => {
    const total = Math.hypot(beta * factor, own)
    return {annualVolatility: total, commonShare: (beta * factor) ** 2 / total ** 2}
  }
  switch (symbol) {
    case 'SPY':
      return share(1, 0, marketVolatility)
    case 'QQQ':
      return share(QQQ.beta, QQQ.own, marketVolatility)
    case 'AAPL':
      return share(AAPL.beta, AAPL.own, marketVolatility)
    case 'KO':
    case 'PEP':
      return share(PEP.beta, PEP.own, marketVolatility)
    case 'BTC/USD':
      return share(1, 0, coinVolatility)
    case 'ETH/USD':
      return share(ETH.beta, ETH.own, coinVolatility)
    default:
      return {annualVolatility: cross.deviation, commonShare: 0}
  }
}

const STAPLES = new Set(['KO', 'PEP'])

/**
 * The instruments of the local exchange with the numbers of `calibration.ts`, which were measured on recorded books and
 * bars (which number on which file is said there): price, spread, size at the touch, quote and order rates, volatility and
 * the market's share in it. A stressed market is thus the simulated one of `gpi trade`, bent.
 */
export const standardListings = (): readonly Listing[] => {
  const ether = calibrationOf('ETH/USD').price
  return CALIBRATIONS.map(({symbol, price, spreadTicks, increment, touchSize, touchDeviation, ...rates}): Listing => {
    const isCross = symbol === 'ETH/BTC'
    const dollars = isCross ? ether : price
    return {
      symbol,
      price: isCross ? ether / calibrationOf('BTC/USD').price : price,
      ...movesOf(symbol),
      ...(STAPLES.has(symbol) ? {group: 'staples'} : {}),
      halfSpreadBps: (1e4 * spreadTicks * increment) / 2 / price,
      // The mean of a lognormal size whose median is the calibration's.
      touchDollars: touchSize * Math.exp(touchDeviation ** 2 / 2) * dollars,
      quotesPerSecond: rates.quotesPerSecond,
      tradesPerSecond: rates.ordersPerSecond,
      ...(isCross ? {cross: ['ETH/USD', 'BTC/USD'] as const, baseDollars: ether} : {}),
    }
  })
}
