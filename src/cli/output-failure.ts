import {ExitCode, UserError} from '../domain/errors.ts'

/** The error of a standard output that takes no more, such as a file on a full disk. */
export const outputFailure = (error: unknown): UserError => {
  const {code, message} = error as NodeJS.ErrnoException
  const why = code === 'ENOSPC' ? 'the disk is full' : message
  return new UserError('OUTPUT_FAILED', `standard output cannot be written: ${why}`, {
    hints: ['what was written there is incomplete'],
    exitCode: ExitCode.failure,
    cause: error,
  })
}
