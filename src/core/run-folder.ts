import {mkdirSync, readdirSync, readFileSync, renameSync, statSync, writeFileSync} from 'node:fs'
import path from 'node:path'
import process from 'node:process'

/** What a run leaves: `HOME/runs/RUN/` with its journal, its last known state and, once it has ended, its summary. */
export const runFolder = (home: string, runId: string): string => path.join(home, 'runs', runId)

/**
 * Makes a folder and those above it. Not `mkdir` with `recursive`: where the system answers ENOENT to making a folder in
 * one that is there (as in /proc), Node tries for ever.
 */
export const ensureFolder = (folder: string): void => {
  const isThere = (): boolean => statSync(folder, {throwIfNoEntry: false})?.isDirectory() === true
  if (isThere()) return
  const parent = path.dirname(path.resolve(folder))
  if (parent !== path.resolve(folder)) ensureFolder(parent)
  try {
    mkdirSync(folder)
  } catch (error) {
    // Another process may have been first.
    if (!isThere()) throw error
  }
}

/** Replaces a JSON file as a whole, so that a reader never sees half of one. */
export const writeWhole = (file: string, value: unknown): void => {
  ensureFolder(path.dirname(file))
  const partial = `${file}.${process.pid}.tmp`
  writeFileSync(partial, `${JSON.stringify(value, undefined, 2)}\n`)
  renameSync(partial, file)
}

/** The parsed file; undefined when it is not there. Throws when it is not JSON. */
export const readWhole = (file: string): unknown => {
  try {
    return JSON.parse(readFileSync(file, 'utf8'))
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined
    throw error
  }
}

/** Ids of the runs of a home, oldest first: an id starts with its time. */
export const listRuns = (home: string): readonly string[] => {
  try {
    return readdirSync(path.join(home, 'runs')).sort()
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return []
    throw error
  }
}

/** `20261122-115843-a1b2`: UTC time to the second and four characters that tell two of one second apart. */
export const newRunId = (nowUs: number, salt: string): string => {
  const iso = new Date(nowUs / 1_000).toISOString()
  return `${iso.slice(0, 10).replaceAll('-', '')}-${iso.slice(11, 19).replaceAll(':', '')}-${salt.slice(0, 4)}`
}
