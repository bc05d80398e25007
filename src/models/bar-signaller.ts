import {BarFeatures, type BarInput, barSchema} from '../features/bar-features.ts'
import {FeatureWindow, schemaKey} from '../features/features.ts'
import {sessionNamed} from '../features/session-clock.ts'
import type {Prediction, SyncPredictor} from './inference.ts'
import {type ModelDescription, requireFeatures} from './model-file.ts'
import {type ModelView, type ViewOptions, viewOf} from './signal-model.ts'

export interface BarSignallerOptions extends ViewOptions {
  /** When given, `onBar` asks it in place. Without it, use `windowOf` with an asynchronous predictor. */
  readonly predictor?: SyncPredictor
}

interface InstrumentState {
  readonly features: BarFeatures
  readonly window: FeatureWindow
}

/**
 * From bars to a model's view, for any number of instruments: the feature path of training, kept up bar by bar. Silent
 * until a session has a full window. Refuses a model trained on other features.
 */
export class BarSignaller {
  readonly description: ModelDescription
  readonly #options: BarSignallerOptions
  readonly #states = new Map<number, InstrumentState>()
  readonly #row = new Float32Array(barSchema.names.length)
  readonly #windowBuffer: Float32Array

  constructor(description: ModelDescription, options: BarSignallerOptions = {}) {
    requireFeatures(description, schemaKey(barSchema))
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

  /** Takes in a bar and copies the window that ends with it to `out` [window × features]; false while it fills. */
  windowOf(instrument: number, bar: BarInput, out: Float32Array): boolean {
    const state = this.#stateOf(instrument)
    if (state.features.push(bar, this.#row)) state.window.reset()
    state.window.push(this.#row)
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
    const {width, window, session} = this.description
    const made = {features: new BarFeatures(sessionNamed(session)), window: new FeatureWindow(width, window)}
    this.#states.set(instrument, made)
    return made
  }
}
