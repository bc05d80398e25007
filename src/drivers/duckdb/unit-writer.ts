import {mkdir, open, readdir, rename, rm, stat, writeFile} from 'node:fs/promises'
import path from 'node:path'
import type {CatalogUnit} from '../../data/catalog.ts'
import {UserError} from '../../domain/errors.ts'

export const unitFolder = (key: string): string => `ingest=${key}`
const STAGING = '.staging-'

/** Makes the catalog's folder, refusing a file in its place; clears what killed ingests left behind. */
export const prepareCatalog = async (dir: string): Promise<void> => {
  try {
    await makeFolder(path.resolve(dir))
  } catch (error) {
    const code = (error as NodeJS.ErrnoException).code
    if (code === 'EEXIST' || code === 'ENOTDIR') {
      throw new UserError('OUT_IS_A_FILE', `--out ${dir} is a file, not a folder`, {
        hints: ['name a folder for the catalog'],
      })
    }
    if (code === 'EACCES' || code === 'EROFS' || code === 'EPERM' || code === 'ENOENT') throw readOnly(dir, error)
    throw error
  }
}

/** Node's own recursive `mkdir` never returns where a file system refuses to make folders, such as `/proc`. */
const makeFolder = async (dir: string, isSecondTry = false): Promise<void> => {
  try {
    await mkdir(dir)
  } catch (error) {
    const {code} = error as NodeJS.ErrnoException
    if (code === 'EEXIST' && (await stat(dir)).isDirectory()) return
    if (code !== 'ENOENT' || isSecondTry) throw error
    await makeFolder(path.dirname(dir))
    await makeFolder(dir, true)
  }
}

const readOnly = (dir: string, cause: unknown): UserError =>
  new UserError('OUT_IS_READ_ONLY', `--out ${dir} cannot be written`, {
    cause,
    hints: ['choose a folder you may write to'],
  })

/** Removes staging folders whose process is gone. */
export const sweepStaging = async (dir: string, isAlive: (pid: number) => boolean): Promise<void> => {
  for (const name of await readdir(dir)) {
    if (!name.startsWith(STAGING)) continue
    const pid = Number(name.slice(STAGING.length).split('-')[0])
    if (!isAlive(pid)) await rm(path.join(dir, name), {recursive: true, force: true})
  }
}

export const createStaging = async (dir: string, pid: number, label: string): Promise<string> => {
  const staging = path.join(dir, `${STAGING}${pid}-${label}`)
  try {
    await rm(staging, {recursive: true, force: true})
    await mkdir(staging)
  } catch (error) {
    const code = (error as NodeJS.ErrnoException).code
    if (code === 'EACCES' || code === 'EROFS' || code === 'EPERM') throw readOnly(dir, error)
    throw error
  }
  return staging
}

/** Syncs the staged unit to disk and puts it in place by one rename: before it, nobody sees any of it. */
export const publishUnit = async (dir: string, staging: string, unit: CatalogUnit): Promise<void> => {
  await writeFile(path.join(staging, 'manifest.json'), `${JSON.stringify(unit, undefined, 2)}\n`)
  await syncTree(staging)
  const target = path.join(dir, unitFolder(unit.key))
  try {
    await rename(staging, target)
  } catch (error) {
    const code = (error as NodeJS.ErrnoException).code
    // Another process published the same content first: theirs is as good.
    if (code !== 'ENOTEMPTY' && code !== 'EEXIST') throw error
    await rm(staging, {recursive: true, force: true})
  }
  await syncPath(dir)
  for (const key of unit.replaces) await rm(path.join(dir, unitFolder(key)), {recursive: true, force: true})
}

const syncTree = async (folder: string): Promise<void> => {
  const entries = await readdir(folder, {withFileTypes: true})
  await Promise.all(
    entries.map(entry => {
      const child = path.join(folder, entry.name)
      return entry.isDirectory() ? syncTree(child) : syncPath(child)
    }),
  )
  await syncPath(folder)
}

const syncPath = async (file: string): Promise<void> => {
  const handle = await open(file)
  try {
    await handle.sync()
  } finally {
    await handle.close()
  }
}
