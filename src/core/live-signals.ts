import {Aggressor, EventKind, type TapeChunk} from '../data/tape.ts'
import {type InstrumentTable, lotsToSize, ticksToPrice} from '../domain/instrument.ts'
import {BarSignaller} from '../models/bar-signaller.ts'
import type {Predictor} from '../models/inference.ts'
import type {ModelDescription} from '../models/model-file.ts'
import {type ModelView, viewOf} from '../models/signal-model.ts'
import {patternEvidence} from './pattern-evidence.ts'
import {RunBars} from './run-bars.ts'
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

/**
 * The signal model beside the loop: bars are built as events pass, a full window goes to the predictor's thread, and the
 * answer comes back as a signal of `model:NAME`. Nothing here blocks the loop or keeps an order waiting.
 */
export class LiveSignals {
  readonly #options: LiveSignalsOptions
  readonly #bars: RunBars
  readonly #signaller: BarSignaller
  readonly #takesBooks: boolean
  /** Traded since the last quote of an instrument, positive bought. */
  readonly #signedVolume = new Map<number, number>()
  /** Signals given, and how long the latest answer took in microseconds. */
  given = 0
  lastUs = 0

  constructor(options: LiveSignalsOptions) {
    const {instruments, model} = options
    this.#options = options
    this.#takesBooks = model.features.startsWith('multi@')
    this.#signaller = new BarSignaller(model, {
      // A stock's day is New York's whatever the model was trained on; coins have none.
      session: i => (instruments.at(i).kind === 'crypto' ? 'utc' : model.session),
      patterns: i => patternEvidence(instruments.at(i).symbol),
    })
    this.#bars = new RunBars(instruments, model.periodUs, (i, bar) => {
      const input = new Float32Array(model.window * model.width)
      if (this.#signaller.windowOf(i, bar, input)) void this.#predict(i, bar.tsUs, input)
    })
  }

  onChunk(chunk: TapeChunk): void {
    for (let row = 0; row < chunk.count; row++) {
      this.#bars.onRow(chunk, row)
      if (!this.#takesBooks) continue
      if (chunk.kind[row] === EventKind.quote) this.#onQuote(chunk, row)
      else if (chunk.kind[row] === EventKind.trade) this.#onTrade(chunk, row)
    }
  }

  #onQuote(chunk: TapeChunk, row: number): void {
    const i = chunk.instrument[row] as number
    const [bidTicks, askTicks, bidLots, askLots] = [chunk.v0, chunk.v1, chunk.v2, chunk.v3].map(
      column => column[row] as number,
    ) as [number, number, number, number]
    if (bidLots <= 0 || askLots <= 0) return
    const instrument = this.#options.instruments.at(i)
    this.#signaller.onBook(i, {
      tsUs: chunk.tsUs[row] as number,
      bidPrices: [ticksToPrice(instrument, bidTicks)],
      askPrices: [ticksToPrice(instrument, askTicks)],
      bidSizes: [lotsToSize(instrument, bidLots)],
      askSizes: [lotsToSize(instrument, askLots)],
      signedVolume: this.#signedVolume.get(i) ?? 0,
    })
    this.#signedVolume.set(i, 0)
  }

  #onTrade(chunk: TapeChunk, row: number): void {
    const i = chunk.instrument[row] as number
    const side = chunk.flags[row] === Aggressor.buy ? 1 : chunk.flags[row] === Aggressor.sell ? -1 : 0
    const size = lotsToSize(this.#options.instruments.at(i), chunk.v1[row] as number)
    this.#signedVolume.set(i, (this.#signedVolume.get(i) ?? 0) + side * size)
  }

  async #predict(i: number, tsUs: number, input: Float32Array): Promise<void> {
    const {instruments, model, predictor, onSignal, onFailure, nowMs} = this.#options
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
