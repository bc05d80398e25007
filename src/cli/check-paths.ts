import {access, constants, stat} from 'node:fs/promises'
import path from 'node:path'
import {UserError} from '../domain/errors.ts'

export interface PathsOfFlags {
  /** Files to be read; - is standard input. */
  readonly inputs?: readonly (string | undefined)[]
  /** Files that are read, whose absence others tell better: none of them may be written over. */
  readonly kept?: readonly (string | undefined)[]
  /** Files to be written when the work is done. */
  readonly outputs?: readonly (string | undefined)[]
}

/** Refuses, before long work begins, files that could not be read or written at its end. Errors are the system's own. */
export const checkPaths = async ({inputs = [], kept = [], outputs = []}: PathsOfFlags): Promise<void> => {
  for (const file of inputs) if (file !== undefined && file !== '-') await access(file, constants.R_OK)
  const taken = new Set<string>()
  for (const file of outputs) {
    if (file === undefined || file === '-') continue
    const there = await stat(file).catch(() => undefined)
    const full = path.resolve(file)
    if (taken.has(full) && there?.isFile() !== false)
      throw new UserError(
        'WOULD_OVERWRITE',
        `${file} is named for two outputs: the second would be written over the first`,
        {
          hints: ['name another file for one of them'],
        },
      )
    taken.add(full)
    if (there?.isDirectory() === true) throw trouble('EISDIR', file)
    if (there !== undefined) {
      for (const read of [...inputs, ...kept]) {
        const source = read === undefined || read === '-' ? undefined : await stat(read).catch(() => undefined)
        if (source?.ino === there.ino && source.dev === there.dev && there.isFile())
          throw new UserError('WOULD_OVERWRITE', `${file} is read by this command: it cannot be written over`, {
            hints: ['name another file'],
          })
      }
      await access(file, constants.W_OK)
      continue
    }
    const folder = await stat(path.dirname(path.resolve(file))).catch(() => undefined)
    if (folder === undefined) throw trouble('ENOENT', file)
    if (!folder.isDirectory()) throw trouble('ENOTDIR', file)
    await access(path.dirname(path.resolve(file)), constants.W_OK)
  }
}

const trouble = (code: string, file: string): Error => Object.assign(new Error(`${code}: ${file}`), {code, path: file})
