import {readdirSync, readFileSync, renameSync, rmSync, writeFileSync} from 'node:fs'
import path from 'node:path'
import process from 'node:process'
import {ExitCode, UserError} from '../domain/errors.ts'
import {isAlive} from './lock.ts'
import {ensureFolder} from './run-folder.ts'

/**
 * What a running trading node leaves on disk so that another process finds it: `HOME/nodes/RUN.json`. It names where
 * orders go and which credentials were used, never the credentials.
 */
export interface NodeRecord {
  readonly runId: string
  readonly pid: number
  /** The kernel's start time of that process, so that a recycled pid is not taken for it; absent where unknown. */
  readonly pidStart?: string
  readonly startedUs: number
  readonly broker: 'local' | 'alpaca'
  /** Base URL of the trading REST interface. */
  readonly exchangeUrl: string
  /** True when the exchange lives inside that process and dies with it. */
  readonly ownsExchange: boolean
  /** `local`: the local exchange's well-known pair; `environment`: the APCA_ variables. */
  readonly credentials: 'local' | 'environment'
  readonly journal: string
  readonly strategies: readonly string[]
  readonly symbols: readonly string[]
}

export interface FoundNode extends NodeRecord {
  readonly alive: boolean
  readonly file: string
}

export const nodesFolder = (home: string): string => path.join(home, 'nodes')

/** Writes the record whole or not at all; returns the function that removes it. */
export const writeNodeFile = (home: string, node: Omit<NodeRecord, 'pid' | 'pidStart'>): (() => void) => {
  const folder = nodesFolder(home)
  ensureFolder(folder)
  const file = path.join(folder, `${node.runId}.json`)
  const pidStart = kernelView(process.pid)?.start
  const record: NodeRecord = {...node, pid: process.pid, ...(pidStart === undefined ? {} : {pidStart})}
  const partial = `${file}.${process.pid}.tmp`
  writeFileSync(partial, `${JSON.stringify(record, undefined, 2)}\n`, {mode: 0o600})
  renameSync(partial, file)
  return () => rmSync(file, {force: true})
}

/** Every node that left a record, the latest first; a record that cannot be read is reported, not skipped. */
export const findNodes = (
  home: string,
): {readonly nodes: readonly FoundNode[]; readonly unreadable: readonly string[]} => {
  const folder = nodesFolder(home)
  const nodes: FoundNode[] = []
  const unreadable: string[] = []
  for (const name of listed(folder)) {
    const file = path.join(folder, name)
    try {
      const record = JSON.parse(readFileSync(file, 'utf8')) as NodeRecord
      if (typeof record.exchangeUrl !== 'string' || !Number.isInteger(record.pid)) throw new TypeError('not a record')
      nodes.push({...record, alive: isRunning(record), file})
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'ENOENT') unreadable.push(file)
    }
  }
  nodes.sort((a, b) => b.startedUs - a.startedUs)
  return {nodes, unreadable}
}

/**
 * Removes records that a dead node left and nobody needs: its exchange died with it, or `journal` is the one it wrote to
 * and is being continued.
 */
export const sweepNodes = (home: string, journal: string): void => {
  for (const node of findNodes(home).nodes)
    if (!node.alive && (node.ownsExchange || node.journal === journal)) rmSync(node.file, {force: true})
}

/** Throws UserError ACCOUNT_IN_USE while a living node writes to this journal: two would trade against each other's books. */
export const refuseSecondNode = (home: string, journal: string): void => {
  const other = findNodes(home).nodes.find(node => node.alive && node.journal === path.resolve(journal))
  if (other === undefined) return
  throw new UserError(
    'ACCOUNT_IN_USE',
    `a node trades in this account already: ${other.runId} (process ${other.pid})`,
    {
      hints: ['gpi status shows what it does', 'stop it first, or trade in another account'],
      exitCode: ExitCode.refused,
    },
  )
}

const listed = (folder: string): string[] => {
  try {
    return readdirSync(folder)
      .filter(name => name.endsWith('.json'))
      .sort()
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return []
    throw error
  }
}

/** A zombie has died already; a pid with another start time belongs to somebody else now. */
export const isRunning = ({pid, pidStart}: Pick<NodeRecord, 'pid' | 'pidStart'>): boolean => {
  if (!isAlive(pid)) return false
  const view = kernelView(pid)
  return view === undefined || (view.state !== 'Z' && (pidStart === undefined || view.start === pidStart))
}

/** State letter and start time (clock ticks since boot) of a process, fields 3 and 22 of proc(5) stat; undefined without /proc. */
const kernelView = (pid: number): {readonly state: string; readonly start: string} | undefined => {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, 'utf8')
    const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ')
    return {state: fields[0] ?? '', start: fields[19] ?? ''}
  } catch {
    return undefined
  }
}
