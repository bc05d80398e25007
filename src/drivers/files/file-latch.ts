import {closeSync, fsyncSync, mkdirSync, openSync, readFileSync, renameSync, rmSync, statSync, writeSync} from 'node:fs'
import path from 'node:path'
import process from 'node:process'
import type {KillLatch, LatchState} from '../../broker/kill-latch.ts'

export interface FileLatch extends KillLatch {
  readonly file: string
  /** Durable when it returns: file and folder are synced. Engaging twice keeps the first reason. */
  readonly engage: (reason: string) => void
  /** Durable when it returns; false when there was none. */
  readonly release: () => boolean
}

const NOT_LATCHED: LatchState = {latched: false}

/**
 * The latch as a file `kill.latch` in the home folder: it is there or it is not, so no torn write can unlatch it. Anything
 * but a clear "no such file" in a readable folder counts as latched.
 */
export const fileLatch = (home: string): FileLatch => {
  const file = path.join(home, 'kill.latch')
  return {
    file,
    check: () => checkFile(file, home),
    engage: reason => {
      if (isFile(file)) return
      mkdirSync(home, {recursive: true})
      const partial = `${file}.${process.pid}.tmp`
      writeSynced(partial, `${reason}\n`)
      renameSync(partial, file)
      syncFolder(home)
    },
    release: () => {
      if (!isFile(file)) return false
      rmSync(file)
      syncFolder(home)
      return true
    },
  }
}

const checkFile = (file: string, home: string): LatchState => {
  try {
    // Without throwing on "no such file", because that is the answer before every order.
    if (statSync(file, {throwIfNoEntry: false}) !== undefined) return {latched: true, reason: reasonIn(file)}
    if (statSync(home, {throwIfNoEntry: false})?.isDirectory() === true) return NOT_LATCHED
    return {latched: true, reason: `the home folder ${home} is not there, so the latch cannot be read`}
  } catch (error) {
    return {latched: true, reason: `the latch ${file} cannot be read: ${(error as Error).message}`}
  }
}

const reasonIn = (file: string): string => {
  try {
    return readFileSync(file, 'utf8').trim() || 'latched'
  } catch (error) {
    return `latched, reason unreadable: ${(error as Error).message}`
  }
}

const isFile = (file: string): boolean => statSync(file, {throwIfNoEntry: false}) !== undefined

const writeSynced = (file: string, text: string): void => {
  const handle = openSync(file, 'w', 0o600)
  try {
    writeSync(handle, text)
    fsyncSync(handle)
  } finally {
    closeSync(handle)
  }
}

const syncFolder = (folder: string): void => {
  const handle = openSync(folder, 'r')
  try {
    fsyncSync(handle)
  } finally {
    closeSync(handle)
  }
}
