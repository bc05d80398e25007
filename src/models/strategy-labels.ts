/** What the strategy head chooses from: the five strategies, or none of them. */
export const STRATEGY_CHOICES = [
  'none',
  'market-making',
  'statistical-arbitrage',
  'triangular-arbitrage',
  'option-sentiment',
  'pattern-recognition',
] as const
export type StrategyChoice = (typeof STRATEGY_CHOICES)[number]

/** What the proxies below may see of a row: known at its close. */
export interface StrategyInputs {
  /** Distance from the running mean price, in deviations over the horizon, positive above. */
  readonly stretch: number
  /** Sentiment of the option chain, -1 to 1; undefined without a chain. */
  readonly sentiment: number | undefined
  /** Mean outcome of the nearest remembered patterns, in the unit of `move`; undefined without any. */
  readonly evidence: number | undefined
}

const ENTRY_STRETCH = 2
const ENTRY_SENTIMENT = 0.3

/** How the label is made, for cards: proxies of one instrument and one horizon, not the strategies' own back-tests. */
export const STRATEGY_LABEL_RULE =
  'best of simple proxies over the horizon, after a round-trip cost c, m being the labelled move: market-making earns c while |m| ≤ c and loses what goes beyond; statistical-arbitrage enters 2 deviations from the running mean, against it; option-sentiment enters with a chain sentiment beyond 0.3; pattern-recognition enters where the mean outcome of retrieved patterns beats c; triangular-arbitrage needs three legs, which one instrument has not, and is never the label; none where nothing pays'

/** Index in `STRATEGY_CHOICES` of the proxy that paid most, 0 where none did. `move` and `cost` share a unit. */
export const strategyLabel = ({stretch, sentiment, evidence}: StrategyInputs, move: number, cost: number): number => {
  let [best, choice] = [0, 0]
  const consider = (name: StrategyChoice, pays: number): void => {
    if (pays <= best) return
    best = pays
    choice = STRATEGY_CHOICES.indexOf(name)
  }
  consider('market-making', cost - Math.max(0, Math.abs(move) - cost))
  if (Math.abs(stretch) >= ENTRY_STRETCH) consider('statistical-arbitrage', -Math.sign(stretch) * move - cost)
  if (sentiment !== undefined && Math.abs(sentiment) >= ENTRY_SENTIMENT)
    consider('option-sentiment', Math.sign(sentiment) * move - cost)
  if (evidence !== undefined && Math.abs(evidence) > cost)
    consider('pattern-recognition', Math.sign(evidence) * move - cost)
  return choice
}
