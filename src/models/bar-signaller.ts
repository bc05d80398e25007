import {type BarInput, barSchema} from '../features/bar-features.ts'
import type {BookInput} from '../features/book-features.ts'
import {FeatureWindow, schemaKey} from '../features/features.ts'
import {MultiFeatures, multiSchema, type OptionsInput} from '../features/multi-features.ts'
import type {PatternSource} from '../features/pattern-features.ts'
import {type SessionClock, sessionNamed} from '../features/session-clock.ts'
import type {Prediction, SyncPredictor} from './inference.ts'
import {type ModelDescription, requireFeatures} from './model-file.ts'
import {type ModelView, type ViewOptions, viewOf} from './signal-model.ts'

export interface BarSignallerOptions extends ViewOptions {
  /** When given, `onBar` asks it in place. Without it, use `windowOf` with an asynchronous predictor. */
  readonly predictor?: SyncPredictor
  /** A pattern memory of an instrument's own, for models that retrieve; without it they do without. */
  readonly patterns?: (instrument: number) => PatternSource
  /** Trading day of an instrument where it is not that of the model. */
  readonly session?: (instrument: number) => SessionClock['name']
}

interface InstrumentState {
  readonly features: MultiFeatures
  readonly window: FeatureWindow
}

/**
 * From bars to a model's view, for any number of instruments: the feature path of training, kept up bar by bar. Silent
 * until a session has a full window. A model of several kinds of information may also be told of books and option chains;
 * what it is not told of is absent. Refuses a model trained on other features.
 */
export class BarSignaller {
  readonly description: ModelDescription
  readonly #options: BarSignallerOptions
  readonly #states = new Map<number, InstrumentState>()
  readonly #row = new Float32Array(multiSchema.names.length)
  readonly #windowBuffer: Float32Array

  constructor(description: ModelDescription, options: BarSignallerOptions = {}) {
    const isMulti = description.features === schemaKey(multiSchema)
    if (!isMulti) requireFeatures(description, schemaKey(barSchema))
    this.description = description
    this.#options = options
    this.#windowBuffer = new Float32Array(description.window * description.width)
  }

  /** Takes in a bar of the model's period; the view at its close, or undefined while the window fills. */
  onBar(instrument: number, bar: BarInput): ModelView | undefined {
    const predictor = this.#options.predictor
    if (predictor === undefined)
      throw new RangeError('onBar needs a synchronous predictor; use windowOf with an asynchronous one')
    return this.windowOf(instrument, bar, this.#windowBuffer)
      ? this.view(predictor.predict(this.#windowBuffer, 1))
      : undefined
  }

  /** Takes in a quote or a book; it shows in the row of the bar that closes after it. */
  onBook(instrument: number, book: BookInput): void {
    this.#stateOf(instrument).features.onBook(book)
  }

  onOptions(instrument: number, chain: OptionsInput): void {
    this.#stateOf(instrument).features.onOptions(chain)
  }

  /** Takes in a bar and copies the window that ends with it to `out` [window × features]; false while it fills. */
  windowOf(instrument: number, bar: BarInput, out: Float32Array): boolean {
    const state = this.#stateOf(instrument)
    if (state.features.push(bar, this.#row)) state.window.reset()
    state.window.push(this.#row.subarray(0, this.description.width))
    if (!state.window.isFull) return false
    state.window.copyTo(out)
    return true
  }

  view(prediction: Prediction, row = 0): ModelView {
    return viewOf(prediction, row, this.description, this.#options)
  }

  #stateOf(instrument: number): InstrumentState {
    const known = this.#states.get(instrument)
    if (known !== undefined) return known
    const {width, window, session, horizon, features} = this.description
    const clock = sessionNamed(this.#options.session?.(instrument) ?? session)
    const patterns = features === schemaKey(multiSchema) ? this.#options.patterns?.(instrument) : undefined
    const made = {
      features: new MultiFeatures({session: clock, horizon, ...(patterns === undefined ? {} : {patterns})}),
      window: new FeatureWindow(width, window),
    }
    this.#states.set(instrument, made)
    return made
  }
}
