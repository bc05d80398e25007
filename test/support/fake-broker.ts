import {type ApprovedOrder, type Broker, type BrokerOrder, UnclearOutcome} from '../../src/broker/broker.ts'
import type {InstrumentTable} from '../../src/domain/instrument.ts'
import type {ExecutionReport, Fill, OrderStatus} from '../../src/domain/order.ts'
import type {Lots, Micros, Ticks, TsUs} from '../../src/domain/units.ts'

interface Held {
  readonly order: ApprovedOrder
  readonly venueOrderId: string
  status: OrderStatus
  filledLots: number
}
/** What happens to a submit: it arrives; it arrives but the answer is lost; it never arrives and nobody knows. */
export type Outcome = 'ok' | 'unclear' | 'lost'

/** A venue under the test's hand. It knows the truth; what it reports goes through `deliver`, which may lose it. */
export class FakeBroker implements Broker {
  readonly name = 'fake'
  readonly held = new Map<string, Held>()
  readonly fills: Extract<ExecutionReport, {kind: 'fill'}>[] = []
  /** Every client order id ever submitted, with repeats. */
  readonly submitted: string[] = []
  cancels = 0
  outcome: (order: ApprovedOrder) => Outcome = () => 'ok'
  deliver: (report: ExecutionReport) => void = report => this.tell(report)
  nowUs = 0
  readonly #instruments: InstrumentTable
  readonly #listeners: ((report: ExecutionReport) => void)[] = []

  constructor(instruments: InstrumentTable) {
    this.#instruments = instruments
  }

  /** To the listeners, for sure. */
  tell(report: ExecutionReport): void {
    for (const listener of this.#listeners) listener(report)
  }
  /** Those who listened are gone, as after a crash. */
  hangUp(): void {
    this.#listeners.length = 0
  }
  readonly onReport: Broker['onReport'] = listener => void this.#listeners.push(listener)

  /** The synchronous heart of `submit`. */
  take(order: ApprovedOrder): Outcome {
    const {clientOrderId} = order
    this.submitted.push(clientOrderId)
    const outcome = this.outcome(order)
    if (outcome === 'lost') return outcome
    const venueOrderId = `venue-${this.held.size + 1}`
    this.held.set(clientOrderId, {order, venueOrderId, status: 'accepted', filledLots: 0})
    if (outcome === 'ok') this.deliver({kind: 'accepted', clientOrderId, venueOrderId, tsUs: this.nowUs as TsUs})
    return outcome
  }
  readonly submit: Broker['submit'] = async order => {
    if (this.take(order) !== 'ok') throw new UnclearOutcome('the answer was lost')
  }

  fill(clientOrderId: string, lots: number, priceTicks: number): void {
    const held = this.held.get(clientOrderId)
    if (held === undefined || !this.isOpen(held)) return
    const size = Math.min(lots, held.order.lots - held.filledLots)
    held.filledLots += size
    held.status = held.filledLots === held.order.lots ? 'filled' : 'partiallyFilled'
    const fill: Fill = {
      fillId: `fill-${this.fills.length + 1}`,
      clientOrderId,
      instrument: held.order.instrument,
      side: held.order.side,
      lots: size as Lots,
      priceTicks: priceTicks as Ticks,
      feeMicros: 3 as Micros,
      liquidity: 'taker',
      tsUs: this.nowUs as TsUs,
    }
    const leavesLots = held.order.lots - held.filledLots
    const report = {kind: 'fill' as const, fill, venueOrderId: held.venueOrderId, leavesLots, tsUs: fill.tsUs}
    this.fills.push(report)
    this.deliver(report)
  }
  end(clientOrderId: string, kind: 'cancelled' | 'expired'): void {
    const held = this.held.get(clientOrderId)
    if (held === undefined || !this.isOpen(held)) return
    held.status = kind
    this.deliver({kind, clientOrderId, tsUs: this.nowUs as TsUs})
  }
  isOpen(held: Held): boolean {
    return held.status === 'accepted' || held.status === 'partiallyFilled'
  }

  readonly cancel: Broker['cancel'] = async id => {
    this.cancels++
    this.end(id, 'cancelled')
  }
  readonly cancelAll: Broker['cancelAll'] = async () => {
    const open = [...this.held].filter(([, held]) => this.isOpen(held))
    for (const [id] of open) this.end(id, 'cancelled')
    return open.length
  }
  readonly orderByClientId: Broker['orderByClientId'] = async id => {
    const held = this.held.get(id)
    return held === undefined ? undefined : this.#asBrokerOrder(held)
  }
  readonly openOrders: Broker['openOrders'] = async () =>
    [...this.held.values()].filter(held => this.isOpen(held)).map(held => this.#asBrokerOrder(held))
  readonly positions: Broker['positions'] = async () => {
    const lots = new Map<string, number>()
    for (const {fill} of this.fills) {
      const {symbol} = this.#instruments.at(fill.instrument)
      lots.set(symbol, (lots.get(symbol) ?? 0) + (fill.side === 'buy' ? fill.lots : -fill.lots))
    }
    return [...lots].filter(([, n]) => n !== 0).map(([symbol, n]) => ({symbol, lots: n}))
  }
  readonly account: Broker['account'] = async () => {
    const cash = 1e12 as Micros
    return {cashMicros: cash, equityMicros: cash, buyingPowerMicros: cash}
  }
  readonly fillsSince: Broker['fillsSince'] = async sinceUs => this.fills.filter(({fill}) => fill.tsUs >= sinceUs)
  async [Symbol.asyncDispose](): Promise<void> {}

  #asBrokerOrder({order, venueOrderId, status, filledLots}: Held): BrokerOrder {
    return {
      clientOrderId: order.clientOrderId,
      venueOrderId,
      symbol: this.#instruments.at(order.instrument).symbol,
      side: order.side,
      lots: order.lots,
      filledLots: filledLots as Lots,
      status,
      submittedUs: order.decidedUs,
    }
  }
}
