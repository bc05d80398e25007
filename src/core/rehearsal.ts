import {performance} from 'node:perf_hooks'
import type {ApprovedOrder, Broker} from '../broker/broker.ts'
import {openLatch} from '../broker/kill-latch.ts'
import {memoryJournal} from '../broker/memory-journal.ts'
import type {Config} from '../config/schema.ts'
import {InstrumentTable} from '../domain/instrument.ts'
import type {ExecutionReport, Fill} from '../domain/order.ts'
import {createRng} from '../domain/rng.ts'
import {ManualClock, type Scheduler} from '../domain/time.ts'
import {type Lots, type Micros, type Ticks, tsUs, US_PER_SECOND} from '../domain/units.ts'
import {createAlpacaClient} from '../drivers/alpaca/client.ts'
import {annualVolatilityOf, calibrationOf} from '../exchange/calibration.ts'
import type {MarketSource} from '../exchange/market-source.ts'
import {withOptions} from '../exchange/options/option-market.ts'
import {createSimulatedMarket} from '../exchange/simulated-market.ts'
import type {Feed} from '../feed/feed.ts'
import {riskLimits} from '../risk/limits.ts'
import {createStrategy, STRATEGIES} from '../strategies/registry.ts'
import {journaledBroker, patientBroker} from './observed.ts'
import {allocatorOf, exitRulesOf, withAllocation} from './risk-setup.ts'
import {runNode} from './run-node.ts'
import {ownServices} from './strategy-services.ts'
import {listedStrategies} from './strategy-setup.ts'

export interface RehearsalOptions {
  readonly config: Config
  readonly strategies: readonly string[]
  /** Chains are rehearsed as well. */
  readonly hasOptions?: boolean
  /** Wall milliseconds of work at most; 400 by default. */
  readonly mostMs?: number
  readonly mostRows?: number
}
export interface Rehearsal {
  readonly rows: number
  readonly orders: number
  readonly fills: number
}

const SYMBOLS = ['SPY', 'KO', 'PEP', 'BTC/USD', 'ETH/USD', 'ETH/BTC'] as const
const STEP_US = 100_000
/** Wall milliseconds of work before others on the loop have their turn. */
const TURN_MS = 5
/** Monday 2 June 2025, 09:30 in New York. */
const START_US = Date.UTC(2025, 5, 2, 13, 30) * 1_000
const CASH_MICROS = 1e12
/** Requests made at no venue: by then the client's code is compiled. */
const REQUESTS = 60

/**
 * Plays a made-up market to the whole loop before the real one is heard, with nothing at stake: strategies, risk, journal
 * entries, orders and fills of a run that nobody sees. What is left of it is compiled code, so that the first decisions of
 * the day take no longer than the later ones. Nothing is written, sent or remembered.
 */
export const rehearse = async (options: RehearsalOptions): Promise<Rehearsal> => {
  const {config, mostMs = 400} = options
  const untilMs = performance.now() + mostMs
  const clock = new ManualClock(tsUs(START_US))
  const broker = new RehearsalBroker(clock)
  const market = marketOf(options)
  const strategies = listedStrategies(config, options.strategies)
    .filter(name => Object.hasOwn(STRATEGIES, name))
    .map(name => createStrategy(name, {}, ownServices()))
  const timer = steppedTimer()
  let rows = 0
  const feed: Feed = {
    name: 'rehearsal',
    instruments: market.instruments,
    async *chunks() {
      let turnMs = performance.now() + TURN_MS
      for (let atUs = clock.nowUs() + STEP_US; ; atUs += STEP_US) {
        for (;;) {
          const chunk = market.advanceTo(atUs, 64)
          if (chunk.count === 0) break
          rows += chunk.count
          yield chunk
          broker.fillSome()
        }
        clock.advanceTo(tsUs(atUs))
        timer.tick(atUs)
        if (performance.now() > untilMs || rows >= (options.mostRows ?? 40_000)) return
        if (performance.now() < turnMs) continue
        await new Promise(resolve => setImmediate(resolve))
        turnMs = performance.now() + TURN_MS
      }
    },
    [Symbol.asyncDispose]: async () => {},
  }
  const names = strategies.map(({name}) => name)
  const {orders, fills} = await runNode({
    runId: 'rehearsal',
    seed: 1,
    configHash: '',
    feed,
    broker: journaledBroker(patientBroker(broker, {quiet: async () => {}, runId: 'rehearsal'}), {
      journal: {sync: async () => {}},
      latch: openLatch,
      onSent: () => {},
    }),
    strategies,
    allocator: allocatorOf(withAllocation(config, {method: 'static'}), names, CASH_MICROS),
    limits: riskLimits(config.risk),
    exits: exitRulesOf(config),
    journal: memoryJournal({keep: false}),
    latch: openLatch,
    clock,
    scheduler: timer.scheduler,
    wallScheduler: atOnce,
    cashMicros: CASH_MICROS,
    onEvent: () => {},
    signal: new AbortController().signal,
  })
  await rehearseClient(untilMs)
  return {rows, orders, fills}
}

const marketOf = ({hasOptions = false}: RehearsalOptions): MarketSource => {
  const startUs = START_US
  const source = createSimulatedMarket({
    instruments: InstrumentTable.of(SYMBOLS),
    rng: createRng(1, 'rehearsal'),
    startUs,
  })
  if (!hasOptions) return source
  const underlyings = [{symbol: 'SPY', price: calibrationOf('SPY').price, volatility: annualVolatilityOf('SPY')}]
  return withOptions(source, {underlyings, rng: createRng(1, 'rehearsal-options'), startUs})
}

/** Takes every order, and fills one in three of them at its own price, or near. */
class RehearsalBroker implements Broker {
  readonly name = 'rehearsal'
  readonly separatesSides = true
  readonly #clock: ManualClock
  readonly #listeners: ((report: ExecutionReport) => void)[] = []
  readonly #open = new Map<string, ApprovedOrder>()
  #count = 0

  constructor(clock: ManualClock) {
    this.#clock = clock
  }
  readonly onReport: Broker['onReport'] = listener => void this.#listeners.push(listener)
  readonly submit: Broker['submit'] = async order => {
    this.#open.set(order.clientOrderId, order)
    const {clientOrderId} = order
    this.#tell({kind: 'accepted', clientOrderId, venueOrderId: clientOrderId, tsUs: this.#clock.nowUs()})
  }
  readonly cancel: Broker['cancel'] = async clientOrderId => {
    // It may still be on its way.
    if (!this.#open.has(clientOrderId)) await new Promise(resolve => setImmediate(resolve))
    const tsUs = this.#clock.nowUs()
    if (this.#open.delete(clientOrderId)) this.#tell({kind: 'cancelled', clientOrderId, tsUs, reason: 'asked'})
    else this.#tell({kind: 'cancelRejected', clientOrderId, tsUs, reason: 'not open'})
  }
  readonly cancelAll: Broker['cancelAll'] = async () => 0
  readonly orderByClientId: Broker['orderByClientId'] = async () => undefined
  readonly openOrders: Broker['openOrders'] = async () => []
  readonly positions: Broker['positions'] = async () => []
  readonly account: Broker['account'] = async () => {
    const cash = CASH_MICROS as Micros
    return {cashMicros: cash, equityMicros: cash, buyingPowerMicros: cash}
  }
  readonly fillsSince: Broker['fillsSince'] = async () => []
  async [Symbol.asyncDispose](): Promise<void> {}

  fillSome(): void {
    for (const order of [...this.#open.values()]) {
      if (order.legs !== undefined || ++this.#count % 3 !== 0 || !this.#open.delete(order.clientOrderId)) continue
      const {clientOrderId, instrument, side, lots, limitTicks} = order
      const atUs = this.#clock.nowUs()
      const fill: Fill = {
        fillId: `rehearsal-${this.#count}`,
        clientOrderId,
        instrument,
        side,
        lots,
        priceTicks: limitTicks ?? (1_000_000 as Ticks),
        feeMicros: 0 as Micros,
        liquidity: 'maker',
        tsUs: atUs,
      }
      this.#tell({kind: 'fill', fill, venueOrderId: clientOrderId, leavesLots: 0 as Lots, tsUs: atUs})
    }
  }
  #tell(report: ExecutionReport): void {
    for (const listener of this.#listeners) listener(report)
  }
}

/** The node's own timer, as market time passes. */
const steppedTimer = (): {readonly scheduler: Scheduler; readonly tick: (nowUs: number) => void} => {
  let due: (() => void) | undefined
  let nextUs = 0
  return {
    scheduler: {
      after(_delayUs, run) {
        due = run
        return () => {
          due = undefined
        }
      },
    },
    tick(nowUs) {
      if (nowUs < nextUs || due === undefined) return
      nextUs = nowUs + US_PER_SECOND
      const run = due
      due = undefined
      run()
    },
  }
}
const atOnce: Scheduler = {
  after(_delayUs, run) {
    const handle = setImmediate(run)
    return () => clearImmediate(handle)
  },
}

const ANSWER = JSON.stringify({
  id: 'rehearsal',
  client_order_id: 'rehearsal',
  created_at: '2025-06-02T13:30:00Z',
  submitted_at: '2025-06-02T13:30:00Z',
  symbol: 'SPY',
  asset_class: 'us_equity',
  qty: '1',
  filled_qty: '0',
  side: 'buy',
  type: 'limit',
  time_in_force: 'day',
  limit_price: '1.00',
  status: 'accepted',
})

/** Orders and cancels through the SDK to a venue that is not there. */
const rehearseClient = async (untilMs: number): Promise<void> => {
  const url = 'http://127.0.0.1:9'
  const target = {kind: 'local', url, streamUrl: 'ws://127.0.0.1:9', keyId: 'none', secret: 'none'} as const
  const {alpaca} = await createAlpacaClient(target, {
    fetch: async (_input, init) =>
      init?.method === 'DELETE'
        ? new Response(null, {status: 204})
        : new Response(ANSWER, {headers: {'content-type': 'application/json'}}),
  })
  const {orders} = alpaca.trading
  for (let k = 0; k < REQUESTS && performance.now() < untilMs + 50; k++) {
    const postOrderRequest = {
      symbol: 'SPY',
      qty: '1',
      side: 'buy',
      type: 'limit',
      timeInForce: 'day',
      limitPrice: '1.00',
      clientOrderId: `rehearsal-${k}`,
    } as const
    await orders.postOrder({postOrderRequest})
    if (k % 2 === 0) await (await orders.deleteOrderByOrderIDRaw({orderId: 'rehearsal'})).value()
  }
}
