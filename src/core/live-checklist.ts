import path from 'node:path'
import {ExitCode, UserError} from '../domain/errors.ts'
import {listRuns, readWhole, runFolder} from './run-folder.ts'
import {codeDifference, type StrategyCode} from './strategy-code.ts'

export interface ChecklistInput {
  readonly home: string
  readonly strategies: readonly string[]
  readonly configHash: string
  readonly equityMicros: number
  readonly minimumCapitalDollars: number
  readonly openOrders: number
  readonly clockSkewMs: number
  /** Of the strategy files among the strategies, as they are now. */
  readonly code: readonly StrategyCode[]
}

interface PastRun {
  readonly configHash?: string
  readonly ledgerErrorMicros?: number
  readonly fills?: number
  readonly stoppedBy?: string
  readonly strategyCode?: readonly StrategyCode[]
}

/** What must hold before real money is traded; each line says what was found. */
export const checklist = (
  input: ChecklistInput,
): readonly {readonly name: string; readonly passed: boolean; readonly found: string}[] => {
  const runs = listRuns(input.home).map(
    runId => (readWhole(path.join(runFolder(input.home, runId), 'summary.json')) ?? {}) as PastRun,
  )
  const rehearsed = runs.filter(
    run => run.configHash === input.configHash && run.ledgerErrorMicros === 0 && (run.fills ?? 0) > 0,
  )
  return [
    {
      name: 'paper run with this configuration',
      passed: rehearsed.length > 0,
      found: `${rehearsed.length} runs with fills and an exact ledger`,
    },
    ...input.code.map(now => codePoint(now, rehearsed)),
    {
      name: 'capital',
      passed: input.equityMicros >= input.minimumCapitalDollars * 1e6,
      found: `equity ${(input.equityMicros / 1e6).toFixed(2)}, at least ${input.minimumCapitalDollars}`,
    },
    {name: 'no open orders', passed: input.openOrders === 0, found: `${input.openOrders} open`},
    {name: 'clock', passed: Math.abs(input.clockSkewMs) < 1_000, found: `${Math.round(input.clockSkewMs)} ms off`},
    {name: 'strategies', passed: input.strategies.length > 0, found: input.strategies.join(', ') || 'none'},
  ]
}

/** Whether one of the paper runs was made from the strategy file as it is now. */
const codePoint = (now: StrategyCode, rehearsed: readonly PastRun[]) => {
  const before = rehearsed.flatMap(({strategyCode = []}) => strategyCode)
  const files = now.files.length === 1 ? '' : ` of ${now.files.length} files`
  const found = (words: string): string => `${now.strategy} is ${short(now)}${files}; ${words}`
  const name = 'code of the paper run'
  if (before.some(({sha256}) => sha256 === now.sha256))
    return {name, passed: true, found: found('a paper run was made from the same')}
  const last = before.findLast(({strategy}) => path.basename(strategy) === path.basename(now.strategy))
  return {
    name,
    passed: false,
    found: found(
      last === undefined
        ? 'no paper run was made from it'
        : `the last paper run was made from ${short(last)}: ${codeDifference(now, last)}`,
    ),
  }
}
const short = ({sha256}: StrategyCode): string => sha256.slice(0, 12)

/** Throws UserError CHECKLIST_FAILED naming every point that failed. */
export const requireChecklist = (input: ChecklistInput): void => {
  const failed = checklist(input).filter(({passed}) => !passed)
  if (failed.length === 0) return
  throw new UserError('CHECKLIST_FAILED', `the pre-launch checklist has ${failed.length} open points`, {
    hints: failed.map(({name, found}) => `${name}: ${found}`),
    exitCode: ExitCode.refused,
  })
}
