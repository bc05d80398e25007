import {readdirSync, readFileSync, rmSync, statSync, writeFileSync} from 'node:fs'
import path from 'node:path'
import type {ReportData} from '../evaluation/report/report-data.ts'
import {ensureFolder, listRuns, newRunId, readWhole, runFolder, writeWhole} from './run-folder.ts'

/** What made a saved back-test, beside its report: enough to make it again. */
export interface SavedRun {
  readonly kind: 'backtest'
  /** Folder under HOME/runs; starts with the time of saving, so names sort by age. */
  readonly savedAs: string
  readonly savedAt: string
  /** The run's own id, a function of configuration and seed. */
  readonly runId: string
  readonly title: string
  readonly command: readonly string[]
  readonly seed: number
  readonly dataHash: string
  readonly configHash: string
  readonly journalHash: string
  /** Commit of the project it was run in; null outside one. */
  readonly gitHash: string | null
  readonly gpiVersion: string
  readonly from: string
  readonly to: string
  readonly totalReturn: number
  readonly sharpe: number | null
  readonly maxDrawdown: number
  readonly trades: number
}

export interface SaveRequest {
  readonly home: string
  readonly report: ReportData
  /** The resolved configuration, without secrets. */
  readonly config: unknown
  readonly command: readonly string[]
  readonly gpiVersion: string
  readonly workingDirectory: string
  readonly nowUs: number
  /** Of a run that was saved before and has since been added to. */
  readonly savedAs?: string
}

/** Back-tests kept in a home: the newest this many, and no more than this many bytes. Trading runs are never removed. */
export const KEPT_RUNS = 50
export const KEPT_BYTES = 256 * 1024 * 1024

/**
 * Leaves `HOME/runs/ID/` with `report.json`, `run.json` and `config.json`. The same run again (same configuration, data,
 * seed and decisions) takes the place of its earlier folder; then what is beyond the limits goes, oldest first.
 */
export const saveRun = (request: SaveRequest): SavedRun => {
  const {home, report, config, command, gpiVersion, workingDirectory, nowUs} = request
  const {runId, title, seed, dataHash, configHash, journalHash, from, to, metrics} = report
  const savedAs = request.savedAs ?? newRunId(nowUs, journalHash)
  const run: SavedRun = {
    ...{kind: 'backtest', savedAs, savedAt: new Date(nowUs / 1000).toISOString(), runId, title, command, seed},
    ...{dataHash, configHash, journalHash, gitHash: gitHashOf(workingDirectory), gpiVersion, from, to},
    ...{totalReturn: metrics.totalReturn, sharpe: metrics.sharpe, maxDrawdown: metrics.maxDrawdown},
    trades: metrics.trades,
  }
  const folder = runFolder(home, savedAs)
  ensureFolder(folder)
  writeFileSync(path.join(folder, 'report.json'), `${JSON.stringify(report)}\n`)
  writeWhole(path.join(folder, 'config.json'), config)
  // Last: a folder without it is one that a crash cut short.
  writeWhole(path.join(folder, 'run.json'), run)
  prune(home, run)
  return run
}

/** Saved back-tests of a home, newest first. */
export const savedRuns = (home: string): SavedRun[] =>
  listRuns(home)
    .toReversed()
    .flatMap(id => {
      const run = readWhole(path.join(runFolder(home, id), 'run.json')) as SavedRun | undefined
      return run?.kind === 'backtest' ? [run] : []
    })

const prune = (home: string, newest: SavedRun): void => {
  let [kept, bytes] = [0, 0]
  for (const run of savedRuns(home)) {
    const folder = runFolder(home, run.savedAs)
    const isSame =
      run.savedAs !== newest.savedAs && run.runId === newest.runId && run.journalHash === newest.journalHash
    bytes += sizeOf(folder)
    if (!(isSame && run.dataHash === newest.dataHash) && ++kept <= KEPT_RUNS && bytes <= KEPT_BYTES) continue
    if (run.savedAs !== newest.savedAs) rmSync(folder, {recursive: true, force: true})
  }
}

const sizeOf = (folder: string): number =>
  readdirSync(folder).reduce(
    (sum, name) => sum + (statSync(path.join(folder, name), {throwIfNoEntry: false})?.size ?? 0),
    0,
  )

/** Commit checked out where the run was started, read from `.git` itself; null where there is none. */
export const gitHashOf = (directory: string): string | null => {
  for (let at = path.resolve(directory); ; at = path.dirname(at)) {
    const found = headOf(path.join(at, '.git'))
    if (found !== undefined) return found
    if (path.dirname(at) === at) return null
  }
}

const headOf = (git: string): string | undefined => {
  const head = textOf(path.join(git, 'HEAD'))
  if (head === undefined) return undefined
  const name = /^ref: (.+)$/.exec(head)?.[1]
  if (name === undefined) return head
  return (
    textOf(path.join(git, name)) ??
    textOf(path.join(git, 'packed-refs'))
      ?.split('\n')
      .find(line => line.endsWith(` ${name}`))
      ?.split(' ')[0]
  )
}

const textOf = (file: string): string | undefined => {
  try {
    return readFileSync(file, 'utf8').trim()
  } catch {
    return undefined
  }
}
