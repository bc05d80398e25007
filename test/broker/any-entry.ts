import fc from 'fast-check'
import type {JournalEntry} from '../../src/broker/journal.ts'

const id = fc.stringMatching(/^[a-z0-9é]{1,12}$/)
const tsUs = fc.integer({min: 0, max: 2e15})
const lots = fc.integer({min: 1, max: 1e12})
const side = fc.constantFrom('buy', 'sell')
const intent = fc.record(
  {
    clientOrderId: id,
    strategy: id,
    instrument: fc.nat({max: 9}),
    side,
    type: fc.constantFrom('market', 'limit', 'stop', 'stop_limit', 'trailing_stop'),
    timeInForce: fc.constantFrom('day', 'gtc', 'ioc', 'fok', 'opg', 'cls'),
    lots,
    limitTicks: lots,
    stopTicks: lots,
    postOnly: fc.constant(true),
    reduceOnly: fc.constant(true),
    decidedUs: tsUs,
  },
  {requiredKeys: ['clientOrderId', 'strategy', 'instrument', 'side', 'type', 'timeInForce', 'lots', 'decidedUs']},
)
const fill = fc.record(
  {
    fillId: id,
    clientOrderId: id,
    instrument: fc.nat({max: 9}),
    side,
    lots,
    priceTicks: lots,
    feeMicros: fc.integer({min: -1e6, max: 1e6}),
    feeLots: lots,
    liquidity: fc.constantFrom('maker', 'taker'),
    tsUs,
  },
  {
    requiredKeys: [
      'fillId',
      'clientOrderId',
      'instrument',
      'side',
      'lots',
      'priceTicks',
      'feeMicros',
      'liquidity',
      'tsUs',
    ],
  },
)
const report = fc.oneof(
  fc.record({kind: fc.constant('accepted'), clientOrderId: id, venueOrderId: id, tsUs}),
  fc.record({kind: fc.constant('fill'), fill, venueOrderId: id, leavesLots: fc.nat(), tsUs}),
  fc.record({kind: fc.constant('cancelled'), clientOrderId: id, tsUs, reason: id}),
  fc.record({kind: fc.constant('expired'), clientOrderId: id, tsUs}),
  fc.record({kind: fc.constant('rejected'), clientOrderId: id, tsUs, code: id, reason: id}),
  fc.record({kind: fc.constant('cancelRejected'), clientOrderId: id, tsUs, reason: id}),
  fc.record({kind: fc.constant('replaced'), clientOrderId: id, newClientOrderId: id, venueOrderId: id, tsUs}),
)

/** Every kind of journal entry. The brands of units exist in types only. */
export const anyEntry = fc.oneof(
  fc.record({kind: fc.constant('run'), tsUs, runId: id, seed: fc.nat(), configHash: id}),
  fc.record({kind: fc.constant('intent'), tsUs, symbol: id, intent}),
  fc.record({
    kind: fc.constant('verdict'),
    tsUs,
    clientOrderId: id,
    verdict: fc.constantFrom('resize', 'reject'),
    rule: id,
    detail: id,
  }),
  fc.record({kind: fc.constant('report'), tsUs, report}),
  fc.record({kind: fc.constant('cancel'), tsUs, clientOrderId: id}),
  fc.record({kind: fc.constant('latch'), tsUs, latched: fc.boolean(), reason: id}),
  fc.record({kind: fc.constant('note'), tsUs, text: fc.oneof(id, fc.string({minLength: 9_000, maxLength: 9_100}))}),
  fc.record({
    kind: fc.constant('cross'),
    tsUs,
    symbol: id,
    instrument: fc.nat({max: 9}),
    lots,
    priceTicks: lots,
    buyer: id,
    seller: id,
  }),
) as unknown as fc.Arbitrary<JournalEntry>
