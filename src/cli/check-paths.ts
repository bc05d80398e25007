import {access, constants, stat} from 'node:fs/promises'
import path from 'node:path'

export interface PathsOfFlags {
  /** Files to be read; - is standard input. */
  readonly inputs?: readonly (string | undefined)[]
  /** Files to be written when the work is done. */
  readonly outputs?: readonly (string | undefined)[]
}

/** Refuses, before long work begins, files that could not be read or written at its end. Errors are the system's own. */
export const checkPaths = async ({inputs = [], outputs = []}: PathsOfFlags): Promise<void> => {
  for (const file of inputs) if (file !== undefined && file !== '-') await access(file, constants.R_OK)
  for (const file of outputs) {
    if (file === undefined || file === '-') continue
    const there = await stat(file).catch(() => undefined)
    if (there?.isDirectory() === true) throw trouble('EISDIR', file)
    if (there !== undefined) {
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
