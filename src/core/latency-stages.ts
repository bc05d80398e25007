import {build, type Histogram} from 'hdr-histogram-js'

export interface Quantiles {
  readonly p50: number
  readonly p99: number
}

/** What an order goes through from the market's message to its own, in order. */
export const STAGES = ['decode', 'handover', 'decide', 'gather', 'sync', 'send'] as const
export type Stage = (typeof STAGES)[number]

export interface WireLatency {
  /** Market message off the socket to the order's bytes handed to the system, synced journal included. */
  readonly wire: Quantiles
  /**
   * Of that: `decode` the message into rows, `handover` to the node, `decide` (strategies, allocation, risk, journal
   * entries), `gather` what else the chunk brings, `sync` the journal, `send` (request written).
   */
  readonly stages: Readonly<Record<Stage, Quantiles>>
  /** Orders that waited for the venue's request limit; they are in neither. */
  readonly waited: number
}

/** Age of what is in hand, microseconds: of the message that brought its first row, and of that row. */
export interface FeedAge {
  readonly messageUs: number
  readonly rowUs: number
}

interface Path {
  /** Ends of the stages so far, from the message on. */
  readonly at: number[]
}

const MOST_PENDING = 10_000

/** Follows each order from the market's message to the socket, by microseconds of one stopwatch. */
export class LatencyStages {
  readonly #nowUs: () => number
  readonly #wire = histogram()
  readonly #stages = STAGES.map(histogram)
  readonly #paths = new Map<string, Path>()
  readonly #unsynced: Path[] = []
  #waited = 0
  #messageUs = 0
  #rowUs = 0
  #takenUs = 0

  constructor(nowUs: () => number) {
    this.#nowUs = nowUs
  }

  onTaken({messageUs, rowUs}: FeedAge): void {
    this.#takenUs = this.#nowUs()
    this.#messageUs = this.#takenUs - messageUs
    this.#rowUs = this.#takenUs - rowUs
  }
  /** Decided on rows in hand. */
  onDecided(clientOrderId: string): void {
    if (this.#paths.size >= MOST_PENDING) this.#paths.clear()
    const path = {at: [this.#messageUs, this.#rowUs, this.#takenUs, this.#nowUs()]}
    this.#paths.set(clientOrderId, path)
    this.#unsynced.push(path)
  }
  /** The journal begins to sync what has gathered. */
  onSync(): void {
    if (this.#unsynced.length === 0) return
    const now = this.#nowUs()
    for (const {at} of this.#unsynced.splice(0)) at.push(now)
  }
  onSynced(clientOrderId: string): void {
    this.#paths.get(clientOrderId)?.at.push(this.#nowUs())
  }
  /** The order's request is with the system. */
  onWritten(clientOrderId: string): void {
    const path = this.#paths.get(clientOrderId)
    if (path === undefined) return
    this.#paths.delete(clientOrderId)
    path.at.push(this.#nowUs())
    if (path.at.length !== STAGES.length + 1) return
    for (let k = 0; k < STAGES.length; k++)
      (this.#stages[k] as Histogram).recordValue(
        Math.max(0, Math.round((path.at[k + 1] as number) - (path.at[k] as number))),
      )
    this.#wire.recordValue(Math.round((path.at.at(-1) as number) - (path.at[0] as number)))
  }
  onWait(clientOrderId: string): void {
    if (this.#paths.delete(clientOrderId)) this.#waited++
  }
  /** It will not be sent. */
  onRefused(clientOrderId: string): void {
    this.#paths.delete(clientOrderId)
  }

  quantiles(): WireLatency {
    return {
      wire: quantilesOf(this.#wire),
      waited: this.#waited,
      stages: Object.fromEntries(
        STAGES.map((stage, k) => [stage, quantilesOf(this.#stages[k] as Histogram)]),
      ) as Record<Stage, Quantiles>,
    }
  }
}

const histogram = (): Histogram => build({highestTrackableValue: 60_000_000, numberOfSignificantValueDigits: 2})
const quantilesOf = (measured: Histogram): Quantiles => ({
  p50: measured.getValueAtPercentile(50),
  p99: measured.getValueAtPercentile(99),
})
