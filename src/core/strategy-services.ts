import {createHash} from 'node:crypto'
import {existsSync} from 'node:fs'
import type {Config} from '../config/schema.ts'
import type {MarketState} from '../data/market-state.ts'
import {UserError} from '../domain/errors.ts'
import type {InstrumentTable} from '../domain/instrument.ts'
import {createExactIndex} from '../memory/exact-index.ts'
import {MemoryBank} from '../memory/memory.ts'
import {DIMENSION, unitVector} from '../memory/pattern.ts'
import {RunningCalibration} from '../memory/running-calibration.ts'
import type {Prediction} from '../models/inference.ts'
import type {Answer, HeadsService, PatternMemory, StrategyServices} from '../strategies/services.ts'
import {headsOf, headsService} from './heads-service.ts'
import {PatternWindow} from './pattern-window.ts'
import type {ServedModel} from './signal-service.ts'

/** Patterns that a run of its own keeps: the newest. A bank that kept what paid would make every past look profitable. */
const OWN_CAPACITY = 8_192

/**
 * The pattern bank as `pattern-recognition` needs it, over the market of one run. How near a neighbour has to be and how
 * sure its outcome makes us is measured as the run goes. `forget`: patterns of the run beyond so many leave, oldest first.
 */
export const patternMemoryOf = (
  bank: MemoryBank,
  market: MarketState,
  instruments: InstrumentTable,
  {forget = Number.POSITIVE_INFINITY} = {},
): PatternMemory => {
  const window = new PatternWindow(market, instruments)
  const calibrations = new Map<string, RunningCalibration>()
  const calibrationOf = (strategy: string, asOfUs: number): RunningCalibration => {
    const known = calibrations.get(strategy)
    if (known !== undefined) return known
    const made = new RunningCalibration()
    calibrations.set(strategy, made)
    for (const {symbol, tsUs, vector, observations, ...pattern} of bank.patterns()) {
      if (pattern.strategy !== strategy || tsUs >= asOfUs) continue
      made.onVector(vector)
      const first = observations[0]
      if (first !== undefined && first.atUs <= asOfUs) made.onOutcome(symbol, first.pnlBps, tsUs, first.atUs)
    }
    return made
  }
  const ring: string[] = []
  let remembered = 0
  return {
    onEvent: (chunk, row) => window.onEvent(chunk, row),
    clock: instrument => window.clock(instrument),
    vector: instrument => {
      const vector = window.vector(instrument)
      // Of unit length at once: who searches, remembers and judges by it would each find its length again.
      return vector === undefined ? undefined : unitVector(vector, 'a pattern')
    },
    regime: instrument => window.regime(instrument),
    search: (vector, asOfUs, filters, k) => {
      const calibration = calibrationOf(filters.strategy, asOfUs)
      const judged = calibration.evidenceOptions(vector)
      const {evidence, usable, matches} = bank.search(vector, {
        asOfUs,
        filters,
        ...(k === undefined ? {} : {k}),
        ...(judged === undefined ? {} : {evidence: judged}),
      })
      if (matches[0] !== undefined) calibration.onNearest(matches[0].similarity)
      return {...evidence, neighbours: usable}
    },
    remember: pattern => {
      calibrationOf(pattern.strategy, pattern.tsUs).onVector(pattern.vector)
      bank.add(pattern)
      if (forget === Number.POSITIVE_INFINITY) return
      const slot = remembered++ % forget
      const oldest = ring[slot]
      ring[slot] = pattern.id
      if (oldest !== undefined) bank.remove(oldest)
      // What a run learns for itself is made durable nowhere, or from the documents at its end.
      bank.takeWrites()
    },
    learn: (id, pnlBps, atUs) => {
      const pattern = bank.get(id)
      if (pattern === undefined) return
      calibrationOf(pattern.strategy, atUs).onOutcome(pattern.symbol, pnlBps, pattern.tsUs, atUs)
      bank.recordOutcome(id, pnlBps, atUs)
    },
    use: (ids, atUs) => bank.recordUse(ids, atUs),
  }
}

/** For a run that shares no bank: an empty one of its own, so that the run depends on its tape and seed alone. */
const ownPatterns: NonNullable<StrategyServices['patterns']> = ({market, instruments}) =>
  patternMemoryOf(ownBank(), market, instruments, {forget: OWN_CAPACITY})

const ownBank = (): MemoryBank =>
  new MemoryBank({index: createExactIndex(DIMENSION), options: {capacity: Number.MAX_SAFE_INTEGER}})

export const ownServices = (): StrategyServices => ({patterns: ownPatterns})

export interface RunServicesOptions {
  readonly config: Config
  /** Whether a strategy reads option chains: only then is the embedder opened. */
  readonly heads: boolean
  /** Signal models that strategies name in their parameters. */
  readonly models: readonly string[]
  /** Folder of a shared pattern bank. The run reads it as of event time and never writes to it. */
  readonly bank?: string | undefined
  /** The folder may be missing: the bank begins with this run. */
  readonly newBank?: boolean
  readonly environment?: Readonly<Record<string, string | undefined>>
}

export interface RunServices extends AsyncDisposable {
  /** For one strategy of one run: the models are shared, the pattern bank is the run's own copy. */
  readonly services: () => StrategyServices
  /** SHA-256 by name of what decisions rest on besides tape and parameters; part of the configuration's hash. */
  readonly inputs: () => Readonly<Record<string, string>>
  /** Adds what the newest run learned to the shared bank: patterns it lacks, outcomes and uses. */
  readonly remember: () => Promise<{readonly patterns: number; readonly outcomes: number}>
}

/**
 * What strategies of a back-test may ask: models answer in place, so that a run is a pure function of tape, seed,
 * parameters and the models' bytes. Models are loaded when a strategy first asks for one.
 */
export const openRunServices = async (options: RunServicesOptions): Promise<RunServices> => {
  const {config, heads: wantsHeads, models, bank} = options
  await using stack = new AsyncDisposableStack()
  const inputs: Record<string, string> = {}
  const shared = bank === undefined ? undefined : stack.use(await openSharedBankFor(options, bank))
  if (shared !== undefined) inputs['bank'] = bankHash(shared.bank)
  let newest: MemoryBank | undefined
  const patterns: StrategyServices['patterns'] = run => {
    newest = shared === undefined ? ownBank() : copyOf(shared.bank)
    return patternMemoryOf(newest, run.market, run.instruments, {forget: OWN_CAPACITY})
  }

  const heads = wantsHeads ? await openHeads(config, inputs, stack) : undefined
  const model = models.length > 0 ? await modelOpener(config, models, inputs, stack) : undefined
  const kept = stack.move()
  return {
    services: () => ({
      patterns,
      ...(heads === undefined ? {} : {heads}),
      ...(model === undefined ? {} : {model}),
    }),
    inputs: () => inputs,
    remember: async () => {
      if (shared === undefined || newest === undefined) return {patterns: 0, outcomes: 0}
      const added = addLearned(shared.bank, newest)
      await shared.flush()
      return added
    },
    [Symbol.asyncDispose]: () => kept.disposeAsync(),
  }
}

const openSharedBankFor = async ({config, environment, newBank}: RunServicesOptions, directory: string) => {
  if (newBank !== true && !existsSync(directory))
    throw new UserError('NO_BANK', `there is no pattern bank in ${directory}`, {
      hints: ['--bank-learn begins one with what this run learns', 'gpi memory add fills one from records'],
    })
  const {openMemory} = await import('./memory.ts')
  return openMemory({config, directory, ...(environment === undefined ? {} : {environment})})
}

/**
 * The shared patterns in a bank of the run's own. The shared bank's calibration is left behind: it was found from all that
 * the bank knows, also from after the tape.
 */
const copyOf = (shared: MemoryBank): MemoryBank => {
  const copy = ownBank()
  for (const pattern of shared.patterns()) copy.add(pattern)
  return copy
}

const bankHash = (bank: MemoryBank): string => {
  const hash = createHash('sha256')
  for (const {id, symbol, strategy, regime, tsUs, vector, observations} of bank.patterns())
    hash.update(JSON.stringify([id, symbol, strategy, regime, tsUs, observations])).update(vector)
  return hash.digest('hex')
}

const addLearned = (shared: MemoryBank, learned: MemoryBank): {patterns: number; outcomes: number} => {
  const added = {patterns: 0, outcomes: 0}
  for (const pattern of learned.patterns()) {
    const known = shared.get(pattern.id)
    if (known === undefined) {
      shared.add(pattern)
      added.patterns++
      added.outcomes += pattern.observations.length
      continue
    }
    for (const {atUs, pnlBps} of pattern.observations)
      if (shared.recordOutcome(pattern.id, pnlBps, atUs) === 'recorded') added.outcomes++
    if (pattern.uses > known.uses) shared.recordUse([pattern.id], pattern.lastUseUs)
  }
  return added
}

const openHeads = async (
  config: Config,
  inputs: Record<string, string>,
  stack: AsyncDisposableStack,
): Promise<HeadsService> => {
  const [{openEmbedder}, {readModelFile}] = await Promise.all([import('./embed.ts'), import('./model-files.ts')])
  const file = readModelFile('embedder', config.model.directory)
  inputs['embedder'] = file.sha256
  const embedder = stack.use(openEmbedder(file.bytes, file.path))
  return headsService('embedder', embedderSeenUntil(file.card), quotes => {
    const heads = headsOf(embedder.embed(quotes))
    return () => heads
  })
}

/** End of the chains that trained and selected the embedder, from its card; 0 where the card does not say. */
export const embedderSeenUntil = (card: unknown): number => {
  const chains = (card as {readonly data?: {readonly chains?: Record<string, {readonly to?: string} | undefined>}})
    ?.data?.chains
  const ends = [chains?.['train']?.to, chains?.['valid']?.to].map(text => (text === undefined ? 0 : Date.parse(text)))
  return 1000 * Math.max(0, ...ends)
}

/** Reads the signal models that will be asked for; one copy of each for all strategies of the run. */
const modelOpener = async (
  config: Config,
  names: readonly string[],
  inputs: Record<string, string>,
  stack: AsyncDisposableStack,
): Promise<NonNullable<StrategyServices['model']>> => {
  const [{loadModel}, {openSyncPredictor}, {signalModelOf}] = await Promise.all([
    import('./model-files.ts'),
    import('../drivers/onnx/sync-predictor.ts'),
    import('./signal-service.ts'),
  ])
  const served = new Map<string, ServedModel>()
  for (const name of new Set(names)) {
    const {bytes, description, card, sha256} = loadModel(name, config.model.directory)
    inputs[`model ${name}`] = sha256
    // The session is made at the first question: most runs of a market maker never ask one.
    let predictor: ReturnType<typeof openSyncPredictor> | undefined
    stack.defer(() => predictor?.[Symbol.dispose]())
    const ask = (window: Float32Array): Answer<Prediction> => {
      predictor ??= openSyncPredictor(bytes, description)
      const prediction = predictor.predict(window, 1)
      return () => prediction
    }
    served.set(name, {description, card, ask})
  }
  return request => {
    const found = served.get(request.name)
    return found === undefined ? undefined : signalModelOf(found, request)
  }
}
