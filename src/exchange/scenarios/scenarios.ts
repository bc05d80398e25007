import {nearest, UserError} from '../../domain/errors.ts'
import type {Scenario} from './scenario.ts'

/** Ten minutes of ordinary trading before anything happens, so that every strategy has warmed up and holds something. */
const CALM_S = 600

/**
 * The scripted markets of `gpi stress`. Sizes are those of the events they are shaped after; what lasted hours is
 * compressed to minutes, which is harder on whoever has to react.
 */
export const SCENARIOS: readonly Scenario[] = [
  {
    name: 'flash-crash',
    summary:
      'funds fall 9 % in five minutes, single names 20 %, on three hundredths of the depth; stub quotes, pause, recovery',
    // The Dow fell 9.2 % from the day before and 5 to 6 % in minutes, Procter & Gamble 37 % in three and a half, buy-side
    // depth of the E-Mini to 1 % of its morning level; 20,000 trades were 60 % and more off. Most came back in 20 minutes.
    source: 'CFTC and SEC, Findings Regarding the Market Events of May 6, 2010',
    durationS: CALM_S + 1_500,
    onsetS: CALM_S,
    phases: [
      // 14:32 to 14:42: depth is withdrawn while prices slide.
      {
        fromS: CALM_S,
        toS: CALM_S + 180,
        targets: ['equity'],
        move: -0.03,
        volatility: 3,
        spread: 4,
        depth: 0.25,
        correlation: 0.95,
      },
      // 14:42 to 14:45:28: the fall, with next to nobody on the bid.
      {
        fromS: CALM_S + 180,
        toS: CALM_S + 300,
        targets: ['equity'],
        move: -0.062,
        volatility: 6,
        spread: 20,
        depth: 0.03,
        tradeRate: 4,
        quoteRate: 3,
        correlation: 0.98,
      },
      {fromS: CALM_S + 180, toS: CALM_S + 300, targets: ['single-name'], move: -0.13, depth: 0.5, spread: 2},
      {fromS: CALM_S + 305, toS: CALM_S + 900, targets: ['single-name'], move: 0.13},
      {fromS: CALM_S + 220, toS: CALM_S + 420, targets: ['single-name'], stubQuotes: 0.05},
      // The five-second stop of the index future; then buyers return.
      {fromS: CALM_S + 300, toS: CALM_S + 305, targets: ['equity'], halted: true},
      {
        fromS: CALM_S + 305,
        toS: CALM_S + 900,
        targets: ['equity'],
        move: 0.07,
        volatility: 4,
        spread: 6,
        depth: 0.2,
        correlation: 0.95,
      },
      {fromS: CALM_S + 900, toS: CALM_S + 1_500, targets: ['equity'], volatility: 1.5, spread: 1.5, depth: 0.6},
      {fromS: CALM_S + 180, toS: CALM_S + 600, targets: ['crypto'], move: -0.02, volatility: 2, spread: 2, depth: 0.5},
    ],
  },
  {
    name: 'limit-cascade',
    summary:
      'the market opens 5 % lower, single names stop at their limits four times and fall 25 %, funds trade below what they hold',
    // 1,278 limit-up limit-down halts in 471 stocks and funds that day, 999 of them in funds; the S&P 500 opened 5.2 %
    // lower, SPY traded 7.8 % down, a fifth of all funds fell 20 % and more, most of it was back within the hour.
    source: 'SEC, Equity Market Volatility on August 24, 2015 (research note, December 2015)',
    durationS: CALM_S + 1_500,
    onsetS: CALM_S,
    phases: [
      {fromS: CALM_S, toS: CALM_S + 30, targets: ['equity'], silent: true},
      {fromS: CALM_S + 30, toS: CALM_S + 31, targets: ['equity'], jump: -0.052},
      {
        fromS: CALM_S + 30,
        toS: CALM_S + 330,
        targets: ['equity'],
        move: -0.03,
        volatility: 6,
        spread: 15,
        depth: 0.05,
        tradeRate: 3,
        correlation: 0.95,
      },
      {fromS: CALM_S + 30, toS: CALM_S + 330, targets: ['single-name'], move: -0.18, spread: 2},
      // Fifteen seconds at the limit, then a pause; the five minutes of each are compressed to one.
      ...[45, 120, 195, 270].map(fromS => ({
        fromS: CALM_S + fromS,
        toS: CALM_S + fromS + 60,
        targets: ['single-name'],
        halted: true,
      })),
      {
        fromS: CALM_S + 330,
        toS: CALM_S + 1_200,
        targets: ['equity'],
        move: 0.055,
        volatility: 3,
        spread: 5,
        depth: 0.25,
        correlation: 0.9,
      },
      {fromS: CALM_S + 330, toS: CALM_S + 1_200, targets: ['single-name'], move: 0.18},
    ],
  },
  {
    name: 'liquidity-drought',
    summary: 'depth falls to a fiftieth and spreads open tenfold for fifteen minutes while prices drift',
    source: 'Treasury market, 15 October 2014, and US equities, 9 to 18 March 2020',
    durationS: CALM_S + 1_200,
    onsetS: CALM_S,
    phases: [
      {
        fromS: CALM_S,
        toS: CALM_S + 900,
        targets: ['all'],
        move: -0.015,
        volatility: 1.5,
        spread: 10,
        depth: 0.02,
        quoteRate: 0.3,
        tradeRate: 0.3,
      },
    ],
  },
  {
    name: 'volatility-spike',
    summary: 'volatility eightfold within a minute, no direction, spreads follow',
    source: 'Cboe VIX, 5 February 2018 (17 to 37 in a day)',
    durationS: CALM_S + 1_200,
    onsetS: CALM_S,
    phases: [
      {fromS: CALM_S, toS: CALM_S + 60, targets: ['all'], volatility: 4, spread: 2, depth: 0.6},
      {
        fromS: CALM_S + 60,
        toS: CALM_S + 900,
        targets: ['all'],
        volatility: 8,
        spread: 4,
        depth: 0.3,
        quoteRate: 2,
        tradeRate: 2,
      },
    ],
  },
  {
    name: 'correlation-breakdown',
    summary: 'pairs part: one leg rises while its partner falls, hedges stop hedging',
    source: 'quantitative equity funds, 6 to 9 August 2007 (Khandani and Lo)',
    durationS: CALM_S + 1_500,
    onsetS: CALM_S,
    phases: [
      {fromS: CALM_S, toS: CALM_S + 1_200, targets: ['all'], correlation: -1, volatility: 2},
      {fromS: CALM_S, toS: CALM_S + 1_200, targets: ['KO', 'QQQ', 'ETH/USD'], move: 0.05},
      {fromS: CALM_S, toS: CALM_S + 1_200, targets: ['PEP', 'AAPL', 'BTC/USD'], move: -0.05},
    ],
    shorted: ['KO', 'QQQ'],
  },
  {
    name: 'short-squeeze',
    summary: 'single names rise 30 % in fifteen minutes with thin offers, then fall back by half',
    source: 'GameStop, 25 to 28 January 2021, compressed',
    durationS: CALM_S + 1_500,
    onsetS: CALM_S,
    phases: [
      {
        fromS: CALM_S,
        toS: CALM_S + 900,
        targets: ['single-name'],
        move: 0.3,
        volatility: 5,
        spread: 5,
        depth: 0.15,
        tradeRate: 5,
        quoteRate: 2,
      },
      {
        fromS: CALM_S + 900,
        toS: CALM_S + 1_200,
        targets: ['single-name'],
        move: -0.12,
        volatility: 6,
        spread: 6,
        depth: 0.15,
      },
    ],
    shorted: ['single-name'],
  },
  {
    name: 'gap-open',
    summary: 'the market closes for a minute of silence and reopens 6 % lower',
    source: 'S&P 500 future, 9 March 2020 open (limit down 5 %)',
    durationS: CALM_S + 900,
    onsetS: CALM_S + 60,
    phases: [
      {fromS: CALM_S, toS: CALM_S + 60, targets: ['equity'], silent: true},
      {fromS: CALM_S + 60, toS: CALM_S + 61, targets: ['equity'], jump: -0.06},
      {
        fromS: CALM_S + 60,
        toS: CALM_S + 600,
        targets: ['equity'],
        volatility: 4,
        spread: 5,
        depth: 0.2,
        correlation: 0.95,
      },
    ],
  },
  {
    name: 'exchange-halt',
    summary: 'all stocks are halted for five minutes and reopen 4 % lower',
    source: 'Level 1 market-wide circuit breaker, 12 March 2020, compressed',
    durationS: CALM_S + 1_200,
    onsetS: CALM_S - 60,
    phases: [
      {
        fromS: CALM_S - 60,
        toS: CALM_S,
        targets: ['equity'],
        move: -0.03,
        volatility: 4,
        spread: 4,
        depth: 0.2,
        correlation: 0.95,
      },
      {fromS: CALM_S, toS: CALM_S + 300, targets: ['equity'], halted: true},
      {fromS: CALM_S + 300, toS: CALM_S + 301, targets: ['equity'], jump: -0.04},
      {fromS: CALM_S + 300, toS: CALM_S + 700, targets: ['equity'], volatility: 3, spread: 4, depth: 0.3},
    ],
  },
  {
    name: 'quote-stuffing',
    summary: 'thirty times the quotes, every other one far off and gone at the next',
    source: 'Nanex, 2010 to 2013; Egginton, Van Ness and Van Ness, Quote Stuffing (2016)',
    durationS: CALM_S + 600,
    onsetS: CALM_S,
    phases: [{fromS: CALM_S, toS: CALM_S + 300, targets: ['all'], quoteRate: 30, flicker: 12, depth: 0.5, spread: 2}],
  },
  {
    name: 'dead-feed',
    summary: 'nothing is heard of stocks for five minutes while they fall 3 %',
    source: 'Nasdaq UTP feed, 22 August 2013, compressed',
    durationS: CALM_S + 1_200,
    onsetS: CALM_S,
    phases: [
      {fromS: CALM_S, toS: CALM_S + 300, targets: ['equity'], silent: true, move: -0.03},
      {fromS: CALM_S + 300, toS: CALM_S + 600, targets: ['equity'], volatility: 2, spread: 3, depth: 0.4},
    ],
  },
  {
    name: 'depeg',
    summary: 'the cross ETH/BTC leaves the product of its legs by 8 % and stays there, coins fall 10 %',
    source: 'TerraUSD, 9 May 2022, and stETH/ETH, 10 June 2022, compressed',
    durationS: CALM_S + 1_500,
    onsetS: CALM_S,
    phases: [
      {fromS: CALM_S, toS: CALM_S + 900, targets: ['ETH/BTC'], detach: -0.08, depth: 0.1, spread: 4},
      {
        fromS: CALM_S,
        toS: CALM_S + 900,
        targets: ['crypto'],
        move: -0.1,
        volatility: 5,
        spread: 4,
        depth: 0.2,
        tradeRate: 3,
      },
    ],
  },
]

/** The scenarios a name stands for; `all` is every one. Throws UserError SCENARIO_UNKNOWN naming the nearest. */
export const scenariosNamed = (name: string): readonly Scenario[] => {
  if (name === 'all') return SCENARIOS
  const found = SCENARIOS.filter(scenario => scenario.name === name)
  if (found.length > 0) return found
  const names = SCENARIOS.map(scenario => scenario.name)
  const near = nearest(name, names)
  throw new UserError('SCENARIO_UNKNOWN', `no scenario named ${JSON.stringify(name)}`, {
    hints: [...(near === undefined ? [] : [`did you mean ${near}?`]), `known: all, ${names.join(', ')}`],
  })
}
