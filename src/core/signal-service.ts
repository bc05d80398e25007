// Columns are sized from the instrument table and a prediction has three classes, so `!` cannot miss here.
import {Aggressor, Depth, EventKind, type TapeChunk} from '../data/tape.ts'
import {lotsToSize, ticksToPrice} from '../domain/instrument.ts'
import {barSchema} from '../features/bar-features.ts'
import {BookFeatures, bookSchema} from '../features/book-features.ts'
import {FeatureWindow, schemaKey} from '../features/features.ts'
import {MultiFeatures, multiSchema} from '../features/multi-features.ts'
import {sessionNamed} from '../features/session-clock.ts'
import {BookReader} from '../models/book-dataset.ts'
import type {ModelCard} from '../models/card.ts'
import type {Prediction} from '../models/inference.ts'
import {type ModelDescription, requireFeatures} from '../models/model-file.ts'
import {viewOf} from '../models/signal-model.ts'
import type {Answer, ModelOpinion, SignalModel, SignalModelRequest} from '../strategies/services.ts'
import {patternEvidence} from './pattern-evidence.ts'
import {RunBars} from './run-bars.ts'

/** Answers for one window; at once, or when another thread has it. */
export type AskPredictor = (window: Float32Array) => Answer<Prediction>

export interface ServedModel {
  readonly description: ModelDescription
  readonly card: Pick<ModelCard, 'data'> | undefined
  readonly ask: AskPredictor
}

/** The model over the market of one run, by the features it was trained on. Throws UserError for features of another kind. */
export const signalModelOf = (served: ServedModel, request: SignalModelRequest): SignalModel =>
  served.description.features.startsWith('book@') ? new BookModel(served, request) : new BarModel(served, request)

/**
 * When the model's training and selection ended, by symbol. A symbol it never saw counts from the latest end of all groups:
 * markets move together. A coin against the dollar and against its stand-ins is one market. 0 without a card: nothing is
 * known.
 */
export const seenUntil = (card: Pick<ModelCard, 'data'> | undefined): ((symbol: string) => number) => {
  const groups = (card?.data.split.boundaries ?? []).map(({symbols, test}) => ({
    symbols: new Set(symbols.map(inDollars)),
    untilUs: Date.parse(test) * 1000,
  }))
  const latest = groups.reduce((most, {untilUs}) => Math.max(most, untilUs), 0)
  return symbol => groups.find(({symbols}) => symbols.has(inDollars(symbol)))?.untilUs ?? latest
}

const inDollars = (symbol: string): string => symbol.replace(/\/USD[TC]\b/, '/USD')

interface Stream<F> {
  readonly features: F
  readonly window: FeatureWindow
}

const numberOf = (description: ModelDescription, key: string): number => {
  const value = description.labels[key]
  return typeof value === 'number' ? value : 0
}

/** What the numbers of a prediction are worth in basis points, frozen when it was asked for. */
interface Units {
  /** One unit of the `move` head. */
  readonly moveBps: number
  /** Distance of the direction labels. */
  readonly barrierBps: number
  readonly rowUs: number
}

const opinionOf = (prediction: Prediction, description: ModelDescription, units: Units): ModelOpinion => {
  const view = viewOf(prediction, 0, description, {rowUs: units.rowUs})
  const [down, flat, up] = [prediction.probabilities[0]!, prediction.probabilities[1]!, prediction.probabilities[2]!]
  return {
    direction: view.direction,
    confidence: view.confidence,
    flatProbability: flat,
    strength: view.strength,
    holdingPeriodUs: view.holdingPeriodUs,
    size: view.size,
    moveBps: view.move * units.moveBps,
    edgeBps: (up - down) * units.barrierBps,
  }
}

/** Asks once; the opinion is made when the prediction is there and stays what it is. */
const answerOf = (
  {description, ask}: ServedModel,
  window: FeatureWindow,
  units: Units,
): Answer<ModelOpinion> | undefined => {
  if (!window.isFull) return undefined
  const input = new Float32Array(description.window * description.width)
  window.copyTo(input)
  const prediction = ask(input)
  let opinion: ModelOpinion | undefined
  return () => {
    if (opinion !== undefined) return opinion
    const known = prediction()
    if (known !== undefined) opinion = opinionOf(known, description, units)
    return opinion
  }
}

class BarModel implements SignalModel {
  readonly name: string
  readonly rows = 'bar'
  readonly seenUntilUs: (instrument: number) => number
  readonly #served: ServedModel
  readonly #request: SignalModelRequest
  readonly #bars: RunBars
  readonly #streams = new Map<number, Stream<MultiFeatures>>()
  readonly #row = new Float32Array(multiSchema.names.length)
  /** The model also looks at quotes and retrieved patterns; what the run does not have is flagged as absent. */
  readonly #isMulti: boolean
  readonly #signedVolume: Float64Array

  constructor(served: ServedModel, request: SignalModelRequest) {
    const {description} = served
    this.#isMulti = description.features === schemaKey(multiSchema)
    if (!this.#isMulti) requireFeatures(description, schemaKey(barSchema))
    this.#signedVolume = new Float64Array(request.instruments.size)
    const until = seenUntil(served.card)
    this.name = description.name
    this.#served = served
    this.#request = request
    this.seenUntilUs = i => until(request.instruments.at(i).symbol)
    this.#bars = new RunBars(request.instruments, description.periodUs, (i, bar) => {
      const {features, window} = this.#streamOf(i)
      if (features.push(bar, this.#row)) window.reset()
      window.push(this.#row.subarray(0, description.width))
      request.onRow(i, bar.tsUs)
    })
  }

  onEvent(chunk: TapeChunk, row: number): void {
    this.#bars.onRow(chunk, row)
    if (this.#isMulti) this.#onTick(chunk, row)
  }

  #onTick(chunk: TapeChunk, row: number): void {
    const i = chunk.instrument[row]!
    const instrument = this.#request.instruments.at(i)
    if (chunk.kind[row] === EventKind.trade) {
      const size = lotsToSize(instrument, chunk.v1[row]!)
      const flag = chunk.flags[row]
      this.#signedVolume[i]! += flag === Aggressor.buy ? size : flag === Aggressor.sell ? -size : 0
    }
    if (chunk.kind[row] !== EventKind.quote || chunk.v2[row]! <= 0 || chunk.v3[row]! <= 0) return
    this.#streamOf(i).features.onBook({
      tsUs: chunk.tsUs[row]!,
      bidPrices: [ticksToPrice(instrument, chunk.v0[row]!)],
      askPrices: [ticksToPrice(instrument, chunk.v1[row]!)],
      bidSizes: [lotsToSize(instrument, chunk.v2[row]!)],
      askSizes: [lotsToSize(instrument, chunk.v3[row]!)],
      signedVolume: this.#signedVolume[i]!,
    })
    this.#signedVolume[i] = 0
  }

  ask(instrument: number): Answer<ModelOpinion> | undefined {
    const {features, window} = this.#streamOf(instrument)
    const {description} = this.#served
    // Triple-barrier labels: distances are deviations over the whole horizon, never nearer than the cost.
    const moveBps = 1e4 * features.deviation * Math.sqrt(description.horizon)
    return answerOf(this.#served, window, {
      moveBps,
      barrierBps: Math.max(numberOf(description, 'barrierDeviations') * moveBps, numberOf(description, 'costBps')),
      rowUs: description.periodUs,
    })
  }

  #streamOf(i: number): Stream<MultiFeatures> {
    const known = this.#streams.get(i)
    if (known !== undefined) return known
    const {session, width, window, horizon} = this.#served.description
    const {kind, symbol} = this.#request.instruments.at(i)
    // A stock's day is New York's whatever the model was trained on; coins have none.
    const clock = sessionNamed(kind === 'crypto' ? 'utc' : session)
    const patterns = this.#isMulti ? {patterns: patternEvidence(symbol)} : {}
    const made = {
      features: new MultiFeatures({session: clock, horizon, ...patterns}),
      window: new FeatureWindow(width, window),
    }
    this.#streams.set(i, made)
    return made
  }
}

/** Share of a new gap in the running mean of the time between two books. */
const GAP_RATE = 1 / 256

class BookModel implements SignalModel {
  readonly name: string
  readonly rows = 'book'
  readonly seenUntilUs: (instrument: number) => number
  readonly #served: ServedModel
  readonly #request: SignalModelRequest
  readonly #reader = new BookReader()
  readonly #streams = new Map<number, Stream<BookFeatures>>()
  readonly #row: Float32Array
  readonly #signedVolume: Float64Array
  readonly #lastUs: Float64Array
  readonly #meanGapUs: Float64Array

  constructor(served: ServedModel, request: SignalModelRequest) {
    const {description} = served
    requireFeatures(description, schemaKey(bookSchema))
    const until = seenUntil(served.card)
    this.name = description.name
    this.#served = served
    this.#request = request
    this.#row = new Float32Array(description.width)
    this.#signedVolume = new Float64Array(request.instruments.size)
    this.#lastUs = new Float64Array(request.instruments.size)
    this.#meanGapUs = new Float64Array(request.instruments.size)
    this.seenUntilUs = i => until(request.instruments.at(i).symbol)
  }

  onEvent(chunk: TapeChunk, row: number): void {
    const {market, instruments, onRow} = this.#request
    const i = chunk.instrument[row]!
    const kind = chunk.kind[row]
    if (kind === EventKind.trade) {
      const size = lotsToSize(instruments.at(i), chunk.v1[row]!)
      const flag = chunk.flags[row]
      this.#signedVolume[i]! += flag === Aggressor.buy ? size : flag === Aggressor.sell ? -size : 0
    }
    if (kind !== EventKind.depth || (chunk.flags[row]! & Depth.last) === 0) return
    const atUs = chunk.tsUs[row]!
    const book = this.#reader.read(market.books[i]!, instruments.at(i), atUs, this.#signedVolume[i]!)
    if (book === undefined) return
    const {features, window} = this.#streamOf(i)
    const isNew = features.push(book, this.#row)
    if (isNew) window.reset()
    else this.#meanGapUs[i]! += GAP_RATE * (atUs - this.#lastUs[i]! - this.#meanGapUs[i]!)
    this.#lastUs[i] = atUs
    this.#signedVolume[i] = 0
    window.push(this.#row)
    onRow(i, atUs)
  }

  ask(instrument: number): Answer<ModelOpinion> | undefined {
    const {market} = this.#request
    const {description} = this.#served
    const [bid, ask] = [market.bidTicks[instrument]!, market.askTicks[instrument]!]
    // Labels of books are in spreads at the time of the row.
    const spreadBps = bid > 0 && ask > bid ? (2e4 * (ask - bid)) / (bid + ask) : 0
    return answerOf(this.#served, this.#streamOf(instrument).window, {
      moveBps: spreadBps,
      barrierBps: numberOf(description, 'thresholdSpreads') * spreadBps,
      rowUs: this.#meanGapUs[instrument]!,
    })
  }

  #streamOf(i: number): Stream<BookFeatures> {
    const known = this.#streams.get(i)
    if (known !== undefined) return known
    const {width, window} = this.#served.description
    const made = {features: new BookFeatures(), window: new FeatureWindow(width, window)}
    this.#streams.set(i, made)
    return made
  }
}
