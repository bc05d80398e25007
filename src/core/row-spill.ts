import {closeSync, mkdirSync, mkdtempSync, openSync, readSync, rmSync, writeSync} from 'node:fs'
import os from 'node:os'
import path from 'node:path'
import {ExitCode, UserError} from '../domain/errors.ts'
import type {RowSpill} from '../models/row-store.ts'

/**
 * Two files for rows that do not fit in memory. Their names are removed as soon as they are open, so they vanish with the
 * process however it ends; where the system keeps names of open files, the folder goes when the process does.
 */
export const openRowSpill = (folder = os.tmpdir()): RowSpill & Disposable => {
  mkdirSync(folder, {recursive: true})
  const home = mkdtempSync(path.join(folder, 'gpi-rows-'))
  const open = (name: string): number => openSync(path.join(home, name), 'w+')
  const files = {features: open('features'), fields: open('fields')}
  const remove = (): void => rmSync(home, {recursive: true, force: true})
  if (process.platform === 'win32') process.once('exit', remove)
  else remove()
  return {
    write(area, bytes, at) {
      try {
        for (let done = 0; done < bytes.length; ) {
          done += writeSync(files[area], bytes, done, bytes.length - done, at + done)
        }
      } catch (error) {
        const code = (error as NodeJS.ErrnoException).code
        throw new UserError('SPILL_FAILED', `cannot keep training rows in ${folder}: ${code ?? String(error)}`, {
          hints: ['free disk space there, point TMPDIR at a larger disk, or choose fewer --symbols'],
          exitCode: ExitCode.failure,
          cause: error,
        })
      }
    },
    read(area, into, at) {
      for (let done = 0; done < into.length; ) {
        const count = readSync(files[area], into, done, into.length - done, at + done)
        if (count === 0) throw new Error(`the spill of ${area} ends at ${at + done}, ${into.length - done} bytes early`)
        done += count
      }
    },
    [Symbol.dispose]() {
      closeSync(files.features)
      closeSync(files.fields)
    },
  }
}
