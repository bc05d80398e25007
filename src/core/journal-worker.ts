import {parentPort, workerData} from 'node:worker_threads'
import type {JournalEntry} from '../broker/journal.ts'
import {UserError} from '../domain/errors.ts'
import {openSqliteJournal} from '../drivers/sqlite/journal.ts'

/** The thread that waits for the disk, so that the trading loop does not. */
export type JournalRequest =
  | {readonly kind: 'write'; readonly batch: number; readonly entries: readonly JournalEntry[]}
  | {readonly kind: 'close'}
export type JournalAnswer =
  | {readonly kind: 'ready'}
  | {readonly kind: 'durable'; readonly batch: number}
  | {readonly kind: 'closed'}
  | {
      readonly kind: 'failed'
      readonly code: string | undefined
      readonly message: string
      readonly hints: readonly string[]
      readonly exitCode: number | undefined
    }

const port = parentPort
if (port === null) throw new Error('journal-worker must run as a worker thread')
const tell = (answer: JournalAnswer): void => port.postMessage(answer)
const guard = (work: () => void): void => {
  try {
    work()
  } catch (error) {
    const {code, message, hints, exitCode} = error as Partial<UserError> & Error
    const isUser = error instanceof UserError
    tell({
      kind: 'failed',
      message,
      hints: hints ?? [],
      code: isUser ? code : undefined,
      exitCode: isUser ? exitCode : undefined,
    })
  }
}

guard(() => {
  const journal = openSqliteJournal((workerData as {readonly file: string}).file, {durable: 'sync'})
  port.on('message', (request: JournalRequest) =>
    guard(() => {
      if (request.kind === 'close') {
        journal[Symbol.dispose]()
        tell({kind: 'closed'})
        return
      }
      for (const entry of request.entries) journal.append(entry)
      journal.sync()
      tell({kind: 'durable', batch: request.batch})
    }),
  )
  tell({kind: 'ready'})
})
