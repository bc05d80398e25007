import {performance} from 'node:perf_hooks'
import {parentPort, workerData} from 'node:worker_threads'
import type {JournalEntry} from '../broker/journal.ts'
import {UserError} from '../domain/errors.ts'
import {openJournalWriter} from '../drivers/sqlite/journal-writer.ts'

/** The thread that waits for a slow disk, so that the trading loop does not, and that tidies the log when nobody waits. */
export type JournalRequest =
  /** `isAwaited`: on the disk when it is answered; else only written. */
  | {
      readonly kind: 'write'
      readonly firstSeq: number
      readonly entries: readonly JournalEntry[]
      readonly isAwaited: boolean
    }
  | {readonly kind: 'checkpoint'}
  | {readonly kind: 'close'}
export type JournalAnswer =
  | {readonly kind: 'ready'}
  /** `ms`: of what was synced, undefined where nothing was. */
  | {readonly kind: 'written'; readonly ms: number | undefined}
  /** `isShort`: the log begins anew. */
  | {readonly kind: 'checkpointed'; readonly isShort: boolean}
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
  const writer = openJournalWriter((workerData as {readonly file: string}).file)
  writer.reserve()
  port.on('message', (request: JournalRequest) =>
    guard(() => {
      switch (request.kind) {
        case 'write': {
          const startedMs = performance.now()
          writer.commit(request.entries, request.firstSeq)
          if (request.isAwaited) writer.flush()
          tell({kind: 'written', ms: request.isAwaited ? performance.now() - startedMs : undefined})
          return
        }
        case 'checkpoint':
          tell({kind: 'checkpointed', isShort: writer.checkpoint()})
          return
        case 'close':
          writer[Symbol.dispose]()
          tell({kind: 'closed'})
          return
        default:
          request satisfies never
      }
    }),
  )
  tell({kind: 'ready'})
})
