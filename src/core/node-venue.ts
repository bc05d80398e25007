import {performance} from 'node:perf_hooks'
import type {ApprovedOrder} from '../broker/broker.ts'
import {ExitCode, UserError} from '../domain/errors.ts'
import {instrumentOf, lotsToSize} from '../domain/instrument.ts'
import type {Scheduler} from '../domain/time.ts'
import {US_PER_SECOND} from '../domain/units.ts'
import type {Engine} from '../engine/engine.ts'
import {type Reconciliation, reconcile, reconcileSince} from '../engine/reconcile.ts'
import type {NodeOptions} from './node-options.ts'

/** How long a graceful stop waits for cancels and closing orders, in wall milliseconds. */
const STOP_MS = 5_000
const ANSWER_MS = 15_000
/** How much longer a latched node waits for the broker: its questions wait for the kill. */
const KILL_MS = 45_000
/** Comparisons in a row, half a minute of market time apart, that may fail before a node no longer trusts its own books. */
const MOST_UNASKED = 5

export interface NodeVenueOptions {
  readonly node: NodeOptions
  readonly engine: Engine
  readonly wall: Scheduler
  readonly log: (level: 'warn' | 'error', text: string) => void
  /** A mistake of ours, not trouble of the venue's: the run cannot go on. */
  readonly onFailure: (error: unknown) => void
  /** The venue could not be compared with for too long. */
  readonly onLost: () => void
}

/** What the broker says at the end. */
export interface LastWord {
  readonly reconciliation: Reconciliation
  /** Orders of this run that are still open there. */
  readonly openOrders: number
}

/** A node's dealings with its broker: what is on its way, what is unclear, and whether both keep the same books. */
export class NodeVenue {
  readonly #o: NodeVenueOptions
  readonly #inFlight = new Set<Promise<void>>()
  readonly #sinceUs: number
  /** Five wall seconds: an order may be on its way that long, however fast the market's clock runs. */
  readonly #graceUs: number
  #leaving = false
  /** Comparisons in a row that the venue did not answer. */
  #unasked = 0
  #lastReconcileUs = 0
  /** Lots that the broker held beyond the books when they were last compared, and the symbols that were told of. */
  #differences: ReadonlyMap<string, number> = new Map()
  readonly #told = new Set<string>()
  #reconciling: Promise<Reconciliation> | undefined

  constructor(options: NodeVenueOptions) {
    this.#o = options
    this.#sinceUs = options.node.clock.nowUs()
    this.#graceUs = 5 * US_PER_SECOND * Math.max(1, options.node.speed ?? 1)
  }

  submit(order: ApprovedOrder): void {
    const {clientOrderId} = order
    this.#track(
      this.#o.node.broker.submit(order).catch((error: unknown) => {
        // Whatever went wrong, the order may be there: it is asked for, never sent again.
        this.#o.log('warn', `${clientOrderId}: outcome unclear (${(error as Error).message})`)
        return this.#resolve(clientOrderId)
      }),
    )
  }

  cancel(clientOrderId: string): void {
    this.#track(
      this.#o.node.broker.cancel(clientOrderId).catch((error: unknown) => {
        this.#o.log('warn', `${clientOrderId}: cancel failed (${(error as Error).message}); it will be asked for again`)
      }),
    )
  }

  /** Asks the broker what became of one order, a few times, because a list may lag behind the order itself. */
  async #resolve(clientOrderId: string): Promise<void> {
    const {node, engine, log} = this.#o
    const isUnclear = () => engine.desk.orders.get(clientOrderId)?.status === 'submitted'
    for (let attempt = 0; attempt < 4; attempt++) {
      await this.#sleep(250 * 2 ** attempt)
      // The last reconciliation asks for all that are unclear.
      if (this.#leaving || !isUnclear()) return
      try {
        const known = await node.broker.orderByClientId(clientOrderId)
        if (known === undefined) continue
        const {venueOrderId, submittedUs} = known
        engine.onReport({kind: 'accepted', clientOrderId, venueOrderId, tsUs: submittedUs}, node.clock.nowUs())
        return
      } catch (error) {
        log('warn', `${clientOrderId}: cannot ask for it (${(error as Error).message})`)
      }
    }
    // Left open on purpose: reconciliation decides, when the broker can be reached.
    if (isUnclear()) log('error', `${clientOrderId}: still unclear; reconciliation will decide`)
  }

  #track(work: Promise<void>): void {
    const tracked = work.catch((error: unknown) => this.#o.onFailure(error))
    this.#inFlight.add(tracked)
    void tracked.finally(() => this.#inFlight.delete(tracked))
  }

  /** Compares the books with the broker's; a comparison that is already under way answers for this one too. */
  reconcile(graceUs = this.#lastReconcileUs === 0 ? 0 : this.#graceUs): Promise<Reconciliation> {
    const {node, engine} = this.#o
    const {broker, clock, feed, runId} = node
    this.#lastReconcileUs = clock.nowUs()
    this.#reconciling ??= reconcile({
      engine,
      broker,
      instruments: feed.instruments,
      runId,
      sinceUs: reconcileSince(engine, this.#sinceUs),
      nowUs: () => clock.nowUs(),
      graceUs,
    }).finally(() => {
      this.#reconciling = undefined
    })
    return this.#reconciling
  }

  /** The periodic comparison, where the last one is long enough ago. */
  compareWhenDue(nowUs: number): void {
    const isDue = nowUs - this.#lastReconcileUs >= (this.#o.node.reconcileEveryUs ?? 30 * US_PER_SECOND)
    if (isDue && this.#reconciling === undefined) this.#track(this.#compare())
  }

  /** A venue that cannot be asked now is asked again; one that cannot for long ends the run. */
  async #compare(): Promise<void> {
    try {
      this.#tellDifferences(await this.reconcile(), 'twice in a row')
      this.#unasked = 0
    } catch (error) {
      if (!isVenueTrouble(error)) throw error
      this.#unasked++
      const text = `the broker could not be compared with (${error.message}); ${this.#unasked} of ${MOST_UNASKED}`
      this.#o.log('warn', text)
      if (this.#unasked >= MOST_UNASKED) this.#o.onLost()
    }
  }

  /** One that stays is no fill under way: somebody else trades there, or the venue has lost what it knew. */
  #tellDifferences({differences}: Reconciliation, when: 'twice in a row' | 'at the end'): void {
    const now = new Map(differences.map(({symbol, ledgerLots, brokerLots}) => [symbol, brokerLots - ledgerLots]))
    const told = differences.filter(
      ({symbol}) =>
        when === 'at the end' || (this.#differences.get(symbol) === now.get(symbol) && !this.#told.has(symbol)),
    )
    for (const {symbol} of told) this.#told.add(symbol)
    for (const symbol of this.#told) if (!now.has(symbol)) this.#told.delete(symbol)
    this.#differences = now
    if (told.length === 0) return
    const words = told.map(({symbol, ledgerLots, brokerLots}) => {
      const instrument = instrumentOf(symbol)
      return `${symbol} ${lotsToSize(instrument, brokerLots)} there, ${lotsToSize(instrument, ledgerLots)} here`
    })
    this.#o.log('error', `the broker holds something else than the books, ${when}: ${words.join('; ')}`)
  }

  /** Waits, for a few seconds at most, until the broker's reports have made it so. */
  async until(done: () => boolean): Promise<void> {
    const {node, engine} = this.#o
    const deadlineMs = performance.now() + Math.min(STOP_MS, node.answerMs ?? STOP_MS)
    while (!done() && performance.now() < deadlineMs) {
      engine.onTime(node.clock.nowUs())
      await this.#sleep(20)
    }
  }

  /** What the broker says when all requests have ended or were waited for long enough. Throws UserError BROKER_SILENT. */
  async lastWord(): Promise<LastWord> {
    const {node, engine, log} = this.#o
    this.#leaving = true
    const answerMs = node.answerMs ?? ANSWER_MS
    if ((await this.#within(answerMs, Promise.allSettled([...this.#inFlight]))) === LATE)
      log('warn', `${this.#inFlight.size} requests were not answered; the broker is asked what became of them`)
    const patienceMs = answerMs + (engine.desk.latched ? KILL_MS : 0)
    const asked = await this.#within(patienceMs, this.#ask()).catch((error: unknown) => {
      throw isVenueTrouble(error) ? this.#silent(error) : error
    })
    if (asked === LATE) throw this.#silent()
    return asked
  }

  /** An order that turns out to be there is taken back first. */
  async #ask(): Promise<LastWord> {
    const {node, engine} = this.#o
    const {desk} = engine
    await this.#reconciling
    const first = await this.reconcile(0)
    let reconciliation = first
    if (desk.orders.size > 0) {
      desk.cancelAll(node.clock.nowUs())
      await this.until(() => desk.orders.size === 0)
      const second = await this.reconcile(0)
      reconciliation = {
        ...second,
        missedFills: [...first.missedFills, ...second.missedFills],
        ended: [...first.ended, ...second.ended],
        neverArrived: [...first.neverArrived, ...second.neverArrived],
        orphans: [...first.orphans, ...second.orphans],
      }
    }
    this.#tellDifferences(reconciliation, 'at the end')
    const open = await node.broker.openOrders()
    return {reconciliation, openOrders: open.filter(order => order.clientOrderId.startsWith(`${node.runId}-`)).length}
  }

  #silent(cause?: Error): UserError {
    const {node, engine} = this.#o
    const unclear = [...engine.desk.orders.keys()]
    const which =
      unclear.length === 0 ? 'none of its orders is open as far as it knows' : `unclear: ${unclear.join(', ')}`
    return new UserError('BROKER_SILENT', `${node.broker.name} did not answer when the node left; ${which}`, {
      hints: [
        'the journal is whole: the next gpi trade of this account asks the broker again before it trades',
        'gpi kill --flatten cancels and closes what it may have left',
      ],
      exitCode: ExitCode.timeout,
      ...(cause === undefined ? {} : {cause}),
    })
  }

  /** The value, or LATE after so many wall milliseconds; a rejection in time is thrown, a later one is not heard. */
  async #within<T>(ms: number, work: Promise<T>): Promise<T | typeof LATE> {
    let cancel = (): void => undefined
    const late = new Promise<typeof LATE>(resolve => {
      cancel = this.#o.wall.after(ms * 1_000, () => resolve(LATE))
    })
    work.catch(() => {})
    try {
      return await Promise.race([work, late])
    } finally {
      cancel()
    }
  }

  #sleep(ms: number): Promise<void> {
    return new Promise(resolve => void this.#o.wall.after(ms * 1000, resolve))
  }
}

const LATE = Symbol('late')

/** The network or the venue, not a mistake of ours: what the client throws when a request fails or is refused for now. */
const isVenueTrouble = (error: unknown): error is Error =>
  error instanceof Error &&
  (error.name === 'FetchError' ||
    error.name === 'BudgetClosed' ||
    ('status' in error && typeof error.status === 'number'))
