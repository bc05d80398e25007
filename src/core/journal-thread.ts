import {Worker} from 'node:worker_threads'
import type {Journal, JournalEntry} from '../broker/journal.ts'
import {JournalHash} from '../broker/journal-hash.ts'
import {type ExitCode, UserError} from '../domain/errors.ts'
import {openSqliteJournal} from '../drivers/sqlite/journal.ts'
import type {JournalAnswer, JournalRequest} from './journal-worker.ts'

/**
 * The SQLite journal behind a thread of its own. `append` returns at once; an entry is durable when a later `sync`
 * resolves, so whoever sends orders awaits that first (`journaledBroker` does).
 */
export interface ThreadJournal extends Journal, AsyncDisposable {
  /** Resolves when every entry appended before is on the disk; rejects when one never will be. */
  readonly sync: () => Promise<void>
}

/** Entries that no order waits for are handed to the disk this soon; a crash before that is made good by reconciliation. */
const WRITE_EVERY_MS = 25

export const openJournalThread = async (file: string, onFailure: (error: Error) => void): Promise<ThreadJournal> => {
  const name = import.meta.url.endsWith('.ts') ? './journal-worker.ts' : './journal-worker.js'
  const worker = new Worker(new URL(name, import.meta.url), {workerData: {file}})
  const waiting = new Map<number, {readonly resolve: () => void; readonly reject: (error: Error) => void}>()
  let failure: Error | undefined
  const fail = (error: Error): void => {
    failure ??= error
    for (const {reject} of waiting.values()) reject(error)
    waiting.clear()
    onFailure(error)
  }
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
          waiting.get(answer.batch)?.resolve()
          waiting.delete(answer.batch)
          return
        case 'closed':
          waiting.get(CLOSING)?.resolve()
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
  let unwritten: JournalEntry[] = []
  let batch = 0
  const write = (): number => {
    worker.postMessage({kind: 'write', batch: ++batch, entries: unwritten} satisfies JournalRequest)
    unwritten = []
    return batch
  }
  const settled = (id: number): Promise<void> =>
    new Promise((resolve, reject) => {
      if (failure === undefined) waiting.set(id, {resolve, reject})
      else reject(failure)
    })
  const timer = setInterval(() => {
    if (unwritten.length > 0) write()
  }, WRITE_EVERY_MS)
  timer.unref()
  const sync = (): Promise<void> => settled(write())
  let isOpen = true
  const close = async (): Promise<void> => {
    if (!isOpen) return
    isOpen = false
    clearInterval(timer)
    try {
      if (failure === undefined) {
        await sync()
        worker.postMessage({kind: 'close'} satisfies JournalRequest)
        await settled(CLOSING)
      }
    } finally {
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
      if (unwritten.length > 0 || waiting.size > 0) throw new Error('sync the journal before reading it')
      using past = openSqliteJournal(file, {readOnly: true})
      yield* past.entries()
    },
    hash: () => hash.digest(),
    [Symbol.dispose]: () => void close(),
    [Symbol.asyncDispose]: close,
  }
}

const CLOSING = -1

const errorOf = ({code, message, hints, exitCode}: Extract<JournalAnswer, {kind: 'failed'}>): Error =>
  code === undefined
    ? new Error(message)
    : new UserError(code, message, {hints, ...(exitCode === undefined ? {} : {exitCode: exitCode as ExitCode})})
