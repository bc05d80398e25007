import {readFile} from 'node:fs/promises'
import module from 'node:module'
import process from 'node:process'
import {flush, run, settings} from '@oclif/core'
import {outputFailure} from './output-failure.ts'
import {reportError} from './report-error.ts'

/** Runs one command and leaves when stdout has been read, however long that takes: `process.exit` alone cuts a pipe. */
export const main = async (argv: string[], url: string): Promise<void> => {
  module.enableCompileCache?.()
  settings.enableAutoTranspile = false
  // oclif's own listener would end the process with a stack.
  process.stdout.removeAllListeners('error')
  process.stdout.on('error', error => {
    // A reader that leaves early (`| head`) is not a failure.
    if ((error as NodeJS.ErrnoException).code === 'EPIPE') process.exit(process.exitCode ?? 0)
    process.exit(reportError(outputFailure(error), false))
  })
  try {
    await run(argv, url)
    await flush()
  } catch (error) {
    process.exitCode = reportError(error, argv.includes('--json'), {commands: await commandNames(url)})
  }
  await drained(process.stdout)
  await drained(process.stderr)
  process.exit()
}

/** Commands as they are typed, from the manifest: nothing is imported to tell of a typing error. */
const commandNames = async (url: string): Promise<string[]> => {
  const manifest = JSON.parse(await readFile(new URL('../oclif.manifest.json', url), 'utf8')) as {
    commands: Record<string, unknown>
  }
  return Object.keys(manifest.commands).map(id => id.replaceAll(':', ' '))
}

const drained = (stream: NodeJS.WriteStream): Promise<void> =>
  new Promise(resolve => {
    if (stream.writableLength === 0) resolve()
    else stream.write('', () => resolve())
  })
