import {glob, readdir, stat} from 'node:fs/promises'
import path from 'node:path'
import {UserError} from '../domain/errors.ts'

/**
 * The files that paths, folders and patterns name, sorted within each, none twice. Throws UserError for one that names
 * none. `suffix` says which files of a folder count.
 */
export const expandPaths = async (
  paths: readonly string[],
  suffix: RegExp,
  note: (message: string) => void = () => {},
): Promise<string[]> => {
  if (paths.length === 0) {
    throw new UserError('NO_INPUT', 'no file to ingest was named', {hints: ['gpi ingest csv FILE… --out DIR']})
  }
  const files: string[] = []
  for (const given of paths) {
    const info = await stat(given).catch(ignoreMissing)
    if (info?.isFile()) files.push(given)
    else if (info?.isDirectory()) files.push(...(await filesIn(given, suffix, note)))
    else if (/[*?[{]/.test(given)) files.push(...(await globbed(given)))
    else throw new UserError('MISSING_FILE', `no such file or folder: ${given}`, {hints: ['check the path']})
  }
  return [...new Set(files)]
}

const ignoreMissing = (error: NodeJS.ErrnoException): undefined => {
  if (error.code === 'ENOENT' || error.code === 'ENOTDIR') return undefined
  throw error
}

const filesIn = async (folder: string, suffix: RegExp, note: (message: string) => void): Promise<string[]> => {
  const entries = await readdir(folder, {recursive: true, withFileTypes: true})
  const names = entries
    .filter(entry => !entry.isDirectory())
    .map(entry => path.relative(folder, path.join(entry.parentPath, entry.name)))
  const files = names.filter(name => suffix.test(name)).sort()
  const others = names.filter(name => !suffix.test(name)).sort()
  if (files.length > 0 && others.length > 0) {
    const more = others.length > 3 ? ` and ${others.length - 3} more` : ''
    note(`${folder}: left out ${others.slice(0, 3).join(', ')}${more}, which this source does not read`)
  }
  if (files.length > 0) return files.map(name => path.join(folder, name))
  throw new UserError('NO_FILES', `${folder} holds no file to ingest`, {hints: ['name the files, or a pattern']})
}

const globbed = async (pattern: string): Promise<string[]> => {
  const files: string[] = []
  for await (const file of glob(pattern)) files.push(file)
  if (files.length > 0) return files.sort()
  throw new UserError('NO_FILES', `no file matches ${pattern}`, {hints: ['check the pattern']})
}
