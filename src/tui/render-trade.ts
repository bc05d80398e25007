import process from 'node:process'
import {Worker} from 'node:worker_threads'
import type {TradeEvent} from '../core/trade-events.ts'

export interface LiveView {
  readonly show: (event: TradeEvent) => void
  /** Draws the last state once more and gives the terminal back. */
  readonly close: () => Promise<void>
}

/** What the drawing thread is told. */
export type ViewMessage =
  | {readonly kind: 'events'; readonly events: readonly TradeEvent[]}
  | {readonly kind: 'size'; readonly columns: number; readonly rows: number}
  | {readonly kind: 'close'}
/** What it answers: bytes for the terminal, and that it has drawn for the last time. */
export type ViewAnswer = {readonly kind: 'output'; readonly text: string} | {readonly kind: 'closed'}

const BATCH_MS = 80
const CTRL_C = '\u0003'

/**
 * The live view on this process's terminal. It is folded, laid out and drawn in a worker thread: one Ink frame takes 5 ms
 * and more, which the trading loop must not wait for. This side only passes events on, writes the answer and reads keys.
 * `onQuit` is called for q and Ctrl-C, and when the terminal is gone.
 */
export const renderTrade = (onQuit: () => void): LiveView => {
  const {stdin, stdout} = process
  // Compiled only: Node runs no .tsx, so the source tree has no file by this name and needs none.
  const worker = new Worker(new URL('./trade-worker.js', import.meta.url), {
    workerData: {columns: stdout.columns, rows: stdout.rows},
    env: viewEnvironment(process.env),
  })
  const closed = new Promise<void>((resolve, reject) => {
    worker.on('error', reject)
    worker.on('message', (answer: ViewAnswer) => {
      if (answer.kind === 'output') stdout.write(answer.text)
      else resolve()
    })
  })
  // A view that fails must not stop trading; whoever closes it hears of it.
  closed.catch(() => {})
  const post = (message: ViewMessage): void => worker.postMessage(message)

  let batch: TradeEvent[] = []
  const flush = (): void => {
    if (batch.length > 0) post({kind: 'events', events: batch})
    batch = []
  }
  const timer = setInterval(flush, BATCH_MS)
  const onResize = (): void => post({kind: 'size', columns: stdout.columns, rows: stdout.rows})
  const onKey = (key: Buffer): void => {
    const text = key.toString('utf8')
    if (text === 'q' || text === 'Q' || text.includes(CTRL_C)) onQuit()
  }
  stdout.on('resize', onResize)
  const raw = stdin.isTTY === true
  if (raw) {
    stdin.setRawMode(true)
    stdin.on('data', onKey)
    stdin.on('error', onQuit)
  }
  return {
    show(event) {
      batch.push(event)
    },
    async close() {
      clearInterval(timer)
      stdout.off('resize', onResize)
      if (raw) {
        stdin.off('data', onKey)
        stdin.setRawMode(false)
        stdin.pause()
      }
      flush()
      post({kind: 'close'})
      await closed
      await worker.terminate()
    },
  }
}

/** Of the drawing thread. Ink's colours know `FORCE_COLOR` alone; a `NO_COLOR` that is set to anything says none. */
export const viewEnvironment = (environment: NodeJS.ProcessEnv): NodeJS.ProcessEnv => ({
  ...environment,
  NODE_ENV: 'production',
  ...((environment['NO_COLOR'] ?? '') === '' ? {} : {FORCE_COLOR: '0'}),
})
