import path from 'node:path'
import {performance} from 'node:perf_hooks'
import type {Broker} from '../broker/broker.ts'
import {configHash, type ResolvedConfig} from '../config/resolve.ts'
import {STRATEGY_NAMES} from '../config/schema.ts'
import {applyRow, createMarketState} from '../data/market-state.ts'
import type {TapeChunk} from '../data/tape.ts'
import {ExitCode, UserError} from '../domain/errors.ts'
import {InstrumentTable} from '../domain/instrument.ts'
import {tsUs} from '../domain/units.ts'
import {createAlpacaBroker} from '../drivers/alpaca/alpaca-broker.ts'
import {createAlpacaFeed} from '../drivers/alpaca/alpaca-feed.ts'
import {type AlpacaClient, type AlpacaTarget, createAlpacaClient} from '../drivers/alpaca/client.ts'
import {requestsPerMinute} from '../drivers/exchange-server/rate-window.ts'
import {type FileLatch, fileLatch} from '../drivers/files/file-latch.ts'
import {isCalibrated, MADE_UP_PRICE} from '../exchange/calibration.ts'
import {riskLimits} from '../risk/limits.ts'
import {adoptForeignFills} from './account-journal.ts'
import {behindEvent, Coalescer} from './coalesce.ts'
import {type ExchangeThread, startExchangeThread} from './exchange-thread.ts'
import {type FeedClock, feedClock} from './feed-clock.ts'
import {compactJournal} from './journal-compact.ts'
import {openJournalThread, type ThreadJournal} from './journal-thread.ts'
import type {Quantiles, WireLatency} from './latency-stages.ts'
import {MarketWindow} from './market-window.ts'
import {weightsEvent} from './node-events.ts'
import {refuseSecondNode, sweepNodes, writeNodeFile} from './node-file.ts'
import type {NodeSummary} from './node-options.ts'
import {journaledBroker, observedFeed, observedJournal, patientBroker} from './observed.ts'
import {
  type AllocationSummary,
  allocationSummary,
  allocatorOf,
  baseWeights,
  chooseAllocation,
  exitRulesOf,
  lastWeights,
  policyHashOf,
  weightsNote,
} from './risk-setup.ts'
import {runFolder, writeWhole} from './run-folder.ts'
import {runNode} from './run-node.ts'
import {keepMemory, settleHeap} from './settled-heap.ts'
import {type StrategyCode, strategyCodeOf} from './strategy-code.ts'
import {isModulePath, loadStrategyModules} from './strategy-module.ts'
import {chooseStrategies} from './strategy-setup.ts'
import {StreamNews} from './stream-news.ts'
import {scaledScheduler, systemClock, systemScheduler} from './system-clock.ts'
import {fanOut, leavingInTime, quietAfter, stopper} from './trade-control.ts'
import type {LoopDelay, TradeEvent} from './trade-events.ts'
import {TradeMonitor} from './trade-monitor.ts'
import {
  exchangeRequest,
  listedSymbols,
  type OpenRun,
  openRun,
  refuseLatched,
  requireReady,
  venueFacts,
} from './trade-setup.ts'
import {openTradeSidecars, type TradeSidecars} from './trade-sidecars.ts'
import {localTarget, type TargetRequest, targetOf, tradingUrlOf} from './trade-target.ts'

export interface TradeOptions {
  readonly resolved: ResolvedConfig
  readonly target: Omit<TargetRequest, 'environment'>
  readonly environment: Readonly<Record<string, string | undefined>>
  /** Wall milliseconds; until the feed ends or somebody stops it when absent. */
  readonly durationMs?: number
  /** How fast the market's clock runs against the wall; only a local exchange has another than 1. */
  readonly speed: number
  /** A catalog that the node's own exchange replays. */
  readonly data?: string
  readonly symbols: readonly string[]
  /** Shares whose option chains the node's own simulated market lists. */
  readonly optionsOn?: readonly string[]
  readonly strategies: readonly string[]
  readonly port: number
  readonly flattenOnStop: boolean
  /** Aborted to stop early and cleanly. */
  readonly signal: AbortSignal
  readonly onEvent: (event: TradeEvent) => void
  /** Words for a person before trading starts. */
  readonly onNote: (text: string) => void
}

export interface TradeSummary extends NodeSummary {
  readonly seed: number
  readonly configHash: string
  /** True when a journal was continued. */
  readonly resumed: boolean
  readonly idle: readonly {readonly strategy: string; readonly reason: string}[]
  /** What the strategy files were that ran; empty where all strategies are gpi's own. */
  readonly strategyCode: readonly StrategyCode[]
  /** How capital was shared, and what moving it earned or cost since this start. */
  readonly allocation: AllocationSummary
  /** Nothing is held at the broker at the end. */
  readonly flat: boolean
  /** `decision`: event in hand to order handed over; `total`: event in hand to the broker's acceptance. */
  readonly latencyUs: {readonly decision: Quantiles; readonly total: Quantiles} & WireLatency
  readonly loopDelayMs: LoopDelay
  /** Quotes that were left out because the node was behind and newer ones had come. */
  readonly coalesced: number
  /** Outcomes of closed trades given to the pattern bank. */
  readonly patterns: number
  readonly modelSignals: number
  readonly exitCode: ExitCode
}

const DEFAULT_SYMBOLS = ['SPY', 'QQQ', 'AAPL', 'KO', 'PEP', 'BTC/USD', 'ETH/USD', 'ETH/BTC']

/** The configuration's hash with that of the policy in it, where several strategies may ask one. */
const withPolicyHash = ({resolved, strategies}: TradeOptions): TradeOptions['resolved'] => {
  const policy = policyHashOf(resolved.config, strategies.length === 0 ? STRATEGY_NAMES : strategies)
  return policy === undefined ? resolved : {...resolved, hash: configHash({config: resolved.hash, policy})}
}

/**
 * Trades until the duration, the feed or somebody ends it: the whole node with everything it needs, opened in order and
 * closed in reverse whatever happens. The same code for the local exchange and for Alpaca; only the target differs.
 */
export const runTrade = async (given: TradeOptions): Promise<TradeSummary> => {
  keepMemory()
  const options = {...given, resolved: withPolicyHash(given)}
  const {config, hash} = options.resolved
  // A file that cannot be loaded is told before an exchange is started.
  const modules = await loadStrategyModules(options.strategies)
  const strategyCode = options.strategies.filter(isModulePath).map(strategyCodeOf)
  for (const {strategy, sha256, files} of strategyCode)
    options.onNote(`${strategy} is ${sha256.slice(0, 12)}: ${files.map(file => file.path).join(', ')}`)
  await using stack = new AsyncDisposableStack()
  // While the exchange's thread starts.
  const rehearsed = rehearsal(options)
  const site = await openSite(options, stack)
  const books = await openBooks(options, site, stack)
  const {run, events, sidecars, monitor} = books
  const {running, idle} = chooseStrategies({
    config,
    instruments: site.instruments,
    names: options.strategies,
    services: sidecars.services,
    modules,
  })
  for (const {strategy, reason} of idle) options.onNote(`${strategy} is idle: ${reason}`)
  sayWhatIsMadeUp(options, site)
  const names = running.map(({name}) => name)
  site.client.onOrderWritten(id => monitor.onWritten(id))
  const {feed, memory, coalescer} = await openFeed(options, site, books, stack)
  stack.defer(announceNode(options, site, run, names))
  const stop = stopper(options, site.exchange)
  stack.defer(stop.clear)
  books.onBrokenJournal(() => stop.abort('signal'))
  stack.defer(events.start())
  await rehearsed

  const shared = chooseAllocation(config, names)
  if (names.length > 1) options.onNote(`capital is shared by ${shared.method}: ${shared.reason}`)
  const before = run.resumed ? lastWeights(books.journal.entries()) : undefined
  const allocator = allocatorOf(
    config,
    names,
    run.cashMicros,
    shared.method === 'static'
      ? {}
      : {
          ...(before === undefined ? {} : {resume: before}),
          onWeights: record => {
            books.journal.append({kind: 'note', tsUs: tsUs(record.tsUs), text: weightsNote(names, record)})
            events.publish(weightsEvent(names, record))
          },
        },
  )

  settleHeap()
  const summary = await leavingInTime(
    stop.signal,
    runNode({
      runId: run.runId,
      seed: config.seed,
      configHash: hash,
      feed,
      broker: journaledBroker(books.broker, {
        journal: books.journal,
        latch: site.latch,
        onSync: () => monitor.onSync(),
        onSent: id => monitor.onSent(id),
      }),
      strategies: running,
      allocator,
      limits: riskLimits(config.risk),
      exits: exitRulesOf(config),
      journal: observedJournal(books.journal, (strategy, fill) => memory.onFill(strategy, fill)),
      latch: site.latch,
      clock: site.feedClock ?? site.wall.clock,
      scheduler:
        site.feedClock === undefined ? site.wall.scheduler : scaledScheduler(site.wall.scheduler, options.speed),
      cashMicros: run.cashMicros,
      onEvent: events.publish,
      isBlind: () => books.streams.isBlind,
      signal: stop.signal,
      flattenOnStop: options.flattenOnStop,
      speed: options.speed,
      idle,
      // A request gives up by itself after its timeout; only one that hangs is left behind.
      answerMs: config.api.timeoutMs + 5_000,
    }),
  )
  books.requireWholeJournal()
  const result: TradeSummary = {
    ...summary,
    seed: config.seed,
    configHash: hash,
    resumed: run.resumed,
    idle,
    strategyCode,
    allocation: allocationSummary(shared, names, baseWeights(config, names), allocator, {
      tsUs: (site.feedClock ?? site.wall.clock).nowUs(),
      profitMicros: summary.strategies.map(({profitMicros}) => profitMicros),
      equityMicros: summary.equityMicros,
      initialCashMicros: run.cashMicros,
    }),
    flat: (await books.broker.positions()).every(({lots}) => lots === 0),
    latencyUs: {...monitor.latencyUs(), ...monitor.wireUs()},
    loopDelayMs: monitor.loopDelay(),
    coalesced: coalescer.leftOut,
    patterns: memory.recorded,
    modelSignals: sidecars.signals?.given ?? 0,
    exitCode: summary.stoppedBy === 'kill' || summary.stoppedBy === 'risk' ? ExitCode.refused : ExitCode.ok,
  }
  writeWhole(path.join(runFolder(config.home, run.runId), 'summary.json'), result)
  return result
}

/** A node that could not rehearse is slower at first, and trades. */
const rehearsal = async ({resolved, strategies, optionsOn = [], onNote}: TradeOptions): Promise<void> => {
  try {
    const {rehearse} = await import('./rehearsal.ts')
    await rehearse({config: resolved.config, strategies, hasOptions: optionsOn.length > 0})
  } catch (error) {
    onNote(
      `the first orders will be slower than later ones, because their rehearsal failed: ${(error as Error).message}`,
    )
  }
}

/** Where the node trades and by which clock. */
interface Site {
  readonly latch: FileLatch
  /** The node's own exchange, if it has one. */
  readonly exchange: ExchangeThread | undefined
  readonly target: AlpacaTarget
  readonly client: AlpacaClient
  readonly symbols: readonly string[]
  readonly instruments: InstrumentTable
  readonly wall: {
    readonly clock: ReturnType<typeof systemClock>
    readonly scheduler: ReturnType<typeof systemScheduler>
  }
  /** Follows an accelerated market; undefined where the market's clock is the wall's. */
  readonly feedClock: FeedClock | undefined
  readonly accountNumber: string
}

const openSite = async (options: TradeOptions, stack: AsyncDisposableStack): Promise<Site> => {
  const {resolved, environment, speed} = options
  const {config} = resolved
  const latch = fileLatch(config.home)
  const wanted = targetOf({...options.target, environment})
  if (options.data !== undefined && wanted !== undefined)
    throw new UserError('DATA_NEEDS_OWN_EXCHANGE', '--data replays at an exchange of the node’s own', {
      hints: ['leave away --broker alpaca and --exchange'],
    })
  // The latch fails closed without its folder, so the folder comes first.
  writeWhole(path.join(config.home, 'home.json'), {kind: 'gpi-home', version: 1})
  refuseLatched(latch)

  const exchange = wanted === undefined ? stack.use(await startExchangeThread(exchangeRequest(options))) : undefined
  const target = wanted ?? localTarget((exchange as ExchangeThread).url)
  const client = await createAlpacaClient(target, {
    timeoutMs: config.api.timeoutMs,
    feed: config.api.stockFeed === 'sip' ? 'sip' : 'iex',
  })
  const wall = {clock: systemClock(), scheduler: systemScheduler()}
  const facts = await venueFacts(client, target)
  const symbols = await symbolsOf(options, target, exchange)
  if (target.kind === 'live') await requireReady(options, client, facts)
  return {
    latch,
    exchange,
    target,
    client,
    symbols,
    instruments: InstrumentTable.of(symbols),
    wall,
    feedClock:
      target.kind === 'local' ? feedClock(wall.clock, tsUs(exchange?.startUs ?? facts.nowUs), speed) : undefined,
    accountNumber: facts.accountNumber,
  }
}

/** An exchange of the node's own lists what was asked for under its own names, and the contracts on it. */
/** A mistyped symbol would otherwise trade like any other. */
const sayWhatIsMadeUp = ({symbols, data, onNote}: TradeOptions, {exchange}: Site): void => {
  const unknown = exchange === undefined || data !== undefined ? [] : symbols.filter(symbol => !isCalibrated(symbol))
  if (unknown.length === 0) return
  onNote(
    `the simulated market knows nothing of ${unknown.join(', ')}: it makes up prices that start at $${MADE_UP_PRICE}`,
  )
}

const symbolsOf = (
  {symbols}: TradeOptions,
  target: AlpacaTarget,
  exchange: ExchangeThread | undefined,
): Promise<readonly string[]> =>
  exchange !== undefined
    ? Promise.resolve(exchange.symbols)
    : symbols.length > 0
      ? Promise.resolve(symbols)
      : target.kind === 'local'
        ? listedSymbols(target)
        : Promise.resolve(DEFAULT_SYMBOLS)

/** What the node writes to and answers for. */
interface Books {
  readonly run: OpenRun
  readonly broker: Broker
  readonly journal: ThreadJournal
  readonly monitor: TradeMonitor
  readonly sidecars: TradeSidecars
  readonly events: ReturnType<typeof fanOut>
  readonly streams: StreamNews
  readonly onBrokenJournal: (stop: () => void) => void
  /** Throws what kept an entry from the disk. */
  readonly requireWholeJournal: () => void
}

const openBooks = async (options: TradeOptions, site: Site, stack: AsyncDisposableStack): Promise<Books> => {
  const {resolved, environment, onNote} = options
  const {config} = resolved
  const {client, instruments, wall, latch} = site
  const monitor = stack.use(new TradeMonitor())
  let onConnection = (_connected: boolean): void => {}
  const venue = stack.use(
    await createAlpacaBroker({
      client,
      instruments,
      ...wall,
      onBug: rethrow,
      onConnection: connected => onConnection(connected),
      onWait: id => monitor.onWait(id),
      requestsPerMinute: requestsPerMinute(options.speed, config.api.requestsPerMinute),
    }),
  )
  const run = await openRun(options, venue, site.accountNumber, site.exchange !== undefined)
  if (site.exchange === undefined) refuseSecondNode(config.home, run.journalFile)
  if (run.resumed) onNote(`continues run ${run.runId} of this account`)
  if (run.resumed) await shorten(run.journalFile, onNote)
  const broken = new AbortController()
  const journal = stack.use(await openJournalThread(run.journalFile, error => broken.abort(error)))
  const adopted = await adoptForeignFills(journal, venue, run.runId)
  await journal.sync()
  if (adopted > 0) onNote(`${adopted} fills that others made in this account are taken into the journal`)
  const events = fanOut(options, config.home, run.runId, monitor)
  const streams = new StreamNews({
    nowMs: () => performance.now(),
    nowUs: () => (site.feedClock ?? wall.clock).nowUs(),
    onEvent: events.publish,
  })
  onConnection = connected => streams.onConnection('order', connected)
  const sidecars = stack.use(
    await openTradeSidecars({
      config,
      environment,
      runId: run.runId,
      instruments,
      strategies: options.strategies,
      isSimulated: isSimulated(options, site),
      hasDepth: hasDepth(options, site),
      latch,
      onEvent: events.publish,
      nowUs: () => (site.feedClock ?? wall.clock).nowUs(),
    }),
  )
  return {
    run,
    broker: patientBroker(venue, {quiet: quietAfter(latch, config.home), runId: run.runId}),
    journal,
    monitor,
    sidecars,
    events,
    streams,
    onBrokenJournal: stop => broken.signal.addEventListener('abort', stop, {once: true}),
    requireWholeJournal: () => {
      if (broken.signal.aborted) throw broken.signal.reason
    },
  }
}

/** A journal that cannot be made shorter is as good as it was. */
const shorten = async (file: string, onNote: (text: string) => void): Promise<void> => {
  try {
    const compacted = await compactJournal(file)
    if (compacted !== undefined)
      onNote(
        `the journal went from ${compacted.before} entries to ${compacted.after}; all of it is in ${compacted.archive}`,
      )
  } catch (error) {
    onNote(`the journal could not be made shorter, and is used as it is: ${(error as Error).message}`)
  }
}

/** The feed, watched on its way to the node: by the clock, the monitor, the pattern window and the signal model. */
const openFeed = async (
  options: TradeOptions,
  site: Site,
  {monitor, sidecars, events, streams}: Books,
  stack: AsyncDisposableStack,
) => {
  const {client, instruments, wall} = site
  const feed = stack.use(
    await createAlpacaFeed({
      client,
      instruments,
      ...wall,
      depth: hasDepth(options, site),
      onConnection: (stream, connected) => streams.onConnection(stream, connected),
    }),
  )
  const market = createMarketState(instruments.size)
  const window = new MarketWindow(market, instruments.size)
  const coalescer = new Coalescer({
    instruments: instruments.size,
    onBehind: news => events.publish(behindEvent(news, (site.feedClock ?? wall.clock).nowUs())),
  })
  const observe = (chunk: TapeChunk & {count: number}): void => {
    const age = feed.age()
    monitor.onChunk(chunk.count, age)
    coalescer.take(chunk, age.rowUs)
    for (let row = 0; row < chunk.count; row++) {
      applyRow(market, chunk, row)
      window.onTime(chunk.tsUs[row] as number)
    }
    if (chunk.count > 0) site.feedClock?.observe(chunk.tsUs[chunk.count - 1] as number)
    sidecars.signals?.onChunk(chunk)
  }
  return {
    feed: observedFeed(feed, feedName(options, site, feed.name), observe, () => monitor.onTaken()),
    memory: sidecars.tradeMemory(window),
    coalescer,
  }
}

const isSimulated = ({data}: TradeOptions, {exchange}: Site): boolean => exchange !== undefined && data === undefined

/** Books of coins come with any feed but the simulated market's, which quotes no further levels. */
const hasDepth = (options: TradeOptions, site: Site): boolean =>
  !isSimulated(options, site) && site.instruments.all().some(({kind}) => kind === 'crypto')

/** What the rows are, where the node knows it; else whose stream they come from. */
const feedName = ({data}: TradeOptions, {exchange}: Site, stream: string): string =>
  exchange === undefined
    ? stream
    : data === undefined
      ? 'simulated market'
      : `replay of ${path.basename(path.resolve(data))}`

const announceNode = ({resolved}: TradeOptions, site: Site, run: OpenRun, strategies: readonly string[]) => {
  const {home} = resolved.config
  const journal = path.resolve(run.journalFile)
  sweepNodes(home, journal)
  return writeNodeFile(home, {
    runId: run.runId,
    startedUs: site.wall.clock.nowUs(),
    broker: site.target.kind === 'local' ? 'local' : 'alpaca',
    exchangeUrl: tradingUrlOf(site.target),
    ownsExchange: site.exchange !== undefined,
    credentials: site.target.kind === 'local' ? 'local' : 'environment',
    journal,
    strategies,
    symbols: site.instruments.all().flatMap(({symbol, kind}) => (kind === 'option' ? [] : [symbol])),
  })
}

const rethrow = (error: unknown): void => {
  queueMicrotask(() => {
    throw error
  })
}
