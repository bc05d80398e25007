import process from 'node:process'
import {fileURLToPath} from 'node:url'
import {styleText} from 'node:util'
import {ExitCode, nearest, UserError} from '../domain/errors.ts'

interface OclifError extends Error {
  readonly oclif?: {readonly exit?: number}
  readonly code?: string
  readonly flags?: readonly string[]
  readonly suggestions?: readonly string[]
  readonly context?: {readonly flags?: Readonly<Record<string, unknown>>}
}

export interface ReportedError {
  readonly code: string
  readonly message: string
  readonly hints: readonly string[]
  readonly exitCode: number
  /** Set for a bug: something nobody at the terminal can fix. */
  readonly stack?: string
}

/** Names a typing error may have meant. */
export interface KnownNames {
  readonly flags?: readonly string[]
  readonly commands?: readonly string[]
}

const isSuppressed = (thrown: unknown): thrown is {readonly suppressed: unknown} =>
  thrown instanceof Error && thrown.name === 'SuppressedError' && 'suppressed' in thrown

/** What a person or a script is told of any thrown value. */
export const describeError = (
  thrown: unknown,
  {flags: knownFlags = [], commands: knownCommands = []}: KnownNames = {},
): ReportedError => {
  // What went wrong first; that tidying up after it failed too (a full disk stays full) is of no use to anyone.
  if (isSuppressed(thrown)) return describeError(thrown.suppressed, {flags: knownFlags, commands: knownCommands})
  if (thrown instanceof UserError) {
    return {code: thrown.code, message: thrown.message, hints: thrown.hints, exitCode: thrown.exitCode}
  }
  // The stop signal's reason is the operating system's signal.
  if (thrown === 'SIGINT' || thrown === 'SIGTERM') {
    return {
      code: 'INTERRUPTED',
      message: `stopped by ${thrown} before the end`,
      hints: ['what was finished stays; the same command goes on from there'],
      exitCode: ExitCode.failure,
    }
  }
  const error = (thrown instanceof Error ? thrown : new Error(String(thrown))) as OclifError
  const oclifExit = error.oclif?.exit
  const unknown = /^command (.+) not found$/.exec(error.message.split('\n')[0] ?? '')?.[1]
  if (unknown !== undefined) {
    const near = nearest(unknown.replaceAll(':', ' '), knownCommands)
    const hints = near === undefined ? [] : [`did you mean: gpi ${near}`]
    return {
      code: 'UNKNOWN_COMMAND',
      message: `no command "${unknown.replaceAll(':', ' ')}"`,
      hints: [...hints, 'gpi --help lists the commands'],
      exitCode: ExitCode.usage,
    }
  }
  if (oclifExit !== undefined) {
    const message = oneLine(error.message)
    const hints = error.suggestions ?? error.flags?.flatMap(flag => suggestion(flag, knownFlags)) ?? []
    return {
      code: error.code ?? 'USAGE',
      message,
      hints: [...hints, 'gpi --help lists commands; gpi COMMAND --help their flags'],
      exitCode: ExitCode.usage,
    }
  }
  const system = systemError(error)
  if (system !== undefined) return system
  const guest = guestFrame(error.stack)
  if (guest?.isFirst === true)
    return {
      code: 'STRATEGY_FAILED',
      message: `${guest.place} threw: ${error.message || error.name}`,
      hints: ['the fault is in that file, not in gpi; its stack follows'],
      exitCode: ExitCode.failure,
      stack: error.stack as string,
    }
  return {
    code: 'BUG',
    message: error.message || error.name,
    hints: [
      ...(guest === undefined ? [] : [`look at what ${guest.place} asked for`]),
      'this is a bug in gpi: please report it with the command line',
    ],
    exitCode: ExitCode.failure,
    ...(error.stack === undefined ? {} : {stack: error.stack}),
  }
}

const OWN_FILES = ['src', 'dist', 'bin'].map(folder => new URL(`../../${folder}/`, import.meta.url).href)

/** The first frame of a file that is neither gpi's nor a package's: a strategy of the user's own. */
const guestFrame = (stack: string | undefined): {readonly place: string; readonly isFirst: boolean} | undefined => {
  const frames = [...(stack ?? '').matchAll(/(file:\/\/[^\s)]+?):(\d+):\d+\)?$/gm)]
  const at = frames.findIndex(
    ([, file = '']) => !file.includes('/node_modules/') && !OWN_FILES.some(own => file.startsWith(own)),
  )
  const [, file, line] = frames[at] ?? []
  return file === undefined ? undefined : {place: `${fileURLToPath(file)}:${line}`, isFirst: at === 0}
}

/** oclif spreads one cause over several lines and a heading. */
const oneLine = (message: string): string =>
  (message.split('\nSee more help')[0] ?? message)
    .replace(/^The following errors? occurred:\s*/, '')
    .trim()
    .replace(/\s*\n\s*/g, ' ')

/** Refusals of the operating system, which the person can act on. */
const systemError = (
  error: OclifError & {readonly path?: string; readonly syscall?: string},
): ReportedError | undefined => {
  const where = error.path === undefined ? '' : `: ${error.path}`
  const of = (message: string, hint: string, exitCode: number = ExitCode.usage): ReportedError => ({
    code: error.code ?? 'SYSTEM',
    message: `${message}${where}`,
    hints: [hint],
    exitCode,
  })
  switch (error.code) {
    case 'ENOENT':
      return of('no such file or folder', 'check the path')
    case 'EACCES':
    case 'EPERM':
      return of('permission denied', 'check who owns it, or choose another place')
    case 'EROFS':
      return of('the disk is read-only', 'choose another place with --out or the home setting')
    case 'ENOSPC':
      return of('the disk is full', 'free some space; nothing was half-written', ExitCode.failure)
    case 'EADDRINUSE':
      return of('the port is already in use', 'choose another with --port, or --port 0 for a free one')
    case 'EISDIR':
      return of('a file was expected but this is a folder', 'name a file in it')
    case 'ENOTDIR':
      return of('a folder was expected but this is a file', 'name a folder')
    default:
      return undefined
  }
}

const suggestion = (flag: string, known: readonly string[]): string[] => {
  const near = nearest(flag.replace(/^--?/, '').replace(/=.*$/, ''), known)
  return near === undefined ? [] : [`did you mean --${near}?`]
}

/** Prints the error where it belongs (stdout as JSON when asked, else words on stderr) and returns the exit code. */
export const reportError = (thrown: unknown, asJson: boolean, known: KnownNames = {}): number => {
  const error = describeError(thrown, known)
  // oclif leaves through an exception that carries nothing but its code.
  if ((thrown as {code?: string}).code === 'EEXIT') return (thrown as OclifError).oclif?.exit ?? 0
  if (asJson) {
    const {code, message, hints} = error
    process.stdout.write(`${JSON.stringify({error: {code, message, hints}}, undefined, 2)}\n`)
  }
  const colour = (format: Parameters<typeof styleText>[0], text: string) =>
    styleText(format, text, {stream: process.stderr})
  process.stderr.write(`${colour('red', 'error')} ${error.message} ${colour('dim', `[${error.code}]`)}\n`)
  for (const hint of error.hints) process.stderr.write(`  ${colour('cyan', 'try')} ${hint}\n`)
  if (error.stack !== undefined) process.stderr.write(`${colour('dim', error.stack)}\n`)
  return error.exitCode
}
