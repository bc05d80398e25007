// Columns are indexed by instruments of the run's table, so `!` cannot miss here.
import {type MarketState, midTicks} from '../../data/market-state.ts'
import type {TapeChunk} from '../../data/tape.ts'
import type {InstrumentTable} from '../../domain/instrument.ts'
import type {Answer, ModelOpinion, SignalModel, StrategyServices} from '../services.ts'
import type {StrategyContext} from '../strategy.ts'

export interface AdvisorOptions {
  readonly market: MarketState
  readonly instruments: InstrumentTable
  /** Market time between two questions about an instrument; also the age from which an answer counts no more, fivefold. */
  readonly everyUs: number
  /** How long before the end of the model's own data its features begin to be kept up. */
  readonly warmupUs: number
  readonly isWanted: (instrument: number) => boolean
  /** The expected move of the mid, ticks; 0 when there is no fresh one. */
  readonly onMove: (instrument: number, moveTicks: number) => void
}

/**
 * A book model beside a market maker: asked once in a while at a complete book, and heard when it has answered. Never about
 * a time its training has seen.
 */
export class ModelAdvisor {
  answers = 0
  seenInTraining = 0
  readonly #options: AdvisorOptions
  readonly #model: SignalModel
  readonly #nextUs: Float64Array
  readonly #freshUntilUs: Float64Array
  readonly #seenUntilUs: Float64Array
  readonly #pending = new Map<number, Answer<ModelOpinion>>()
  #nowUs = 0

  /** Undefined where the run has no such model, or one that does not read books. */
  static open(name: string, {model: open}: StrategyServices, options: AdvisorOptions): ModelAdvisor | undefined {
    let advisor: ModelAdvisor | undefined
    const {market, instruments} = options
    const model = open?.({name, market, instruments, onRow: i => advisor?.onRow(i)})
    if (model?.rows === 'book') advisor = new ModelAdvisor(model, options)
    return advisor
  }

  constructor(model: SignalModel, options: AdvisorOptions) {
    const {size} = options.instruments
    this.#model = model
    this.#options = options
    this.#nextUs = new Float64Array(size)
    this.#freshUntilUs = new Float64Array(size)
    this.#seenUntilUs = Float64Array.from({length: size}, (_, i) => model.seenUntilUs(i))
  }

  onEvent({nowUs}: StrategyContext, chunk: TapeChunk, row: number): void {
    const i = chunk.instrument[row]!
    if (!this.#options.isWanted(i)) return
    this.#nowUs = nowUs
    if (this.#pending.size > 0) this.#hear(i, nowUs)
    if (nowUs > this.#freshUntilUs[i]! && this.#freshUntilUs[i]! > 0) {
      this.#freshUntilUs[i] = 0
      this.#options.onMove(i, 0)
    }
    if (nowUs >= this.#seenUntilUs[i]! - this.#options.warmupUs) this.#model.onEvent(chunk, row)
    else this.seenInTraining++
  }

  onRow(i: number): void {
    if (this.#nowUs < this.#nextUs[i]!) return
    if (this.#nowUs < this.#seenUntilUs[i]!) {
      this.seenInTraining++
      return
    }
    const answer = this.#model.ask(i)
    if (answer === undefined) return
    this.#nextUs[i] = this.#nowUs + this.#options.everyUs
    this.#pending.set(i, answer)
    this.#hear(i, this.#nowUs)
  }

  report(): Readonly<Record<string, number | string>> {
    return {
      model: this.#model.name,
      modelAnswers: this.answers,
      ...(this.answers === 0 && this.seenInTraining > 0 ? {modelSilent: 'its training has seen this market'} : {}),
    }
  }

  #hear(i: number, nowUs: number): void {
    const opinion = this.#pending.get(i)?.()
    if (opinion === undefined) return
    this.#pending.delete(i)
    this.answers++
    this.#freshUntilUs[i] = nowUs + 5 * this.#options.everyUs
    this.#options.onMove(i, (opinion.moveBps * midTicks(this.#options.market, i)) / 1e4)
  }
}
