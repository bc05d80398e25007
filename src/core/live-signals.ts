import type {TapeChunk} from '../data/tape.ts'
import type {InstrumentTable} from '../domain/instrument.ts'
import {BarFeatures} from '../features/bar-features.ts'
import {FeatureWindow} from '../features/features.ts'
import {sessionNamed} from '../features/session-clock.ts'
import type {Predictor} from '../models/inference.ts'
import type {ModelDescription} from '../models/model-file.ts'
import {type ModelView, viewOf} from '../models/signal-model.ts'
import {LiveBars} from './live-bars.ts'
import type {SignalEvent} from './trade-events.ts'

export interface LiveSignalsOptions {
  readonly instruments: InstrumentTable
  readonly model: ModelDescription
  readonly predictor: Pick<Predictor, 'predict'>
  readonly onSignal: (signal: SignalEvent) => void
  /** An answer that did not come: told once a time it happens, trading goes on without it. */
  readonly onFailure: (error: Error) => void
  /** Milliseconds of a running stopwatch. */
  readonly nowMs: () => number
}

interface Stream {
  readonly features: BarFeatures
  readonly window: FeatureWindow
}

/**
 * The signal model beside the loop: bars are built as events pass, a full window goes to the predictor's thread, and the
 * answer comes back as a signal of `model:NAME`. Nothing here blocks the loop or keeps an order waiting.
 */
export class LiveSignals {
  readonly #options: LiveSignalsOptions
  readonly #bars: LiveBars
  readonly #streams = new Map<number, Stream>()
  readonly #row: Float32Array
  /** Signals given, and how long the latest answer took in microseconds. */
  given = 0
  lastUs = 0

  constructor(options: LiveSignalsOptions) {
    const {instruments, model} = options
    this.#options = options
    this.#row = new Float32Array(model.width)
    this.#bars = new LiveBars(instruments, model.periodUs, (i, bar) => {
      const stream = this.#streamOf(i)
      if (stream.features.push(bar, this.#row)) stream.window.reset()
      stream.window.push(this.#row)
      if (stream.window.isFull) void this.#predict(i, bar.tsUs, stream)
    })
  }

  onChunk(chunk: TapeChunk): void {
    for (let row = 0; row < chunk.count; row++) this.#bars.onRow(chunk, row)
  }

  #streamOf(i: number): Stream {
    const {instruments, model} = this.#options
    let stream = this.#streams.get(i)
    if (stream === undefined) {
      // A stock's day is New York's whatever the model was trained on; coins have none.
      const session = instruments.at(i).kind === 'crypto' ? 'utc' : model.session
      stream = {features: new BarFeatures(sessionNamed(session)), window: new FeatureWindow(model.width, model.window)}
      this.#streams.set(i, stream)
    }
    return stream
  }

  async #predict(i: number, tsUs: number, {window}: Stream): Promise<void> {
    const {instruments, model, predictor, onSignal, onFailure, nowMs} = this.#options
    const input = new Float32Array(model.window * model.width)
    window.copyTo(input)
    const askedMs = nowMs()
    let view: ModelView
    try {
      view = viewOf(await predictor.predict(input, 1), 0, model)
    } catch (error) {
      onFailure(error as Error)
      return
    }
    this.lastUs = Math.round((nowMs() - askedMs) * 1_000)
    this.given++
    const {direction, strength, holdingPeriodUs, size, confidence} = view
    onSignal({
      kind: 'signal',
      strategy: `model:${model.name}`,
      symbol: instruments.at(i).symbol,
      tsUs,
      direction,
      strength: Math.min(1, strength),
      holdingPeriodUs,
      size: Math.min(1, size),
      confidence: Math.min(1, confidence),
    })
  }
}
