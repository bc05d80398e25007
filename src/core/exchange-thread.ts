import {Worker} from 'node:worker_threads'
import {errorOfRefusal, type Refusal} from './refusal.ts'

export interface ExchangeRequest {
  readonly seed: number
  /** Market microseconds a wall microsecond. */
  readonly speed: number
  /** The market's own when empty. */
  readonly symbols: readonly string[]
  readonly port: number
  readonly startUs?: number
  /** Requests a market minute that the exchange takes; 200, as at Alpaca, by default. */
  readonly requestsPerMinute?: number
  /** Finished orders that can still be asked for. */
  readonly keptOrders?: number
  /** Shares whose option chains the simulated market lists. */
  readonly optionsOn?: readonly string[]
  /** A catalog to replay instead of simulating. */
  readonly data?: string
}
export type ExchangeAnswer =
  | {
      readonly kind: 'ready'
      readonly url: string
      readonly streamUrl: string
      readonly startUs: number
      readonly symbols: readonly string[]
    }
  | {readonly kind: 'ended'}
  | {readonly kind: 'stopped'}
  | Refusal

export interface ExchangeThread extends AsyncDisposable {
  readonly url: string
  readonly streamUrl: string
  readonly startUs: number
  readonly symbols: readonly string[]
  /** Resolves when a replay has run out. */
  readonly ended: Promise<void>
}

/** Starts a local exchange in a thread of its own. Rejects with the UserError the exchange refused with. */
export const startExchangeThread = async (request: ExchangeRequest): Promise<ExchangeThread> => {
  const file = import.meta.url.endsWith('.ts') ? './exchange-worker.ts' : './exchange-worker.js'
  const worker = new Worker(new URL(file, import.meta.url), {workerData: request})
  let onEnded = (): void => {}
  const ended = new Promise<void>(resolve => {
    onEnded = resolve
  })
  const ready = await new Promise<Extract<ExchangeAnswer, {kind: 'ready'}>>((resolve, reject) => {
    worker.on('error', reject)
    worker.on('message', (answer: ExchangeAnswer) => {
      switch (answer.kind) {
        case 'ready':
          resolve(answer)
          return
        case 'ended':
        case 'stopped':
          onEnded()
          return
        case 'refused': {
          reject(errorOfRefusal(answer))
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
  worker.unref()
  return {
    ...ready,
    ended,
    [Symbol.asyncDispose]: async () => {
      await worker.terminate()
    },
  }
}
