import {existsSync} from 'node:fs'
import process from 'node:process'
import {Flags} from '@oclif/core'
import type {Config} from '../config/schema.ts'
import type {OpenMemory, OpenMemoryOptions} from '../core/memory.ts'
import {UserError} from '../domain/errors.ts'
import type {PatternStore} from '../memory/pattern-store.ts'
import {BaseCommand} from './base-command.ts'

interface MemoryFlags {
  readonly config?: readonly string[] | undefined
  readonly seed?: number | undefined
  readonly lock?: string | undefined
  readonly bank?: string | undefined
  readonly index?: string | undefined
}

/** What the `gpi memory` commands share: which bank, and how it is opened and said to be repaired. */
export abstract class MemoryCommand extends BaseCommand {
  static override baseFlags = {
    ...BaseCommand.baseFlags,
    bank: Flags.string({description: 'folder of the pattern bank (default: memory under the home)', helpValue: 'DIR'}),
    index: Flags.string({
      description: 'vector index',
      options: ['auto', 'exact', 'ivf', 'usearch', 'faiss'],
    }),
  }

  protected async memoryConfig(flags: MemoryFlags): Promise<Config> {
    const overrides = flags.index === undefined ? {} : {memory: {index: flags.index}}
    return (await this.loadConfig(flags, overrides)).config
  }

  /**
   * Opens the bank. A folder named by `--bank` must exist unless `create`; the default one is made. Repairs are told on
   * stderr.
   */
  protected async openBank(
    flags: MemoryFlags,
    {create = false, ...options}: Omit<Partial<OpenMemoryOptions>, 'config' | 'directory'> & {create?: boolean} = {},
  ): Promise<OpenMemory> {
    if (!create) requireBank(flags.bank)
    const config = await this.memoryConfig(flags)
    const {openMemory} = await import('../core/memory.ts')
    const memory = await openMemory({
      ...{config, directory: flags.bank, environment: process.env, signal: this.stopSignal},
      ...{elapsedUs: () => performance.now() * 1_000, ...options},
    })
    warn(memory.notices)
    return memory
  }

  /** The documents alone, for what needs neither index nor the whole bank in memory. */
  protected async openStore(flags: MemoryFlags): Promise<PatternStore> {
    requireBank(flags.bank)
    const config = await this.memoryConfig(flags)
    const {openMemoryStore} = await import('../core/memory.ts')
    const notices: string[] = []
    const store = await openMemoryStore({config, directory: flags.bank, environment: process.env}, notices)
    warn(notices)
    return store
  }

  /** Microseconds from `30d`, `12h`, `90s`. */
  protected async durationUs(flag: string, text: string): Promise<number> {
    const {parseDurationMs} = await import('../core/system-clock.ts')
    const ms = parseDurationMs(text)
    if (ms === undefined) {
      throw new UserError('DURATION_INVALID', `--${flag} must be a duration such as 30d, 12h or 90s, was "${text}"`)
    }
    return ms * 1_000
  }

  protected async nowUs(): Promise<number> {
    const {systemClock} = await import('../core/system-clock.ts')
    return systemClock().nowUs()
  }

  /** Epoch microseconds, or an ISO time. */
  protected timeUs(flag: string, text: string): number {
    const value = /^\d+$/.test(text) ? Number(text) : Date.parse(text) * 1_000
    if (Number.isSafeInteger(value)) return value
    throw new UserError('TIME_INVALID', `--${flag} must be epoch microseconds or an ISO time, was "${text}"`)
  }

  /** Says what was refused or conflicting: the first few of `count`. */
  protected tellProblems(count: number, problems: readonly string[]): void {
    for (const problem of problems) this.note(problem)
    if (count > problems.length) this.note(`… and ${count - problems.length} more`)
  }
}

const requireBank = (folder: string | undefined): void => {
  if (folder === undefined || existsSync(folder)) return
  throw new UserError('BANK_NOT_FOUND', `no pattern bank at ${folder}`, {
    hints: ['check --bank', 'gpi memory add and gpi memory import make a new one'],
  })
}

/** Damage is said even where words are switched off: `--json` and `--quiet` ask for less noise, not for less truth. */
const warn = (notices: readonly string[]): void => {
  for (const notice of notices) process.stderr.write(`warning ${notice}\n`)
}
