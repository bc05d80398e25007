import {rm} from 'node:fs/promises'
import process from 'node:process'
import type {CatalogUnit} from '../data/catalog.ts'
import {readUnits} from '../drivers/duckdb/catalog.ts'
import {Database} from '../drivers/duckdb/database.ts'
import {createStaging, prepareCatalog, sweepStaging} from '../drivers/duckdb/unit-writer.ts'

/** A catalog opened for writing: what is in it already, and a place for what is being made. */
export interface IngestSession extends AsyncDisposable {
  readonly dir: string
  readonly database: Database
  /** Removed at the end. */
  readonly scratch: string
  readonly known: ReadonlyMap<string, CatalogUnit>
  /** Runs `build` with a fresh staging folder, and remembers the unit it publishes. */
  readonly stage: (build: (staging: string) => Promise<CatalogUnit>) => Promise<CatalogUnit>
}

/** Prepares the folder, clears what killed ingests left, and opens the engine. */
export const openSession = async (dir: string): Promise<IngestSession> => {
  await prepareCatalog(dir)
  await sweepStaging(dir, isAlive)
  const known = new Map((await readUnits(dir)).map(unit => [unit.key, unit]))
  const scratch = await createStaging(dir, process.pid, 'scratch')
  const database = await Database.open({tempDirectory: scratch})
  let staged = 0
  return {
    dir,
    database,
    scratch,
    known,
    stage: async build => {
      const staging = await createStaging(dir, process.pid, String(staged++))
      try {
        const unit = await build(staging)
        known.set(unit.key, unit)
        return unit
      } finally {
        await rm(staging, {recursive: true, force: true})
      }
    },
    [Symbol.asyncDispose]: async () => {
      await database[Symbol.asyncDispose]()
      await rm(scratch, {recursive: true, force: true})
    },
  }
}

const isAlive = (pid: number): boolean => {
  if (pid === process.pid) return true
  try {
    process.kill(pid, 0)
    return true
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'EPERM'
  }
}
