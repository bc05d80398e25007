import type {InstrumentTable} from '../domain/instrument.ts'
import type {Fill} from '../domain/order.ts'
import {lots as toLots, micros as toMicros, ticks as toTicks, tsUs as toTsUs} from '../domain/units.ts'
import type {LiveOrder} from './live-order.ts'
import type {Delivery} from './option-settlement.ts'

/** What an option's end brings, as the fill that the ledger and the journal know. */
export const settlementFill = (
  {strategy, instrument, signedLots, priceTicks, reason, contract}: Delivery,
  runId: string,
  contractSymbol: string,
  feeMicros: number,
  nowUs: number,
): Fill => {
  const owner = strategy < 0 ? 'x' : strategy.toString(36)
  const clientOrderId = `${runId}-${owner}-${SETTLED}${contractSymbol}`
  return {
    fillId: `${clientOrderId}-${nowUs}-${instrument === contract ? 'contract' : 'shares'}`,
    clientOrderId,
    instrument,
    side: signedLots > 0 ? 'buy' : 'sell',
    lots: toLots(Math.abs(signedLots)),
    priceTicks: toTicks(priceTicks),
    feeMicros: toMicros(feeMicros),
    liquidity: 'taker',
    tsUs: toTsUs(nowUs),
    reason,
  }
}

/** Marks the client order id of what an option's end brings. */
const SETTLED = 'settle.'
/** The strategy that such an id names, -1 for any other id. */
export const settlementOwner = (clientOrderId: string): number => {
  const owner = /-([0-9a-z]+)-settle\./.exec(clientOrderId)?.[1]
  return owner === undefined || owner === 'x' ? -1 : Number.parseInt(owner, 36)
}

/** What listeners are told instead of an order. */
export const settlementOrder = (
  fill: Fill,
  strategy: number,
  name: string,
  instruments: InstrumentTable,
  n: number,
): LiveOrder => {
  const {clientOrderId, instrument, side, lots, tsUs} = fill
  return {
    intent: {
      clientOrderId,
      strategy: name,
      instrument,
      side,
      type: 'market',
      timeInForce: 'day',
      lots,
      decidedUs: tsUs,
    },
    symbol: instruments.at(instrument).symbol,
    strategy,
    slot: strategy < 0 ? -1 : strategy * n + instrument,
    purpose: 'exit',
    sentUs: tsUs,
    decidedMid: 0,
    hopedTicks: fill.priceTicks,
    venueOrderId: undefined,
    status: 'filled',
    leavesLots: 0,
    filledLots: lots,
    cancelSentUs: 0,
  }
}
