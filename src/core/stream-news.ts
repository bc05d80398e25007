import type {TradeEvent} from './trade-events.ts'

export interface StreamNewsOptions {
  /** Milliseconds of a running stopwatch. */
  readonly nowMs: () => number
  /** The market's time, for the records. */
  readonly nowUs: () => number
  readonly onEvent: (event: TradeEvent) => void
}

/** Tells when a stream of the venue is lost and when it is back: a node that hears nothing must not look like a quiet market. */
export class StreamNews {
  readonly #options: StreamNewsOptions
  readonly #lostMs = new Map<string, number>()

  constructor(options: StreamNewsOptions) {
    this.#options = options
  }

  /** Market data of one kind at least does not arrive. */
  get isBlind(): boolean {
    return [...this.#lostMs.keys()].some(stream => stream !== 'order')
  }

  onConnection(stream: string, connected: boolean): void {
    const {nowMs} = this.#options
    const lostMs = this.#lostMs.get(stream)
    if (!connected && lostMs === undefined) {
      this.#lostMs.set(stream, nowMs())
      this.#tell('warn', `the ${stream} stream of the venue is lost; it is asked for again until it is back`)
    } else if (connected && lostMs !== undefined) {
      this.#lostMs.delete(stream)
      this.#tell('info', `the ${stream} stream of the venue is back after ${((nowMs() - lostMs) / 1e3).toFixed(1)} s`)
    }
  }

  #tell(level: 'info' | 'warn', text: string): void {
    const {nowUs, onEvent} = this.#options
    onEvent({kind: 'log', tsUs: nowUs(), level, text})
  }
}
