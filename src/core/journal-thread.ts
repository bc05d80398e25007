import {performance} from 'node:perf_hooks'
import {Worker} from 'node:worker_threads'
import type {Journal, JournalEntry} from '../broker/journal.ts'
import {JournalHash} from '../broker/journal-hash.ts'
import {type ExitCode, UserError} from '../domain/errors.ts'
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
  /** Commits made in the loop itself, and by the thread. */
  readonly commits: () => {readonly direct: number; readonly threaded: number}
}

/** Entries that no order waits for are handed to the disk this soon; a crash before that is made good by reconciliation. */
const WRITE_EVERY_MS = 25
/** The log is moved into the database this often, by the thread, and only while nobody waits for it. */
const CHECKPOINT_EVERY_MS = 5_000

/**
 * Two connections to one file, of which one writes at a time. While the disk answers faster than a thread can be asked
 * (`DiskPace`), commits are made where they are needed, in the loop; else the thread makes them, all that have gathered
 * meanwhile in one. Either way a commit is synced before `sync` resolves.
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
        case 'durable':
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
  let unwritten: JournalEntry[] = []
  let durable = count
  /** Last entries of the batches that the thread is writing, in order; none when it is idle. */
  const threaded: number[] = []
  let uncheckpointed = 0
  const commits = {direct: 0, threaded: 0}

  const settle = (): void => {
    for (let first = waiting[0]; first !== undefined && first.seq <= durable; first = waiting[0]) {
      waiting.shift()
      first.resolve()
    }
  }
  const take = (): {readonly entries: readonly JournalEntry[]; readonly firstSeq: number} => {
    const entries = unwritten
    unwritten = []
    return {entries, firstSeq: count - entries.length + 1}
  }
  const writeHere = (): void => {
    const {entries, firstSeq} = take()
    const startedMs = performance.now()
    try {
      direct.commit(entries, firstSeq)
    } catch (error) {
      fail(error as Error)
      return
    }
    pace.onCommit(startedMs, performance.now())
    commits.direct++
    uncheckpointed += entries.length
    durable = count
    settle()
  }
  const writeThere = (): void => {
    threaded.push(count)
    worker.postMessage({kind: 'write', ...take()} satisfies JournalRequest)
  }
  /** Brings the entries to the disk. What is waited for goes behind a batch at work at once; the rest gathers meanwhile. */
  const write = (isAwaited: boolean): void => {
    if (unwritten.length === 0 || failure !== undefined) return
    if (threaded.length === 0 && pace.isQuick(performance.now())) writeHere()
    else if (isAwaited || threaded.length === 0) writeThere()
  }
  onAnswer = answer => {
    if (answer.kind !== 'durable') return
    durable = threaded.shift() ?? durable
    commits.threaded++
    uncheckpointed++
    pace.onThread(answer.ms)
    settle()
  }
  const sync = (): Promise<void> => {
    if (failure !== undefined) return Promise.reject(failure)
    write(true)
    if (failure !== undefined) return Promise.reject(failure)
    if (durable >= count) return Promise.resolve()
    const seq = count
    return new Promise((resolve, reject) => waiting.push({seq, resolve, reject}))
  }

  const timer = setInterval(() => write(false), WRITE_EVERY_MS)
  timer.unref()
  const tidy = setInterval(() => {
    if (uncheckpointed === 0 || threaded.length > 0) return
    uncheckpointed = 0
    worker.postMessage({kind: 'checkpoint'} satisfies JournalRequest)
  }, CHECKPOINT_EVERY_MS)
  tidy.unref()
  let isOpen = true
  const close = async (): Promise<void> => {
    if (!isOpen) return
    isOpen = false
    clearInterval(timer)
    clearInterval(tidy)
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
    commits: () => ({...commits}),
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

const errorOf = ({code, message, hints, exitCode}: Extract<JournalAnswer, {kind: 'failed'}>): Error =>
  code === undefined
    ? new Error(message)
    : new UserError(code, message, {hints, ...(exitCode === undefined ? {} : {exitCode: exitCode as ExitCode})})
