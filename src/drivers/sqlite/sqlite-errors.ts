import {ExitCode, UserError} from '../../domain/errors.ts'

/** SQLite's primary result code of an error; undefined for any other error. */
export const sqliteCode = (error: unknown): number | undefined => {
  const {code, errcode} = error as {readonly code?: string; readonly errcode?: number}
  return code === 'ERR_SQLITE_ERROR' ? Number(errcode) & 0xff : undefined
}

/** What a person can do about a result code (sqlite.org/rescode.html). */
const ADVICE: Readonly<Record<number, {readonly code: string; readonly problem: string; readonly hint: string}>> = {
  5: {code: 'STORE_BUSY', problem: 'is held by another process', hint: 'wait for the other gpi to finish its write'},
  8: {code: 'STORE_READ_ONLY', problem: 'cannot be written', hint: 'check who owns it, or whether it was moved away'},
  10: {code: 'STORE_IO', problem: 'cannot be read or written', hint: 'check the disk'},
  13: {code: 'DISK_FULL', problem: 'cannot grow: the disk is full', hint: 'free some space; nothing was half-written'},
  14: {code: 'STORE_UNREADABLE', problem: 'cannot be opened', hint: 'check the path and who owns it'},
}

/** Runs; where the operating system is in the way, says so as a UserError. Damage and bugs pass as they are. */
export const explained = <T>(file: string, run: () => T): T => {
  try {
    return run()
  } catch (error) {
    const advice = ADVICE[sqliteCode(error) ?? -1]
    if (advice === undefined) throw error
    const {code, problem, hint} = advice
    throw new UserError(code, `${file} ${problem}`, {hints: [hint], exitCode: ExitCode.failure, cause: error})
  }
}
