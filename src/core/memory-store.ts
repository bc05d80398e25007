import {existsSync, mkdirSync, renameSync, rmSync, statSync} from 'node:fs'
import path from 'node:path'
import type {Config} from '../config/schema.ts'
import {UserError} from '../domain/errors.ts'
import type {PatternStore} from '../memory/pattern-store.ts'
import {indexFile} from './memory-index.ts'
import {readSecrets} from './secrets.ts'

export interface OpenStoreOptions {
  readonly config: Config
  readonly directory: string
  readonly environment: Readonly<Record<string, string | undefined>>
  /** Damage found and what was done about it is added here. */
  readonly notices: string[]
}

/** The documents of the bank in the configured store: a SQLite file in the bank's folder, or MongoDB. */
export const openPatternStore = async (options: OpenStoreOptions): Promise<PatternStore> => {
  switch (options.config.memory.store) {
    case 'sqlite':
      return openSqlite(options)
    case 'mongodb':
      return openMongo(options)
    default:
      return options.config.memory.store satisfies never
  }
}

const openSqlite = async ({directory, notices}: OpenStoreOptions): Promise<PatternStore> => {
  const {openSqlitePatternStore} = await import('../drivers/sqlite/pattern-store.ts')
  if (statSync(directory, {throwIfNoEntry: false})?.isFile()) {
    throw new UserError('BANK_NOT_A_FOLDER', `a pattern bank is a folder, ${directory} is a file`, {
      hints: ['name a folder with --bank', 'gpi memory import --from FILE reads patterns from a file'],
    })
  }
  mkdirSync(directory, {recursive: true, mode: 0o700})
  const file = sqliteFile(directory)
  try {
    return openSqlitePatternStore(file)
  } catch (error) {
    return recoverStore(error, directory, notices)
  }
}

const sqliteFile = (directory: string): string => path.join(directory, 'patterns.db')

/** After damage met while opening or reading a SQLite store: a new one with what can be trusted. Rethrows anything else. */
export const recoverStore = async (error: unknown, directory: string, notices: string[]): Promise<PatternStore> => {
  const {isCorruption} = await import('../drivers/sqlite/pattern-salvage.ts')
  if (!isCorruption(error)) throw error
  const file = sqliteFile(directory)
  notices.push(`the pattern store ${file} is damaged (${(error as Error).message})`)
  return salvage(file, notices)
}

/** Moves the damaged file aside, whole, and starts a new one with what can still be trusted. */
const salvage = async (file: string, notices: string[]): Promise<PatternStore> => {
  const {openSqlitePatternStore} = await import('../drivers/sqlite/pattern-store.ts')
  const {salvagePatterns} = await import('../drivers/sqlite/pattern-salvage.ts')
  const folder = path.join(path.dirname(file), 'quarantine')
  mkdirSync(folder, {recursive: true, mode: 0o700})
  let number = 1
  while (existsSync(path.join(folder, `patterns-${number}.db`))) number++
  const moved = path.join(folder, `patterns-${number}.db`)
  for (const suffix of ['', '-wal', '-shm']) {
    if (existsSync(`${file}${suffix}`)) renameSync(`${file}${suffix}`, `${moved}${suffix}`)
  }
  rmSync(indexFile(path.dirname(file)), {force: true})
  const patterns = salvagePatterns(moved)
  const store = openSqlitePatternStore(file)
  await store.apply(patterns.map(pattern => ({op: 'add', pattern})))
  notices.push(`it was moved to ${moved}; ${patterns.length} patterns matched their checksums and were carried over`)
  return store
}

const openMongo = async ({environment}: OpenStoreOptions): Promise<PatternStore> => {
  const url = readSecrets(environment).MONGODB_URL
  if (url === undefined) {
    throw new UserError('MONGODB_URL_MISSING', 'memory.store is "mongodb" but MONGODB_URL is not set', {
      hints: ['export MONGODB_URL=mongodb://…', 'or set memory.store to "sqlite"'],
    })
  }
  const {openMongoPatternStore} = await import('../drivers/mongo/pattern-store.ts')
  return openMongoPatternStore({url})
}
