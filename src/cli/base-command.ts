import process from 'node:process'
import {Command, Flags} from '@oclif/core'
import type {ResolvedConfig} from '../config/resolve.ts'
import {UserError} from '../domain/errors.ts'
import {reportError} from './report-error.ts'

/**
 * What every command shares: `--json` (the typed return of `run`), words on stderr, layered configuration, one place
 * for errors and exit codes, and clean stops. Commands parse flags, call one use case of `core`, and return.
 */
export abstract class BaseCommand extends Command {
  static override enableJsonFlag = true

  static override baseFlags = {
    config: Flags.string({
      description: 'configuration file, repeatable, later wins; - reads stdin',
      multiple: true,
      helpGroup: 'GLOBAL',
      helpValue: 'FILE',
    }),
    seed: Flags.integer({description: 'seed of every random draw', min: 0, helpGroup: 'GLOBAL', helpValue: 'N'}),
    lock: Flags.string({
      description: 'refuse to run while another command holds this lock',
      helpGroup: 'GLOBAL',
      helpValue: 'NAME',
    }),
    quiet: Flags.boolean({description: 'no words or progress on stderr', char: 'q', helpGroup: 'GLOBAL'}),
  }

  readonly #abort = new AbortController()
  #quiet = false
  #releaseLock: (() => void) | undefined

  /** Aborted by the first SIGINT or SIGTERM; a second one leaves at once. */
  protected get stopSignal(): AbortSignal {
    return this.#abort.signal
  }

  public override async init(): Promise<void> {
    await super.init()
    this.#quiet = this.argv.includes('--quiet') || this.argv.includes('-q')
    for (const signal of ['SIGINT', 'SIGTERM'] as const) {
      process.on(signal, () => {
        if (this.#abort.signal.aborted) process.exit(signal === 'SIGINT' ? 130 : 143)
        this.#abort.abort(signal)
      })
    }
  }

  /** Words for people go to stderr, so stdout carries data only. */
  protected note(message: string): void {
    // Not oclif's own writer, which falls silent under --json: words belong on stderr either way.
    if (!this.#quiet) process.stderr.write(`${message}\n`)
  }

  /** Whether progress may be drawn: a person watches stderr and did not ask for silence. */
  protected get showsProgress(): boolean {
    return process.stderr.isTTY === true && !this.#quiet
  }

  /** Defaults, files, `GPI__…` variables, then `--seed` and what the command adds from its own flags. */
  protected async loadConfig(
    flags: {
      readonly config?: readonly string[] | undefined
      readonly seed?: number | undefined
      readonly lock?: string | undefined
      readonly from?: string | undefined
      readonly vector?: string | undefined
    },
    overrides: Readonly<Record<string, unknown>> = {},
  ): Promise<ResolvedConfig> {
    if (flags.config?.includes('-') === true && (flags.from === '-' || flags.vector === '-')) {
      throw new UserError('TWO_INPUTS', 'the configuration and the records would both be read from standard input', {
        hints: ['name a file for one of them'],
      })
    }
    const {loadConfig} = await import('../core/load-config.ts')
    const resolved = await loadConfig({
      files: flags.config ?? [],
      environment: process.env,
      overrides: flags.seed === undefined ? overrides : {...overrides, seed: flags.seed},
    })
    if (flags.lock !== undefined) {
      const {takeLock} = await import('../core/lock.ts')
      this.#releaseLock = takeLock(resolved.config.home, flags.lock)
    }
    return resolved
  }

  /** NDJSON on stdout at the reader's pace. False when the reader has gone, which is not an error. */
  protected async stream(items: Iterable<unknown> | AsyncIterable<unknown>): Promise<boolean> {
    const {writeNdjson} = await import('./ndjson.ts')
    return writeNdjson(process.stdout, items)
  }

  protected override async catch(error: Error): Promise<unknown> {
    const flags = Object.keys({...this.ctor.flags, ...this.ctor.baseFlags})
    process.exitCode = reportError(error, this.jsonEnabled(), {flags})
    return undefined
  }

  protected override async finally(error: Error | undefined): Promise<void> {
    this.#releaseLock?.()
    await super.finally(error)
  }
}
