import {type ChildProcess, spawn} from 'node:child_process'
import {readdirSync} from 'node:fs'
import {tmpdir} from 'node:os'
import path from 'node:path'
import process from 'node:process'
import {fileURLToPath} from 'node:url'
import {openSqliteJournal} from '../../src/drivers/sqlite/journal.ts'

export interface ChildNode extends ChildProcess {
  /** What it has written to its standard output, and to its standard error, so far. */
  readonly said: () => string
  readonly words: () => string
}

/** A trading node in a process of its own: `script` of this folder, with these arguments. */
export const startNode = (script: string, ...args: readonly (string | number)[]): ChildNode => {
  const file = fileURLToPath(new URL(`./${script}`, import.meta.url))
  const child = spawn(process.execPath, [file, ...args.map(String)], {
    env: {...process.env, NODE_COMPILE_CACHE: path.join(tmpdir(), 'gpi-compile-cache')},
    stdio: ['ignore', 'pipe', 'pipe'],
  })
  let [out, errors] = ['', '']
  child.stdout?.on('data', chunk => {
    out += chunk
  })
  child.stderr?.on('data', chunk => {
    errors += chunk
  })
  return Object.assign(child, {said: () => out, words: () => errors})
}

/** What the journal of the only account under `home` holds: how often each order was meant, and the fills in order. */
export const journalled = (home: string): {intents: Map<string, number>; fillIds: string[]} => {
  const [account] = readdirSync(path.join(home, 'accounts'))
  using journal = openSqliteJournal(path.join(home, 'accounts', account as string, 'journal.sqlite'), {readOnly: true})
  const intents = new Map<string, number>()
  const fillIds: string[] = []
  for (const {entry} of journal.entries()) {
    if (entry.kind === 'intent')
      intents.set(entry.intent.clientOrderId, (intents.get(entry.intent.clientOrderId) ?? 0) + 1)
    if (entry.kind === 'report' && entry.report.kind === 'fill') fillIds.push(entry.report.fill.fillId)
  }
  return {intents, fillIds}
}
