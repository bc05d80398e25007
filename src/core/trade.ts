import {createHash} from 'node:crypto'
import path from 'node:path'
import {performance} from 'node:perf_hooks'
import process from 'node:process'
import {setTimeout as sleep} from 'node:timers/promises'
import type {Broker} from '../broker/broker.ts'
import type {Journal} from '../broker/journal.ts'
import type {ResolvedConfig} from '../config/resolve.ts'
import {applyRow, createMarketState} from '../data/market-state.ts'
import type {TapeChunk} from '../data/tape.ts'
import {ExitCode, UserError} from '../domain/errors.ts'
import {InstrumentTable} from '../domain/instrument.ts'
import {tsUs} from '../domain/units.ts'
import {createAlpacaBroker} from '../drivers/alpaca/alpaca-broker.ts'
import {createAlpacaFeed} from '../drivers/alpaca/alpaca-feed.ts'
import {type AlpacaClient, createAlpacaClient} from '../drivers/alpaca/client.ts'
import {type FileLatch, fileLatch} from '../drivers/files/file-latch.ts'
import type {Feed} from '../feed/feed.ts'
import {riskLimits} from '../risk/limits.ts'
import {accountFolder, adoptForeignFills, openAccountRun} from './account-journal.ts'
import {type ExchangeThread, startExchangeThread} from './exchange-thread.ts'
import {feedClock} from './feed-clock.ts'
import {openJournalThread} from './journal-thread.ts'
import {killAtWork} from './kill-marker.ts'
import {requireChecklist} from './live-checklist.ts'
import {MarketWindow} from './market-window.ts'
import {writeNodeFile} from './node-file.ts'
import {journaledBroker, observedFeed, observedJournal, patientBroker} from './observed.ts'
import {allocatorOf, exitRulesOf} from './risk-setup.ts'
import {newRunId, runFolder, writeWhole} from './run-folder.ts'
import {type NodeSummary, runNode} from './run-node.ts'
import {chooseStrategies} from './strategy-setup.ts'
import {scaledScheduler, systemClock, systemScheduler} from './system-clock.ts'
import type {TradeEvent} from './trade-events.ts'
import {type LoopDelay, TradeMonitor} from './trade-monitor.ts'
import {openTradeSidecars} from './trade-sidecars.ts'
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
  /** Nothing is held at the broker at the end. */
  readonly flat: boolean
  readonly loopDelayMs: LoopDelay
  /** Outcomes of closed trades given to the pattern bank. */
  readonly patterns: number
  readonly modelSignals: number
  readonly exitCode: ExitCode
}

const DEFAULT_SYMBOLS = ['SPY', 'QQQ', 'AAPL', 'KO', 'PEP', 'BTC/USD', 'ETH/USD', 'ETH/BTC']
/** How long a latched node waits for the kill that latched it to see what it must see. */
const KILL_PATIENCE_MS = 45_000
const STATE_EVERY_MS = 1_000
/** Rows still in sockets when a replay has ended. */
const DRAIN_MS = 400

/**
 * Trades until the duration, the feed or somebody ends it: the whole node with everything it needs, opened in order and
 * closed in reverse whatever happens. The same code for the local exchange and for Alpaca; only the target differs.
 */
export const runTrade = async (options: TradeOptions): Promise<TradeSummary> => {
  const {resolved, environment, onNote} = options
  const {config} = resolved
  const latch = fileLatch(config.home)
  const target = targetOf({...options.target, environment})
  if (options.data !== undefined && target !== undefined)
    throw new UserError('DATA_NEEDS_OWN_EXCHANGE', '--data replays at an exchange of the node’s own', {
      hints: ['leave away --broker alpaca and --exchange'],
    })
  writeWhole(path.join(config.home, 'home.json'), {kind: 'gpi-home', version: 1})
  refuseLatched(latch)

  await using stack = new AsyncDisposableStack()
  const exchange = target === undefined ? stack.use(await startExchangeThread(exchangeRequest(options))) : undefined
  const reached = target ?? localTarget((exchange as ExchangeThread).url)
  const client = await createAlpacaClient(reached, {
    timeoutMs: config.api.timeoutMs,
    feed: config.api.stockFeed === 'sip' ? 'sip' : 'iex',
  })
  const symbols = options.symbols.length > 0 ? options.symbols : (exchange?.symbols ?? DEFAULT_SYMBOLS)
  const instruments = InstrumentTable.of(symbols)
  const wall = {clock: systemClock(), scheduler: systemScheduler()}
  const facts = await venueFacts(client)
  if (reached.kind === 'live') await requireReady(options, client, facts)

  const monitor = stack.use(new TradeMonitor())
  const clock =
    reached.kind === 'local' ? feedClock(wall.clock, tsUs(exchange?.startUs ?? facts.nowUs), options.speed) : undefined
  const venue = stack.use(await createAlpacaBroker({client, instruments, ...wall, onBug: rethrow}))
  const run = await openRun(options, venue, facts.accountNumber, exchange !== undefined)
  const broker = patientBroker(venue, {
    quiet: quietAfter(latch, config.home),
    runId: run.runId,
  })
  if (run.resumed) onNote(`continues run ${run.runId} of this account`)
  const events = fanOut(options, config.home, run.runId, monitor)
  let journalFailure: Error | undefined
  const journalBroken = new AbortController()
  const sqlite = stack.use(
    await openJournalThread(run.journalFile, error => {
      journalFailure ??= error
      journalBroken.abort()
    }),
  )
  const adopted = await adoptForeignFills(sqlite, venue, run.runId)
  await sqlite.sync()
  if (adopted > 0) onNote(`${adopted} fills that others made in this account are taken into the journal`)
  const sidecars = stack.use(
    await openTradeSidecars({
      config,
      environment,
      runId: run.runId,
      instruments,
      latch,
      onEvent: events.publish,
      nowUs: () => (clock ?? wall.clock).nowUs(),
    }),
  )
  const {running, idle} = chooseStrategies({
    config,
    instruments,
    names: options.strategies,
    services: sidecars.services,
  })
  for (const {strategy, reason} of idle) onNote(`${strategy} is idle: ${reason}`)
  const market = createMarketState(instruments.size)
  const window = new MarketWindow(market, instruments.size)
  const memory = sidecars.tradeMemory(window)
  const observe = (chunk: TapeChunk): void => {
    monitor.onChunk(chunk.count)
    for (let row = 0; row < chunk.count; row++) {
      applyRow(market, chunk, row)
      window.onTime(chunk.tsUs[row] as number)
    }
    if (chunk.count > 0) clock?.observe(chunk.tsUs[chunk.count - 1] as number)
    sidecars.signals?.onChunk(chunk)
  }
  const feed: Feed = observedFeed(stack.use(await createAlpacaFeed({client, instruments, ...wall})), observe)
  const removeNodeFile = writeNodeFile(config.home, {
    runId: run.runId,
    startedUs: wall.clock.nowUs(),
    broker: reached.kind === 'local' ? 'local' : 'alpaca',
    exchangeUrl: tradingUrlOf(reached),
    ownsExchange: exchange !== undefined,
    credentials: reached.kind === 'local' ? 'local' : 'environment',
    journal: path.resolve(run.journalFile),
    strategies: running.map(({name}) => name),
    symbols: [...symbols],
  })
  stack.defer(removeNodeFile)
  const stop = stopper(options, exchange)
  stack.defer(stop.clear)
  journalBroken.signal.addEventListener('abort', () => stop.abort('signal'), {once: true})
  stack.defer(events.start())
  monitor.restart()

  const summary = await runNode({
    runId: run.runId,
    seed: config.seed,
    configHash: resolved.hash,
    feed,
    broker: journaledBroker(broker, sqlite, id => monitor.onSent(id)),
    strategies: running,
    allocator: allocatorOf(
      config,
      running.map(({name}) => name),
    ),
    limits: riskLimits(config.risk),
    exits: exitRulesOf(config),
    journal: observedJournal(sqlite, (strategy, fill) => memory?.onFill(strategy, fill)) satisfies Journal,
    latch,
    clock: clock ?? wall.clock,
    scheduler: clock === undefined ? wall.scheduler : scaledScheduler(wall.scheduler, options.speed),
    cashMicros: run.cashMicros,
    onEvent: events.publish,
    signal: stop.signal,
    flattenOnStop: options.flattenOnStop,
    speed: options.speed,
    idle,
  })
  if (journalFailure !== undefined) throw journalFailure
  const flat = (await broker.positions()).every(({lots}) => lots === 0)
  const result: TradeSummary = {
    ...summary,
    seed: config.seed,
    configHash: resolved.hash,
    resumed: run.resumed,
    idle,
    flat,
    latencyUs: monitor.latencyUs(),
    loopDelayMs: monitor.loopDelay(),
    patterns: memory?.recorded ?? 0,
    modelSignals: sidecars.signals?.given ?? 0,
    exitCode: exitCodeOf(summary),
  }
  writeWhole(path.join(runFolder(config.home, run.runId), 'summary.json'), result)
  return result
}

const exchangeRequest = ({resolved, speed, symbols, port, data}: TradeOptions) => ({
  seed: resolved.config.seed,
  speed,
  symbols,
  port,
  ...(data === undefined ? {} : {data}),
})

const refuseLatched = (latch: FileLatch): void => {
  const state = latch.check()
  if (!state.latched) return
  throw new UserError('LATCHED', `the kill latch is on: ${state.reason}`, {
    hints: ['gpi kill --release takes it off when trading may start again', `the latch is ${latch.file}`],
    exitCode: ExitCode.refused,
  })
}

interface VenueFacts {
  readonly accountNumber: string
  readonly nowUs: number
}

const venueFacts = async ({alpaca}: AlpacaClient): Promise<VenueFacts> => {
  const [account, clock] = await Promise.all([alpaca.trading.account.getAccount(), alpaca.trading.clock.legacyClock()])
  return {
    accountNumber: String(account.accountNumber ?? account.id ?? 'account'),
    nowUs: Math.floor(new Date(clock.timestamp as unknown as string).getTime() * 1_000),
  }
}

const requireReady = async ({resolved, strategies}: TradeOptions, {alpaca}: AlpacaClient, {nowUs}: VenueFacts) => {
  const {config, hash} = resolved
  const [account, open] = await Promise.all([
    alpaca.trading.account.getAccount(),
    alpaca.trading.orders.getAllOrders({status: 'open'}),
  ])
  requireChecklist({
    home: config.home,
    strategies: strategies.length > 0 ? strategies : Object.keys(config.strategies.weights),
    configHash: hash,
    equityMicros: Math.round(Number(account.equity) * 1e6),
    minimumCapitalDollars: config.risk.minimumCapitalDollars,
    openOrders: open.length,
    clockSkewMs: (systemClock().nowUs() - nowUs) / 1_000,
  })
}

interface OpenRun {
  readonly runId: string
  readonly cashMicros: number
  readonly journalFile: string
  readonly resumed: boolean
}

/** An exchange of the node's own starts from nothing, and so does its run; any other account has one run for good. */
const openRun = async (
  {resolved}: TradeOptions,
  broker: Broker,
  accountNumber: string,
  ownsExchange: boolean,
): Promise<OpenRun> => {
  const {home} = resolved.config
  const salt = createHash('sha256').update(`${process.pid} ${process.hrtime.bigint()}`).digest('hex')
  const fresh = (): string => newRunId(systemClock().nowUs(), salt)
  if (ownsExchange) {
    const runId = fresh()
    const {cashMicros} = await broker.account()
    return {runId, cashMicros, journalFile: path.join(runFolder(home, runId), 'journal.sqlite'), resumed: false}
  }
  const folder = accountFolder(home, accountNumber)
  return {...(await openAccountRun(folder, broker, fresh)), journalFile: path.join(folder, 'journal.sqlite')}
}

/** Resolves at once, or after a latch when the kill that set it is done or has taken too long. */
const quietAfter = (latch: FileLatch, home: string) => async (): Promise<void> => {
  const untilMs = performance.now() + KILL_PATIENCE_MS
  while (latch.check().latched && killAtWork(home) && performance.now() < untilMs) await sleep(50)
}

/** One signal out of everything that can end a run; `runNode` reads the reason. */
const stopper = ({signal, durationMs}: TradeOptions, exchange: ExchangeThread | undefined) => {
  const stop = new AbortController()
  const onSignal = (): void => stop.abort('signal')
  if (signal.aborted) onSignal()
  signal.addEventListener('abort', onSignal, {once: true})
  const timer = durationMs === undefined ? undefined : setTimeout(() => stop.abort('duration'), durationMs)
  void exchange?.ended.then(() => sleep(DRAIN_MS)).then(() => stop.abort('feed-end'))
  return {
    signal: stop.signal,
    abort: (reason: string): void => stop.abort(reason),
    clear: (): void => {
      clearTimeout(timer)
      signal.removeEventListener('abort', onSignal)
    },
  }
}

/** Everything the node says goes to the caller; the latest risk state also to disk, for `gpi status`. */
const fanOut = ({onEvent}: TradeOptions, home: string, runId: string, monitor: TradeMonitor) => {
  const stateFile = path.join(runFolder(home, runId), 'state.json')
  let risk: TradeEvent | undefined
  let lastUs = 0
  const publish = (event: TradeEvent): void => {
    lastUs = Math.max(lastUs, event.tsUs)
    monitor.onEvent(event)
    if (event.kind === 'risk') risk = event
    onEvent(event)
  }
  return {
    publish,
    start: (): (() => void) => {
      const timer = setInterval(() => {
        onEvent(monitor.latency(lastUs))
        if (risk !== undefined) writeWhole(stateFile, risk)
      }, STATE_EVERY_MS)
      return () => clearInterval(timer)
    },
  }
}

const exitCodeOf = ({stoppedBy}: NodeSummary): ExitCode =>
  stoppedBy === 'kill' || stoppedBy === 'risk' ? ExitCode.refused : ExitCode.ok

const rethrow = (error: unknown): void => {
  queueMicrotask(() => {
    throw error
  })
}
