import {existsSync} from 'node:fs'
import path from 'node:path'
import type {LatchState} from '../broker/kill-latch.ts'
import {fileLatch} from '../drivers/files/file-latch.ts'
import {killAtWork} from './kill-marker.ts'
import {type FoundNode, findNodes} from './node-file.ts'
import {listRuns, readWhole, runFolder} from './run-folder.ts'
import type {RiskEvent} from './trade-events.ts'

export interface NodeStatus extends Omit<FoundNode, 'file'> {
  /** Risk as the node last told it, and when it did on the market's clock; undefined before it did. */
  readonly risk: RiskEvent | undefined
}
export interface Status {
  readonly home: string
  readonly latched: boolean
  readonly latchReason: string | undefined
  readonly killing: boolean
  readonly nodes: readonly NodeStatus[]
  /** Records of nodes that are gone without having said so: killed, or the machine went down. */
  readonly stale: readonly NodeStatus[]
  readonly unreadable: readonly string[]
  /** The summary of the latest run that ended. */
  readonly lastRun: unknown
}

/** What runs in a home, whether it may trade, and how the last run ended. Reads only. */
export const readStatus = (home: string): Status => {
  // A home that is not there yet has nothing to latch; a node would make it before it looks.
  const latch: LatchState = existsSync(home) ? fileLatch(home).check() : {latched: false}
  const {nodes, unreadable} = findNodes(home)
  const withRisk = nodes.map(
    ({file: _, ...node}): NodeStatus => ({
      ...node,
      risk: readWhole(path.join(runFolder(home, node.runId), 'state.json')) as RiskEvent | undefined,
    }),
  )
  return {
    home,
    latched: latch.latched,
    latchReason: latch.latched ? latch.reason : undefined,
    killing: killAtWork(home),
    nodes: withRisk.filter(({alive}) => alive),
    stale: withRisk.filter(({alive}) => !alive),
    unreadable,
    lastRun: lastSummary(home),
  }
}

const lastSummary = (home: string): unknown => {
  for (const runId of listRuns(home).toReversed()) {
    const summary = readWhole(path.join(runFolder(home, runId), 'summary.json'))
    if (summary !== undefined) return summary
  }
  return undefined
}
