import process from 'node:process'

/** `phase 12 of 40 · 1 min 20 s left` on one line of stderr, redrawn in place, ten times a second at most. */
export class ProgressLine {
  readonly #phase: string
  readonly #write: (text: string) => void
  readonly #now: () => number
  readonly #startMs: number
  #firstDone: number | undefined
  #drawnMs = Number.NEGATIVE_INFINITY

  constructor(
    phase: string,
    write: (text: string) => void = text => void process.stderr.write(text),
    now: () => number = Date.now,
  ) {
    this.#phase = phase
    this.#write = write
    this.#now = now
    this.#startMs = now()
  }

  /** An infinite total is one that is not known: then there is no time left to tell. */
  update(done: number, total: number, words = `${Math.floor((100 * done) / Math.max(1, total))} %`): void {
    const nowMs = this.#now()
    // What was there at the start cost no time now, so it says nothing of the pace.
    this.#firstDone ??= done
    if (nowMs - this.#drawnMs < 100 && done < total) return
    this.#drawnMs = nowMs
    const made = done - this.#firstDone
    const leftMs = made > 0 && total < Infinity ? ((nowMs - this.#startMs) / made) * (total - done) : undefined
    this.#write(
      `\r\u001B[2K${this.#phase} ${words}${leftMs === undefined || done >= total ? '' : ` · ${span(leftMs)} left`}`,
    )
  }

  clear(): void {
    if (this.#drawnMs > Number.NEGATIVE_INFINITY) this.#write('\r\u001B[2K')
  }
}

const span = (ms: number): string => {
  const seconds = Math.ceil(ms / 1000)
  if (seconds < 60) return `${seconds} s`
  const minutes = Math.floor(seconds / 60)
  return minutes < 60 ? `${minutes} min ${seconds % 60} s` : `${Math.floor(minutes / 60)} h ${minutes % 60} min`
}
