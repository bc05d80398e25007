/** Every reason to refuse or shrink an order, by stable name. The code that users see is the name in capitals. */
export const RULES = {
  halted: 'trading is halted: no order is sent, cancels pass',
  restricted: 'the instrument is on the restricted list',
  'market-closed': 'the venue is closed for the instrument, or open only for extended-hours orders',
  'auction-closed': 'the cut-off of the auction has passed, or the instrument has none',
  'instrument-halted': 'the venue has halted the instrument',
  'order-size': 'lots are below the instrument’s minimum, zero, or not a safe integer',
  'price-increment': 'a price is missing, not positive, or not on the instrument’s increment',
  'no-market': 'there is no price to judge the order by',
  'stale-quote': 'the last price is older than allowed for an opening order',
  'price-collar': 'an order price is farther from the market than allowed',
  'notional-as-size': 'the size looks like an amount of money typed into the quantity',
  'duplicate-id': 'the client order id has been used',
  'duplicate-order': 'an identical order was sent a moment ago and is still working',
  'order-rate': 'too many orders in the last second',
  'request-budget': 'the venue takes no more requests this minute; what closes a position still goes',
  reducing: 'only orders that bring the position nearer to zero are admitted',
  'minimum-capital': 'equity is below the least capital to trade with',
  'daily-loss': 'the loss of the day has reached its limit',
  drawdown: 'the fall from the peak of equity has reached its limit',
  'short-sale': 'shorting is off, or the lots cannot be borrowed',
  'max-order': 'the order is worth more than one order may be',
  'max-position': 'the position would be worth more than one position may be',
  'max-position-fraction': 'the position would be a larger fraction of equity than allowed',
  'cash-reserve': 'the exposure of positions and working orders would eat into the cash reserve',
  'correlation-exposure': 'the exposure to one cluster of correlated instruments would be too large',
  'portfolio-risk': 'the one-day loss of the portfolio at 99 % would be too large',
  'undefined-risk': 'the legs of the order together can lose without limit',
  'stressed-var': 'the stressed value at risk would be too large',
} as const
export type RuleName = keyof typeof RULES

/** `max-position` → `MAX_POSITION`: the code of a denial in journals, JSON and alerts. */
export const denialCode = (rule: RuleName): string => rule.toUpperCase().replaceAll('-', '_')

/** The table of the documentation, one line a code. */
export const denialTable = (): string =>
  [
    '| code | meaning |',
    '|---|---|',
    ...Object.entries(RULES).map(([rule, text]) => `| \`${denialCode(rule as RuleName)}\` | ${text} |`),
  ].join('\n')
