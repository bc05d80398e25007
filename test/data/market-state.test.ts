import {expect, test} from 'vitest'
import {createMarketState, markTicks} from '../../src/data/market-state.ts'

const marked = (bid: number, ask: number, last: number): number => {
  const state = createMarketState(1)
  state.bidTicks[0] = bid
  state.askTicks[0] = ask
  state.bidLots[0] = bid > 0 ? 1 : 0
  state.askLots[0] = ask > 0 ? 1 : 0
  state.lastTicks[0] = last
  return markTicks(state, 0)
}

test.each([
  {case: 'an ordinary quote: its mid', bid: 999, ask: 1001, last: 900, mark: 1000},
  {case: 'stub quotes: the last price', bid: 1, ask: 999_990, last: 1000, mark: 1000},
  {
    case: 'a wide quote that has left the last price behind: its nearer side',
    bid: 500,
    ask: 800,
    last: 1000,
    mark: 800,
  },
  {case: 'stub quotes and no trade yet: nothing better than the mid', bid: 1, ask: 999, last: 0, mark: 500},
  {case: 'one side only: the last price', bid: 0, ask: 999, last: 1000, mark: 1000},
])('$case', ({bid, ask, last, mark}) => expect(marked(bid, ask, last)).toBe(mark))
