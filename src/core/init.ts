import {existsSync, mkdirSync} from 'node:fs'
import {open} from 'node:fs/promises'
import path from 'node:path'
import {exampleConfig} from '../config/example.ts'
import type {Config} from '../config/schema.ts'
import {openMemory} from './memory.ts'

export interface InitResult {
  readonly home: string
  readonly created: readonly string[]
  readonly kept: readonly string[]
}

export interface InitOptions {
  /** Written where there is none. */
  readonly configFile: string
  readonly environment: Readonly<Record<string, string | undefined>>
}

/** Folders of a home, by what they hold. */
export const HOME_FOLDERS = ['journals', 'nodes', 'runs', 'memory', 'locks'] as const

/**
 * Makes what a first run needs: the folders of the home, a configuration file when there is none, and the pattern
 * bank's schema in the configured store. Everything that is already there is left as it is, so it is safe to repeat.
 */
export const initialise = async (config: Config, {configFile, environment}: InitOptions): Promise<InitResult> => {
  const created: string[] = []
  const kept: string[] = []
  for (const folder of ['', ...HOME_FOLDERS].map(name => path.join(config.home, name))) {
    const existed = existsSync(folder)
    mkdirSync(folder, {recursive: true, mode: 0o700})
    ;(existed ? kept : created).push(folder)
  }
  ;((await writeNew(configFile, exampleConfig())) ? created : kept).push(configFile)
  await using bank = await openMemory({config, environment})
  kept.push(`${bank.directory} (${bank.stats().count} patterns)`)
  return {home: config.home, created, kept}
}

/** Writes a file only where there is none; false when there was one. */
const writeNew = async (file: string, text: string): Promise<boolean> => {
  try {
    await using handle = await open(file, 'wx', 0o644)
    await handle.writeFile(text)
    await handle.sync()
    return true
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'EEXIST') return false
    throw error
  }
}
