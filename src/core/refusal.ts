import {type ExitCode, UserError} from '../domain/errors.ts'

/** A UserError as it crosses between threads: an Error object would arrive without its code and hints. */
export interface Refusal {
  readonly kind: 'refused'
  readonly code: string
  readonly message: string
  readonly hints: readonly string[]
  readonly exitCode: ExitCode
}

/** For the worker: what to tell of an error that the person can fix. Any other is thrown on, and ends the worker. */
export const refusalOf = (error: unknown): Refusal => {
  if (!(error instanceof UserError)) throw error
  const {code, message, hints, exitCode} = error
  return {kind: 'refused', code, message, hints, exitCode}
}

/** For who waits on the worker: the error again. */
export const errorOfRefusal = ({code, message, hints, exitCode}: Refusal): UserError =>
  new UserError(code, message, {hints, exitCode})
