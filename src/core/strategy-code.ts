import {createHash} from 'node:crypto'
import {readFileSync} from 'node:fs'
import path from 'node:path'
import {fileURLToPath, pathToFileURL} from 'node:url'

/** What a strategy file was when it was loaded: itself and every file of the user's that it imports, packages apart. */
export interface StrategyCode {
  /** As it was named for the run. */
  readonly strategy: string
  /** Of all files together, wherever they lie. */
  readonly sha256: string
  /** By path from the strategy's own folder; the strategy is the first. */
  readonly files: readonly {readonly path: string; readonly sha256: string}[]
}

/** Who imports whom, as far as this process has loaded it: a module that is there already is not asked for its imports again. */
const imported = new Map<string, Set<string>>()

/** To be told of each import that is resolved while a strategy is loaded. */
export const noteImport = (parent: string | undefined, url: string): void => {
  if (parent === undefined || !isOwn(url)) return
  const known = imported.get(parent)
  if (known === undefined) imported.set(parent, new Set([url]))
  else known.add(url)
}

const isOwn = (url: string): boolean => url.startsWith('file:') && !url.includes('/node_modules/')

/** The code of a strategy that has been loaded. */
export const strategyCodeOf = (strategy: string): StrategyCode => {
  const entry = pathToFileURL(path.resolve(strategy)).href
  const urls = new Set([entry])
  for (const url of urls) for (const next of imported.get(url) ?? []) urls.add(next)
  const folder = path.dirname(path.resolve(strategy))
  const [own, ...others] = [...urls].map(url => {
    const file = fileURLToPath(url)
    return {path: path.relative(folder, file), sha256: sha256(readFileSync(file))}
  })
  const files = [
    own as StrategyCode['files'][number],
    ...others.sort((a, b) => (a.path < b.path ? -1 : a.path > b.path ? 1 : 0)),
  ]
  // The strategy's own name says nothing of what it does.
  return {
    strategy,
    sha256: sha256(files.map((file, k) => `${k === 0 ? '' : file.path}\0${file.sha256}`).join('\n')),
    files,
  }
}

/** What tells two versions of a strategy apart, in words; undefined when they are the same. */
export const codeDifference = (now: StrategyCode, before: StrategyCode): string | undefined => {
  if (now.sha256 === before.sha256) return undefined
  const known = new Map(before.files.map((file, k) => [k === 0 ? '' : file.path, file.sha256]))
  const words = now.files.flatMap((file, k) => {
    const key = k === 0 ? '' : file.path
    const was = known.get(key)
    known.delete(key)
    return was === file.sha256 ? [] : [`${file.path} ${was === undefined ? 'is new' : 'differs'}`]
  })
  return [...words, ...[...known.keys()].map(name => `${name} is gone`)].join(', ')
}

const sha256 = (bytes: string | Uint8Array): string => createHash('sha256').update(bytes).digest('hex')
