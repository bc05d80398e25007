import {once} from 'node:events'
import {Worker} from 'node:worker_threads'
import type {Config} from '../config/schema.ts'
import type {MemoryBank} from '../memory/memory.ts'
import type {PatternWrite} from '../memory/pattern.ts'
import type {WriterAnswer, WriterRequest} from './pattern-writer-worker.ts'

export interface WriterData {
  readonly config: Config
  /** Folder of the bank. */
  readonly directory: string
  readonly environment: Readonly<Record<string, string | undefined>>
}

export interface PatternWriter extends AsyncDisposable {
  /** Hands over what the bank has changed since; a batch that could not be written goes back to the bank. */
  readonly write: () => void
}

const WRITE_EVERY_MS = 2_000

/**
 * Makes a bank's changes durable from a thread of its own: one synced write takes 2 to 12 ms, which the trading loop
 * must not wait for. What is still under way when it closes is written before it has closed.
 */
export const startPatternWriter = async (
  bank: Pick<MemoryBank, 'takeWrites' | 'returnWrites'>,
  workerDataOf: WriterData,
  onFailure: (message: string) => void,
): Promise<PatternWriter> => {
  const file = import.meta.url.endsWith('.ts') ? './pattern-writer-worker.ts' : './pattern-writer-worker.js'
  const worker = new Worker(new URL(file, import.meta.url), {workerData: workerDataOf})
  await once(worker, 'message')
  const under = new Map<number, readonly PatternWrite[]>()
  let batch = 0
  let onIdle = (): void => {}
  const giveBack = (number: number, message: string): void => {
    bank.returnWrites(under.get(number) ?? [])
    under.delete(number)
    onFailure(message)
  }
  worker.on('message', (answer: WriterAnswer) => {
    if (answer.kind === 'written') under.delete(answer.batch)
    if (answer.kind === 'failed') giveBack(answer.batch, answer.message)
    if (under.size === 0) onIdle()
  })
  worker.on('error', (error: Error) => {
    for (const number of [...under.keys()].reverse()) giveBack(number, error.message)
    onIdle()
  })
  const write = (): void => {
    // One batch at a time: changes reach the store in the order they were made.
    if (under.size > 0) return
    const writes = bank.takeWrites()
    if (writes.length === 0) return
    under.set(++batch, writes)
    worker.postMessage({batch, writes} satisfies WriterRequest)
  }
  const timer = setInterval(write, WRITE_EVERY_MS)
  timer.unref()
  return {
    write,
    [Symbol.asyncDispose]: async () => {
      clearInterval(timer)
      write()
      if (under.size > 0)
        await new Promise<void>(resolve => {
          onIdle = resolve
        })
      await worker.terminate()
    },
  }
}
