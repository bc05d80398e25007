import {statSync} from 'node:fs'
import {performance} from 'node:perf_hooks'
import {Worker} from 'node:worker_threads'
import type {Journal, JournalEntry} from '../broker/journal.ts'
import {JournalHash} from '../broker/journal-hash.ts'
import {ExitCode, UserError} from '../domain/errors.ts'
import {openSqliteJournal} from '../drivers/sqlite/journal.ts'
import {type JournalWriter, openJournalWriter} from '../drivers/sqlite/journal-writer.ts'
import {DiskPace} from './disk-pace.ts'
import type {JournalAnswer, JournalRequest} from './journal-worker.ts'

/**
 * The SQLite journal of a trading loop. `append` returns at once; an entry is durable when a later `sync` resolves, so
 * whoever sends orders awaits that first (`journaledBroker` does).
 */
export interface ThreadJournal extends Journal, AsyncDisposable {
  /** Resolves when every entry appended before is on the disk; rejects when one never will be. */
  readonly sync: () => Promise<void>
}

/** Entries that no order waits for are written this soon, and outlive the process then. */
const WRITE_EVERY_MS = 25
/** They are synced this soon, out of the way of orders; what the machine's end takes before is made good by reconciliation. */
const SYNC_EVERY_MS = 250
/** The file is looked at this often: one that was removed would go on being written to, and be lost. The log is, too; where it may hold so many pages, the thread begins it anew. It has room for twice as many. */
const LOOK_EVERY_MS = 1_000
const LONG_PAGES = 1_000

/**
 * Two connections to one file, of which one writes at a time. While the disk answers faster than a thread can be asked
 * (`DiskPace`), commits that an order waits for are made where they are needed, in the loop; else the thread makes them, all
 * that have gathered meanwhile in one. Either way they are synced before `sync` resolves. Others are only written at first.
 */
export const openJournalThread = async (file: string, onFailure: (error: Error) => void): Promise<ThreadJournal> => {
  const name = import.meta.url.endsWith('.ts') ? './journal-worker.ts' : './journal-worker.js'
  const worker = new Worker(new URL(name, import.meta.url), {workerData: {file}})
  let failure: Error | undefined
  let onAnswer: (answer: JournalAnswer) => void = () => {}
  const fail = (error: Error): void => {
    failure ??= error
    for (const {reject} of waiting.splice(0)) reject(error)
    onFailure(error)
  }
  /** In the order of their entries: resolved when everything up to `seq` is durable. */
  const waiting: {readonly seq: number; readonly resolve: () => void; readonly reject: (error: Error) => void}[] = []
  let onClosed = (): void => {}
  await new Promise<void>((resolve, reject) => {
    worker.on('error', error => {
      reject(error)
      fail(error as Error)
    })
    worker.on('message', (answer: JournalAnswer) => {
      switch (answer.kind) {
        case 'ready':
          resolve()
          return
        case 'written':
        case 'checkpointed':
          onAnswer(answer)
          return
        case 'closed':
          onClosed()
          return
        case 'failed': {
          const error = errorOf(answer)
          reject(error)
          fail(error)
          return
        }
        default:
          answer satisfies never
      }
    })
  }).catch(async error => {
    await worker.terminate()
    throw error
  })

  const hash = new JournalHash()
  let count = 0
  {
    using past = openSqliteJournal(file, {readOnly: true})
    for (const {entry} of past.entries()) {
      hash.add(entry)
      count++
    }
  }
  const direct: JournalWriter = openJournalWriter(file)
  const pace = new DiskPace()
  const inode = inodeOf(file)
  let unwritten: JournalEntry[] = []
  let written = count
  let durable = count
  /** What the thread is at, in order: the last entry of each batch and whether it will be durable; none when it is idle. */
  const threaded: {readonly seq: number; readonly isAwaited: boolean}[] = []
  let logPages = 0

  const settle = (): void => {
    for (let first = waiting[0]; first !== undefined && first.seq <= durable; first = waiting[0]) {
      waiting.shift()
      first.resolve()
    }
  }
  const take = (): {readonly entries: readonly JournalEntry[]; readonly firstSeq: number} => {
    const entries = unwritten
    unwritten = []
    written = count
    // At most: the table's last page, those above it, and one for each entry.
    logPages += 3 + entries.length
    return {entries, firstSeq: count - entries.length + 1}
  }
  const writeHere = (): void => {
    const startedMs = performance.now()
    try {
      const {entries, firstSeq} = take()
      direct.commit(entries, firstSeq)
      direct.flush()
    } catch (error) {
      fail(error as Error)
      return
    }
    pace.onCommit(startedMs, performance.now())
    durable = count
    settle()
  }
  const writeThere = (isAwaited: boolean): void => {
    threaded.push({seq: count, isAwaited})
    worker.postMessage({kind: 'write', isAwaited, ...take()} satisfies JournalRequest)
  }
  /** For entries that nobody waits for: the thread writes them when it has nothing else to do. */
  const writeAside = (last: number, isAwaited: boolean): void => {
    if (last < count && threaded.length === 0 && failure === undefined) writeThere(isAwaited)
  }
  onAnswer = answer => {
    const done = threaded.shift()
    if (answer.kind === 'checkpointed' && answer.isShort) logPages = 0
    if (answer.kind !== 'written' || answer.ms === undefined || done === undefined) return
    durable = Math.max(durable, done.seq)
    pace.onThread(answer.ms)
    settle()
  }
  const sync = (): Promise<void> => {
    if (failure !== undefined) return Promise.reject(failure)
    const seq = count
    if (durable >= seq) return Promise.resolve()
    if (threaded.length === 0 && pace.isQuick(performance.now())) writeHere()
    else if (!threaded.some(batch => batch.isAwaited && batch.seq >= seq)) writeThere(true)
    if (failure !== undefined) return Promise.reject(failure)
    if (durable >= seq) return Promise.resolve()
    return new Promise((resolve, reject) => waiting.push({seq, resolve, reject}))
  }

  const timers = [
    setInterval(() => writeAside(written, false), WRITE_EVERY_MS),
    setInterval(() => writeAside(durable, true), SYNC_EVERY_MS),
    setInterval(() => {
      if (failure === undefined && inodeOf(file) !== inode) fail(goneFailure(file))
      if (logPages < LONG_PAGES || threaded.length > 0 || failure !== undefined) return
      threaded.push({seq: written, isAwaited: false})
      worker.postMessage({kind: 'checkpoint'} satisfies JournalRequest)
    }, LOOK_EVERY_MS),
  ]
  for (const timer of timers) timer.unref()
  let isOpen = true
  const close = async (): Promise<void> => {
    if (!isOpen) return
    isOpen = false
    for (const timer of timers) clearInterval(timer)
    try {
      if (failure === undefined) {
        await sync()
        const closed = new Promise<void>(resolve => {
          onClosed = resolve
        })
        worker.postMessage({kind: 'close'} satisfies JournalRequest)
        await closed
      }
    } finally {
      direct[Symbol.dispose]()
      await worker.terminate()
    }
  }
  return {
    sync,
    append(entry) {
      if (failure !== undefined) throw failure
      hash.add(entry)
      unwritten.push(entry)
      return ++count
    },
    *entries() {
      if (durable < count) throw new Error('sync the journal before reading it')
      using past = openSqliteJournal(file, {readOnly: true})
      yield* past.entries()
    },
    hash: () => hash.digest(),
    [Symbol.dispose]: () => void close(),
    [Symbol.asyncDispose]: close,
  }
}

const inodeOf = (file: string): number | undefined => statSync(file, {throwIfNoEntry: false})?.ino

const goneFailure = (file: string): UserError =>
  new UserError('JOURNAL_UNWRITABLE', `the journal ${file} was removed or replaced while it was written`, {
    exitCode: ExitCode.failure,
    hints: [
      'the run was stopped: gpi kill --flatten closes what it holds',
      'nothing may touch the folder of a running node',
    ],
  })

const errorOf = ({code, message, hints, exitCode}: Extract<JournalAnswer, {kind: 'failed'}>): Error =>
  code === undefined
    ? new Error(message)
    : new UserError(code, message, {hints, ...(exitCode === undefined ? {} : {exitCode: exitCode as ExitCode})})
