import {closeSync, mkdirSync, openSync, readFileSync, rmSync, writeSync} from 'node:fs'
import path from 'node:path'
import process from 'node:process'
import {ExitCode, UserError} from '../domain/errors.ts'

/**
 * Takes a named lock for this process, or refuses while a living process holds it. A lock left by a dead process is
 * taken over. Returns the function that gives it back.
 */
export const takeLock = (home: string, name: string): (() => void) => {
  if (!/^[\w.-]+$/.test(name))
    throw new UserError('LOCK_NAME', `a lock name is letters, digits, . _ and -, was ${JSON.stringify(name)}`)
  const folder = path.join(home, 'locks')
  mkdirSync(folder, {recursive: true})
  const file = path.join(folder, `${name}.lock`)
  for (let attempt = 0; attempt < 2; attempt++) {
    try {
      const descriptor = openSync(file, 'wx', 0o600)
      writeSync(descriptor, `${process.pid}\n`)
      closeSync(descriptor)
      return () => rmSync(file, {force: true})
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error
      const holder = Number.parseInt(readFileSync(file, 'utf8'), 10)
      if (isAlive(holder)) {
        throw new UserError('LOCKED', `another gpi (process ${holder}) holds the lock "${name}"`, {
          hints: ['wait for it to finish', `the lock is ${file}`],
          exitCode: ExitCode.refused,
        })
      }
      rmSync(file, {force: true})
    }
  }
  throw new UserError('LOCKED', `the lock "${name}" changes hands too fast`, {exitCode: ExitCode.refused})
}

/** Whether a process exists; one that may not be signalled does. */
export const isAlive = (pid: number): boolean => {
  if (!Number.isInteger(pid) || pid <= 0) return false
  try {
    process.kill(pid, 0)
    return true
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'EPERM'
  }
}
