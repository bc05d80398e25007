import {
  closeSync,
  createReadStream,
  createWriteStream,
  existsSync,
  fsyncSync,
  linkSync,
  openSync,
  readdirSync,
  renameSync,
  rmSync,
} from 'node:fs'
import path from 'node:path'
import {DatabaseSync} from 'node:sqlite'
import {pipeline} from 'node:stream/promises'
import {createGzip} from 'node:zlib'
import type {JournalEntry} from '../broker/journal.ts'
import {tsUs} from '../domain/units.ts'
import {openSqliteJournal} from '../drivers/sqlite/journal.ts'
import {ensureFolder} from './run-folder.ts'

export interface CompactOptions {
  /** Shorter journals are left alone; 20,000 entries by default. */
  readonly leastEntries?: number
  /** Orders younger than this against the journal's last entry are kept whatever became of them; a day by default. */
  readonly keepUs?: number
  /** Tests stop here, as a crash would. */
  readonly at?: (step: CompactStep) => void
}
export type CompactStep = 'written' | 'archived' | 'replaced' | 'packed'

export interface Compacted {
  readonly before: number
  readonly after: number
  /** The whole journal as it was, packed. */
  readonly archive: string
}

/**
 * Makes a long account journal short before a node restores it: orders that ended a day ago or earlier without a fill
 * leave it, everything that the ledger, the positions and the order ids are made of stays, in its order. The old file is
 * kept beside it, packed. Undefined when there is too little to gain. At every moment the file is either the old journal
 * or the new one, whole and synced; what a crash left is cleared away by the next call.
 */
export const compactJournal = async (file: string, options: CompactOptions = {}): Promise<Compacted | undefined> => {
  const {leastEntries = 20_000, keepUs = 86_400_000_000, at = () => {}} = options
  const partial = `${file}.compact`
  rmSync(partial, {force: true})
  if (!existsSync(file)) return undefined
  await packLeftovers(path.join(path.dirname(file), 'archive'))
  const plan = planOf(file, leastEntries, keepUs)
  if (plan === undefined) return undefined

  // Nobody else may write from here on: the exclusive lock holds until the name points at the new file.
  using old = exclusive(file)
  {
    using written = openSqliteJournal(partial, {durable: 'end'})
    let last = 0
    for (const row of old.database.prepare('SELECT body FROM entries ORDER BY seq').iterate()) {
      const entry = JSON.parse((row as {body: string}).body) as JournalEntry
      last = Math.max(last, entry.tsUs)
      if (plan.keeps(entry)) written.append(entry)
    }
    const text = `compacted: ${plan.before} entries, of which ${plan.dropped} belonged to orders without a fill; sha256 before ${plan.hash}`
    written.append({kind: 'note', tsUs: tsUs(last), text})
  }
  sync(partial)
  at('written')
  const archive = path.join(path.dirname(file), 'archive', `journal-${plan.before}-${plan.hash.slice(0, 12)}.sqlite`)
  ensureFolder(path.dirname(archive))
  if (!existsSync(archive)) linkSync(file, archive)
  sync(path.dirname(archive))
  at('archived')
  renameSync(partial, file)
  sync(path.dirname(file))
  at('replaced')
  await pack(archive)
  at('packed')
  return {before: plan.before, after: plan.before - plan.dropped + 1, archive: `${archive}.gz`}
}

interface Plan {
  readonly before: number
  readonly dropped: number
  readonly hash: string
  readonly keeps: (entry: JournalEntry) => boolean
}

const planOf = (file: string, leastEntries: number, keepUs: number): Plan | undefined => {
  using journal = openSqliteJournal(file, {readOnly: true})
  const before = journal.count()
  if (before < leastEntries) return undefined
  const filled = new Set<string>()
  const ended = new Set<string>()
  /** Of each strategy, the latest id: the next one counts on from it. */
  const latest = new Map<string, string>()
  const sentUs = new Map<string, number>()
  let lastUs = 0
  for (const {entry} of journal.entries()) {
    lastUs = Math.max(lastUs, entry.tsUs)
    const id = orderOf(entry)
    if (id === undefined) continue
    if (entry.kind === 'intent' || entry.kind === 'verdict') {
      latest.set(id.slice(0, id.lastIndexOf('-')), id)
      sentUs.set(id, entry.tsUs)
    }
    if (entry.kind !== 'report') continue
    const {kind} = entry.report
    if (kind === 'fill') filled.add(id)
    else if (kind !== 'accepted' && kind !== 'cancelRejected') ended.add(id)
  }
  const counting = new Set(latest.values())
  const keeps = (entry: JournalEntry): boolean => {
    const id = orderOf(entry)
    if (id === undefined || filled.has(id) || counting.has(id)) return true
    const at = sentUs.get(id)
    if (at === undefined || at > lastUs - keepUs) return true
    // A refused order has a verdict and nothing else, so it has ended too.
    return !ended.has(id) && !(entry.kind === 'verdict' && entry.verdict === 'reject')
  }
  let dropped = 0
  for (const {entry} of journal.entries()) if (!keeps(entry)) dropped++
  return dropped * 2 < before ? undefined : {before, dropped, hash: journal.hash(), keeps}
}

const orderOf = (entry: JournalEntry): string | undefined => {
  switch (entry.kind) {
    case 'intent':
      return entry.intent.clientOrderId
    case 'verdict':
    case 'cancel':
      return entry.clientOrderId
    case 'report':
      return entry.report.kind === 'fill' ? entry.report.fill.clientOrderId : entry.report.clientOrderId
    default:
      return undefined
  }
}

/** The journal without its write-ahead log, locked; fails when a node has it open. */
const exclusive = (file: string): Disposable & {readonly database: DatabaseSync} => {
  const database = new DatabaseSync(file)
  try {
    database.exec('PRAGMA locking_mode = EXCLUSIVE; PRAGMA journal_mode = DELETE; BEGIN EXCLUSIVE')
  } catch (error) {
    database.close()
    throw error
  }
  return {
    database,
    [Symbol.dispose]() {
      if (database.isTransaction) database.exec('ROLLBACK')
      database.close()
    },
  }
}

const sync = (target: string): void => {
  const handle = openSync(target, 'r')
  try {
    fsyncSync(handle)
  } finally {
    closeSync(handle)
  }
}

const pack = async (archive: string): Promise<void> => {
  const partial = `${archive}.gz.tmp`
  await pipeline(createReadStream(archive), createGzip(), createWriteStream(partial))
  sync(partial)
  renameSync(partial, `${archive}.gz`)
  rmSync(archive)
}

/** Archives that a crash left unpacked. One whose journal was not replaced is the journal itself under a second name. */
const packLeftovers = async (folder: string): Promise<void> => {
  if (!existsSync(folder)) return
  for (const name of readdirSync(folder)) {
    const archive = path.join(folder, name)
    if (name.endsWith('.tmp')) rmSync(archive)
    else if (name.endsWith('.sqlite')) await pack(archive)
  }
}
