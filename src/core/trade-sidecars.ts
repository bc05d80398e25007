import {performance} from 'node:perf_hooks'
import type {Config} from '../config/schema.ts'
import type {InstrumentTable} from '../domain/instrument.ts'
import type {FileLatch} from '../drivers/files/file-latch.ts'
import {modelsAskedFor} from '../strategies/registry.ts'
import type {HeadsService, StrategyServices} from '../strategies/services.ts'
import {LiveSignals} from './live-signals.ts'
import type {MarketWindow} from './market-window.ts'
import {openMemory} from './memory.ts'
import {loadModel} from './model-files.ts'
import {startPatternWriter} from './pattern-writer.ts'
import {guardByRedis} from './redis-guard.ts'
import {readSecrets} from './secrets.ts'
import {patternMemoryOf} from './strategy-services.ts'
import {listedStrategies} from './strategy-setup.ts'
import type {TradeEvent} from './trade-events.ts'
import {TradeMemory} from './trade-memory.ts'

export interface SidecarOptions {
  readonly config: Config
  readonly environment: Readonly<Record<string, string | undefined>>
  readonly runId: string
  readonly instruments: InstrumentTable
  /** Strategies named for the run; the configuration's when empty. */
  readonly strategies?: readonly string[]
  /** The market is made up as it goes: nobody's past, so no model's training can have seen it. */
  readonly isSimulated?: boolean
  /** The feed brings books of coins. */
  readonly hasDepth?: boolean
  readonly latch: FileLatch
  readonly onEvent: (event: TradeEvent) => void
  readonly nowUs: () => number
}

export interface TradeSidecars extends AsyncDisposable {
  readonly signals: LiveSignals | undefined
  /** What strategies of the run may ask: the shared pattern bank over their own market. */
  readonly services: StrategyServices
  readonly tradeMemory: (window: MarketWindow) => TradeMemory
}

/** What runs beside the loop and must never hold it up: the pattern bank, the signal model, the latch in Redis. */
export const openTradeSidecars = async (options: SidecarOptions): Promise<TradeSidecars> => {
  const {config, environment, onEvent, nowUs} = options
  const log = (level: 'info' | 'warn', text: string): void => onEvent({kind: 'log', tsUs: nowUs(), level, text})
  await using stack = new AsyncDisposableStack()

  const redisUrl = readSecrets(environment).REDIS_URL
  if (redisUrl !== undefined)
    stack.use(
      await guardByRedis({
        url: redisUrl,
        latch: options.latch,
        onLost: reason => log('warn', `Redis cannot be asked for the latch (${reason}); the latch on disk still holds`),
      }),
    )

  const memory = stack.use(await openMemory({config, environment}))
  for (const notice of memory.notices) log('warn', notice)
  stack.use(
    await startPatternWriter(memory.bank, {config, directory: memory.directory, environment}, message =>
      log('warn', `the pattern bank could not be written, and will be tried again: ${message}`),
    ),
  )
  const signals = await openSignals(options, stack, log)
  const models = await openModels(options, stack, message => log('warn', message))
  const kept = stack.move()
  return {
    signals,
    services: {
      patterns: run => patternMemoryOf(memory.bank, run.market, run.instruments),
      requestsPerMinute: config.api.requestsPerMinute,
      ...models,
    },
    tradeMemory: window =>
      new TradeMemory({runId: options.runId, instruments: options.instruments, window, bank: memory.bank}),
    [Symbol.asyncDispose]: () => kept.disposeAsync(),
  }
}

/** Only what the run's strategies can put a question to: a model of books needs a feed with depth, the heads need chains. */
const openModels = async (
  {config, instruments, strategies = [], isSimulated = false, hasDepth = false}: SidecarOptions,
  stack: AsyncDisposableStack,
  onFailure: (message: string) => void,
): Promise<Pick<StrategyServices, 'heads' | 'model'>> => {
  const listed = listedStrategies(config, strategies)
  const wantsHeads = listed.includes('option-sentiment') && instruments.all().some(({kind}) => kind === 'option')
  const names = listed
    .flatMap(name => modelsAskedFor(name, config.strategies.parameters[name] ?? {}))
    .filter(name => hasDepth || !readsBooks(name, config.model.directory))
  if (!wantsHeads && names.length === 0) return {}
  const {openTradeHeads, openTradeModels} = await import('./trade-services.ts')
  const options = {config, onFailure, isSimulated}
  return {
    ...(wantsHeads ? await headsOrNone(() => openTradeHeads(options, stack), onFailure) : {}),
    ...(names.length > 0 ? {model: await openTradeModels(options, names, stack)} : {}),
  }
}

const readsBooks = (name: string, directory: string): boolean =>
  loadModel(name, directory).description.features.startsWith('book@')

/** Chains can be read without their embedding: a node that trades does not stop for it. */
const headsOrNone = async (
  open: () => Promise<HeadsService>,
  onFailure: (message: string) => void,
): Promise<{readonly heads?: HeadsService}> => {
  try {
    return {heads: await open()}
  } catch (error) {
    onFailure(`option-sentiment goes without the embedding’s heads: ${(error as Error).message}`)
    return {}
  }
}

const openSignals = async (
  {config, instruments, onEvent}: SidecarOptions,
  stack: AsyncDisposableStack,
  log: (level: 'info' | 'warn', text: string) => void,
): Promise<LiveSignals> => {
  const {openWorkerPredictor} = await import('../drivers/onnx/worker-predictor.ts')
  const {bytes, description} = loadModel('signal', config.model.directory)
  const device = config.model.device === 'auto' ? 'cpu' : config.model.device
  const predictor = stack.use(await openWorkerPredictor(bytes, description, {device}))
  log(
    'info',
    `model ${description.name} on ${predictor.device} speaks after ${description.window} bars of ${description.periodUs / 60e6} minutes`,
  )
  return new LiveSignals({
    instruments,
    model: description,
    predictor,
    onSignal: onEvent,
    onFailure: error => log('warn', `model ${description.name} gave no answer: ${error.message}`),
    nowMs: () => performance.now(),
  })
}
