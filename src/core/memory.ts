import path from 'node:path'
import type {Config} from '../config/schema.ts'
import type {MemoryStats} from '../memory/bank-stats.ts'
import {type Calibration, calibrateAbstention} from '../memory/calibrate.ts'
import type {MemoryOptions} from '../memory/memory.ts'
import {DIMENSION} from '../memory/pattern.ts'
import type {PatternStore} from '../memory/pattern-store.ts'
import {openSharedBank, type SharedBank} from '../memory/shared-bank.ts'
import {restoreIndex, saveIndex, vectorIndexDriver} from './memory-index.ts'
import {openPatternStore, recoverStore} from './memory-store.ts'

export interface OpenMemoryOptions {
  readonly config: Config
  /** Folder of the bank; the configured one under the home without it. */
  readonly directory?: string | undefined
  readonly environment?: Readonly<Record<string, string | undefined>>
  /** Microseconds of a running stopwatch, for `tookUs`. */
  readonly elapsedUs?: () => number
  /** Ends the opening: its reason is thrown. */
  readonly signal?: AbortSignal | undefined
  /** Start the index afresh from the documents. */
  readonly rebuild?: boolean
}

export interface OpenMemory extends SharedBank {
  readonly directory: string
  /** What was found damaged and what was done about it, for a person to read. */
  readonly notices: readonly string[]
  readonly calibration: Calibration | undefined
  /** The bank's figures, with searches counted over its whole life. */
  readonly stats: () => MemoryStats
  /** Adds this process's searches to the bank's lifetime count. */
  readonly countSearches: () => Promise<void>
  /** Writes the index beside the documents, so that the next opening need not build it. */
  readonly saveIndex: () => void
  /** Finds from the bank's past, as of `asOfUs`, where to abstain, and keeps the answer with the bank. */
  readonly calibrate: (asOfUs: number) => Promise<Calibration>
}

export const memoryDirectory = (config: Config, directory?: string): string =>
  directory ?? path.join(config.home, config.memory.directory)

/**
 * Opens the pattern bank that the configuration names, with its store and index. A damaged store is moved to
 * `quarantine/` and what still matches its checksums is carried over; a damaged index is rebuilt. Both are said in
 * `notices`.
 */
export const openMemory = async (options: OpenMemoryOptions): Promise<OpenMemory> => {
  const {config, environment = {}} = options
  const directory = memoryDirectory(config, options.directory)
  const notices: string[] = []
  const store = await openPatternStore({config, directory, environment, notices})
  try {
    // What no document tells on being read, such as an index of SQLite that lost a row, is found only by looking for it.
    if (options.rebuild === true) await requireSound(store)
    return await load(options, {store, directory, notices})
  } catch (error) {
    await store[Symbol.asyncDispose]()
    const recovered = await recoverStore(error, directory, notices)
    return load({...options, rebuild: true}, {store: recovered, directory, notices})
  }
}

const requireSound = async (store: PatternStore): Promise<void> => {
  if (store.kind !== 'sqlite') return
  const [problem] = (await store.verify()).problems
  if (problem !== undefined) throw new (await import('../drivers/sqlite/pattern-row.ts')).CorruptRowError(problem)
}

/** The documents of the bank alone. What was damaged and could be repaired on opening is said in `notices`. */
export const openMemoryStore = async (
  {config, directory, environment = {}}: OpenMemoryOptions,
  notices: string[],
): Promise<PatternStore> =>
  openPatternStore({config, directory: memoryDirectory(config, directory), environment, notices})

interface Opened {
  readonly store: PatternStore
  readonly directory: string
  readonly notices: string[]
}

const load = async (
  {config, elapsedUs, signal, rebuild = false}: OpenMemoryOptions,
  {store, directory, notices}: Opened,
): Promise<OpenMemory> => {
  const calibration = await readCalibration(store, notices)
  // Only hot patterns are in the index.
  const driver = await vectorIndexDriver(config.memory.index, Math.min(await store.count(), config.memory.capacity))
  const restored = rebuild ? undefined : await restoreIndex(store, driver, directory, notices)
  const index = restored?.index ?? driver.open(DIMENSION)
  const shared = await openSharedBank(store, {
    ...{index, signal},
    ...(restored === undefined ? {} : {restoredKeys: restored.keys}),
    ...(elapsedUs === undefined ? {} : {elapsedUs}),
    options: {
      ...{
        capacity: config.memory.capacity,
        coldCapacity: config.memory.coldCapacity,
        defaultK: config.memory.neighbours,
      },
      ...(calibration === undefined ? {} : optionsOf(calibration)),
    },
  })
  const {bank} = shared
  let [searches, answered] = [await store.increment('searches', 0), await store.increment('answered', 0)]
  let counted = bank.usage
  return {
    ...{...shared, directory, notices, calibration},
    stats: () => {
      const all = searches + bank.usage.searches - counted.searches
      const hits = answered + bank.usage.answered - counted.answered
      return {...bank.stats(), searches: all, hitRate: all === 0 ? 0 : hits / all}
    },
    countSearches: async () => {
      const now = bank.usage
      searches = await store.increment('searches', now.searches - counted.searches)
      answered = await store.increment('answered', now.answered - counted.answered)
      counted = now
    },
    saveIndex: () => saveIndex({shared, index, kind: driver.kind, directory}),
    calibrate: async asOfUs => {
      const {halfLifeUs, defaultK: k} = bank.options
      const found = calibrateAbstention(bank.patterns(), {asOfUs, halfLifeUs, k})
      await store.setMeta('calibration', JSON.stringify(found))
      return found
    },
  }
}

/** A calibration of an earlier version knows neither how symbols move together nor how widely. */
const optionsOf = ({minSimilarity, crossSymbol = 0, outcomeSdBps}: Calibration): Partial<MemoryOptions> => ({
  ...{minSimilarity, crossSymbol},
  ...(outcomeSdBps === undefined ? {} : {priorSdBps: outcomeSdBps}),
})

const readCalibration = async (store: PatternStore, notices: string[]): Promise<Calibration | undefined> => {
  const text = await store.getMeta('calibration')
  try {
    return text === undefined ? undefined : (JSON.parse(text) as Calibration)
  } catch (error) {
    if (!(error instanceof SyntaxError)) throw error
    notices.push('the calibration of the bank is damaged and left out; gpi memory rebuild finds it anew')
    return undefined
  }
}
