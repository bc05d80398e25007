import module from 'node:module'
import process from 'node:process'
import {flush, run, settings} from '@oclif/core'
import {reportError} from './report-error.ts'

/** Runs one command and leaves when stdout has been read, however long that takes: `process.exit` alone cuts a pipe. */
export const main = async (argv: string[], url: string): Promise<void> => {
  module.enableCompileCache?.()
  settings.enableAutoTranspile = false
  // A reader that leaves early (`| head`) is not a failure.
  process.stdout.on('error', error => {
    if ((error as NodeJS.ErrnoException).code === 'EPIPE') process.exit(process.exitCode ?? 0)
    throw error
  })
  try {
    await run(argv, url)
    await flush()
  } catch (error) {
    process.exitCode = reportError(error, argv.includes('--json'))
  }
  await drained(process.stdout)
  await drained(process.stderr)
  process.exit()
}

const drained = (stream: NodeJS.WriteStream): Promise<void> =>
  new Promise(resolve => {
    if (stream.writableLength === 0) resolve()
    else stream.write('', () => resolve())
  })
